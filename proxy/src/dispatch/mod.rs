//! Stage `dispatch`: who gets an origin slot. A fixed number of requests at once, and a short queue with a deadline
//! behind them; hits never come here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use http::HeaderMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crackers_shared::config_file::Problems;
use crackers_shared::headers;

use crate::telemetry::Metrics;

/// Settings of stage `dispatch`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Requests that origins work on at once.
    pub concurrency_max: usize,
    /// While an origin says it uses more memory than this, in bytes, fewer requests are given out.
    pub memory_bytes_max: u64,
    /// Requests at once while an origin is above its memory limit.
    pub concurrency_when_full: usize,
    /// Requests that may wait for a slot; more are answered 503.
    pub queue_max: usize,
    /// The longest wait for a slot, in milliseconds; then 503.
    pub queue_wait_ms: u64,
    /// What `Retry-After` says with such a 503, in seconds.
    pub retry_after_seconds: u32,
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
    }
}

/// No slot, and no place in the queue either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// For `Retry-After`.
    pub retry_after_seconds: u32,
}

/// An origin slot, given back when dropped.
#[derive(Debug)]
pub struct Permit {
    _slots: Vec<OwnedSemaphorePermit>,
    metrics: Arc<Metrics>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.metrics.dispatch_in_flight.dec();
    }
}

/// The stage at work.
pub struct Dispatch {
    config: Config,
    slots: Arc<Semaphore>,
    slots_when_full: Arc<Semaphore>,
    waiting: AtomicUsize,
    origin_memory: AtomicU64,
    metrics: Arc<Metrics>,
}

impl Dispatch {
    /// All slots free.
    pub fn new(config: Config, metrics: Arc<Metrics>) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(config.concurrency_max)),
            slots_when_full: Arc::new(Semaphore::new(config.concurrency_when_full)),
            waiting: AtomicUsize::new(0),
            origin_memory: AtomicU64::new(0),
            config,
            metrics,
        }
    }

    /// A slot, now or after a short wait.
    ///
    /// # Errors
    /// [`Full`] when the queue is full or the wait was too long.
    pub async fn enter(&self) -> Result<Permit, Full> {
        let slots = match self.take_now() {
            Some(slots) => slots,
            None => self.wait().await?,
        };
        self.metrics.dispatch_in_flight.inc();
        Ok(Permit {
            _slots: slots,
            metrics: Arc::clone(&self.metrics),
        })
    }

    /// Takes in what an origin says of itself: its memory use.
    pub fn heard(&self, answer: &HeaderMap) {
        let value = answer
            .get(headers::MEMORY_USAGE)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        if let Some(bytes) = value {
            self.origin_memory.store(bytes, Ordering::Relaxed);
            self.metrics
                .origin_memory_bytes
                .set(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
    }

    fn is_origin_full(&self) -> bool {
        self.origin_memory.load(Ordering::Relaxed) > self.config.memory_bytes_max
    }

    /// The semaphores that a request needs a permit of now.
    fn needed(&self) -> impl Iterator<Item = &Arc<Semaphore>> {
        let when_full = self.is_origin_full().then_some(&self.slots_when_full);
        std::iter::once(&self.slots).chain(when_full)
    }

    fn take_now(&self) -> Option<Vec<OwnedSemaphorePermit>> {
        self.needed()
            .map(|slots| Arc::clone(slots).try_acquire_owned().ok())
            .collect()
    }

    async fn wait(&self) -> Result<Vec<OwnedSemaphorePermit>, Full> {
        let full = |reason: &str| {
            self.metrics
                .dispatch_refused
                .with_label_values(&[reason])
                .inc();
            Full {
                retry_after_seconds: self.config.retry_after_seconds,
            }
        };
        let place = Waiting::enter(self);
        if place.before >= self.config.queue_max {
            return Err(full("queue_full"));
        }
        let timer = self.metrics.dispatch_wait_seconds.start_timer();
        let acquire = async {
            let mut slots = Vec::new();
            for needed in self.needed() {
                slots.push(Arc::clone(needed).acquire_owned().await.ok()?);
            }
            Some(slots)
        };
        let limit = Duration::from_millis(self.config.queue_wait_ms);
        let acquired = tokio::time::timeout(limit, acquire).await;
        timer.observe_duration();
        match acquired {
            Ok(Some(slots)) => Ok(slots),
            _ => Err(full("waited_too_long")),
        }
    }
}

/// A place in the queue; given up when dropped, whatever ends the wait.
struct Waiting<'a> {
    dispatch: &'a Dispatch,
    before: usize,
}

impl<'a> Waiting<'a> {
    fn enter(dispatch: &'a Dispatch) -> Self {
        let before = dispatch.waiting.fetch_add(1, Ordering::AcqRel);
        dispatch.metrics.dispatch_waiting.inc();
        Self { dispatch, before }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.dispatch.waiting.fetch_sub(1, Ordering::AcqRel);
        self.dispatch.metrics.dispatch_waiting.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dispatch(concurrency_max: usize, queue_max: usize) -> Dispatch {
        let config = Config {
            concurrency_max,
            memory_bytes_max: 1000,
            concurrency_when_full: 1,
            queue_max,
            queue_wait_ms: 60_000,
            retry_after_seconds: 2,
        };
        Dispatch::new(config, Arc::new(Metrics::new()))
    }

    #[tokio::test]
    async fn beyond_slots_and_queue_a_request_is_refused_at_once() {
        let dispatch = dispatch(1, 0);
        let held = dispatch.enter().await.unwrap();
        assert_eq!(
            dispatch.enter().await.unwrap_err(),
            Full {
                retry_after_seconds: 2
            }
        );
        drop(held);
        assert!(dispatch.enter().await.is_ok());
    }

    #[tokio::test]
    async fn a_request_in_the_queue_gets_the_next_free_slot() {
        let dispatch = Arc::new(dispatch(1, 1));
        let held = dispatch.enter().await.unwrap();
        let waiting = tokio::spawn({
            let dispatch = Arc::clone(&dispatch);
            async move { dispatch.enter().await.is_ok() }
        });
        while dispatch.waiting.load(Ordering::Acquire) == 0 {
            tokio::task::yield_now().await;
        }
        drop(held);
        assert!(waiting.await.unwrap());
    }

    #[tokio::test]
    async fn an_origin_short_of_memory_gets_fewer_requests() {
        let dispatch = dispatch(10, 0);
        let mut answer = HeaderMap::new();
        answer.insert(headers::MEMORY_USAGE, "1001".parse().unwrap());
        dispatch.heard(&answer);
        let _held = dispatch.enter().await.unwrap();
        assert!(dispatch.enter().await.is_err());
        answer.insert(headers::MEMORY_USAGE, "10".parse().unwrap());
        dispatch.heard(&answer);
        assert!(dispatch.enter().await.is_ok());
    }
}
