//! The stage at work: slots given out, taken back and waited for.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crackers_shared::clock::Clock;
use crackers_shared::headers;

use super::concurrency::{Gradient, Sample};
use super::memory::Memory;
use super::queue::{Place, Queue};
use super::{Class, Config, Limit, User};
use crate::telemetry::Metrics;

/// No slot, and no place in the line either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// For `Retry-After`.
    pub retry_after_seconds: u32,
}

/// An origin slot, given back when dropped.
pub struct Permit {
    class: Class,
    dispatch: Arc<Dispatch>,
}

impl Permit {
    /// Takes in what an origin says of itself with an answer.
    pub fn heard(&self, origin: &str, answer: &HeaderMap) {
        self.dispatch.heard(origin, answer);
    }

    /// Takes in that an origin has now answered what it was asked at `begun` (microseconds).
    pub fn answered(&self, begun: i64) {
        self.dispatch.took(self.class, begun);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.dispatch.give_back(self.class);
    }
}

/// The stage at work.
pub struct Dispatch {
    state: Mutex<State>,
    clock: Clock,
    metrics: Arc<Metrics>,
}

struct State {
    config: Arc<Config>,
    queue: Queue<oneshot::Sender<()>>,
    adaptive: Gradient,
    memory: Memory,
    clock: Clock,
}

impl State {
    /// Requests at once, now.
    fn slots(&self) -> usize {
        let config = &self.config;
        let slots = match config.limit {
            Limit::Fixed => config.concurrency_max,
            Limit::Adaptive => self
                .adaptive
                .limit(&config.adaptive, config.concurrency_max),
        };
        if self.memory.is_over(config.memory_bytes_max, &self.clock) {
            slots.min(config.concurrency_when_full)
        } else {
            slots
        }
    }

    /// Calls everybody who can go now.
    fn call(&mut self) {
        let bounds = self.config.bounds(self.slots());
        while let Some((class, waiter)) = self.queue.next(&bounds) {
            if waiter.send(()).is_err() {
                // He has just given up, and will find that he is in the line no longer.
                self.queue.give_back(class);
            }
        }
    }
}

impl Dispatch {
    /// All slots free.
    pub fn new(config: Arc<Config>, clock: Clock, metrics: Arc<Metrics>) -> Arc<Self> {
        let adaptive = Gradient::new(&config.adaptive, clock.now_microseconds());
        let state = State {
            config,
            queue: Queue::new(),
            adaptive,
            memory: Memory::default(),
            clock: clock.clone(),
        };
        let dispatch = Self {
            state: Mutex::new(state),
            clock,
            metrics,
        };
        dispatch.show(&dispatch.state.lock());
        Arc::new(dispatch)
    }

    /// A slot for a request of a class, if it can go without a wait.
    pub fn enter_now(self: &Arc<Self>, class: Class) -> Option<Permit> {
        let is_free = self.changed(|state| {
            let bounds = state.config.bounds(state.slots());
            state.queue.take(class, &bounds)
        });
        is_free.then(|| self.permit(class))
    }

    /// A slot, now or after a short wait. Whoever drops this leaves the line.
    ///
    /// # Errors
    /// [`Full`] when the line is full, the wait was too long, or the place was needed for another.
    pub async fn enter(self: &Arc<Self>, class: Class, user: User) -> Result<Permit, Full> {
        if let Some(permit) = self.enter_now(class) {
            return Ok(permit);
        }
        self.wait(class, user).await?;
        Ok(self.permit(class))
    }

    fn permit(self: &Arc<Self>, class: Class) -> Permit {
        Permit {
            class,
            dispatch: Arc::clone(self),
        }
    }

    async fn wait(&self, class: Class, user: User) -> Result<(), Full> {
        let (call, called) = oneshot::channel();
        let (joined, config) = self.changed(|state| {
            let bounds = state.config.bounds(state.slots());
            let joined = state.queue.join(class, user, call, &bounds);
            // A slot may have come free since it was asked for.
            state.call();
            (joined, Arc::clone(&state.config))
        });
        let refused = |reason: &str| {
            let labels = [class.label(), reason];
            self.metrics
                .dispatch_refused
                .with_label_values(&labels)
                .inc();
            Full {
                retry_after_seconds: config.retry_after_seconds,
            }
        };
        let (place, displaced) = joined.map_err(|_| refused("queue_full"))?;
        // Whoever was displaced hears of it: nobody can call him any more.
        drop(displaced);
        let mut waiting = Waiting {
            dispatch: self,
            place,
            called,
            has_slot: false,
        };
        let waits = &self.metrics.dispatch_wait_seconds;
        let timer = waits.with_label_values(&[class.label()]).start_timer();
        let limit = Duration::from_millis(config.queue_wait_ms);
        let outcome = tokio::time::timeout(limit, &mut waiting.called).await;
        timer.observe_duration();
        match outcome {
            Ok(Ok(())) => {
                waiting.has_slot = true;
                Ok(())
            }
            Ok(Err(_)) => Err(refused("displaced")),
            Err(_) => Err(refused("waited_too_long")),
        }
    }

    /// Goes on with other settings: whoever has a slot or waits keeps it.
    pub fn configure(&self, config: Arc<Config>) {
        self.changed(|state| {
            state.config = config;
            state.call();
        });
    }

    /// Takes in what an origin says of itself: its memory use.
    pub fn heard(&self, origin: &str, answer: &HeaderMap) {
        let value = answer
            .get(headers::MEMORY_USAGE)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        if let Some(bytes) = value {
            let now = self.clock.now_microseconds();
            self.remember(|memory| memory.heard(origin, bytes, now));
        }
    }

    /// An origin is there no longer: what it has said of itself counts no longer.
    pub fn forget(&self, origin: &str) {
        self.remember(|memory| memory.forget(origin));
    }

    fn remember(&self, change: impl FnOnce(&mut Memory)) {
        let most = self.changed(|state| {
            change(&mut state.memory);
            state.call();
            state.memory.most()
        });
        let gauge = &self.metrics.origin_memory_bytes;
        gauge.set(i64::try_from(most).unwrap_or(i64::MAX));
    }

    fn took(&self, class: Class, begun: i64) {
        let now = self.clock.now_microseconds();
        self.changed(|state| {
            let (config, in_use) = (Arc::clone(&state.config), state.queue.in_use());
            if config.limit == Limit::Adaptive {
                let sample = Sample {
                    class,
                    begun,
                    now,
                    in_use,
                };
                let most = config.concurrency_max;
                state.adaptive.sample(&config.adaptive, most, sample);
                state.call();
            }
        });
    }

    fn give_back(&self, class: Class) {
        self.changed(|state| {
            state.queue.give_back(class);
            state.call();
        });
    }

    /// Changes the state, and shows it.
    fn changed<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state.lock();
        let done = change(&mut state);
        self.show(&state);
        done
    }

    fn show(&self, state: &State) {
        let set = |gauge: &prometheus::IntGauge, value: usize| {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        };
        set(&self.metrics.dispatch_in_flight, state.queue.in_use());
        set(&self.metrics.dispatch_limit, state.slots());
        for (class, gauge) in Class::ALL.iter().zip(&self.metrics.dispatch_waiting) {
            set(gauge, state.queue.waiting(*class));
        }
    }
}

/// Somebody in the line; whatever ends the wait, place and slot are given up unless the slot is used.
struct Waiting<'a> {
    dispatch: &'a Dispatch,
    place: Place,
    called: oneshot::Receiver<()>,
    has_slot: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.has_slot {
            return;
        }
        self.called.close();
        if self.called.try_recv().is_ok() {
            // Called at the very moment of leaving.
            self.dispatch.give_back(self.place.class);
        } else {
            self.dispatch
                .changed(|state| state.queue.cancel(&self.place));
        }
    }
}

#[cfg(test)]
mod tests;
