//! Watches over one HTTP/2 request: Pingora sets no deadline for its body, nobody else counts its bytes, and nobody else says
//! whether its client took it back. The stream's task makes one, and the phases, which run inside that task, tell it what they see.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::pace::Pace;

tokio::task_local! {
    static CURRENT: Arc<StreamWatch>;
}

/// Where a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nobody reads it yet.
    Unread,
    /// So many pieces of it were read.
    Reading(u64),
    Ended,
}

/// What a body has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may go on.
    Fine,
    /// There is more of it than there may be.
    TooLarge,
    /// Too little of it came for the time that it took.
    TooSlow,
}

/// See the module.
#[derive(Debug)]
pub(super) struct StreamWatch {
    state: Mutex<(State, Pace)>,
    changed: Notify,
    bytes_max: u64,
    is_taken_back: AtomicBool,
}

impl StreamWatch {
    pub(super) fn new(bytes_max: u64, is_empty: bool, pace: Pace) -> Arc<Self> {
        let state = if is_empty {
            State::Ended
        } else {
            State::Unread
        };
        Arc::new(Self {
            state: Mutex::new((state, pace)),
            changed: Notify::new(),
            bytes_max,
            is_taken_back: AtomicBool::new(false),
        })
    }

    fn begin(&self) {
        let mut state = self.state.lock();
        if state.0 == State::Unread {
            state.0 = State::Reading(0);
            state.1.begin_to_wait();
            self.changed.notify_one();
        }
    }

    fn read(&self, bytes: usize, is_end: bool) -> Verdict {
        let mut state = self.state.lock();
        // Another origin is asked, and told what came of the body before.
        if state.0 == State::Ended {
            return Verdict::Fine;
        }
        let is_too_slow = state.1.moved(bytes).is_err();
        if !is_end {
            state.1.begin_to_wait();
        }
        state.0 = match state.0 {
            _ if is_end => State::Ended,
            State::Reading(pieces) => State::Reading(pieces + 1),
            State::Unread | State::Ended => State::Reading(0),
        };
        self.changed.notify_one();
        if state.1.bytes() > self.bytes_max {
            Verdict::TooLarge
        } else if is_too_slow {
            Verdict::TooSlow
        } else {
            Verdict::Fine
        }
    }

    /// Whether the client has ended the request before its answer was.
    pub(super) fn is_taken_back(&self) -> bool {
        self.is_taken_back.load(Ordering::Relaxed)
    }

    /// Resolves when a body that is being read brings nothing for so long; never for one that has ended.
    pub(super) async fn stalled(&self, patience: Duration) {
        loop {
            let before = self.state.lock().0;
            match before {
                State::Ended => std::future::pending().await,
                State::Unread => self.changed.notified().await,
                State::Reading(_) => {
                    let waited = tokio::time::timeout(patience, self.changed.notified()).await;
                    if waited.is_err() && self.state.lock().0 == before {
                        return;
                    }
                }
            }
        }
    }
}

/// Runs a request under its watch.
pub(super) async fn with<F: Future>(watch: Arc<StreamWatch>, request: F) -> F::Output {
    CURRENT.scope(watch, request).await
}

/// From now on its body is read.
pub(crate) fn begin() {
    // Over HTTP/1 there is no watch: the connection has its own.
    let _ = CURRENT.try_with(|watch| watch.begin());
}

/// Its client has ended it before its answer was.
pub(crate) fn taken_back() {
    let _ = CURRENT.try_with(|watch| watch.is_taken_back.store(true, Ordering::Relaxed));
}

/// A piece of its body was read.
pub(crate) fn read(bytes: usize, is_end: bool) -> Verdict {
    CURRENT
        .try_with(|watch| watch.read(bytes, is_end))
        .unwrap_or(Verdict::Fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(1);

    fn pace() -> Pace {
        let config: crate::config::Config = serde_yaml::from_str(crate::config::DEFAULTS).unwrap();
        Pace::new(&config.accept)
    }

    #[tokio::test]
    async fn a_body_that_brings_nothing_is_noticed_once_it_is_read() {
        let watch = StreamWatch::new(10, false, pace());
        let unread = tokio::time::timeout(SHORT * 20, watch.stalled(SHORT)).await;
        assert!(unread.is_err(), "nobody has asked for it");
        watch.begin();
        watch.stalled(SHORT).await;
        assert_eq!(watch.read(5, true), Verdict::Fine);
        let ended = tokio::time::timeout(SHORT * 20, watch.stalled(SHORT)).await;
        assert!(ended.is_err(), "it has ended");
    }

    #[tokio::test(start_paused = true)]
    async fn an_origin_that_takes_its_time_is_not_the_clients_doing() {
        for is_empty in [true, false] {
            let watch = StreamWatch::new(10, is_empty, pace());
            watch.begin();
            assert_eq!(watch.read(5, true), Verdict::Fine);
            tokio::time::advance(Duration::from_secs(100)).await;
            // The next origin gets the same body.
            watch.begin();
            assert_eq!(watch.read(5, true), Verdict::Fine, "{is_empty}");
        }
    }

    #[tokio::test]
    async fn bytes_are_counted_and_other_requests_are_not_watched() {
        let watch = StreamWatch::new(10, false, pace());
        let inside = with(Arc::clone(&watch), async {
            [read(6, false), read(5, false)]
        });
        assert_eq!(inside.await, [Verdict::Fine, Verdict::TooLarge]);
        assert_eq!(read(1_000_000, false), Verdict::Fine);
    }
}
