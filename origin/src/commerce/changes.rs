//! Every write leaves a trace to follow: one entry of the `changes` sequence in its own transaction.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::availability::Availability;

/// One entry of the sequence.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Change {
    /// Ascends by one without gaps that fill later: whoever has seen N has seen all before it.
    pub sequence: i64,
    /// When it was written.
    pub at: Timestamp,
    /// What kind of thing changed: `product`, `stock`, `category`, `combo`, `shop`, `order`, `catalogue` (all of it).
    pub entity: String,
    /// Which one.
    pub entity_id: String,
    /// The tags of public answers that this makes stale; empty when none is.
    pub tags: Vec<String>,
}

impl Change {
    /// The products that the tags name.
    pub fn tagged_products(&self) -> impl Iterator<Item = &str> {
        self.tags
            .iter()
            .filter_map(|tag| tag.strip_prefix("product:"))
    }
}

/// What is written to the sequence; its number is given by the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewChange {
    /// What kind of thing changed.
    pub entity: &'static str,
    /// Which one.
    pub entity_id: String,
    /// The tags of public answers that this makes stale.
    pub tags: Vec<String>,
}

/// The tag that every public catalogue answer carries beside its own.
pub const CATALOGUE: &str = "catalogue";

/// The tag of one product's answers.
pub fn product_tag(id: &str) -> String {
    format!("product:{id}")
}

/// The tag of one category's lists.
pub fn category_tag(slug: &str) -> String {
    format!("category:{slug}")
}

/// The tag of one combo's answers.
pub fn combo_tag(id: &str) -> String {
    format!("combo:{id}")
}

/// The tag of a page that staff write.
pub fn page_tag(slug: &str) -> String {
    format!("page:{slug}")
}

/// The tag that a session that was ended touches, inside an origin.
pub fn session_tag(id: &str) -> String {
    format!("session:{id}")
}

/// What goes stale when a product is no longer what it was: its own page, every list that may hold it, and the combos
/// that contain it (`combos`: their ids and the tags of their lists). Category lists carry counts, which only change
/// when a product comes or goes.
pub fn tags_of_product_change(
    before: &super::products::Product,
    after: &super::products::Product,
    combos: &[(String, super::combos::ComboKind)],
) -> Vec<String> {
    let mut tags = vec![
        product_tag(&after.id),
        "products".to_owned(),
        category_tag(&after.category),
    ];
    if before.active != after.active {
        tags.push("categories".to_owned());
    }
    // It says when each page changed.
    if before.updated_at != after.updated_at
        || before.active != after.active
        || before.slug != after.slug
    {
        tags.push("sitemap".to_owned());
    }
    if before.category != after.category || before.sub_categories != after.sub_categories {
        tags.push(category_tag(&before.category));
        tags.push("categories".to_owned());
    }
    push_combo_tags(&mut tags, combos);
    tags
}

/// What goes stale when only the public word of a product's stock, or of the combos that contain it, has changed.
pub fn tags_of_stock_change(
    product: &super::products::Product,
    word_changed: bool,
    combos: &[(String, super::combos::ComboKind)],
) -> Vec<String> {
    let mut tags = Vec::new();
    if word_changed {
        tags.push(product_tag(&product.id));
        tags.push("products".to_owned());
        tags.push(category_tag(&product.category));
    }
    push_combo_tags(&mut tags, combos);
    tags
}

/// What goes stale when the public words of combos were these and are now those, both in the same order.
pub fn tags_of_combo_words(
    before: Vec<((String, super::combos::ComboKind), Availability)>,
    after: Vec<((String, super::combos::ComboKind), Availability)>,
) -> Vec<String> {
    let changed: Vec<_> = before
        .into_iter()
        .zip(after)
        .filter(|(before, after)| before.1 != after.1)
        .map(|(_, after)| after.0)
        .collect();
    let mut tags = Vec::new();
    push_combo_tags(&mut tags, &changed);
    tags
}

/// What goes stale when a product comes.
pub fn tags_of_new_product(product: &super::products::Product) -> Vec<String> {
    let mut before = product.clone();
    before.active = !product.active;
    tags_of_product_change(&before, product, &[])
}

/// What goes stale when a category comes or changes: its name stands on its products, too.
pub fn tags_of_category_change(slug: &str) -> Vec<String> {
    let lists = ["categories", "sitemap", "products"].map(str::to_owned);
    lists.into_iter().chain([category_tag(slug)]).collect()
}

/// What goes stale when a combo comes or changes.
pub fn tags_of_combo_change(id: &str, kind: super::combos::ComboKind) -> Vec<String> {
    let mut tags = vec!["sitemap".to_owned()];
    push_combo_tags(&mut tags, &[(id.to_owned(), kind)]);
    tags
}

fn push_combo_tags(tags: &mut Vec<String>, combos: &[(String, super::combos::ComboKind)]) {
    for (id, kind) in combos {
        tags.push(combo_tag(id));
        let list = kind.tag().to_owned();
        if !tags.contains(&list) {
            tags.push(list);
        }
    }
}

/// What a new catalogue makes stale: everything made of it.
pub fn tags_of_catalogue() -> Vec<String> {
    [CATALOGUE, "shop", "sitemap", "pages"]
        .map(str::to_owned)
        .to_vec()
}
