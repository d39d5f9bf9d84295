//! One fetch for each key, however many ask: the first one leads, the others wait for what it brings.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use prometheus::IntGauge;
use tokio::sync::{oneshot, watch};

use super::entry::Entry;
use super::fetch::{FetchError, Fetched};

/// What a fetch brought for everybody who waits.
#[derive(Clone, Debug)]
pub enum Shared {
    /// An answer that may be shared.
    Stored(Arc<Entry>),
    /// An answer that is for one client alone.
    Unshared,
    /// One that was out of date before it was whole: something of it was purged meanwhile.
    Outdated,
    /// None.
    Failed(FetchError),
}

struct Flight {
    outcome: watch::Receiver<Option<Shared>>,
    waiters: AtomicUsize,
}

/// The fetches under way.
#[derive(Clone, Default)]
pub struct Flights(Arc<Mutex<HashMap<String, Arc<Flight>>>>);

/// Whoever fetches: must say what came of it. Dropped without a word, everybody is told that it failed.
pub struct Leader {
    flights: Flights,
    key: String,
    outcome: watch::Sender<Option<Shared>>,
    own: Option<oneshot::Sender<Fetched>>,
}

/// Somebody who waits.
pub struct Joined {
    flight: Arc<Flight>,
    own: Option<oneshot::Receiver<Fetched>>,
}

impl Flights {
    /// Joins the fetch of a key; begins one, and leads it, when none is under way. `None` when too many wait.
    pub fn join(&self, key: &str, waiters_max: usize) -> Option<(Joined, Option<Leader>)> {
        let mut flights = self.0.lock();
        if let Some(flight) = flights.get(key) {
            if flight.waiters.fetch_add(1, Ordering::Relaxed) >= waiters_max {
                flight.waiters.fetch_sub(1, Ordering::Relaxed);
                return None;
            }
            return Some((
                Joined {
                    flight: Arc::clone(flight),
                    own: None,
                },
                None,
            ));
        }
        let (outcome, receiver) = watch::channel(None);
        let (own, receive_own) = oneshot::channel();
        let flight = Arc::new(Flight {
            outcome: receiver,
            waiters: AtomicUsize::new(1),
        });
        flights.insert(key.to_owned(), Arc::clone(&flight));
        let leader = Leader {
            flights: self.clone(),
            key: key.to_owned(),
            outcome,
            own: Some(own),
        };
        Some((
            Joined {
                flight,
                own: Some(receive_own),
            },
            Some(leader),
        ))
    }
}

impl Leader {
    /// Hands an answer to the one client that began the fetch, if it still waits.
    pub fn hand_over(&mut self, fetched: Fetched) {
        if let Some(own) = self.own.take() {
            // A client that is gone needs no answer.
            let _ = own.send(fetched);
        }
    }

    /// Tells everybody.
    pub fn finish(self, shared: Shared) {
        self.tell(shared);
    }

    fn tell(&self, shared: Shared) {
        self.flights.0.lock().remove(&self.key);
        self.outcome.send_replace(Some(shared));
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if self.outcome.borrow().is_none() {
            self.tell(Shared::Failed(FetchError::Broken(
                "the fetch was given up".to_owned(),
            )));
        }
    }
}

impl Joined {
    /// Whether this one began the fetch.
    pub fn is_leader(&self) -> bool {
        self.own.is_some()
    }

    /// What came of it, and the leader's own answer where there is one.
    pub async fn outcome(mut self) -> (Shared, Option<Fetched>) {
        let mut outcome = self.flight.outcome.clone();
        let shared = outcome
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|shared| shared.clone());
        let shared = shared.unwrap_or_else(|| {
            Shared::Failed(FetchError::Broken("the fetch was given up".to_owned()))
        });
        let own = self.own.take().and_then(|mut own| own.try_recv().ok());
        (shared, own)
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.flight.waiters.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts somebody who waits, for as long as he does: a client may be gone before the answer is there.
pub(super) struct Waiting(IntGauge);

impl Waiting {
    pub(super) fn begin(waiters: &IntGauge) -> Self {
        waiters.inc();
        Self(waiters.clone())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.dec();
    }
}
