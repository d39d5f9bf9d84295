//! A fresh answer, looked up without a question being asked.

use std::sync::Arc;

use super::Cache;
use super::entry::{Entry, Freshness};
use super::key::Key;

impl Cache {
    /// A fresh answer was served.
    pub fn count_hit(&self) {
        self.hits.inc();
    }

    /// The stored entry of a key, if it needs no fetch now.
    pub fn fresh(&self, key: &Key, now: i64) -> Option<Arc<Entry>> {
        self.stored(key)
            .filter(|entry| entry.freshness(now) == Freshness::Fresh)
    }
}

/// What `Cache-Status` says of a fresh answer.
pub fn status(entry: &Entry, now: i64) -> String {
    format!("crackers; hit; ttl={}", entry.ttl_seconds(now))
}
