//! Widths of Helvetica, in thousandths of its size, as its published metrics (AFM) say; and text in the letters that it has.

use deunicode::deunicode_char;

/// A face of Helvetica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Face {
    /// Upright.
    Regular,
    /// Bold.
    Bold,
}

/// From the space to the tilde.
const REGULAR: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556,
    556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667,
    611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667,
    667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500,
    222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
];

/// From the space to the tilde.
const BOLD: [u16; 95] = [
    278, 333, 474, 556, 556, 889, 722, 238, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556,
    556, 556, 556, 556, 556, 556, 556, 333, 333, 584, 584, 584, 611, 975, 722, 722, 722, 722, 667,
    611, 778, 722, 278, 556, 722, 611, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667,
    667, 611, 333, 278, 333, 584, 556, 333, 556, 611, 556, 611, 556, 333, 611, 611, 278, 278, 556,
    278, 889, 611, 611, 611, 611, 389, 556, 333, 611, 556, 778, 556, 556, 500, 389, 280, 389, 584,
];

impl Face {
    /// How wide a text of [`plain`] letters is, in points.
    pub(super) fn width(self, text: &str, size: f32) -> f32 {
        let widths = match self {
            Self::Regular => &REGULAR,
            Self::Bold => &BOLD,
        };
        let width = |byte: u8| widths.get(usize::from(byte.wrapping_sub(b' '))).copied();
        let all: u32 = text
            .bytes()
            .map(|byte| u32::from(width(byte).unwrap_or(0)))
            .sum();
        // Texts are far shorter than what a float holds exactly.
        #[allow(clippy::cast_precision_loss, reason = "thousandths of a short text")]
        let all = all as f32;
        all * size / 1000.0
    }

    /// A text in lines no wider than `width` points, at most `lines_max`; what does not fit ends in dots.
    pub(super) fn lines(self, text: &str, size: f32, width: f32, lines_max: usize) -> Vec<String> {
        let fits = |text: &str| self.width(text, size) <= width;
        let mut lines: Vec<String> = Vec::new();
        for word in text.split_whitespace() {
            let longer = lines.last().map(|line| format!("{line} {word}"));
            match longer.filter(|longer| fits(longer)) {
                Some(longer) => {
                    lines.pop();
                    lines.push(longer);
                }
                None if lines.len() < lines_max => lines.push(self.cut(word, size, width)),
                None => {
                    let last = lines.pop().unwrap_or_default();
                    lines.push(self.cut(&format!("{last} {word}"), size, width));
                    break;
                }
            }
        }
        lines
    }

    /// As much of a text as fits, with dots where something is missing.
    fn cut(self, text: &str, size: f32, width: f32) -> String {
        if self.width(text, size) <= width {
            return text.to_owned();
        }
        let mut kept = text.to_owned();
        while !kept.is_empty() && self.width(&format!("{kept}..."), size) > width {
            kept.pop();
        }
        format!("{kept}...")
    }
}

/// A text in letters that the font has, one line of it: rupees as `Rs.`, other scripts in Latin letters.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            ' '..='~' => out.push(letter),
            '₹' => out.push_str("Rs. "),
            _ if letter.is_control() || letter.is_whitespace() => out.push(' '),
            _ => {
                let known = deunicode_char(letter).unwrap_or("?");
                out.extend(known.chars().filter(|c| matches!(c, ' '..='~')));
            }
        }
    }
    out
}
