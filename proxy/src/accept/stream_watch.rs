//! Watches over one HTTP/2 request: Pingora sets no deadline for its body, nobody else counts its bytes, and nobody else says
//! whether its client took it back. The stream's task makes one, and the phases, which run inside that task, tell it what they see.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
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
    /// The client is waited for; which of the waits for him it is.
    Waiting(u64),
    /// The origin is, which has not taken everything that the client has sent. Pingora may not even read then, and nobody can
    /// tell whether it does.
    Passing,
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
    progress: Mutex<Progress>,
    changed: Notify,
    bytes_max: u64,
    is_taken_back: AtomicBool,
}

#[derive(Debug)]
struct Progress {
    state: State,
    pace: Pace,
    waits: u64,
    /// Pieces that the origin has not taken yet.
    passing: usize,
}

impl Progress {
    fn wait(&mut self) {
        self.waits += 1;
        self.state = State::Waiting(self.waits);
        self.pace.begin_to_wait();
    }
}

/// A piece of a body on its way to the origin; dropped when it was written there.
struct Piece {
    bytes: Bytes,
    watch: Arc<StreamWatch>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.watch.passed();
    }
}

impl StreamWatch {
    pub(super) fn new(bytes_max: u64, is_empty: bool, pace: Pace) -> Arc<Self> {
        let state = if is_empty {
            State::Ended
        } else {
            State::Unread
        };
        let progress = Progress {
            state,
            pace,
            waits: 0,
            passing: 0,
        };
        Arc::new(Self {
            progress: Mutex::new(progress),
            changed: Notify::new(),
            bytes_max,
            is_taken_back: AtomicBool::new(false),
        })
    }

    fn begin(&self) {
        let mut progress = self.progress.lock();
        if progress.state == State::Unread {
            progress.wait();
            self.changed.notify_one();
        }
    }

    /// Judges a piece, and watches where it goes.
    fn read(self: &Arc<Self>, body: &mut Option<Bytes>, is_end: bool) -> Verdict {
        let length = body.as_ref().map_or(0, Bytes::len);
        let mut progress = self.progress.lock();
        // Another origin is asked, and told what came of the body before.
        if progress.state == State::Ended {
            return Verdict::Fine;
        }
        let is_too_slow = progress.pace.moved(length).is_err();
        if is_end {
            progress.state = State::Ended;
        } else if length > 0 {
            progress.passing += 1;
            progress.state = State::Passing;
            *body = body.take().map(|bytes| {
                let watch = Arc::clone(self);
                Bytes::from_owner(Piece { bytes, watch })
            });
        } else if progress.passing == 0 {
            progress.wait();
        }
        self.changed.notify_one();
        if progress.pace.bytes() > self.bytes_max {
            Verdict::TooLarge
        } else if is_too_slow {
            Verdict::TooSlow
        } else {
            Verdict::Fine
        }
    }

    /// The origin has taken a piece. After the last one, what comes next is for the client to send.
    fn passed(&self) {
        let mut progress = self.progress.lock();
        progress.passing -= 1;
        if progress.passing == 0 && progress.state == State::Passing {
            progress.wait();
            self.changed.notify_one();
        }
    }

    /// Whether the client has ended the request before its answer was.
    pub(super) fn is_taken_back(&self) -> bool {
        self.is_taken_back.load(Ordering::Relaxed)
    }

    /// Resolves when a client who is waited for sends nothing for so long; never after the end of his body.
    pub(super) async fn stalled(&self, patience: Duration) {
        loop {
            let before = self.progress.lock().state;
            match before {
                State::Ended => std::future::pending().await,
                State::Unread | State::Passing => self.changed.notified().await,
                State::Waiting(_) => {
                    let waited = tokio::time::timeout(patience, self.changed.notified()).await;
                    if waited.is_err() && self.progress.lock().state == before {
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

/// A piece of its body was read, and goes to the origin.
pub(crate) fn read(body: &mut Option<Bytes>, is_end: bool) -> Verdict {
    CURRENT
        .try_with(|watch| watch.read(body, is_end))
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

    /// A piece of so many bytes.
    fn piece(length: usize) -> Option<Bytes> {
        Some(Bytes::from(vec![b'x'; length]))
    }

    #[tokio::test]
    async fn a_body_that_brings_nothing_is_noticed_once_it_is_read() {
        let watch = StreamWatch::new(10, false, pace());
        let unread = tokio::time::timeout(SHORT * 20, watch.stalled(SHORT)).await;
        assert!(unread.is_err(), "nobody has asked for it");
        watch.begin();
        watch.stalled(SHORT).await;
        assert_eq!(watch.read(&mut piece(5), true), Verdict::Fine);
        let ended = tokio::time::timeout(SHORT * 20, watch.stalled(SHORT)).await;
        assert!(ended.is_err(), "it has ended");
    }

    #[tokio::test(start_paused = true)]
    async fn an_origin_that_takes_its_time_is_not_the_clients_doing() {
        for is_empty in [true, false] {
            let watch = StreamWatch::new(10, is_empty, pace());
            watch.begin();
            assert_eq!(watch.read(&mut piece(5), true), Verdict::Fine);
            tokio::time::advance(Duration::from_secs(100)).await;
            // The next origin gets the same body.
            watch.begin();
            assert_eq!(watch.read(&mut piece(5), true), Verdict::Fine, "{is_empty}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_origin_that_takes_nothing_does_not_make_its_client_slow() {
        let watch = StreamWatch::new(1_000_000, false, pace());
        watch.begin();
        for _ in 0..20 {
            let (mut first, mut second) = (piece(5), piece(5));
            assert_eq!(watch.read(&mut first, false), Verdict::Fine);
            assert_eq!(watch.read(&mut second, false), Verdict::Fine);
            assert_eq!(first, piece(5));
            let hour = Duration::from_secs(3600);
            let blamed = tokio::time::timeout(hour, watch.stalled(SHORT)).await;
            assert!(blamed.is_err(), "the origin has taken nothing");
            drop(first);
            let blamed = tokio::time::timeout(hour, watch.stalled(SHORT)).await;
            assert!(blamed.is_err(), "the origin has not taken everything");
            drop(second);
        }
        watch.stalled(SHORT).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_who_sends_next_to_nothing_is_slow_whatever_the_origin_takes() {
        let watch = StreamWatch::new(1_000_000, false, pace());
        watch.begin();
        for _ in 0..20 {
            tokio::time::advance(Duration::from_secs(29)).await;
            if watch.read(&mut piece(1), false) == Verdict::TooSlow {
                return;
            }
        }
        unreachable!("he may go on");
    }

    #[tokio::test]
    async fn bytes_are_counted_and_other_requests_are_not_watched() {
        let watch = StreamWatch::new(10, false, pace());
        let inside = with(Arc::clone(&watch), async {
            [read(&mut piece(6), false), read(&mut piece(5), false)]
        });
        assert_eq!(inside.await, [Verdict::Fine, Verdict::TooLarge]);
        assert_eq!(read(&mut piece(1_000_000), false), Verdict::Fine);
    }
}
