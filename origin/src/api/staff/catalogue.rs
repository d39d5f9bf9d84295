//! Products and their stock, as staff change them.

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{asker, expected_version};
use crate::api::auth::wrong_field;
use crate::api::body;
use crate::api::error::{ApiError, FieldError};
use crate::api::response::Reply;
use crate::api::routes::Call;
use crate::api::views::{ProductView, time};
use crate::commerce::categories::Misplaced;
use crate::commerce::money::Paise;
use crate::commerce::product_rules;
use crate::commerce::products::Product;
use crate::commerce::stock::StockAdjustment;

/// The most pieces of anything.
const PIECES_MAX: i64 = 10_000_000;

/// What is changed of a product; what is left out stays.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProductChange {
    /// Article number, 1 to 64 visible characters.
    pub sku: Option<String>,
    /// Name in URLs: lower-case letters, digits and hyphens.
    pub slug: Option<String>,
    /// Name, 1 to 200 characters.
    pub name: Option<String>,
    /// Plain text, at most 5000 characters.
    pub description: Option<String>,
    /// Slug of its category.
    pub category: Option<String>,
    /// Slugs of its sub-categories.
    pub sub_categories: Option<Vec<String>>,
    /// Maximum retail price, in paise.
    pub mrp_paise: Option<i64>,
    /// Price, in paise; at most the MRP.
    pub price_paise: Option<i64>,
    /// What one of it is: `box`, `packet`, `piece`.
    pub unit: Option<String>,
    /// What is in one, for example `10 pcs`.
    pub pack: Option<String>,
    /// Grams.
    pub weight_grams: Option<u32>,
    /// The least that can be ordered.
    pub order_min: Option<u32>,
    /// The most that can be ordered.
    pub order_max: Option<u32>,
    /// Lower-case words.
    pub tags: Option<Vec<String>>,
    /// Sentences.
    pub safety_notes: Option<Vec<String>>,
    /// On the home page or not.
    pub featured: Option<bool>,
    /// Public or not.
    pub active: Option<bool>,
    /// Shown, not sold.
    pub restricted: Option<bool>,
}

/// A new product.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewProduct {
    /// What it is; SKU, slug, name, category and both prices must be there.
    pub product: ProductChange,
    /// Pieces there.
    pub stock: i64,
    /// At or below this the public word is `low`.
    pub low_at: i64,
}

/// A product with what only staff see of it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StaffProductView {
    /// As the public sees it.
    #[serde(flatten)]
    pub product: ProductView,
    /// Public or not.
    pub active: bool,
    /// Pieces there.
    pub stock: i64,
    /// At or below this the public word is `low`.
    pub low_at: i64,
}

/// An adjustment of a stock: one of `by` and `to`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Adjustment {
    /// Pieces to add, or to take where negative.
    #[serde(default)]
    pub by: Option<i64>,
    /// How many pieces there are.
    #[serde(default)]
    pub to: Option<i64>,
    /// Why: 3 to 200 characters.
    pub reason: String,
}

/// A stock with its latest movements.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StockView {
    /// Pieces there.
    pub available: i64,
    /// At or below this the public word is `low`.
    pub low_at: i64,
    /// The newest first, at most 100.
    pub movements: Vec<MovementView>,
}

/// One movement.
#[derive(Debug, Serialize, JsonSchema)]
pub struct MovementView {
    /// Pieces added, or taken where negative.
    pub delta: i64,
    /// Why.
    pub reason: String,
    /// When: RFC 3339, UTC.
    pub at: String,
}

impl ProductChange {
    fn applied_to(self, mut product: Product) -> Product {
        fn set<T>(field: &mut T, new: Option<T>) {
            if let Some(new) = new {
                *field = new;
            }
        }
        set(&mut product.sku, self.sku);
        set(&mut product.slug, self.slug);
        set(
            &mut product.name,
            self.name.map(|name| name.trim().to_owned()),
        );
        set(&mut product.description, self.description);
        set(&mut product.category, self.category);
        set(&mut product.sub_categories, self.sub_categories);
        set(&mut product.mrp, self.mrp_paise.map(Paise));
        set(&mut product.price, self.price_paise.map(Paise));
        set(&mut product.unit, self.unit);
        set(&mut product.pack, self.pack);
        set(&mut product.weight_grams, self.weight_grams);
        set(&mut product.order_min, self.order_min);
        set(&mut product.order_max, self.order_max);
        set(&mut product.tags, self.tags);
        set(&mut product.safety_notes, self.safety_notes);
        set(&mut product.featured, self.featured);
        set(&mut product.active, self.active);
        set(&mut product.restricted, self.restricted);
        product
    }
}

/// Refuses what is wrong with a product, and a place among the categories that it cannot have.
async fn check(call: &Call, product: &Product, before: Option<&Product>) -> Result<(), ApiError> {
    let rules = product_rules::problems(product).into_iter();
    let mut wrong: Vec<_> = rules
        .map(|(field, expected)| {
            let detail = format!("expected {expected}");
            FieldError::at(format!("/{field}"), "invalid_field", detail)
        })
        .collect();
    let categories = call.app.database.categories().await?;
    if let Some(misplaced) = Misplaced::of(product, before, &categories) {
        let detail = format!("expected {}", misplaced.expected());
        let pointer = format!("/{}", misplaced.field());
        wrong.push(FieldError::at(pointer, misplaced.code(), detail));
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(ApiError::BadBody(wrong))
    }
}

pub(super) async fn required(call: &Call) -> Result<Product, ApiError> {
    let found = call.app.database.product_by_any_key(&call.segment).await?;
    found.ok_or(ApiError::NotFound)
}

pub(super) async fn shown(call: &Call, product: &Product) -> Result<Reply, ApiError> {
    let stock = call.app.database.stock(&product.id).await?;
    let categories = call.app.database.categories().await?;
    let view = StaffProductView {
        product: ProductView::of(product, &categories),
        active: product.active,
        stock: stock.as_ref().map_or(0, |stock| stock.available),
        low_at: stock.as_ref().map_or(0, |stock| stock.low_at),
    };
    let mut reply = Reply::fresh(StatusCode::OK, &view)?;
    reply.etag = Some(format!("\"{}\"", product.version));
    Ok(reply)
}

pub(in crate::api) async fn show(call: Call) -> Result<Reply, ApiError> {
    shown(&call, &required(&call).await?).await
}

pub(in crate::api) async fn create(call: Call) -> Result<Reply, ApiError> {
    let new: NewProduct = body::json(&call)?;
    for (field, count) in [("/stock", new.stock), ("/low_at", new.low_at)] {
        if !(0..=PIECES_MAX).contains(&count) {
            return Err(wrong_field(field, "expected 0 to 10000000"));
        }
    }
    let at = call.app.clock.now();
    let product = new.product.applied_to(Product::blank(at));
    check(&call, &product, None).await?;
    let made = call
        .app
        .database
        .create_product(&product, new.stock, new.low_at, at)
        .await?;
    shown(&call, &made).await
}

pub(in crate::api) async fn change(call: Call) -> Result<Reply, ApiError> {
    let change: ProductChange = body::json(&call)?;
    let expected = expected_version(&call)?;
    let at = call.app.clock.now();
    let before = required(&call).await?;
    let mut product = change.applied_to(before.clone());
    product.updated_at = at;
    check(&call, &product, Some(&before)).await?;
    let changed = call
        .app
        .database
        .replace_product(&product, expected, at)
        .await?;
    shown(&call, &changed).await
}

async fn stock_of(call: &Call, product: &Product) -> Result<Reply, ApiError> {
    let database = &call.app.database;
    let stock = database
        .stock(&product.id)
        .await?
        .ok_or(ApiError::NotFound)?;
    let movements = database.stock_movements(&product.id, 100).await?;
    let movements = movements.into_iter().map(|one| MovementView {
        delta: one.delta,
        reason: one.reason,
        at: time(one.at),
    });
    let view = StockView {
        available: stock.available,
        low_at: stock.low_at,
        movements: movements.collect(),
    };
    Reply::fresh(StatusCode::OK, &view)
}

pub(in crate::api) async fn stock(call: Call) -> Result<Reply, ApiError> {
    stock_of(&call, &required(&call).await?).await
}

/// One of `by` and `to`, which stand under `at`.
pub(super) fn adjustment_of(
    at: &str,
    by: Option<i64>,
    to: Option<i64>,
) -> Result<StockAdjustment, ApiError> {
    match (by, to) {
        (Some(by), None) if (-PIECES_MAX..=PIECES_MAX).contains(&by) => Ok(StockAdjustment::By(by)),
        (None, Some(to)) if (0..=PIECES_MAX).contains(&to) => Ok(StockAdjustment::To(to)),
        _ => {
            let detail = "expected one of by (±10000000) and to (0 to 10000000)";
            Err(wrong_field(at, detail))
        }
    }
}

/// Why a stock is adjusted, and by whom, as the ledger keeps it.
pub(super) fn reason_of(call: &Call, reason: &str) -> Result<String, ApiError> {
    let reason = reason.trim();
    if !(3..=200).contains(&reason.chars().count()) || reason.chars().any(char::is_control) {
        return Err(wrong_field("/reason", "expected 3 to 200 characters"));
    }
    let (_, member) = asker(call)?;
    Ok(format!("{reason} ({})", member.email))
}

pub(in crate::api) async fn adjust(call: Call) -> Result<Reply, ApiError> {
    let request: Adjustment = body::json(&call)?;
    let adjustment = adjustment_of("", request.by, request.to)?;
    let reason = reason_of(&call, &request.reason)?;
    let product = required(&call).await?;
    let at = call.app.clock.now();
    call.app
        .database
        .adjust_stock(&product.id, adjustment, &reason, at)
        .await?;
    stock_of(&call, &product).await
}
