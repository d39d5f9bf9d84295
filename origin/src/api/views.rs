//! What the public sees of the shop's records. Types of the API only: nothing else in the program uses them.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::commerce::availability::Availability;
use crate::commerce::categories::Category;
use crate::commerce::money::Paise;
use crate::commerce::products::{Image, Product};

/// An amount of money.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Money {
    /// Paise; 100 of them are one rupee.
    pub amount_paise: i64,
    /// Always `INR`.
    pub currency: &'static str,
}

impl From<Paise> for Money {
    fn from(amount: Paise) -> Self {
        Self {
            amount_paise: amount.0,
            currency: "INR",
        }
    }
}

/// A list.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Page<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// Where the next page begins; null on the last page.
    pub next_cursor: Option<String>,
    /// How many there are in all, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}

impl<T> Page<T> {
    /// A list on one page.
    pub fn whole(items: Vec<T>) -> Self {
        Self {
            items,
            next_cursor: None,
            total: None,
        }
    }
}

/// The name of a category, wherever it is mentioned.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct CategoryName {
    /// Its name in URLs.
    pub slug: String,
    /// Its name for people.
    pub name: String,
}

/// What buyers thought.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RatingView {
    /// Stars with one decimal; null when nobody rated.
    pub average: Option<f32>,
    /// How many rated.
    pub count: u32,
}

/// A product in a list.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ProductSummary {
    /// Id.
    pub id: String,
    /// Article number.
    pub sku: String,
    /// Name in URLs.
    pub slug: String,
    /// Name for people.
    pub name: String,
    /// Its category.
    pub category: CategoryName,
    /// Its main sub-category.
    pub sub_category: Option<String>,
    /// What the shop asks.
    pub price: Money,
    /// Maximum retail price.
    pub mrp: Money,
    /// By how much the price is below the MRP.
    pub discount_percent: u8,
    /// What one of it is.
    pub unit: String,
    /// What is in one.
    pub pack: String,
    /// The public word for its stock.
    pub availability: Availability,
    /// Shown, not sold.
    pub restricted: bool,
    /// Shown on the home page.
    pub featured: bool,
    /// What buyers thought.
    pub rating: RatingView,
    /// Its first picture.
    pub image: Option<Image>,
    /// Lower-case words.
    pub tags: Vec<String>,
    /// The least that can be ordered.
    pub order_min: u32,
    /// The most that can be ordered.
    pub order_max: u32,
}

/// A product's own page.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ProductView {
    /// What lists show.
    #[serde(flatten)]
    pub summary: ProductSummary,
    /// Plain text.
    pub description: String,
    /// All pictures.
    pub images: Vec<Image>,
    /// Grams.
    pub weight_grams: u32,
    /// Sentences.
    pub safety_notes: Vec<String>,
    /// Years.
    pub minimum_age: u8,
    /// When it was made.
    pub created_at: String,
    /// When staff last changed it.
    pub updated_at: String,
    /// Counts staff's changes.
    pub version: i64,
}

impl ProductSummary {
    /// The summary, with the category's name for people where the category is known.
    pub fn of(product: &Product, categories: &[Category]) -> Self {
        let category = categories
            .iter()
            .find(|category| category.slug == product.category);
        Self {
            id: product.id.clone(),
            sku: product.sku.clone(),
            slug: product.slug.clone(),
            name: product.name.clone(),
            category: CategoryName {
                slug: product.category.clone(),
                name: category.map_or_else(|| product.category.clone(), |found| found.name.clone()),
            },
            sub_category: product.sub_categories.first().cloned(),
            price: product.price.into(),
            mrp: product.mrp.into(),
            discount_percent: product.mrp.discount_percent(product.price),
            unit: product.unit.clone(),
            pack: product.pack.clone(),
            availability: product.availability,
            restricted: product.restricted,
            featured: product.featured,
            rating: RatingView {
                average: (product.rating.count > 0)
                    .then(|| f32::from(product.rating.average_tenths) / 10.0),
                count: product.rating.count,
            },
            image: product.images.first().cloned(),
            tags: product.tags.clone(),
            order_min: product.order_min,
            order_max: product.order_max,
        }
    }
}

impl ProductView {
    /// The whole product.
    pub fn of(product: &Product, categories: &[Category]) -> Self {
        Self {
            summary: ProductSummary::of(product, categories),
            description: product.description.clone(),
            images: product.images.clone(),
            weight_grams: product.weight_grams,
            safety_notes: product.safety_notes.clone(),
            minimum_age: product.minimum_age,
            created_at: time(product.created_at),
            updated_at: time(product.updated_at),
            version: product.version,
        }
    }
}

/// RFC 3339, UTC.
pub fn time(time: Timestamp) -> String {
    time.to_string()
}
