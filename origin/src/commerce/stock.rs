//! Stock is a record of its own, and the sum of its ledger. No path makes it negative.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::availability::Availability;

/// How many pieces of a product there are.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct StockRecord {
    /// Which product.
    pub product_id: String,
    /// Pieces that can be sold now; never negative; the sum of the ledger's deltas.
    pub available: i64,
    /// At or below this the public word is `low`.
    pub low_at: i64,
    /// Counts movements, from 0.
    pub version: i64,
}

/// The id of the stock that counts how often a coupon may still be used.
pub fn coupon_stock(code: &str) -> String {
    format!("{COUPON}{code}")
}

/// Whether a stock is a product's, and has a public word.
pub fn is_of_product(id: &str) -> bool {
    !id.starts_with(COUPON)
}

const COUPON: &str = "coupon:";

/// One movement in the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct StockMovement {
    /// Which product.
    pub product_id: String,
    /// Pieces added (positive) or taken (negative).
    pub delta: i64,
    /// Why, for people: `opening`, `correction: broken in store`.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// What to do to a stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StockAdjustment {
    /// Add (positive) or take (negative) pieces.
    By(i64),
    /// Make it this many, which must not be negative.
    To(i64),
}

impl StockAdjustment {
    /// The record after this adjustment.
    ///
    /// # Errors
    /// [`StockTooLow`] when it would become negative.
    pub fn applied_to(self, before: &StockRecord) -> Result<StockRecord, StockTooLow> {
        let available = match self {
            Self::By(delta) => before.available.checked_add(delta),
            Self::To(count) => Some(count),
        };
        match available.filter(|available| *available >= 0) {
            Some(available) => Ok(StockRecord {
                available,
                version: before.version + 1,
                ..before.clone()
            }),
            None => Err(StockTooLow {
                available: before.available,
                wanted: match self {
                    Self::By(delta) => delta.saturating_neg(),
                    Self::To(count) => count,
                },
            }),
        }
    }
}

/// A stock that would become negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("only {available} available, {wanted} wanted")]
pub struct StockTooLow {
    /// Pieces there.
    pub available: i64,
    /// Pieces wanted.
    pub wanted: i64,
}

/// What an adjustment did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockAdjusted {
    /// The record after it.
    pub record: StockRecord,
    /// The public word before it.
    pub before: Availability,
    /// The public word after it. Only when it differs is anything purged.
    pub after: Availability,
}

impl StockAdjusted {
    /// What turned the one record into the other.
    pub fn between(before: &StockRecord, after: StockRecord) -> Self {
        Self {
            before: Availability::of(before.available, before.low_at),
            after: Availability::of(after.available, after.low_at),
            record: after,
        }
    }
}
