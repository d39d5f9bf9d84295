//! How text becomes words, and how words are compared.

/// The longest word that is kept whole, in characters.
const WORD_CHARACTERS_MAX: usize = 32;

/// The words of a text: letters and digits of any script, in Latin letters, lower case.
pub(super) fn of(text: &str) -> Vec<String> {
    let latin = deunicode::deunicode(&with_fractions_apart(text)).to_lowercase();
    let words = latin
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    words
        .map(|word| word.chars().take(WORD_CHARACTERS_MAX).collect())
        .collect()
}

/// A text with a space before each sign such as ½: in Latin letters it begins with a digit, and 1½ would become 11/2.
fn with_fractions_apart(text: &str) -> String {
    let mut apart = String::with_capacity(text.len() + 4);
    for letter in text.chars() {
        if matches!(letter, '¼'..='¾' | '⅐'..='⅞') {
            apart.push(' ');
        }
        apart.push(letter);
    }
    apart
}

/// A word without vowels after its first letter and without doubled letters: what people type in a hurry.
pub(super) fn skeleton(word: &str) -> String {
    let mut bones = String::with_capacity(word.len());
    for (place, letter) in word.chars().enumerate() {
        let is_vowel = matches!(letter, 'a' | 'e' | 'i' | 'o' | 'u');
        if (place == 0 || !is_vowel) && !bones.ends_with(letter) {
            bones.push(letter);
        }
    }
    bones
}

/// How many typing errors a word of this length may hold.
pub(super) fn errors_allowed(word: &str) -> u32 {
    match word.len() {
        0..=3 => 0,
        4..=7 => 1,
        _ => 2,
    }
}

/// A plural counts as its singular.
pub(super) fn stem(word: &str) -> &str {
    word.strip_suffix('s')
        .filter(|stem| stem.len() >= 3 && !stem.ends_with('s'))
        .unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_lower_case_latin_letters_and_digits() {
        assert_eq!(
            of("1½″ Star — பூ"),
            ["1", "1", "2", "star", "puu"].map(str::to_owned)
        );
    }

    #[test]
    fn a_skeleton_drops_vowels_and_doubled_letters() {
        assert_eq!(skeleton("flower"), "flwr");
        assert_eq!(skeleton("chakkar"), "chkr");
        assert_eq!(skeleton("atom"), "atm");
    }
}
