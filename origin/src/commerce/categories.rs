//! Categories and sub-categories, with how many active products they hold.

use super::products::{Image, Product};

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

impl Category {
    /// Whether it has a sub-category of this slug.
    pub fn has_part(&self, slug: &str) -> bool {
        self.sub_categories.iter().any(|part| part.slug == slug)
    }
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

/// Why a product cannot be where it says that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misplaced {
    /// There is no such category.
    UnknownCategory,
    /// It is active, its category archived.
    ArchivedCategory,
    /// Its category has no such sub-category.
    UnknownSubCategory,
}

impl Misplaced {
    /// What is wrong with a product's place among these categories. Sub-categories that it had in this category before may stay.
    pub fn of(
        product: &Product,
        before: Option<&Product>,
        categories: &[Category],
    ) -> Option<Self> {
        let found = categories.iter().find(|one| one.slug == product.category);
        let Some(category) = found else {
            return Some(Self::UnknownCategory);
        };
        if product.active && !category.active {
            return Some(Self::ArchivedCategory);
        }
        let before = before.filter(|before| before.category == product.category);
        let had = before.map_or(&[][..], |before| &before.sub_categories);
        let mut parts = product.sub_categories.iter();
        let is_known = |part: &String| category.has_part(part) || had.contains(part);
        (!parts.all(is_known)).then_some(Self::UnknownSubCategory)
    }

    /// The field that is wrong.
    pub fn field(self) -> &'static str {
        match self {
            Self::UnknownCategory | Self::ArchivedCategory => "category",
            Self::UnknownSubCategory => "sub_categories",
        }
    }

    /// What the API says.
    pub fn code(self) -> &'static str {
        match self {
            Self::UnknownCategory => "unknown_category",
            Self::ArchivedCategory => "archived_category",
            Self::UnknownSubCategory => "unknown_sub_category",
        }
    }

    /// What would be accepted.
    pub fn expected(self) -> &'static str {
        match self {
            Self::UnknownCategory => "the slug of a category that is there",
            Self::ArchivedCategory => "a category that is not archived, or an archived product",
            Self::UnknownSubCategory => "slugs of sub-categories of the product's category",
        }
    }
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
