//! A circuit breaker for each origin: when too large a part of its recent requests failed or was slow, it gets none for a
//! while, then a few probes, and everything again once those went well.
//!
//! Beside ejection (`forward/ejection.rs`), which takes out a server that fails several requests *in a row* as long as
//! others are left to serve instead, and so can never make a group unavailable. The breaker looks at *rates*, slowness
//! included, and holds for the last server of a group, too: its requests are then refused at once instead of holding
//! slots and clients until a timeout. While it is not closed, what the probes say is the breaker's alone.

use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crackers_shared::config_file::Problems;

/// When a breaker opens and closes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BreakerConfig {
    /// The sliding window, in milliseconds.
    pub window_ms: u64,
    /// With fewer requests in the window it stays closed.
    pub requests_min: u32,
    /// It opens when so many percent of them failed; 0 for never.
    pub failures_percent: u32,
    /// What counts as slow: from the whole request to the head of the answer, in milliseconds.
    pub slow_ms: u64,
    /// It opens when so many percent of them were slow; 0 for never.
    pub slow_percent: u32,
    /// How long it stays open, in milliseconds.
    pub open_ms: u64,
    /// Requests that then must go well, one beside the other, before it closes.
    pub probes: u32,
}

impl BreakerConfig {
    /// Reports impossible values under `path`.
    pub(super) fn check(&self, path: &str, problems: &mut Problems) {
        problems.require(
            (PARTS as u64..=600_000).contains(&self.window_ms),
            format!("{path}.window_ms"),
            "must be 10 to 600000",
        );
        for (key, percent) in [
            ("failures_percent", self.failures_percent),
            ("slow_percent", self.slow_percent),
        ] {
            problems.require(
                percent <= 100,
                format!("{path}.{key}"),
                "must be at most 100",
            );
        }
        for (key, value) in [
            ("requests_min", u64::from(self.requests_min)),
            ("slow_ms", self.slow_ms),
            ("open_ms", self.open_ms),
            ("probes", u64::from(self.probes)),
        ] {
            problems.require(
                (1..=86_400_000).contains(&value),
                format!("{path}.{key}"),
                "must be 1 to 86400000",
            );
        }
    }
}

/// The window slides by one of so many parts.
const PARTS: usize = 10;

/// How a request went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Went {
    /// An answer, after so many microseconds.
    Well(i64),
    /// No answer, or a gateway's error.
    Badly,
}

/// Whether requests pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// All.
    Closed,
    /// A few probes.
    HalfOpen,
    /// None.
    Open,
}

impl State {
    /// As a metric: 0 closed, 1 half open, 2 open.
    pub fn number(self) -> i64 {
        match self {
            Self::Closed => 0,
            Self::HalfOpen => 1,
            Self::Open => 2,
        }
    }

    /// As a word.
    pub fn label(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half-open",
            Self::Open => "open",
        }
    }
}

/// A change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turned {
    /// It opened; why, as a metric label.
    Opened(&'static str),
    /// It closed again.
    Closed,
}

/// A request that passed; what becomes of it must be said by [`Breaker::report`], or [`Breaker::give_back`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// How often the state had changed: what was let through before says nothing of now.
    changes: u64,
    /// How often probes had been written off since: of the earlier ones only those that go badly say something.
    written_off: u32,
    /// Whether it is one of the probes.
    pub is_probe: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Part {
    number: i64,
    requests: u32,
    failed: u32,
    slow: u32,
}

#[derive(Debug)]
enum Inner {
    Closed(Box<[Part; PARTS]>),
    /// Until then; probes from then on.
    Open(i64),
    Probing(Probes),
}

/// The requests that are let through one beside the other, to see how they go.
#[derive(Debug, Default)]
struct Probes {
    under_way: u32,
    good: u32,
    /// When the last one was let through.
    last: i64,
    /// How often those under way were written off.
    written_off: u32,
}

impl Probes {
    fn may_pass(&self, config: &BreakerConfig, now: i64) -> bool {
        self.has_room(config) || self.is_overdue(config, now)
    }

    /// One more, unless there are enough. Those of which nothing was heard for too long count no longer: a client who takes
    /// hours over his request must not keep all others out. Says how often some were written off.
    fn enter(&mut self, config: &BreakerConfig, now: i64) -> Option<u32> {
        if !self.may_pass(config, now) {
            return None;
        }
        if !self.has_room(config) {
            self.under_way = 0;
            self.written_off += 1;
        }
        self.under_way += 1;
        self.last = now;
        Some(self.written_off)
    }

    fn has_room(&self, config: &BreakerConfig) -> bool {
        self.under_way + self.good < config.probes
    }

    /// Whatever is not slow would have answered by now.
    fn is_overdue(&self, config: &BreakerConfig, now: i64) -> bool {
        let patience = microseconds(config.open_ms.max(config.slow_ms));
        now.saturating_sub(self.last) > patience
    }

    /// Whether enough went well with this one.
    fn went_well(&mut self, config: &BreakerConfig, passed: Passed) -> bool {
        if passed.written_off == self.written_off {
            self.under_way = self.under_way.saturating_sub(1);
            self.good += 1;
        }
        self.good >= config.probes
    }
}

/// The breaker of one server; times in microseconds.
#[derive(Debug)]
pub struct Breaker(Mutex<(Inner, u64)>);

impl Default for Breaker {
    fn default() -> Self {
        Self(Mutex::new((Inner::Closed(Default::default()), 0)))
    }
}

impl Breaker {
    /// Its state now.
    pub fn state(&self, now: i64) -> State {
        match &self.0.lock().0 {
            Inner::Closed(_) => State::Closed,
            Inner::Open(until) if now < *until => State::Open,
            Inner::Open(_) | Inner::Probing(_) => State::HalfOpen,
        }
    }

    /// Whether a request may pass now, without letting one through.
    pub fn may_pass(&self, config: &BreakerConfig, now: i64) -> bool {
        match &self.0.lock().0 {
            Inner::Closed(_) => true,
            Inner::Open(until) => now >= *until,
            Inner::Probing(probes) => probes.may_pass(config, now),
        }
    }

    /// Lets a request through, if it may pass.
    pub fn enter(&self, config: &BreakerConfig, now: i64) -> Option<Passed> {
        let mut inner = self.0.lock();
        let (state, changes) = &mut *inner;
        if let Inner::Open(until) = state {
            if now < *until {
                return None;
            }
            *state = Inner::Probing(Probes::default());
            *changes += 1;
        }
        let written_off = match state {
            Inner::Probing(probes) => Some(probes.enter(config, now)?),
            Inner::Closed(_) | Inner::Open(_) => None,
        };
        Some(Passed {
            changes: *changes,
            written_off: written_off.unwrap_or(0),
            is_probe: written_off.is_some(),
        })
    }

    /// Takes in how a request went that was let through.
    pub fn report(
        &self,
        config: &BreakerConfig,
        passed: Passed,
        went: Went,
        now: i64,
    ) -> Option<Turned> {
        let mut inner = self.0.lock();
        let (state, changes) = &mut *inner;
        if passed.changes != *changes {
            return None;
        }
        let is_slow = matches!(went, Went::Well(took) if took > microseconds(config.slow_ms));
        let turned = match state {
            Inner::Open(_) => None,
            Inner::Closed(parts) => {
                let part = part(parts, config, now);
                part.requests += 1;
                part.failed += u32::from(went == Went::Badly);
                part.slow += u32::from(is_slow);
                reason(parts, config, now).map(Turned::Opened)
            }
            Inner::Probing(_) if went == Went::Badly || is_slow => Some(Turned::Opened("probe")),
            Inner::Probing(probes) => probes.went_well(config, passed).then_some(Turned::Closed),
        };
        turn(&mut inner, config, turned, now)
    }

    /// Takes in that an answer broke off of which [`Breaker::report`] was told that it went well.
    pub fn broke_off(&self, config: &BreakerConfig, passed: Passed, now: i64) -> Option<Turned> {
        let mut inner = self.0.lock();
        let (state, changes) = &mut *inner;
        if passed.changes != *changes {
            return None;
        }
        let turned = match state {
            Inner::Open(_) => None,
            Inner::Closed(parts) => {
                // The request is counted already.
                part(parts, config, now).failed += 1;
                reason(parts, config, now).map(Turned::Opened)
            }
            Inner::Probing(_) => Some(Turned::Opened("probe")),
        };
        turn(&mut inner, config, turned, now)
    }

    /// A check found the server serving again: the probes may begin.
    pub fn came_back(&self, now: i64) {
        if let (Inner::Open(until), _) = &mut *self.0.lock() {
            *until = now.min(*until);
        }
    }

    /// Opens it as if it had failed, or closes it and forgets what it has counted: somebody knows better.
    pub fn turn(&self, config: &BreakerConfig, is_open: bool, now: i64) {
        let (state, changes) = &mut *self.0.lock();
        *state = match is_open {
            true => Inner::Open(now.saturating_add(microseconds(config.open_ms))),
            false => Inner::Closed(Default::default()),
        };
        *changes += 1;
    }

    /// A request that was let through said nothing of the server: its client left, or it was never sent.
    pub fn give_back(&self, passed: Passed) {
        let mut inner = self.0.lock();
        let (state, changes) = &mut *inner;
        if let (Inner::Probing(probes), true) = (state, passed.changes == *changes)
            && passed.written_off == probes.written_off
        {
            probes.under_way = probes.under_way.saturating_sub(1);
        }
    }
}

/// Changes the state as told.
fn turn(
    (state, changes): &mut (Inner, u64),
    config: &BreakerConfig,
    turned: Option<Turned>,
    now: i64,
) -> Option<Turned> {
    *state = match turned? {
        Turned::Opened(_) => Inner::Open(now + microseconds(config.open_ms)),
        Turned::Closed => Inner::Closed(Default::default()),
    };
    *changes += 1;
    turned
}

fn microseconds(milliseconds: u64) -> i64 {
    i64::try_from(milliseconds.saturating_mul(1000)).unwrap_or(i64::MAX)
}

fn number(config: &BreakerConfig, now: i64) -> i64 {
    now / (microseconds(config.window_ms) / PARTS as i64).max(1)
}

/// The part of the window that is now.
fn part<'a>(parts: &'a mut [Part; PARTS], config: &BreakerConfig, now: i64) -> &'a mut Part {
    let number = number(config, now);
    let part = &mut parts[number.rem_euclid(PARTS as i64) as usize];
    if part.number != number {
        *part = Part {
            number,
            ..Part::default()
        };
    }
    part
}

/// Why the window opens the breaker, if it does.
fn reason(parts: &[Part; PARTS], config: &BreakerConfig, now: i64) -> Option<&'static str> {
    let oldest = number(config, now) - PARTS as i64;
    let recent = parts.iter().filter(|part| part.number > oldest);
    let (requests, failed, slow) = recent.fold((0, 0, 0), |(requests, failed, slow), part| {
        (
            requests + u64::from(part.requests),
            failed + u64::from(part.failed),
            slow + u64::from(part.slow),
        )
    });
    let is_over = |share: u64, percent: u32| {
        percent > 0 && share > 0 && share * 100 >= requests * u64::from(percent)
    };
    if requests < u64::from(config.requests_min) {
        None
    } else if is_over(failed, config.failures_percent) {
        Some("failures")
    } else if is_over(slow, config.slow_percent) {
        Some("slow")
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
