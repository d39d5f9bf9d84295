//! From what stands on a paper to a PDF: pages of A4, a table that goes on with its headings on each, page numbers.

use flate2::Compression;
use flate2::write::ZlibEncoder;
use pdf_writer::{Content, Filter, Finish as _, Name, Pdf, Rect, Ref, Str, TextStr};

use super::helvetica::{Face, plain};
use super::{Column, Paper, Part};

/// Pages of one paper.
const PAGES_MAX: usize = 300;

/// A4, in points.
const WIDTH: f32 = 595.0;
const HEIGHT: f32 = 842.0;
/// What stays empty on each side, in points.
const MARGIN: f32 = 48.0;
/// Where a page's text ends; the number stands below.
const BOTTOM: f32 = MARGIN + 16.0;
/// Size of the text, in points.
const SIZE: f32 = 9.0;
/// From line to line, in points.
const LEADING: f32 = 12.0;
/// Lines of one cell.
const CELL_LINES_MAX: usize = 3;
/// Between two columns, in points.
const GAP: f32 = 6.0;

/// More pages than a paper may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a paper has at most {PAGES_MAX} pages")]
pub struct TooLong;

/// Draws a paper. The same paper is the same file, byte for byte.
///
/// # Errors
/// [`TooLong`].
pub fn draw(paper: &Paper) -> Result<Vec<u8>, TooLong> {
    let mut pages = Pages::new();
    pages.head(paper);
    pages.table(&paper.columns, &paper.parts)?;
    pages.sums(&paper.sums)?;
    for note in &paper.notes {
        let note = plain(note);
        pages.room(LEADING * 2.0)?;
        pages.down(LEADING / 2.0);
        for line in Face::Regular.lines(&note, SIZE, WIDTH - 2.0 * MARGIN, 6) {
            pages.room(LEADING)?;
            pages.write(MARGIN, Face::Regular, SIZE, &line);
            pages.down(LEADING);
        }
    }
    Ok(pages.bound(&plain(&paper.title)))
}

/// Pages that are written, and how far down the last one.
struct Pages {
    written: Vec<Content>,
    page: Content,
    y: f32,
}

impl Pages {
    fn new() -> Self {
        Self {
            written: Vec::new(),
            page: Content::new(),
            y: HEIGHT - MARGIN,
        }
    }

    fn down(&mut self, points: f32) {
        self.y -= points;
    }

    /// Makes sure that so many points are left; whether that took a new page.
    fn room(&mut self, points: f32) -> Result<bool, TooLong> {
        if self.y - points >= BOTTOM {
            return Ok(false);
        }
        if self.written.len() + 1 >= PAGES_MAX {
            return Err(TooLong);
        }
        let full = std::mem::replace(&mut self.page, Content::new());
        self.written.push(full);
        self.y = HEIGHT - MARGIN;
        Ok(true)
    }

    fn write(&mut self, x: f32, face: Face, size: f32, text: &str) {
        let y = self.y - size;
        write(&mut self.page, (x, y), face, size, text);
    }

    fn write_to(&mut self, right: f32, face: Face, size: f32, text: &str) {
        self.write(right - face.width(text, size), face, size, text);
    }

    fn rule(&mut self) {
        let y = self.y;
        self.page.set_line_width(0.5);
        self.page.move_to(MARGIN, y);
        self.page.line_to(WIDTH - MARGIN, y);
        self.page.stroke();
    }

    /// Letterhead, title, addressee and facts; all of them together are far shorter than a page.
    fn head(&mut self, paper: &Paper) {
        let right = WIDTH - MARGIN;
        for (place, line) in paper.from.iter().take(8).enumerate() {
            let (face, size) = if place == 0 {
                (Face::Bold, 14.0)
            } else {
                (Face::Regular, SIZE)
            };
            for line in face.lines(&plain(line), size, WIDTH - 2.0 * MARGIN, 2) {
                self.write(MARGIN, face, size, &line);
                self.down(size + 3.0);
            }
        }
        self.down(LEADING);
        self.write(MARGIN, Face::Bold, 12.0, &plain(&paper.title));
        self.down(20.0);
        let top = self.y;
        for line in paper.to.iter().take(10) {
            for line in Face::Regular.lines(&plain(line), SIZE, WIDTH / 2.0 - MARGIN, 2) {
                self.write(MARGIN, Face::Regular, SIZE, &line);
                self.down(LEADING);
            }
        }
        let after = std::mem::replace(&mut self.y, top);
        for (name, value) in paper.facts.iter().take(10) {
            let fact = plain(&format!("{name}: {value}"));
            self.write_to(right, Face::Regular, SIZE, &fact);
            self.down(LEADING);
        }
        self.y = self.y.min(after) - LEADING;
    }

    fn table(&mut self, columns: &[Column], parts: &[Part]) -> Result<(), TooLong> {
        let places = places(columns);
        self.headings(columns, &places);
        for part in parts {
            if !part.heading.is_empty() {
                // Never alone at the end of a page.
                if self.room(LEADING * 3.0)? {
                    self.headings(columns, &places);
                }
                self.down(4.0);
                let heading = plain(&part.heading);
                self.write(MARGIN, Face::Bold, SIZE, &heading);
                self.down(LEADING);
            }
            for row in &part.rows {
                self.row(columns, &places, row)?;
            }
        }
        self.rule();
        self.down(6.0);
        Ok(())
    }

    fn headings(&mut self, columns: &[Column], places: &[(f32, f32)]) {
        for (column, place) in columns.iter().zip(places) {
            self.cell(column, *place, Face::Bold, column.heading);
        }
        self.down(LEADING + 2.0);
        self.rule();
        self.down(3.0);
    }

    fn row(
        &mut self,
        columns: &[Column],
        places: &[(f32, f32)],
        row: &[String],
    ) -> Result<(), TooLong> {
        let cells = row.iter().zip(places).map(|(cell, (left, right))| {
            Face::Regular.lines(&plain(cell), SIZE, right - left, CELL_LINES_MAX)
        });
        let cells: Vec<_> = cells.collect();
        let lines = cells.iter().map(Vec::len).max().unwrap_or(0).max(1);
        let height = (0..lines).map(|_| LEADING).sum();
        if self.room(height)? {
            self.headings(columns, places);
        }
        let top = self.y;
        for line in 0..lines {
            for ((column, place), cell) in columns.iter().zip(places).zip(&cells) {
                if let Some(text) = cell.get(line) {
                    self.cell(column, *place, Face::Regular, text);
                }
            }
            self.down(LEADING);
        }
        self.y = top - height;
        Ok(())
    }

    fn cell(&mut self, column: &Column, (left, right): (f32, f32), face: Face, text: &str) {
        if column.is_number {
            self.write_to(right, face, SIZE, text);
        } else {
            self.write(left, face, SIZE, text);
        }
    }

    fn sums(&mut self, sums: &[(String, String)]) -> Result<(), TooLong> {
        let right = WIDTH - MARGIN;
        for (place, (name, amount)) in sums.iter().enumerate() {
            self.room(LEADING)?;
            let face = if place + 1 == sums.len() {
                Face::Bold
            } else {
                Face::Regular
            };
            self.write_to(right - 100.0, face, SIZE, &plain(name));
            self.write_to(right, face, SIZE, &plain(amount));
            self.down(LEADING);
        }
        Ok(())
    }

    /// The file: every page with its number.
    fn bound(mut self, title: &str) -> Vec<u8> {
        self.written.push(self.page);
        let all = self.written.len();
        let mut ids = (1..).map(Ref::new);
        let mut next = || ids.next().unwrap_or_else(|| Ref::new(1));
        let (catalog, tree, info, regular, bold) = (next(), next(), next(), next(), next());
        let mut pdf = Pdf::new();
        pdf.catalog(catalog).pages(tree).lang(TextStr("en-IN"));
        pdf.document_info(info).title(TextStr(title));
        for (id, name) in [(regular, &b"Helvetica"[..]), (bold, b"Helvetica-Bold")] {
            pdf.type1_font(id)
                .base_font(Name(name))
                .encoding_predefined(Name(b"WinAnsiEncoding"));
        }
        let mut kids = Vec::with_capacity(all);
        for (place, mut content) in self.written.into_iter().enumerate() {
            let number = format!("{title} - page {} of {all}", place + 1);
            write(&mut content, (MARGIN, MARGIN), Face::Regular, 8.0, &number);
            let (page, text) = (next(), next());
            kids.push(page);
            let packed = packed(&content.finish());
            pdf.stream(text, &packed).filter(Filter::FlateDecode);
            let mut page = pdf.page(page);
            page.parent(tree)
                .media_box(Rect::new(0.0, 0.0, WIDTH, HEIGHT))
                .contents(text);
            let mut resources = page.resources();
            let mut fonts = resources.fonts();
            fonts.pair(Name(b"R"), regular).pair(Name(b"B"), bold);
            fonts.finish();
            resources.finish();
        }
        let count = i32::try_from(kids.len()).unwrap_or(i32::MAX);
        pdf.pages(tree).kids(kids).count(count);
        pdf.finish()
    }
}

fn write(content: &mut Content, (x, y): (f32, f32), face: Face, size: f32, text: &str) {
    let name = match face {
        Face::Regular => Name(b"R"),
        Face::Bold => Name(b"B"),
    };
    content.begin_text();
    content.set_font(name, size);
    content.next_line(x, y);
    content.show(Str(text.as_bytes()));
    content.end_text();
}

/// Left and right side of each column, in points.
fn places(columns: &[Column]) -> Vec<(f32, f32)> {
    let shares: u16 = columns.iter().map(|column| column.share).sum();
    let unit = (WIDTH - 2.0 * MARGIN) / f32::from(shares.max(1));
    let mut left = MARGIN;
    let place = |column: &Column| {
        let width = unit * f32::from(column.share);
        let place = (left, left + width - GAP);
        left += width;
        place
    };
    columns.iter().map(place).collect()
}

/// Smaller; as it is where that fails, which it cannot in memory.
fn packed(content: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let written = std::io::Write::write_all(&mut encoder, content);
    written.and_then(|()| encoder.finish()).unwrap_or_default()
}
