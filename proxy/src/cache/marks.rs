//! What is remembered of questions without a stored answer: that the last one was for one client alone, or that the
//! origin failed. Bounded; an old mark means nothing.

use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Unshared,
    Failed,
}

/// See the module.
pub(super) struct Marks {
    marks: moka::sync::Cache<String, (Why, i64)>,
    lifetime_microseconds: i64,
}

impl Marks {
    pub(super) fn new(keys_max: u64, lifetime: Duration) -> Self {
        Self {
            marks: moka::sync::Cache::new(keys_max),
            lifetime_microseconds: i64::try_from(lifetime.as_micros()).unwrap_or(i64::MAX),
        }
    }

    /// The answer could not be shared: whoever asks next should not wait for somebody else's.
    pub(super) fn unshared(&self, key: &str, now: i64) {
        self.marks.insert(key.to_owned(), (Why::Unshared, now));
    }

    /// The origin gave no answer: whoever asks next and can make do with a stale one should not wait for it.
    pub(super) fn failed(&self, key: &str, now: i64) {
        self.marks.insert(key.to_owned(), (Why::Failed, now));
    }

    /// An answer was stored.
    pub(super) fn clear(&self, key: &str) {
        self.marks.invalidate(key);
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
            .get(key)
            .is_some_and(|(why, at)| why == wanted && now - at < self.lifetime_microseconds)
    }
}
