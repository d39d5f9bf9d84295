//! A place for one worker, and what becomes of who is in it.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use super::Plan;
use super::worker::{Why, Worker};

/// Pauses before a worker that died is started again: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));
/// A worker that has lived this long has not failed at its start.
const SETTLED_AFTER: Duration = Duration::from_secs(60);
/// How long a worker may take until it serves.
const SERVES_WITHIN: Duration = Duration::from_secs(60);
/// How often its memory is looked at, and the least time between two workers that grew too large.
const MEMORY_EVERY: Duration = Duration::from_secs(2);
const LARGE_AFTER: Duration = Duration::from_secs(10);

/// A place for one worker.
pub(super) struct Slot {
    number: u16,
    metrics: OwnedFd,
    current: Option<Worker>,
    /// Comes after `current`, once it serves.
    next: Option<Worker>,
    /// Finish what they have, until the given time.
    leaving: Vec<(Worker, Instant)>,
    failures: u32,
    starts_at: Instant,
    memory_at: Instant,
}

impl Slot {
    /// An empty place.
    pub(super) fn new(number: u16, metrics: OwnedFd) -> Self {
        let now = Instant::now();
        Self {
            number,
            metrics,
            current: None,
            next: None,
            leaving: Vec::new(),
            failures: 0,
            starts_at: now,
            memory_at: now,
        }
    }

    /// Starts its first worker.
    ///
    /// # Errors
    /// When the system does not let it.
    pub(super) fn begin(&mut self, plan: &Plan) -> anyhow::Result<()> {
        self.current = Some(Worker::start(plan, &self.metrics)?);
        Ok(())
    }

    /// Whether one worker is about to follow another.
    pub(super) fn is_changing(&self) -> bool {
        self.next.is_some() || !self.leaving.is_empty()
    }

    /// Whether its worker has said that it serves.
    pub(super) fn is_serving(&self) -> bool {
        self.current
            .as_ref()
            .is_some_and(|worker| worker.has_served())
    }

    /// Starts the worker that comes after this one.
    pub(super) fn replace(&mut self, plan: &Plan) {
        match Worker::start(plan, &self.metrics) {
            Ok(worker) => self.next = Some(worker),
            Err(error) => tracing::error!(%error, worker = self.number, "cannot start a worker"),
        }
    }

    /// Looks at its workers and does what is due.
    pub(super) fn look(&mut self, plan: &Plan) {
        self.leaving
            .retain_mut(|(worker, until)| worker.ended().is_none() && Instant::now() < *until);
        self.look_at_next(plan);
        self.look_at_current(plan);
    }

    fn look_at_next(&mut self, plan: &Plan) {
        let Some(mut next) = self.next.take() else {
            return;
        };
        if next.is_serving() {
            tracing::info!(
                worker = self.number,
                id = next.id(),
                "the next worker serves"
            );
            let before = self.current.replace(next);
            self.leave(before, Why::Replaced, plan);
        } else if let Some(how) = next.ended() {
            tracing::error!(
                worker = self.number,
                how,
                "the next worker ended; the one before stays"
            );
        } else if next.since.elapsed() > SERVES_WITHIN {
            tracing::error!(
                worker = self.number,
                "the next worker did not serve in time; the one before stays"
            );
        } else {
            self.next = Some(next);
        }
    }

    fn look_at_current(&mut self, plan: &Plan) {
        let Some(worker) = &mut self.current else {
            if Instant::now() >= self.starts_at && self.begin(plan).is_err() {
                self.failed();
            }
            return;
        };
        worker.is_serving();
        if let Some(how) = worker.ended() {
            tracing::error!(
                worker = self.number,
                how,
                "a worker ended; it is started again"
            );
            if worker.since.elapsed() > SETTLED_AFTER {
                self.failures = 0;
            }
            self.current = None;
            self.failed();
        } else if self.next.is_none() && self.memory_at.elapsed() > MEMORY_EVERY {
            self.memory_at = Instant::now();
            let bytes = worker.memory_bytes();
            // A new one must not be replaced before it has done anything: that would never end.
            if bytes > plan.memory_bytes_max && worker.since.elapsed() > LARGE_AFTER {
                tracing::warn!(
                    worker = self.number,
                    bytes,
                    "a worker uses more memory than it may; it is replaced"
                );
                self.replace(plan);
            }
        }
    }

    fn failed(&mut self) {
        let pause = PAUSES.0.saturating_mul(1 << self.failures.min(10));
        self.failures += 1;
        self.starts_at = Instant::now() + pause.min(PAUSES.1);
    }

    fn leave(&mut self, worker: Option<Worker>, why: Why, plan: &Plan) {
        if let Some(worker) = worker {
            worker.ask_to_leave(why);
            self.leaving
                .push((worker, Instant::now() + plan.stops_within));
        }
    }

    /// Asks everybody to finish and end.
    pub(super) fn stop(&mut self, why: Why, plan: &Plan) {
        for (worker, _) in &self.leaving {
            worker.ask_to_leave(why);
        }
        for worker in [self.current.take(), self.next.take()] {
            self.leave(worker, why, plan);
        }
    }

    /// Whether nobody is left.
    pub(super) fn has_ended(&mut self) -> bool {
        self.leaving
            .retain_mut(|(worker, _)| worker.ended().is_none());
        self.leaving.is_empty()
    }
}
