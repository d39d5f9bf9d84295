//! Categories and sub-categories, with how many active products they hold.

use super::products::Image;

/// A category as the databases keep it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub struct Category {
    /// Its name in URLs; unique, and what products refer to.
    pub slug: String,
    /// The id in the shop this was imported from.
    pub legacy_id: Option<String>,
    /// Its name for people.
    pub name: String,
    /// Plain text.
    pub description: String,
    /// Lists are in ascending order of it.
    pub position: i32,
    /// Its picture.
    pub image: Option<Image>,
    /// In their order of display.
    pub sub_categories: Vec<SubCategory>,
    /// Public or archived. One that was made stays: archived products and the sheets of years past name it.
    #[serde(default = "yes")]
    pub active: bool,
    /// Counts changes, from 1.
    pub version: i64,
}

/// What was kept before categories could be archived is public.
fn yes() -> bool {
    true
}

/// A sub-category of one category.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub struct SubCategory {
    /// Its name in URLs; unique within the category.
    pub slug: String,
    /// Its name for people.
    pub name: String,
}

/// How many active products a category and each of its sub-categories hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CategoryCount {
    /// Category slug.
    pub category: String,
    /// Active products in it.
    pub products: u64,
    /// Active products by main or further sub-category slug, sorted by slug.
    pub by_sub_category: Vec<(String, u64)>,
}
