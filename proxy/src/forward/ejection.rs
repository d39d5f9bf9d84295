//! Passive ejection: a server that fails several requests in a row gets none for a while, for longer each time, and
//! then slowly more of them.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crackers_shared::config_file::Problems;

/// When a server is ejected, and for how long.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EjectionConfig {
    /// Failures in a row (no answer, 502, 504, 503 without `Retry-After`) that eject a server.
    pub failures_max: u32,
    /// They count together when no more than so many milliseconds lie between first and last.
    pub window_ms: u64,
    /// How long the first ejection lasts, in milliseconds; every further one lasts twice as long.
    pub first_ms: u64,
    /// The longest ejection, in milliseconds; a server that served well for so long begins anew.
    pub longest_ms: u64,
    /// The largest share of a group that may be ejected at once, in percent, rounded down.
    pub share_max_percent: usize,
    /// How long a server that comes back gets less than its share, in milliseconds.
    pub slow_start_ms: u64,
}

impl Default for EjectionConfig {
    fn default() -> Self {
        Self {
            failures_max: 5,
            window_ms: 30_000,
            first_ms: 10_000,
            longest_ms: 300_000,
            share_max_percent: 50,
            slow_start_ms: 10_000,
        }
    }
}

impl EjectionConfig {
    /// Reports impossible values under `path`.
    pub(super) fn check(&self, path: &str, problems: &mut Problems) {
        let require = |problems: &mut Problems, holds, key: &str, rule: &str| {
            problems.require(holds, format!("{path}.{key}"), rule);
        };
        let (failures, share) = (self.failures_max, self.share_max_percent);
        require(problems, failures > 0, "failures_max", "must be at least 1");
        require(
            problems,
            share <= 100,
            "share_max_percent",
            "must be at most 100",
        );
        let is_ordered = 0 < self.first_ms && self.first_ms <= self.longest_ms;
        require(
            problems,
            is_ordered && self.longest_ms <= 86_400_000,
            "first_ms",
            "must be at least 1 and at most longest_ms, and that at most 86400000",
        );
    }
}

/// Shares are counted in so many parts.
const WHOLE_SHARE: u64 = 10;
/// Before any time that a clock shows.
const NEVER: i64 = i64::MIN / 2;

/// What is remembered of one server; times in microseconds.
#[derive(Debug)]
pub(super) struct Record {
    failures: AtomicU32,
    until: AtomicI64,
    returned: AtomicI64,
    history: Mutex<History>,
}

#[derive(Debug, Default)]
struct History {
    first_failure: i64,
    times: u32,
}

impl Record {
    pub(super) fn new() -> Self {
        Self {
            failures: AtomicU32::new(0),
            until: AtomicI64::new(NEVER),
            returned: AtomicI64::new(NEVER),
            history: Mutex::default(),
        }
    }

    pub(super) fn is_ejected(&self, now: i64) -> bool {
        now < self.until.load(Ordering::Relaxed)
    }

    /// A check found it serving again.
    pub(super) fn came_back(&self, now: i64) {
        self.returned.store(now, Ordering::Relaxed);
    }

    /// It gave an answer of its own.
    pub(super) fn succeeded(&self) {
        if self.failures.load(Ordering::Relaxed) > 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// Whether this failure is the one too many.
    pub(super) fn failed(&self, config: &EjectionConfig, now: i64) -> bool {
        let mut history = self.history.lock();
        let failures = self.failures.load(Ordering::Relaxed);
        let is_old = now - history.first_failure > microseconds(config.window_ms);
        let failures = if failures == 0 || is_old {
            history.first_failure = now;
            1
        } else {
            failures + 1
        };
        self.failures.store(failures, Ordering::Relaxed);
        failures >= config.failures_max && !self.is_ejected(now)
    }

    /// Ejects it.
    pub(super) fn eject(&self, config: &EjectionConfig, now: i64) {
        let mut history = self.history.lock();
        let until = self.until.load(Ordering::Relaxed);
        if now.saturating_sub(until) > microseconds(config.longest_ms) {
            history.times = 0;
        }
        let doubled = 1_u64 << history.times.min(32);
        let lasts = config
            .first_ms
            .saturating_mul(doubled)
            .min(config.longest_ms);
        history.times += 1;
        self.failures.store(0, Ordering::Relaxed);
        self.until
            .store(now + microseconds(lasts), Ordering::Relaxed);
    }

    /// Its part of its weight, in tenths: less while it starts slowly.
    pub(super) fn share(&self, config: &EjectionConfig, now: i64) -> u64 {
        let until = self.until.load(Ordering::Relaxed);
        let back = until.max(self.returned.load(Ordering::Relaxed));
        let since = u64::try_from(now.saturating_sub(back)).unwrap_or(0);
        let whole = config.slow_start_ms.saturating_mul(1000);
        if since >= whole {
            return WHOLE_SHARE;
        }
        1 + (since.saturating_mul(WHOLE_SHARE - 1) / whole.max(1))
    }
}

fn microseconds(milliseconds: u64) -> i64 {
    i64::try_from(Duration::from_millis(milliseconds).as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn fail(record: &Record, times: u32, now: i64) -> bool {
        (0..times).fold(false, |_, _| record.failed(&EjectionConfig::default(), now))
    }

    #[test]
    fn failures_count_in_a_row_and_within_the_window_only() {
        let record = Record::new();
        assert!(!fail(&record, 4, 0));
        record.succeeded();
        assert!(!fail(&record, 4, 1));
        assert!(!fail(&record, 1, 31 * SECOND));
        assert!(fail(&record, 4, 32 * SECOND));
    }

    #[test]
    fn each_ejection_lasts_twice_as_long_until_it_served_well_for_long() {
        let (record, config) = (Record::new(), EjectionConfig::default());
        record.eject(&config, 0);
        assert!(record.is_ejected(10 * SECOND - 1) && !record.is_ejected(10 * SECOND));
        record.eject(&config, 11 * SECOND);
        assert!(record.is_ejected(31 * SECOND - 1) && !record.is_ejected(31 * SECOND));
        record.eject(&config, 400 * SECOND);
        assert!(!record.is_ejected(410 * SECOND));
    }

    #[test]
    fn a_server_that_comes_back_gets_a_growing_share() {
        let (record, config) = (Record::new(), EjectionConfig::default());
        assert_eq!(record.share(&config, 0), 10);
        record.eject(&config, 0);
        let shares = [10, 15, 20].map(|seconds| record.share(&config, seconds * SECOND));
        assert_eq!(shares, [1, 5, 10]);
        record.came_back(100 * SECOND);
        assert_eq!(record.share(&config, 100 * SECOND), 1);
    }
}
