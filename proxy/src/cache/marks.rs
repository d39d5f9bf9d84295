//! What is remembered of questions without a stored answer: that the last one was for one client alone, or that the
//! origin failed. Bounded; an old mark means nothing.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Unshared,
    Failed,
}

/// See the module. Of each question there is only a hash, since what is asked for may be long: where two have the same, one of them
/// goes to its origin by itself, as if it had a mark.
pub(super) struct Marks {
    marks: moka::sync::Cache<u64, (Why, i64)>,
    hasher: RandomState,
    lifetime_microseconds: i64,
}

impl Marks {
    pub(super) fn new(keys_max: u64, lifetime: Duration) -> Self {
        Self {
            marks: moka::sync::Cache::new(keys_max),
            hasher: RandomState::new(),
            lifetime_microseconds: i64::try_from(lifetime.as_micros()).unwrap_or(i64::MAX),
        }
    }

    /// The answer could not be shared: whoever asks next should not wait for somebody else's.
    pub(super) fn unshared(&self, key: &str, now: i64) {
        let key = self.hasher.hash_one(key);
        self.marks.insert(key, (Why::Unshared, now));
    }

    /// The origin gave no answer: whoever asks next and can make do with a stale one should not wait for it.
    pub(super) fn failed(&self, key: &str, now: i64) {
        let key = self.hasher.hash_one(key);
        self.marks.insert(key, (Why::Failed, now));
    }

    /// An answer was stored.
    pub(super) fn clear(&self, key: &str) {
        self.marks.invalidate(&self.hasher.hash_one(key));
    }

    /// Whether the last answer was for one client alone.
    pub(super) fn is_unshared(&self, key: &str, now: i64) -> bool {
        self.is(Why::Unshared, key, now)
    }

    /// Whether the origin failed the last time.
    pub(super) fn has_failed(&self, key: &str, now: i64) -> bool {
        self.is(Why::Failed, key, now)
    }

    fn is(&self, wanted: Why, key: &str, now: i64) -> bool {
        self.marks
            .get(&self.hasher.hash_one(key))
            .is_some_and(|(why, at)| why == wanted && now - at < self.lifetime_microseconds)
    }
}
