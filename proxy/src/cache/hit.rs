//! A fresh answer, looked up without a question being asked.

use std::sync::Arc;

use super::Cache;
use super::entry::{Entry, Freshness};
use super::key::Key;

impl Cache {
    /// The fresh answer to a key, if there is one, with what `Cache-Status` says of it; counted by [`Self::count_hit`].
    pub fn hit(&self, key: &Key) -> Option<(Arc<Entry>, String)> {
        let entry = self.fresh(key)?;
        let status = status(&entry, self.clock.now_microseconds());
        Some((entry, status))
    }

    /// A fresh answer was served.
    pub fn count_hit(&self) {
        self.count("hit");
    }

    /// The stored entry of a key, if it needs no fetch.
    pub(super) fn fresh(&self, key: &Key) -> Option<Arc<Entry>> {
        let now = self.clock.now_microseconds();
        self.store.get(&key.text).filter(|entry| {
            entry.freshness(now) == Freshness::Fresh && self.purges.is_current(entry)
        })
    }
}

/// What `Cache-Status` says of a fresh answer.
pub(super) fn status(entry: &Entry, now: i64) -> String {
    format!("crackers; hit; ttl={}", entry.ttl_seconds(now))
}
