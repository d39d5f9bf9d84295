//! Every write leaves a trace to follow: one entry of the `changes` sequence in its own transaction.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One entry of the sequence.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Change {
    /// Ascends by one without gaps that fill later: whoever has seen N has seen all before it.
    pub sequence: i64,
    /// When it was written.
    pub at: Timestamp,
    /// What kind of thing changed: `product`, `stock`, `category`, `combo`, `shop`, `catalogue` (all of it).
    pub entity: String,
    /// Which one.
    pub entity_id: String,
    /// The tags of public answers that this makes stale; empty when none is.
    pub tags: Vec<String>,
}
