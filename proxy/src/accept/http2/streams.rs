//! What is known of a connection's streams: how many are at work, and what became of the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;
use tokio::time::Instant;

/// See the module.
pub(super) struct Streams {
    work: Mutex<Work>,
    /// Ended by their client before they were answered.
    taken_back: AtomicU32,
    /// Not what they should be.
    malformed: AtomicU32,
}

struct Work {
    active: usize,
    have_been: bool,
    /// When the last one has ended; when the connection has begun, where there was none.
    at_rest_since: Instant,
}

impl Streams {
    pub(super) fn new() -> Self {
        Self {
            work: Mutex::new(Work {
                active: 0,
                have_been: false,
                at_rest_since: Instant::now(),
            }),
            taken_back: AtomicU32::new(0),
            malformed: AtomicU32::new(0),
        }
    }

    /// Since when none is at work; none, while one is.
    pub(super) fn at_rest_since(&self) -> Option<Instant> {
        let work = self.work.lock();
        (work.active == 0).then_some(work.at_rest_since)
    }

    /// Whether there were any.
    pub(super) fn have_been(&self) -> bool {
        self.work.lock().have_been
    }

    /// How many count against the client, beside so many that were refused of so many that he asked for: malformed ones, too, and
    /// those that he took back, if those are most. Whoever leaves a page takes back a few.
    pub(super) fn refused(&self, refused: u32, asked: u32) -> u32 {
        let refused = refused.saturating_add(self.malformed.load(Ordering::Relaxed));
        let taken_back = self.taken_back.load(Ordering::Relaxed);
        if taken_back > asked / 2 {
            refused.max(taken_back)
        } else {
            refused
        }
    }
}

/// A stream's place among those at work.
pub(super) struct Place(Arc<Streams>);

impl Place {
    /// A place, and how many are taken with it.
    pub(super) fn take(streams: &Arc<Streams>) -> (Self, usize) {
        let mut work = streams.work.lock();
        work.active += 1;
        work.have_been = true;
        (Self(Arc::clone(streams)), work.active)
    }

    /// Its client has ended the stream before it was answered.
    pub(super) fn count_taken_back(&self) {
        self.0.taken_back.fetch_add(1, Ordering::Relaxed);
    }

    /// The stream is malformed.
    pub(super) fn count_malformed(&self) {
        self.0.malformed.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut work = self.0.work.lock();
        work.active -= 1;
        work.at_rest_since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_rests_since_its_last_stream_has_ended() {
        let (begun, streams) = (Instant::now(), Arc::new(Streams::new()));
        assert_eq!(streams.at_rest_since(), Some(begun));
        let (first, second) = (Place::take(&streams), Place::take(&streams));
        assert_eq!((first.1, second.1), (1, 2));
        drop(first);
        assert_eq!(streams.at_rest_since(), None);
        let later = Duration::from_secs(5);
        tokio::time::advance(later).await;
        drop(second);
        tokio::time::advance(later).await;
        assert_eq!(streams.at_rest_since(), Some(begun + later));
    }

    #[test]
    fn malformed_streams_count_as_refused_ones_and_taken_back_ones_where_they_are_most() {
        let streams = Arc::new(Streams::new());
        for _ in 0..3 {
            Place::take(&streams).0.count_malformed();
            Place::take(&streams).0.count_taken_back();
        }
        Place::take(&streams).0.count_taken_back();
        assert_eq!(streams.refused(2, 100), 5);
        assert_eq!(streams.refused(0, 7), 4);
    }
}
