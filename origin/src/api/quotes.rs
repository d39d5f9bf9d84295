//! `POST /api/cart/quote`: what a list would cost.

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::body;
use super::error::{ApiError, FieldError};
use super::response::Reply;
use super::routes::Call;
use super::views::Money;
use crate::app::App;
use crate::commerce::goods;
use crate::commerce::lines::{LineKey, LineKind, WantedLine};
use crate::commerce::quote::{self, Quote, QuoteRefused, QuotedLine};
use crate::commerce::shop::ShopSettings;

/// What is wanted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WantedList {
    /// 1 to 200 of them, each thing once.
    pub lines: Vec<WantedView>,
}

/// How many of a thing are wanted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WantedView {
    /// What kind of thing.
    pub kind: LineKind,
    /// Its id.
    pub id: String,
    /// How many of it.
    pub quantity: u32,
}

impl From<WantedView> for WantedLine {
    fn from(view: WantedView) -> Self {
        Self {
            key: LineKey {
                kind: view.kind,
                id: view.id,
            },
            quantity: view.quantity,
        }
    }
}

/// A priced list.
#[derive(Debug, Serialize, JsonSchema)]
pub struct QuoteView {
    /// In the order they were asked for.
    pub lines: Vec<QuotedLineView>,
    /// The lines' sum.
    pub goods: Money,
    /// How much less than at MRP.
    pub saved: Money,
    /// For packing.
    pub packing: Money,
    /// What makes the total a whole rupee.
    pub rounding: Money,
    /// What is paid.
    pub total: Money,
    /// The least that goods of an order may be worth.
    pub minimum_order: Money,
    /// Whether these are worth that.
    pub meets_minimum: bool,
}

/// A line with its price.
#[derive(Debug, Serialize, JsonSchema)]
pub struct QuotedLineView {
    /// What kind of thing.
    pub kind: LineKind,
    /// Its id.
    pub id: String,
    /// Article number.
    pub sku: String,
    /// Name.
    pub name: String,
    /// Price of one.
    pub price: Money,
    /// How many.
    pub quantity: u32,
    /// Both multiplied.
    pub total: Money,
}

impl From<&QuotedLine> for QuotedLineView {
    fn from(line: &QuotedLine) -> Self {
        Self {
            kind: line.key.kind,
            id: line.key.id.clone(),
            sku: line.sku.clone(),
            name: line.name.clone(),
            price: line.price.into(),
            quantity: line.quantity,
            total: line.total.into(),
        }
    }
}

pub(super) async fn quote(call: Call) -> Result<Reply, ApiError> {
    let wanted: WantedList = body::json(&call)?;
    let lines: Vec<_> = wanted.lines.into_iter().map(WantedLine::from).collect();
    let shop = call.app.shop_settings().await?.ok_or(ApiError::NotFound)?;
    let quote = price(&call.app, &shop, &lines).await?;
    let view = QuoteView {
        lines: quote.lines.iter().map(QuotedLineView::from).collect(),
        goods: quote.goods.into(),
        saved: quote.saved.into(),
        packing: quote.packing.into(),
        rounding: quote.rounding.into(),
        total: quote.total.into(),
        minimum_order: shop.minimum_order.into(),
        meets_minimum: quote.goods >= shop.minimum_order,
    };
    Reply::fresh(StatusCode::OK, &view)
}

/// Prices a list by what the shop's settings say, and the catalogue says now.
pub(super) async fn price(
    app: &App,
    shop: &ShopSettings,
    lines: &[WantedLine],
) -> Result<Quote, ApiError> {
    if lines.len() > crate::commerce::lines::LINES_MAX {
        return Err(refused(&QuoteRefused::TooLong));
    }
    let goods = goods::of(&app.database, lines).await?;
    quote::quote(shop, lines, &goods).map_err(|error| refused(&error))
}

fn refused(error: &QuoteRefused) -> ApiError {
    let (pointer, code) = match error {
        QuoteRefused::Empty => ("/lines".to_owned(), "empty_list"),
        QuoteRefused::TooLong => ("/lines".to_owned(), "list_too_long"),
        QuoteRefused::TooLarge => ("/lines".to_owned(), "amount_too_large"),
        QuoteRefused::Repeated { line } => (format!("/lines/{line}"), "repeated_line"),
        QuoteRefused::Unknown { line } => (format!("/lines/{line}/id"), "unknown_item"),
        QuoteRefused::NotForSale { line, .. } => (format!("/lines/{line}"), "not_for_sale"),
        QuoteRefused::Quantity { line, .. } => {
            (format!("/lines/{line}/quantity"), "quantity_out_of_range")
        }
    };
    ApiError::Refused {
        status: StatusCode::UNPROCESSABLE_ENTITY,
        code,
        detail: error.to_string(),
        fields: vec![FieldError::at(pointer, code, error.to_string())],
    }
}
