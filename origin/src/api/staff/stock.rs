//! Many stocks at once: a delivery, or what a count found.

use std::collections::BTreeSet;

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::catalogue::{adjustment_of, reason_of};
use crate::api::auth::wrong_field;
use crate::api::body;
use crate::api::error::{ApiError, FieldError};
use crate::api::response::Reply;
use crate::api::routes::Call;

/// Stocks at once.
const LINES_MAX: usize = 200;

/// Adjustments that are made together or not at all.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StockChange {
    /// Why: 3 to 200 characters.
    pub reason: String,
    /// Each product once, at most 200.
    pub lines: Vec<StockLine>,
}

/// One adjustment: one of `by` and `to`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StockLine {
    /// Which product.
    pub product_id: String,
    /// Pieces to add, or to take where negative.
    #[serde(default)]
    pub by: Option<i64>,
    /// How many pieces there are.
    #[serde(default)]
    pub to: Option<i64>,
}

/// The stocks afterwards.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StocksView {
    /// In the order of the lines.
    pub items: Vec<StockAfter>,
}

/// One stock afterwards.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StockAfter {
    /// Which product.
    pub product_id: String,
    /// Pieces there.
    pub available: i64,
    /// At or below this the public word is `low`.
    pub low_at: i64,
}

pub(in crate::api) async fn change(call: Call) -> Result<Reply, ApiError> {
    let request: StockChange = body::json(&call)?;
    let reason = reason_of(&call, &request.reason)?;
    if request.lines.is_empty() || request.lines.len() > LINES_MAX {
        return Err(wrong_field("/lines", "expected 1 to 200 lines"));
    }
    let mut seen = BTreeSet::new();
    let mut adjustments = Vec::with_capacity(request.lines.len());
    for (place, line) in request.lines.iter().enumerate() {
        let at = format!("/lines/{place}");
        if !seen.insert(&line.product_id) {
            return Err(wrong_field(&at, "expected each product once"));
        }
        let adjustment = adjustment_of(&at, line.by, line.to)?;
        adjustments.push((line.product_id.clone(), adjustment));
    }
    let at = call.app.clock.now();
    let database = &call.app.database;
    let adjusted = database.adjust_stocks(&adjustments, &reason, at).await?;
    let records = adjusted.map_err(|short| {
        let fields = short.into_iter().filter_map(|one| {
            let is_its = |line: &StockLine| line.product_id == one.product_id;
            let place = request.lines.iter().position(is_its)?;
            let detail = format!("{} are there", one.available);
            let pointer = format!("/lines/{place}");
            Some(FieldError::at(pointer, "stock_too_low", detail))
        });
        ApiError::Refused {
            status: StatusCode::CONFLICT,
            code: "stock_too_low",
            detail: "Nothing was adjusted: there is less of some products than would be taken."
                .to_owned(),
            fields: fields.collect(),
        }
    })?;
    let items = records.into_iter().map(|record| StockAfter {
        product_id: record.product_id,
        available: record.available,
        low_at: record.low_at,
    });
    let items = items.collect();
    Reply::fresh(StatusCode::OK, &StocksView { items })
}
