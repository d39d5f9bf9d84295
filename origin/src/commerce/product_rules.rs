//! How the fields of a product must be.

use std::collections::BTreeSet;

use super::products::Product;

/// The dearest that anything is, in paise: ten million rupees.
pub const PRICE_MAX: i64 = 1_000_000_000;

/// What is wrong with a product: each field, and what is expected there.
pub fn problems(product: &Product) -> Vec<(&'static str, &'static str)> {
    let rules = rules_of_names(product)
        .into_iter()
        .chain(rules_of_details(product));
    let wrong = rules.filter(|(_, holds, _)| !holds);
    wrong
        .map(|(field, _, expected)| (field, expected))
        .collect()
}

/// A field, whether it is as it must be, and how that is.
type Rule = (&'static str, bool, &'static str);

/// Whether a text is of so many characters, none of them a control character but line feeds.
pub fn is_text(text: &str, least: usize, most: usize) -> bool {
    let is_plain = !text.chars().any(|c| c.is_control() && c != '\n');
    is_plain && (least..=most).contains(&text.chars().count())
}

/// Whether a text is an article number.
pub fn is_sku(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// Whether a text is a name in URLs.
pub fn is_slug(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=100).contains(&text.len()) && text.bytes().all(fits)
}

fn rules_of_names(product: &Product) -> [Rule; 7] {
    let is_priced = (1..=product.mrp.0).contains(&product.price.0);
    [
        (
            "sku",
            is_sku(&product.sku),
            "1 to 64 visible ASCII characters",
        ),
        ("slug", is_slug(&product.slug), SLUG),
        (
            "name",
            is_text(&product.name, 1, 200),
            "1 to 200 characters",
        ),
        (
            "description",
            is_text(&product.description, 0, 5000),
            "at most 5000 characters",
        ),
        ("category", is_slug(&product.category), SLUG),
        (
            "mrp_paise",
            (1..=PRICE_MAX).contains(&product.mrp.0),
            "1 to 1000000000",
        ),
        ("price_paise", is_priced, "at least 1, at most the MRP"),
    ]
}

/// How a name in URLs is.
pub const SLUG: &str = "1 to 100 lower-case letters, digits and hyphens";

fn rules_of_details(product: &Product) -> [Rule; 7] {
    let (tags, notes) = (&product.tags, &product.safety_notes);
    let parts = &product.sub_categories;
    let is_each_once = parts.iter().collect::<BTreeSet<_>>().len() == parts.len();
    let are_words = tags
        .iter()
        .chain(&product.sub_categories)
        .all(|word| is_slug(word))
        && tags.len() + product.sub_categories.len() <= 50;
    let are_notes = notes.len() <= 20 && notes.iter().all(|note| is_text(note, 1, 500));
    let is_most = (product.order_min..=10_000).contains(&product.order_max);
    [
        (
            "unit",
            is_text(&product.unit, 0, 40),
            "at most 40 characters",
        ),
        (
            "pack",
            is_text(&product.pack, 0, 80),
            "at most 80 characters",
        ),
        ("order_min", product.order_min >= 1, "at least 1"),
        ("order_max", is_most, "at least order_min, at most 10000"),
        (
            "tags",
            are_words,
            "at most 50 words of lower-case letters, digits and hyphens",
        ),
        ("sub_categories", is_each_once, "each once"),
        (
            "safety_notes",
            are_notes,
            "at most 20 sentences of at most 500 characters",
        ),
    ]
}
