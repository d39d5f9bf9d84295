//! Products, and the question "which of them, in what order".

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::availability::Availability;
use super::ids;
use super::money::Paise;
pub use super::ratings::Rating;

/// A picture of a product, category or combo.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct Image {
    /// Path on this shop, for example `/pictures/SPK0001.svg`.
    pub url: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// What the picture shows, for those who do not see it.
    pub alt: String,
    /// The CSS colour to show until the picture has arrived.
    pub placeholder: String,
    /// The same picture in several widths, the narrowest first; none for drawings that fit every width.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<ImageSource>,
}

/// A picture in one width.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct ImageSource {
    /// Path on this shop; what is there never changes.
    pub url: String,
    /// Pixels.
    pub width: u32,
}

/// What the shop sells, as the databases keep it. The stock itself is a record of its own ([`super::stock`]);
/// here stands only its public word, which changes rarely.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Product {
    /// Made by the origin.
    pub id: String,
    /// The id in the shop this was imported from.
    pub legacy_id: Option<String>,
    /// The shop's own article number; unique.
    pub sku: String,
    /// The name in URLs; unique.
    pub slug: String,
    /// The name for people.
    pub name: String,
    /// Plain text.
    pub description: String,
    /// Slug of its category.
    pub category: String,
    /// Slugs of its sub-categories, the main one first.
    pub sub_categories: Vec<String>,
    /// Maximum retail price.
    pub mrp: Paise,
    /// What the shop asks.
    pub price: Paise,
    /// What one of it is: `box`, `packet`, `piece`.
    pub unit: String,
    /// What is in one, for example `10 pcs`.
    pub pack: String,
    /// Grams.
    pub weight_grams: u32,
    /// The least that can be ordered.
    pub order_min: u32,
    /// The most that can be ordered.
    pub order_max: u32,
    /// The first one is shown in lists.
    pub images: Vec<Image>,
    /// Lower-case words.
    pub tags: Vec<String>,
    /// Sentences.
    pub safety_notes: Vec<String>,
    /// Years.
    pub minimum_age: u8,
    /// Shown on the home page.
    pub featured: bool,
    /// Inactive products do not exist for the public.
    pub active: bool,
    /// Shown, not sold.
    pub restricted: bool,
    /// What buyers thought.
    pub rating: Rating,
    /// The more, the earlier in `popular`.
    pub popularity: i64,
    /// The public word for its stock; follows the stock record.
    pub availability: Availability,
    /// When it was made.
    pub created_at: Timestamp,
    /// When staff last changed it (not its stock).
    pub updated_at: Timestamp,
    /// Counts staff's changes, from 1 (stock changes do not count).
    pub version: i64,
}

/// Which products; every condition must hold. Only active products are ever public.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ProductFilter {
    /// Category slug.
    pub category: Option<String>,
    /// Sub-category slug.
    pub sub_category: Option<String>,
    /// Least price, inclusive.
    pub price_min: Option<Paise>,
    /// Highest price, inclusive.
    pub price_max: Option<Paise>,
    /// What the stock must be.
    pub stock: Option<StockFilter>,
    /// Only featured ones (`true`) or only others (`false`).
    pub featured: Option<bool>,
    /// All of these tags; sorted, without doubles.
    pub tags: Vec<String>,
}

/// What the stock must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StockFilter {
    /// Exactly in stock.
    InStock,
    /// Exactly low.
    Low,
    /// Exactly sold out.
    SoldOut,
    /// In stock or low.
    Available,
}

/// In what order; ties are broken by id, so that pages never overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
pub enum ProductSort {
    /// Newest first.
    #[serde(rename = "new")]
    New,
    /// Cheapest first.
    #[serde(rename = "price")]
    PriceAscending,
    /// Dearest first.
    #[serde(rename = "-price")]
    PriceDescending,
    /// By name, byte order of its lower-case form.
    #[serde(rename = "name")]
    Name,
    /// Best rated first.
    #[serde(rename = "rating")]
    Rating,
    /// Most popular first.
    #[serde(rename = "popular")]
    Popular,
    /// Best match first; only with a search.
    #[serde(rename = "relevance")]
    Relevance,
}

/// The place after which a page begins: the sort key of the last item of the page before, and its id.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct ProductPosition {
    /// The sort key of that item.
    pub key: SortKey,
    /// Its id.
    pub id: String,
}

/// A sort key. Keys always ascend: what is listed largest first is kept with its sign turned.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(untagged)]
pub enum SortKey {
    /// Paise, microseconds since the epoch, tenths of a star, popularity or relevance.
    Number(i64),
    /// The lower-case name.
    Text(String),
}

impl ProductSort {
    /// Every sort that a database can do: all but relevance, which only a search knows.
    pub const OF_DATABASE: [Self; 6] = [
        Self::New,
        Self::PriceAscending,
        Self::PriceDescending,
        Self::Name,
        Self::Rating,
        Self::Popular,
    ];

    /// The ascending key by which a product is sorted; relevance counts as popularity here.
    pub fn key(self, product: &Product) -> SortKey {
        match self {
            Self::New => SortKey::Number(-product.created_at.as_microsecond()),
            Self::PriceAscending => SortKey::Number(product.price.0),
            Self::PriceDescending => SortKey::Number(-product.price.0),
            Self::Name => SortKey::Text(product.name.to_lowercase()),
            Self::Rating => SortKey::Number(-i64::from(product.rating.average_tenths)),
            Self::Popular | Self::Relevance => SortKey::Number(-product.popularity),
        }
    }

    /// The place of a product in this order.
    pub fn position(self, product: &Product) -> ProductPosition {
        ProductPosition {
            key: self.key(product),
            id: product.id.clone(),
        }
    }

    /// The word of this sort in queries, cursors and both databases' field names.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::PriceAscending => "price",
            Self::PriceDescending => "-price",
            Self::Name => "name",
            Self::Rating => "rating",
            Self::Popular => "popular",
            Self::Relevance => "relevance",
        }
    }

    /// The sort from its word.
    pub fn parse(word: &str) -> Option<Self> {
        let all = Self::OF_DATABASE.into_iter().chain([Self::Relevance]);
        all.into_iter().find(|sort| sort.as_str() == word)
    }
}

impl ProductFilter {
    /// Whether an active product meets every condition: the rule that both databases and the search index follow.
    pub fn admits(&self, product: &Product) -> bool {
        let stock = self
            .stock
            .is_none_or(|stock| stock.admits(product.availability));
        product.active
            && stock
            && self
                .category
                .as_ref()
                .is_none_or(|slug| *slug == product.category)
            && self
                .sub_category
                .as_ref()
                .is_none_or(|slug| product.sub_categories.contains(slug))
            && self.price_min.is_none_or(|least| product.price >= least)
            && self.price_max.is_none_or(|most| product.price <= most)
            && self
                .featured
                .is_none_or(|featured| featured == product.featured)
            && self.tags.iter().all(|tag| product.tags.contains(tag))
    }
}

impl StockFilter {
    /// Whether a product with this public word passes.
    pub fn admits(self, availability: Availability) -> bool {
        match self {
            Self::InStock => availability == Availability::InStock,
            Self::Low => availability == Availability::Low,
            Self::SoldOut => availability == Availability::SoldOut,
            Self::Available => availability != Availability::SoldOut,
        }
    }

    /// The filter from its word.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "in_stock" => Some(Self::InStock),
            "low" => Some(Self::Low),
            "sold_out" => Some(Self::SoldOut),
            "available" => Some(Self::Available),
            _ => None,
        }
    }
}

impl Product {
    /// A product before anything is said of it.
    pub fn blank(at: Timestamp) -> Self {
        Self {
            id: ids::unguessable(),
            legacy_id: None,
            sku: String::new(),
            slug: String::new(),
            name: String::new(),
            description: String::new(),
            category: String::new(),
            sub_categories: Vec::new(),
            mrp: Paise(0),
            price: Paise(0),
            unit: "piece".to_owned(),
            pack: String::new(),
            weight_grams: 0,
            order_min: 1,
            order_max: 100,
            images: Vec::new(),
            tags: Vec::new(),
            safety_notes: Vec::new(),
            minimum_age: 18,
            featured: false,
            active: true,
            restricted: false,
            rating: Rating::default(),
            popularity: 0,
            availability: Availability::SoldOut,
            created_at: at,
            updated_at: at,
            version: 1,
        }
    }

    /// Each product once, by its id.
    pub fn each_once(products: Vec<Self>) -> Vec<Self> {
        let by_id = products.into_iter().map(|one| (one.id.clone(), one));
        let by_id: std::collections::BTreeMap<_, _> = by_id.collect();
        by_id.into_values().collect()
    }
}

impl ProductPatch {
    /// The product with the patch applied, its version counted on.
    pub fn applied_to(&self, product: &Product, at: Timestamp) -> Product {
        let mut patched = product.clone();
        patched.price = self.price.unwrap_or(patched.price);
        patched.mrp = self.mrp.unwrap_or(patched.mrp);
        patched.active = self.active.unwrap_or(patched.active);
        patched.featured = self.featured.unwrap_or(patched.featured);
        if let Some(name) = &self.name {
            patched.name.clone_from(name);
        }
        patched.version += 1;
        patched.updated_at = at;
        patched
    }
}

/// What is written of a product, together with others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProductWrite {
    /// One that comes.
    New {
        /// The product.
        product: Product,
        /// Pieces there.
        available: i64,
        /// At or below this the public word is `low`.
        low_at: i64,
    },
    /// One that takes the place of another; the public word of its stock and its rating stay what they are.
    Replace {
        /// The product.
        product: Product,
        /// The version that this was decided on.
        expected_version: i64,
    },
}

/// One page's worth of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductQuery {
    /// Which.
    pub filter: ProductFilter,
    /// In what order; never [`ProductSort::Relevance`] when it reaches the database.
    pub sort: ProductSort,
    /// After which place; `None` for the first page.
    pub after: Option<ProductPosition>,
    /// How many at most, 1–101 (one more than a page, to know whether another follows).
    pub limit: u32,
}

/// What is changed of a product by hand. `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProductPatch {
    /// New price.
    pub price: Option<Paise>,
    /// New MRP.
    pub mrp: Option<Paise>,
    /// New name.
    pub name: Option<String>,
    /// Public or not.
    pub active: Option<bool>,
    /// On the home page or not.
    pub featured: Option<bool>,
}
