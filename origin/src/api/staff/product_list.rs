//! Products, active or not, as staff look through them.

use http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::error::ApiError;
use crate::api::parameters::{CURSOR, Kind, LIMIT, Parameter};
use crate::api::response::Reply;
use crate::api::routes::Call;
use crate::api::views::Money;
use crate::commerce::availability::Availability;
use crate::commerce::products::Product;

/// What the list of products takes.
pub(in crate::api) const LIST: &[Parameter] = &[
    Parameter {
        name: "q",
        kind: Kind::Text(100),
        description: "The id, slug or SKU of one product",
    },
    CURSOR,
    LIMIT,
];

/// A page of products.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StaffProductPage {
    /// In order of id.
    pub items: Vec<StaffProductItem>,
    /// What `cursor` the next page has; null on the last one.
    pub next_cursor: Option<String>,
}

/// A product in a list for staff.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StaffProductItem {
    /// Its id.
    pub id: String,
    /// Article number.
    pub sku: String,
    /// Name in URLs.
    pub slug: String,
    /// Name for people.
    pub name: String,
    /// Slug of its category.
    pub category: String,
    /// Maximum retail price.
    pub mrp: Money,
    /// What the shop asks.
    pub price: Money,
    /// The public word of its stock.
    pub availability: Availability,
    /// Public or not.
    pub active: bool,
    /// Shown, not sold.
    pub restricted: bool,
    /// What `If-Match` names.
    pub version: i64,
}

impl From<Product> for StaffProductItem {
    fn from(product: Product) -> Self {
        Self {
            id: product.id,
            sku: product.sku,
            slug: product.slug,
            name: product.name,
            category: product.category,
            mrp: product.mrp.into(),
            price: product.price.into(),
            availability: product.availability,
            active: product.active,
            restricted: product.restricted,
            version: product.version,
        }
    }
}

pub(in crate::api) async fn list(call: Call) -> Result<Reply, ApiError> {
    let (after, limit) = call.page();
    let database = &call.app.database;
    let mut found: Vec<_> = match call.query.text("q") {
        Some(key) => database
            .product_by_any_key(key)
            .await?
            .into_iter()
            .collect(),
        None => {
            database
                .products_after(after.unwrap_or_default(), limit + 1)
                .await?
        }
    };
    let next_cursor = crate::api::next_cursor(&mut found, limit, |product| product.id.clone());
    let items = found.into_iter().map(StaffProductItem::from).collect();
    Reply::fresh(StatusCode::OK, &StaffProductPage { items, next_cursor })
}
