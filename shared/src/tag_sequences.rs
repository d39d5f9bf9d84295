//! Which tag was last touched by which entry of the `changes` sequence: what makes a cached answer stale.
//!
//! Both programs hold one. The origin asks whether an answer in memory is older than a change of one of its tags; the
//! edge asks whether an answer that arrives is older than the last purge of one of its tags.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

/// The last sequence number for each tag, bounded: beyond the bound everything counts as touched now.
#[derive(Debug)]
pub struct TagSequences {
    inner: RwLock<Inner>,
    tags_max: usize,
}

#[derive(Debug, Default)]
struct Inner {
    touched: HashMap<Box<str>, i64>,
    /// What every tag that is not in `touched` counts as.
    floor: i64,
    /// The highest number seen.
    last: i64,
}

impl TagSequences {
    /// Nothing is touched yet.
    pub fn new(tags_max: usize) -> Self {
        Self {
            inner: RwLock::new(Inner::default()),
            tags_max,
        }
    }

    /// Notes that `tags` were touched by entry `sequence`. Older news than what is known changes nothing. True when that was one tag
    /// too many, and everything counts as touched.
    pub fn touch<'a>(&self, tags: impl IntoIterator<Item = &'a str>, sequence: i64) -> bool {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        inner.last = inner.last.max(sequence);
        for tag in tags {
            let known = inner.touched.get(tag).copied().unwrap_or(inner.floor);
            if sequence > known {
                inner.touched.insert(tag.into(), sequence);
            }
        }
        let is_full = inner.touched.len() > self.tags_max;
        if is_full {
            inner.touched.clear();
            inner.floor = inner.last;
        }
        is_full
    }

    /// Notes that everything was touched by entry `sequence`.
    pub fn touch_everything(&self, sequence: i64) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        inner.last = inner.last.max(sequence);
        inner.touched.clear();
        inner.floor = inner.floor.max(sequence);
    }

    /// Forgets everything; for a sequence that begins anew.
    pub fn reset(&self) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        *inner = Inner::default();
    }

    /// The highest number at which one of `tags` was touched.
    pub fn latest<'a>(&self, tags: impl IntoIterator<Item = &'a str>) -> i64 {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let touched = tags
            .into_iter()
            .filter_map(|tag| inner.touched.get(tag).copied());
        touched.fold(inner.floor, i64::max)
    }

    /// The highest number seen.
    pub fn last(&self) -> i64 {
        self.inner
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .last
    }

    /// How many tags are held.
    pub fn len(&self) -> usize {
        self.inner
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .touched
            .len()
    }

    /// Whether no tag is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_judged_by_the_latest_of_its_tags() {
        let tags = TagSequences::new(10);
        tags.touch(["products", "product:a"], 5);
        tags.touch(["product:a"], 7);
        tags.touch(["product:a"], 6);
        assert_eq!(tags.latest(["product:a"]), 7);
        assert_eq!(tags.latest(["products", "product:b"]), 5);
        assert_eq!(tags.latest(["shop"]), 0);
        assert_eq!(tags.last(), 7);
    }

    #[test]
    fn beyond_the_bound_everything_counts_as_touched() {
        let tags = TagSequences::new(2);
        tags.touch(["a", "b", "c"], 9);
        assert!(tags.is_empty());
        assert_eq!(tags.latest(["never heard of"]), 9);
        tags.touch(["a"], 12);
        assert_eq!(tags.latest(["a"]), 12);
    }
}
