//! Stage `dispatch`: who gets an origin slot, and who waits for one how long. So many requests at once as are set, or as
//! turn out to be good ([`concurrency`]); behind them a line ([`queue`]) that serves one class after the other
//! ([`priority`]) and each user in turn. [`breaker`] is kept for each origin by stage `forward`. Hits never come here.

pub mod breaker;
pub mod concurrency;
mod line;
mod memory;
pub mod priority;
pub mod queue;
mod slots;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crackers_shared::config_file::Problems;

use breaker::BreakerConfig;
use concurrency::AdaptiveConfig;
pub use priority::Class;
use priority::{CLASSES, PriorityConfig};
use queue::Bounds;
pub use queue::User;
pub use slots::{Dispatch, Full, Permit};

/// Settings of stage `dispatch`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether the number of requests at once is fixed or adapts itself.
    pub limit: Limit,
    /// Requests that origins work on at once; the most of a limit that adapts itself.
    pub concurrency_max: usize,
    /// The limit that adapts itself.
    pub adaptive: AdaptiveConfig,
    /// While an origin says it uses more memory than this, in bytes, fewer requests are given out; its word counts for ten seconds.
    pub memory_bytes_max: u64,
    /// Requests at once while an origin is above its memory limit.
    pub concurrency_when_full: usize,
    /// Requests that may wait for a slot; more are answered 503.
    pub queue_max: usize,
    /// The longest wait for a slot, in milliseconds; then 503.
    pub queue_wait_ms: u64,
    /// What `Retry-After` says with such a 503, in seconds.
    pub retry_after_seconds: u32,
    /// Which requests are of which class; the first entry that fits one counts, and without any it is `browse`.
    pub priorities: Vec<PriorityConfig>,
    /// The part of the slots that each class may have, in percent.
    pub slots_percent: SlotsPercent,
    /// When an origin gets no requests for a while.
    pub breaker: BreakerConfig,
}

/// For what and for whom a slot is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asking {
    /// What for.
    pub class: Class,
    /// For whom.
    pub user: User,
}

/// Whether the number of requests at once is fixed or adapts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// `concurrency_max`.
    Fixed,
    /// By how long requests take.
    Adaptive,
}

/// The part of the slots that each class may have, in percent; at least one slot each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlotsPercent {
    /// Of `checkout`.
    pub checkout: u8,
    /// Of `cart`.
    pub cart: u8,
    /// Of `browse`.
    pub browse: u8,
    /// Of `export`.
    pub export: u8,
}

impl SlotsPercent {
    fn by_class(self) -> [u8; CLASSES] {
        [self.checkout, self.cart, self.browse, self.export]
    }
}

impl Config {
    /// Reports impossible values under `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        problems.require(
            (1..=100_000).contains(&self.concurrency_max),
            format!("{path}.concurrency_max"),
            "must be 1 to 100000",
        );
        problems.require(
            (1..=self.concurrency_max).contains(&self.concurrency_when_full),
            format!("{path}.concurrency_when_full"),
            format!("must be 1 to concurrency_max ({})", self.concurrency_max),
        );
        problems.require(
            self.queue_wait_ms > 0,
            format!("{path}.queue_wait_ms"),
            "must be at least 1",
        );
        if self.limit == Limit::Adaptive {
            let most = self.concurrency_max;
            self.adaptive
                .check(&format!("{path}.adaptive"), most, problems);
        }
        for (index, one) in self.priorities.iter().enumerate() {
            one.check(&format!("{path}.priorities.{index}"), problems);
        }
        for (class, percent) in Class::ALL.iter().zip(self.slots_percent.by_class()) {
            problems.require(
                (1..=100).contains(&percent),
                format!("{path}.slots_percent.{class}"),
                "must be 1 to 100",
            );
        }
        self.breaker.check(&format!("{path}.breaker"), problems);
    }

    fn bounds(&self, slots: usize) -> Bounds {
        Bounds {
            slots,
            percent: self.slots_percent.by_class(),
            waiting_max: self.queue_max,
        }
    }

    /// The class of a request.
    pub fn class_of(&self, method: &str, path: &str) -> Class {
        priority::class_of(&self.priorities, method, path)
    }
}
