//! How many requests origins should work on at once, found out by itself: by how much longer requests take than they do
//! where nobody waits (a gradient limit, after TCP Vegas and its descendants).
//!
//! Latencies are looked at in windows and compared with the shortest ones lately, each class with its own: an order takes
//! longer than a page, and a changed mixture is no overload. What is shortest is measured anew from time to time, with
//! few requests for one window: otherwise the waiting that a full origin causes would in time pass for normal.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::priority::{CLASSES, Class};
use crackers_shared::config_file::Problems;

/// Settings of the limit that adapts itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdaptiveConfig {
    /// Requests at once to begin with.
    pub initial: usize,
    /// Never fewer.
    pub min: usize,
    /// How long requests may take before there are fewer at once, in percent of the shortest time.
    pub tolerance_percent: u32,
    /// Latencies are averaged over so many milliseconds.
    pub window_ms: u64,
    /// And over at least so many requests.
    pub samples_min: u32,
    /// How often the shortest time is measured anew, in milliseconds.
    pub remeasure_ms: u64,
}

impl AdaptiveConfig {
    /// Reports impossible values under `path`; there may be at most `max` at once.
    pub(super) fn check(&self, path: &str, max: usize, problems: &mut Problems) {
        problems.require(
            1 <= self.min && self.min <= self.initial && self.initial <= max,
            format!("{path}.initial"),
            format!("must be at least min, that at least 1, and at most concurrency_max ({max})"),
        );
        problems.require(
            (100..=1000).contains(&self.tolerance_percent),
            format!("{path}.tolerance_percent"),
            "must be 100 to 1000",
        );
        problems.require(
            (10..=60_000).contains(&self.window_ms),
            format!("{path}.window_ms"),
            "must be 10 to 60000",
        );
        problems.require(
            self.samples_min > 0,
            format!("{path}.samples_min"),
            "must be at least 1",
        );
        problems.require(
            self.remeasure_ms >= self.window_ms.saturating_mul(4),
            format!("{path}.remeasure_ms"),
            "must be at least four windows",
        );
    }
}

/// A class needs so many requests in a window before its average counts.
const CLASS_SAMPLES_MIN: u32 = 5;
/// The part of the way to the new limit that is gone at once.
const STEP: f64 = 0.3;
/// When the limit has been pressed down for so many windows without effect, it is the origin that has become slower.
const PRESSED_WINDOWS_MAX: u32 = 8;
/// What counts as pressed down.
const PRESSED: f64 = 0.7;
/// A measurement takes no longer than so many windows.
const MEASURING_WINDOWS_MAX: i64 = 8;

/// A request that was answered; times in microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) class: Class,
    pub(super) begun: i64,
    pub(super) now: i64,
    /// Requests at work when it was answered, itself included.
    pub(super) in_use: usize,
}

/// The shortest time of a class, lately and before that.
#[derive(Clone, Copy, Debug, Default)]
struct Shortest {
    lately: Option<f64>,
    before: Option<f64>,
}

impl Shortest {
    fn get(self) -> Option<f64> {
        match (self.lately, self.before) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    begun: i64,
    count: [u32; CLASSES],
    took: [f64; CLASSES],
    most_in_use: usize,
}

impl Window {
    fn at(now: i64) -> Self {
        Self {
            begun: now,
            ..Self::default()
        }
    }

    /// The average of a class, where there were enough.
    fn average(&self, class: usize) -> Option<f64> {
        (self.count[class] >= CLASS_SAMPLES_MIN)
            .then(|| self.took[class] / f64::from(self.count[class]))
    }
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Until the shortest time is measured anew.
    Adapting(i64),
    /// With at most so many requests at once; since when there are so few, and what is forgotten afterwards.
    Measuring {
        begun: i64,
        most: f64,
        few_since: Option<i64>,
        forget_all: bool,
    },
}

/// The limit at work.
#[derive(Debug)]
pub(super) struct Gradient {
    limit: f64,
    phase: Phase,
    window: Window,
    shortest: [Shortest; CLASSES],
    pressed: u32,
}

impl Gradient {
    pub(super) fn new(config: &AdaptiveConfig, now: i64) -> Self {
        Self {
            limit: config.initial as f64,
            phase: Phase::Adapting(now.saturating_add(microseconds(config.remeasure_ms))),
            window: Window::at(now),
            shortest: [Shortest::default(); CLASSES],
            pressed: 0,
        }
    }

    /// Requests at once, now.
    pub(super) fn limit(&self, config: &AdaptiveConfig, max: usize) -> usize {
        let limit = match self.phase {
            Phase::Adapting(_) => self.limit,
            Phase::Measuring { most, .. } => most,
        };
        (limit as usize).clamp(config.min.min(max), max)
    }

    /// Takes in an answer.
    pub(super) fn sample(&mut self, config: &AdaptiveConfig, max: usize, sample: Sample) {
        let now = sample.now;
        if let Phase::Measuring {
            begun, few_since, ..
        } = self.phase
        {
            if now - begun > MEASURING_WINDOWS_MAX * microseconds(config.window_ms) {
                self.measured(config, now);
            } else if few_since.is_none() && sample.in_use <= self.limit(config, max) {
                self.drained(now);
            }
        }
        if !self.counts(&sample) {
            return;
        }
        let class = sample.class as usize;
        self.window.count[class] += 1;
        self.window.took[class] += (now - sample.begun).max(1) as f64;
        self.window.most_in_use = self.window.most_in_use.max(sample.in_use);
        let is_long = now - self.window.begun >= microseconds(config.window_ms);
        if is_long && self.window.count.iter().sum::<u32>() >= config.samples_min {
            match self.phase {
                Phase::Measuring { .. } => self.measured(config, now),
                Phase::Adapting(until) => self.adapt(config, max, until, now),
            }
        }
    }

    /// While it is measured, only what was asked when there were few already.
    fn counts(&self, sample: &Sample) -> bool {
        match self.phase {
            Phase::Adapting(_) => true,
            Phase::Measuring { few_since, .. } => {
                few_since.is_some_and(|since| sample.begun >= since)
            }
        }
    }

    fn drained(&mut self, now: i64) {
        if let Phase::Measuring { few_since, .. } = &mut self.phase {
            *few_since = Some(now);
            self.window = Window::at(now);
        }
    }

    /// Ends a measurement with what it has brought.
    fn measured(&mut self, config: &AdaptiveConfig, now: i64) {
        let forget_all = matches!(
            self.phase,
            Phase::Measuring {
                forget_all: true,
                ..
            }
        );
        for (class, shortest) in self.shortest.iter_mut().enumerate() {
            let average = self.window.average(class);
            let before = shortest.lately.filter(|_| !forget_all || average.is_none());
            *shortest = Shortest {
                before,
                lately: average,
            };
        }
        self.pressed = 0;
        self.window = Window::at(now);
        self.phase = Phase::Adapting(now.saturating_add(microseconds(config.remeasure_ms)));
    }

    fn adapt(&mut self, config: &AdaptiveConfig, max: usize, until: i64, now: i64) {
        let unhindered = self.unhindered();
        let tolerance = f64::from(config.tolerance_percent) / 100.0;
        let gradient = (tolerance * unhindered).clamp(0.5, 1.0);
        let mut wanted = self.limit * gradient + self.limit.sqrt();
        if (self.window.most_in_use * 2) < self.limit as usize {
            // Nobody has tried what more would do.
            wanted = wanted.min(self.limit);
        }
        self.limit += (wanted - self.limit) * STEP;
        self.limit = self.limit.clamp(config.min.min(max) as f64, max as f64);
        self.pressed = if gradient < PRESSED {
            self.pressed + 1
        } else {
            0
        };
        self.window = Window::at(now);
        let is_slower = self.pressed >= PRESSED_WINDOWS_MAX;
        if is_slower || now >= until {
            self.phase = Phase::Measuring {
                begun: now,
                // Half of those that are worked on while the others wait.
                most: self.limit * unhindered.max(0.5) / 2.0,
                few_since: None,
                forget_all: is_slower,
            };
        }
    }

    /// The part of their time that requests would take if nobody waited: 1 when nobody does.
    fn unhindered(&mut self) -> f64 {
        let (mut took, mut shortest_in_all) = (0.0, 0.0);
        for (class, shortest) in self.shortest.iter_mut().enumerate() {
            let Some(average) = self.window.average(class) else {
                continue;
            };
            let lately = shortest.lately.map_or(average, |known| known.min(average));
            shortest.lately = Some(lately);
            let count = f64::from(self.window.count[class]);
            took += self.window.took[class];
            shortest_in_all += count * shortest.get().unwrap_or(average);
        }
        if took <= 0.0 {
            return 1.0;
        }
        (shortest_in_all / took).min(1.0)
    }
}

fn microseconds(milliseconds: u64) -> i64 {
    i64::try_from(milliseconds.saturating_mul(1000)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
