//! Live events: tells whoever listens that something has changed. Fed by the follower of `changes`, so it does not matter
//! which process wrote. Says what changed, not how it is now: whoever listens asks the database. Knows no HTTP.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus::IntGauge;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::commerce::changes::Change;

/// News that wait for a slow listener; it is told that it has missed some beyond that.
const NEWS_MAX: usize = 64;
/// The most listeners of one order, or of one member of staff: nobody takes all places with what he was given.
const LISTENERS_OF_ONE_MAX: u32 = 10;

#[derive(Clone, Debug)]
enum News {
    Changes(Arc<[Change]>),
    /// More than can be told.
    Everything,
}

/// Who tells, and how many listen.
pub struct Live {
    /// Gone once the process is asked to stop.
    news: Mutex<Option<broadcast::Sender<News>>>,
    places: Arc<Semaphore>,
    listeners: Listeners,
    gauge: IntGauge,
}

type Listeners = Arc<Mutex<HashMap<String, u32>>>;

/// There are too many listeners, or the process is about to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many listen")]
pub struct Full;

/// What a listener hears.
#[derive(Clone, Debug)]
pub enum Heard {
    /// These changes, in their order.
    Changes(Arc<[Change]>),
    /// That it has not heard everything.
    Missed,
    /// Nothing for a while.
    Quiet,
    /// That there will be no more.
    Over,
}

/// Somebody who listens; makes place when dropped.
pub struct Listener {
    news: broadcast::Receiver<News>,
    topic: String,
    listeners: Listeners,
    gauge: IntGauge,
    _place: OwnedSemaphorePermit,
}

impl Live {
    /// For at most so many listeners.
    pub fn new(listeners_max: usize, gauge: IntGauge) -> Self {
        Self {
            news: Mutex::new(Some(broadcast::channel(NEWS_MAX).0)),
            places: Arc::new(Semaphore::new(listeners_max)),
            listeners: Listeners::default(),
            gauge,
        }
    }

    /// Listens from now on, for what `topic` names.
    ///
    /// # Errors
    /// [`Full`].
    pub fn listen(&self, topic: String) -> Result<Listener, Full> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| Full)?;
        let news = self.news.lock().as_ref().map(broadcast::Sender::subscribe);
        let news = news.ok_or(Full)?;
        {
            let mut listeners = self.listeners.lock();
            let count = listeners.entry(topic.clone()).or_default();
            if *count >= LISTENERS_OF_ONE_MAX {
                return Err(Full);
            }
            *count += 1;
        }
        self.gauge.inc();
        Ok(Listener {
            news,
            topic,
            listeners: Arc::clone(&self.listeners),
            gauge: self.gauge.clone(),
            _place: place,
        })
    }

    /// Tells of changes.
    pub fn tell(&self, changes: &[Change]) {
        self.send(|| News::Changes(changes.into()));
    }

    /// Tells that more has changed than can be told.
    pub fn tell_of_everything(&self) {
        self.send(|| News::Everything);
    }

    fn send(&self, news: impl FnOnce() -> News) {
        if let Some(sender) = &*self.news.lock()
            && sender.receiver_count() > 0
        {
            // Whoever has just left needs no news.
            let _ = sender.send(news());
        }
    }

    /// Tells everybody that there will be no more.
    pub fn close(&self) {
        self.news.lock().take();
    }
}

impl Listener {
    /// The next thing, after waiting for it at most so long.
    pub async fn next(&mut self, at_most: Duration) -> Heard {
        match tokio::time::timeout(at_most, self.news.recv()).await {
            Err(_) => Heard::Quiet,
            Ok(Ok(News::Changes(changes))) => Heard::Changes(changes),
            Ok(Ok(News::Everything) | Err(RecvError::Lagged(_))) => Heard::Missed,
            Ok(Err(RecvError::Closed)) => Heard::Over,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut listeners = self.listeners.lock();
        if let Some(count) = listeners.get_mut(&self.topic) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                listeners.remove(&self.topic);
            }
        }
        self.gauge.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(1);

    fn live(most: usize) -> Live {
        let gauge = IntGauge::new("listeners", "listeners").unwrap();
        Live::new(most, gauge)
    }

    fn change(sequence: i64) -> Change {
        Change {
            sequence,
            at: jiff::Timestamp::UNIX_EPOCH,
            entity: "order".to_owned(),
            entity_id: "o".to_owned(),
            tags: Vec::new(),
        }
    }

    #[tokio::test]
    async fn a_listener_hears_all_in_order_and_then_that_it_is_over() {
        let live = live(1);
        let mut listener = live.listen("a".to_owned()).unwrap();
        assert!(matches!(listener.next(SHORT).await, Heard::Quiet));
        live.tell(&[change(1), change(2)]);
        live.tell(&[change(3)]);
        live.close();
        let mut heard = Vec::new();
        while let Heard::Changes(changes) = listener.next(SHORT).await {
            heard.extend(changes.iter().map(|change| change.sequence));
        }
        assert_eq!(heard, [1, 2, 3]);
        assert!(matches!(listener.next(SHORT).await, Heard::Over));
        assert_eq!(live.listen("b".to_owned()).err(), Some(Full));
    }

    #[tokio::test]
    async fn a_slow_listener_is_told_that_it_has_missed_something() {
        let live = live(1);
        let mut listener = live.listen("a".to_owned()).unwrap();
        for sequence in 0..=i64::try_from(NEWS_MAX).unwrap() {
            live.tell(&[change(sequence)]);
        }
        assert!(matches!(listener.next(SHORT).await, Heard::Missed));
    }

    #[test]
    fn listeners_are_few_altogether_and_of_one_thing_and_make_place() {
        let live = live(12);
        let mut all: Vec<_> = (0..LISTENERS_OF_ONE_MAX)
            .map(|_| live.listen("a".to_owned()).unwrap())
            .collect();
        assert_eq!(live.listen("a".to_owned()).err(), Some(Full));
        all.push(live.listen("b".to_owned()).unwrap());
        all.push(live.listen("c".to_owned()).unwrap());
        assert_eq!(live.listen("d".to_owned()).err(), Some(Full));
        assert_eq!(live.gauge.get(), 12);
        drop(all);
        assert_eq!((live.gauge.get(), live.listeners.lock().len()), (0, 0));
        assert!(live.listen("a".to_owned()).is_ok());
    }
}
