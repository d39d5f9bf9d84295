//! A circuit breaker: a service that fails again and again is left alone for a while, so that neither it nor we wait for
//! nothing.

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

/// Says whether a service may be called.
#[derive(Debug)]
pub struct Breaker {
    failures_max: u32,
    pause: SignedDuration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Failures since the last success.
    failures: u32,
    /// Until when nobody calls; only looked at once there were too many failures.
    left_alone_until: Option<Timestamp>,
}

impl Breaker {
    /// A breaker that opens after so many failures in a row, for so long.
    pub fn new(failures_max: u32, pause: SignedDuration) -> Self {
        Self {
            failures_max,
            pause,
            state: Mutex::default(),
        }
    }

    /// Whether a call may be made now. Of those who ask after the pause one is let through, to see how it fares; should
    /// that one never come back, another one is after one more pause.
    pub fn lets_through(&self, now: Timestamp) -> bool {
        let mut state = self.state.lock();
        if state.failures < self.failures_max {
            return true;
        }
        if state.left_alone_until.is_some_and(|until| now < until) {
            return false;
        }
        state.left_alone_until = Some(now + self.pause);
        true
    }

    /// A call that was answered.
    pub fn succeeded(&self) {
        *self.state.lock() = State::default();
    }

    /// A call that was not.
    pub fn failed(&self, now: Timestamp) {
        let mut state = self.state.lock();
        state.failures = state.failures.saturating_add(1);
        if state.failures >= self.failures_max {
            state.left_alone_until = Some(now + self.pause);
        }
    }

    /// Whether it keeps calls back now.
    pub fn is_open(&self) -> bool {
        self.state.lock().failures >= self.failures_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;
    const PAUSE: SignedDuration = SignedDuration::from_secs(10);

    fn opened() -> Breaker {
        let breaker = Breaker::new(3, PAUSE);
        for _ in 0..3 {
            assert!(breaker.lets_through(NOW));
            breaker.failed(NOW);
        }
        breaker
    }

    #[test]
    fn after_too_many_failures_in_a_row_it_is_left_alone_for_the_pause() {
        let breaker = opened();
        assert!(breaker.is_open());
        assert!(!breaker.lets_through(NOW + PAUSE / 2));
    }

    #[test]
    fn a_success_in_between_starts_the_count_again() {
        let breaker = Breaker::new(2, PAUSE);
        for _ in 0..5 {
            breaker.failed(NOW);
            assert!(breaker.lets_through(NOW));
            breaker.succeeded();
        }
    }

    #[test]
    fn after_the_pause_one_call_tries_and_closes_it_or_opens_it_again() {
        let later = NOW + PAUSE;
        let breaker = opened();
        assert!(breaker.lets_through(later));
        assert!(!breaker.lets_through(later), "a second one at once");
        breaker.failed(later);
        assert!(!breaker.lets_through(later + PAUSE / 2));
        assert!(breaker.lets_through(later + PAUSE));
        breaker.succeeded();
        assert!(breaker.lets_through(later + PAUSE));
        assert!(breaker.lets_through(later + PAUSE));
    }

    #[test]
    fn a_try_that_never_comes_back_does_not_keep_it_open() {
        let breaker = opened();
        assert!(breaker.lets_through(NOW + PAUSE));
        assert!(breaker.lets_through(NOW + PAUSE * 2));
    }
}
