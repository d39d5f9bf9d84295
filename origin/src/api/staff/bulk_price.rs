//! Other prices for many products at once. Without a token it is only looked at; the token of what was looked at does exactly
//! that, or nothing.

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::auth::wrong_field;
use crate::api::body;
use crate::api::error::ApiError;
use crate::api::orders::conflict;
use crate::api::response::Reply;
use crate::api::routes::Call;
use crate::api::views::Money;
use crate::commerce::bulk_price::{PriceLine, PriceTerms};
use crate::commerce::products::{Product, ProductFilter, ProductQuery, ProductSort, ProductWrite};
use crate::database::Database;

/// Products at once: all of them are written in one transaction.
const PRODUCTS_MAX: u32 = 500;

/// Which active products; every condition that is given must hold.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// Slug of their category.
    #[serde(default)]
    pub category: Option<String>,
    /// All of these tags.
    #[serde(default)]
    pub tags: Vec<String>,
    /// One of these ids, at most 500; in place of category and tags.
    #[serde(default)]
    pub ids: Vec<String>,
}

/// Other prices.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkPrice {
    /// Which products.
    pub select: Selection,
    /// What is done to their prices.
    pub terms: PriceTerms,
    /// The token of what was looked at; without it nothing is done.
    #[serde(default)]
    pub preview_token: Option<String>,
}

/// What is done, or would be.
#[derive(Debug, Serialize, JsonSchema)]
pub struct BulkPriceView {
    /// Whether it was done.
    pub done: bool,
    /// Products that change.
    pub changed: usize,
    /// Products whose prices stay.
    pub unchanged: usize,
    /// Does exactly this; null where something is wrong, or nothing would change.
    pub preview_token: Option<String>,
    /// Products that change, or where something is wrong.
    pub lines: Vec<PriceLineView>,
}

/// One product.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PriceLineView {
    /// Its id.
    pub id: String,
    /// Article number.
    pub sku: String,
    /// Name.
    pub name: String,
    /// Price as it is.
    pub price_before: Money,
    /// Price as it would be.
    pub price_after: Money,
    /// MRP as it is.
    pub mrp_before: Money,
    /// MRP as it would be.
    pub mrp_after: Money,
    /// What is wrong with that; null where nothing is.
    pub problem: Option<String>,
}

impl From<&PriceLine> for PriceLineView {
    fn from(line: &PriceLine) -> Self {
        let (before, after) = (&line.before, &line.after);
        let problem = line.problems.first();
        Self {
            id: before.id.clone(),
            sku: before.sku.clone(),
            name: before.name.clone(),
            price_before: before.price.into(),
            price_after: after.price.into(),
            mrp_before: before.mrp.into(),
            mrp_after: after.mrp.into(),
            problem: problem.map(|(field, expected)| format!("{field}: expected {expected}")),
        }
    }
}

fn check(request: &BulkPrice) -> Result<(), ApiError> {
    if let Some((field, expected)) = request.terms.problem() {
        let detail = format!("expected {expected}");
        return Err(wrong_field(&format!("/terms/{field}"), &detail));
    }
    let select = &request.select;
    let by_filter = select.category.is_some() || !select.tags.is_empty();
    if by_filter == select.ids.is_empty() && select.tags.len() <= 10 {
        return Ok(());
    }
    let detail = "expected either ids, or a category and at most 10 tags";
    Err(wrong_field("/select", detail))
}

async fn selected(database: &Database, select: &Selection) -> Result<Vec<Product>, ApiError> {
    let too_many = || ApiError::Refused {
        status: StatusCode::UNPROCESSABLE_ENTITY,
        code: "too_many_products",
        detail: format!("These are more than {PRODUCTS_MAX} products. Please choose fewer."),
        fields: Vec::new(),
    };
    if !select.ids.is_empty() {
        if select.ids.len() > PRODUCTS_MAX as usize {
            return Err(too_many());
        }
        let found = database.products_by_ids(&select.ids).await?;
        return Ok(Product::each_once(found));
    }
    let mut query = ProductQuery {
        filter: ProductFilter {
            category: select.category.clone(),
            tags: select.tags.clone(),
            ..ProductFilter::default()
        },
        sort: ProductSort::Name,
        after: None,
        limit: 101,
    };
    let mut all: Vec<Product> = Vec::new();
    loop {
        let page = database.product_page(&query).await?;
        let is_last = page.len() < query.limit as usize;
        query.after = page.last().map(|product| query.sort.position(product));
        all.extend(page);
        if all.len() > PRODUCTS_MAX as usize {
            return Err(too_many());
        }
        if is_last {
            return Ok(all);
        }
    }
}

/// What a token stands for: the products as they were, and the prices that they would get.
fn token_of(call: &Call, lines: &[&PriceLine]) -> Result<String, ApiError> {
    let what: Vec<_> = lines
        .iter()
        .map(|line| {
            let (before, after) = (&line.before, &line.after);
            (&before.id, before.version, after.price, after.mrp)
        })
        .collect();
    let text = serde_json::to_string(&what);
    let text = text.map_err(|error| ApiError::internal(error.to_string()))?;
    Ok(call.app.session_keys.hash("bulk_price", &text))
}

pub(in crate::api) async fn change(call: Call) -> Result<Reply, ApiError> {
    let request: BulkPrice = body::json(&call)?;
    check(&request)?;
    let (database, at) = (&call.app.database, call.app.clock.now());
    let products = selected(database, &request.select).await?;
    let lines: Vec<_> = products
        .into_iter()
        .map(|product| request.terms.line(product))
        .collect();
    let changed: Vec<_> = lines.iter().filter(|line| line.changes()).collect();
    let is_good = lines.iter().all(|line| line.problems.is_empty());
    let token = match is_good && !changed.is_empty() {
        true => Some(token_of(&call, &changed)?),
        false => None,
    };
    let shown = lines
        .iter()
        .filter(|line| line.changes() || !line.problems.is_empty());
    let mut view = BulkPriceView {
        done: false,
        changed: changed.len(),
        unchanged: lines.len() - changed.len(),
        lines: shown.map(PriceLineView::from).collect(),
        preview_token: token,
    };
    if let Some(given) = request.preview_token {
        if view.preview_token.as_ref() != Some(&given) {
            let detail = "The products or their prices are not what was looked at any more. Please look again.";
            return Err(conflict("preview_stale", detail.to_owned()));
        }
        let writes: Vec<_> = changed
            .iter()
            .map(|line| ProductWrite::Replace {
                product: Product {
                    updated_at: at,
                    ..line.after.clone()
                },
                expected_version: line.before.version,
            })
            .collect();
        database.write_products(&writes, at).await?;
        view.done = true;
        view.preview_token = None;
    }
    Reply::fresh(StatusCode::OK, &view)
}
