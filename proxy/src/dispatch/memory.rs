//! What origins say of their memory: the word of each counts for a while, and the greatest that counts for all.

use std::collections::HashMap;

use crackers_shared::clock::Clock;

/// How long an origin's word counts, in microseconds. One that is asked anything says it again with each answer; one that
/// went away must not stand for those that are left.
const COUNTS_FOR: i64 = 10_000_000;

#[derive(Clone, Copy, Debug)]
struct Said {
    bytes: u64,
    at: i64,
}

impl Said {
    fn counts(self, now: i64) -> bool {
        now.saturating_sub(self.at) < COUNTS_FOR
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// By origin.
    said: HashMap<String, Said>,
    /// The most of those that counted at the last word.
    most: u64,
}

impl Memory {
    /// Takes in what an origin says now.
    pub(super) fn heard(&mut self, origin: &str, bytes: u64, now: i64) {
        let said = Said { bytes, at: now };
        match self.said.get_mut(origin) {
            Some(known) => *known = said,
            None => {
                self.said.insert(origin.to_owned(), said);
            }
        }
        self.said.retain(|_, said| said.counts(now));
        self.sum_up();
    }

    /// An origin is there no longer.
    pub(super) fn forget(&mut self, origin: &str) {
        self.said.remove(origin);
        self.sum_up();
    }

    fn sum_up(&mut self) {
        let all = self.said.values();
        self.most = all.map(|said| said.bytes).max().unwrap_or(0);
    }

    /// The most that an origin has said lately, in bytes.
    pub(super) fn most(&self) -> u64 {
        self.most
    }

    /// Whether an origin has more than so many bytes. Asks for the time only where one had at the last word.
    pub(super) fn is_over(&self, bytes_max: u64, clock: &Clock) -> bool {
        if self.most <= bytes_max {
            return false;
        }
        let now = clock.now_microseconds();
        let mut all = self.said.values();
        all.any(|said| said.bytes > bytes_max && said.counts(now))
    }
}
