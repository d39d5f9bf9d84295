//! `GET /api/price-list` and the same for spreadsheets.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::error::ApiError;
use super::response::Reply;
use super::routes::Call;
use super::views::{Money, time};
use crate::app::App;
use crate::commerce::availability::Availability;
use crate::commerce::price_list::{self, Section};
use crate::commerce::products::{Image, Product, ProductFilter, ProductQuery, ProductSort};

/// Every active product, grouped by category.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PriceList {
    /// RFC 3339, UTC: when the newest of its lines was last changed.
    pub generated_at: String,
    /// In order of position.
    pub categories: Vec<PriceListCategory>,
    /// Always null: the list is one page.
    pub next_cursor: Option<String>,
}

/// The lines of one category.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PriceListCategory {
    /// Its name in URLs.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// Cheapest first.
    pub lines: Vec<PriceListLine>,
}

/// A product on the price list.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PriceListLine {
    /// Id.
    pub id: String,
    /// Article number.
    pub sku: String,
    /// Name in URLs.
    pub slug: String,
    /// Name for people.
    pub name: String,
    /// What is in one.
    pub pack: String,
    /// What one of it is.
    pub unit: String,
    /// Maximum retail price.
    pub mrp: Money,
    /// What the shop asks.
    pub price: Money,
    /// By how much the price is below the MRP.
    pub discount_percent: u8,
    /// The public word for its stock.
    pub availability: Availability,
    /// Shown, not sold.
    pub restricted: bool,
    /// The least that can be ordered.
    pub order_min: u32,
    /// The most that can be ordered.
    pub order_max: u32,
    /// Its first picture.
    pub image: Option<Image>,
}

impl PriceList {
    /// The list as it is sent; an empty one was changed at `otherwise`.
    pub fn of(sections: &[Section], otherwise: Timestamp) -> Self {
        let products = sections.iter().flat_map(|section| &section.products);
        let newest = products.map(|product| product.updated_at).max();
        let categories = sections.iter().map(|section| PriceListCategory {
            slug: section.category.slug.clone(),
            name: section.category.name.clone(),
            lines: section.products.iter().map(PriceListLine::from).collect(),
        });
        Self {
            generated_at: time(newest.unwrap_or(otherwise)),
            categories: categories.collect(),
            next_cursor: None,
        }
    }
}

impl From<&Product> for PriceListLine {
    fn from(product: &Product) -> Self {
        Self {
            id: product.id.clone(),
            sku: product.sku.clone(),
            slug: product.slug.clone(),
            name: product.name.clone(),
            pack: product.pack.clone(),
            unit: product.unit.clone(),
            mrp: product.mrp.into(),
            price: product.price.into(),
            discount_percent: product.mrp.discount_percent(product.price),
            availability: product.availability,
            restricted: product.restricted,
            order_min: product.order_min,
            order_max: product.order_max,
            image: product.images.first().cloned(),
        }
    }
}

/// How many lines are asked of the database at once.
const LINES_A_QUESTION: u32 = 100;

/// The list, up to the configured number of lines.
pub(super) async fn sections(app: &App) -> Result<Vec<Section>, ApiError> {
    let most = app.config.api.price_list_lines_max as usize;
    let mut products: Vec<Product> = Vec::new();
    let mut query = ProductQuery {
        filter: ProductFilter::default(),
        sort: ProductSort::PriceAscending,
        after: None,
        limit: LINES_A_QUESTION,
    };
    loop {
        let page = app.database.product_page(&query).await?;
        let is_last = page.len() < LINES_A_QUESTION as usize;
        query.after = page.last().map(|product| query.sort.position(product));
        products.extend(page);
        if is_last || products.len() >= most {
            break;
        }
    }
    products.truncate(most);
    Ok(price_list::sections(
        app.database.categories().await?,
        products,
    ))
}

pub(super) fn tags() -> Vec<String> {
    vec!["products".to_owned(), "categories".to_owned()]
}

pub(super) async fn json(call: Call) -> Result<Reply, ApiError> {
    let app = &call.app;
    let make = async {
        let list = PriceList::of(&sections(app).await?, app.started);
        Reply::public(&list, tags())
    };
    app.answers
        .get("price-list".to_owned(), &app.metrics, make)
        .await
}

pub(super) async fn csv(call: Call) -> Result<Reply, ApiError> {
    let app = &call.app;
    let make = async {
        let text = price_list::to_csv(&sections(app).await?)
            .map_err(|error| ApiError::internal(error.to_string()))?;
        Ok(Reply::public_body(
            "text/csv; charset=utf-8; header=present",
            text.into(),
            tags(),
        ))
    };
    app.answers
        .get("price-list.csv".to_owned(), &app.metrics, make)
        .await
}
