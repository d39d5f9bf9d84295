//! How many requests may be tried again: a share of all in the last seconds, and a few in any case. Without it, origins
//! that fail under load would get several times that load.

use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crackers_shared::config_file::Problems;

/// Settings of the budget.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryBudgetConfig {
    /// Retries in the window, in percent of its requests.
    pub percent: u64,
    /// Retries in the window that are allowed in any case.
    pub floor: u64,
    /// The sliding window, in milliseconds.
    pub window_ms: u64,
}

impl RetryBudgetConfig {
    /// Reports impossible values under `path`.
    pub(super) fn check(&self, path: &str, problems: &mut Problems) {
        problems.require(
            self.percent <= 100,
            format!("{path}.percent"),
            "must be at most 100",
        );
        problems.require(
            (PARTS as u64..=600_000).contains(&self.window_ms),
            format!("{path}.window_ms"),
            "must be 10 to 600000",
        );
    }
}

/// The window slides by one of so many parts.
const PARTS: usize = 10;

#[derive(Clone, Copy, Debug, Default)]
struct Part {
    number: i64,
    requests: u64,
    retries: u64,
}

/// The budget of one group.
pub(super) struct RetryBudget {
    pub(super) config: RetryBudgetConfig,
    parts: Mutex<[Part; PARTS]>,
}

impl RetryBudget {
    pub(super) fn new(config: RetryBudgetConfig) -> Self {
        Self {
            config,
            parts: Mutex::default(),
        }
    }

    /// Counts a request's first try.
    pub(super) fn asked(&self, now: i64) {
        let mut parts = self.parts.lock();
        self.part(&mut parts, now).requests += 1;
    }

    /// Whether one more retry fits; it is counted if so.
    pub(super) fn take(&self, now: i64) -> bool {
        let mut parts = self.parts.lock();
        let oldest = self.number(now) - PARTS as i64;
        let recent = parts.iter().filter(|part| part.number > oldest);
        let (requests, retries) = recent.fold((0, 0), |(requests, retries), part| {
            (requests + part.requests, retries + part.retries)
        });
        let fits = retries < self.config.floor + requests * self.config.percent / 100;
        if fits {
            self.part(&mut parts, now).retries += 1;
        }
        fits
    }

    fn number(&self, now: i64) -> i64 {
        let lasts = self.config.window_ms * 1000 / PARTS as u64;
        now / i64::try_from(lasts).unwrap_or(i64::MAX).max(1)
    }

    fn part<'a>(&self, parts: &'a mut [Part; PARTS], now: i64) -> &'a mut Part {
        let number = self.number(now);
        let part = &mut parts[number.rem_euclid(PARTS as i64) as usize];
        if part.number != number {
            *part = Part {
                number,
                ..Part::default()
            };
        }
        part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_a_share_of_the_requests_of_the_window_and_a_few_more() {
        let budget = RetryBudget::new(RetryBudgetConfig {
            percent: 20,
            floor: 3,
            window_ms: 10_000,
        });
        let granted = |now| (0..100).filter(|_| budget.take(now)).count();
        assert_eq!(granted(0), 3);
        for _ in 0..50 {
            budget.asked(1);
        }
        assert_eq!(granted(2), 10);
        assert_eq!(granted(9_000_000), 0);
        assert_eq!(granted(11_000_000), 3);
    }
}
