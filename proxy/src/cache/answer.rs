//! From a question to its answer: what is stored, what is waited for, what stands in.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use super::coalesce::{self, Shared, Waiting};
use super::entry::{Entry, Freshness};
use super::fetch::{FetchError, FetchRequest, Fetched};
use super::key::Key;
use super::policy::Terms;
use super::vary::{self, Slot};
use super::{Cache, client, hit};

/// A question to the cache.
pub struct Ask<'a> {
    /// Which answer.
    pub key: Key,
    /// The client's fields.
    pub headers: &'a HeaderMap,
    /// Makes what is sent to the origin when there is no answer, a GET. Most answers need none.
    pub fetch: &'a (dyn Fn(&Key) -> FetchRequest + Sync),
    /// What is said of its lifetime.
    pub terms: Terms,
}

/// What the cache says.
pub enum Answer {
    /// A stored answer.
    Stored(Arc<Entry>),
    /// An answer that is for this client alone, or too large to keep.
    Direct(Fetched),
    /// Nothing that could be shared: the client's request goes to the origin by itself.
    Pass,
    /// The client wanted a stored answer only, and there is none.
    OnlyIfCached,
    /// The origin failed and nothing can stand in.
    Failed(FetchError),
}

/// The pauses before somebody asks again, with all others, for what was out of date as soon as it was there: an origin that has not
/// heard of a change yet hears of it in a fifth of a second.
const PAUSES: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_millis(80),
    Duration::from_millis(160),
];

/// Why somebody waits again.
enum Again {
    /// The fetch of another client brought an answer that is not his.
    Unsuitable,
    /// It brought one that was out of date already.
    Outdated,
    /// The place in the line that it waited for was the other client's, who lost it. With it comes what `Cache-Status` says.
    Displaced(FetchError, String),
}

type Answered = Result<(Answer, String), Again>;

impl Cache {
    /// Answers a question; with it comes what `Cache-Status` says (RFC 9211).
    pub async fn answer(self: &Arc<Self>, ask: Ask<'_>) -> (Answer, String) {
        let mut ask = ask;
        let (mut pauses, mut has_waited) = (PAUSES.into_iter(), false);
        let mut was_displaced = false;
        let status = loop {
            match self.answer_once(&mut ask).await {
                Ok(answered) => return answered,
                Err(Again::Unsuitable) if has_waited => {
                    break "crackers; fwd=vary-miss; detail=not-shared";
                }
                Err(Again::Unsuitable) => has_waited = true,
                Err(Again::Outdated) => match pauses.next() {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => break "crackers; fwd=uri-miss; detail=outdated",
                },
                Err(Again::Displaced(error, status)) if was_displaced => {
                    self.count("failed");
                    return (Answer::Failed(error), status);
                }
                // Once more, and the first of those who waited leads in his own name.
                Err(Again::Displaced(..)) => was_displaced = true,
            }
            ask.key = ask.key.question();
        };
        self.count("pass");
        (Answer::Pass, status.to_owned())
    }

    /// What is stored under a key, and not under one of its variants.
    pub(super) fn stored(&self, key: &Key) -> Option<Arc<Entry>> {
        self.current(self.store.get(key.text())?)
    }

    fn current(&self, slot: Slot) -> Option<Arc<Entry>> {
        let entry = slot.answer()?;
        self.purges.is_current(&entry).then_some(entry)
    }

    async fn answer_once(self: &Arc<Self>, ask: &mut Ask<'_>) -> Answered {
        let now = self.clock.now_microseconds();
        let stored = match self.store.get(ask.key.text()) {
            Some(Slot::Varies(varies)) => {
                ask.key = varies.key(&ask.key, ask.headers);
                self.stored(&ask.key)
            }
            slot => slot.and_then(|slot| self.current(slot)),
        };
        let state = stored
            .as_ref()
            .map(|entry| (self.worth(&ask.key, entry, now), entry.ttl_seconds(now)));
        let answered = match (state, stored) {
            (Some((Freshness::Fresh, _)), Some(entry)) => {
                self.count_hit();
                let status = hit::status(&entry, now);
                (Answer::Stored(entry), status)
            }
            (Some((Freshness::Revalidate, ttl)), Some(entry)) => {
                let outcome = match entry.freshness(now) {
                    Freshness::Revalidate => "stale-while-revalidate",
                    _ => "stale-if-error",
                };
                self.count(&outcome.replace('-', "_"));
                drop(self.join(ask, Some(&entry)));
                (
                    Answer::Stored(entry),
                    format!("crackers; hit; ttl={ttl}; detail={outcome}"),
                )
            }
            _ if client::wants_stored_only(ask.headers) => {
                self.count("only_if_cached");
                (
                    Answer::OnlyIfCached,
                    "crackers; detail=only-if-cached".to_owned(),
                )
            }
            _ if client::forbids_storing(ask.headers) => {
                self.count("no_store");
                let status = "crackers; fwd=request; detail=no-store";
                (Answer::Pass, status.to_owned())
            }
            (None, _) if self.marks.is_unshared(ask.key.text(), now) => {
                self.count("pass");
                let status = "crackers; fwd=uri-miss; detail=not-shared";
                (Answer::Pass, status.to_owned())
            }
            (_, stored) => return self.forward(ask, stored).await,
        };
        Ok(answered)
    }

    /// What a stored entry is worth now. While the origin fails, nobody waits for it who can make do without.
    fn worth(&self, key: &Key, entry: &Entry, now: i64) -> Freshness {
        match entry.freshness(now) {
            Freshness::OnlyIfError if self.marks.has_failed(key.text(), now) => {
                Freshness::Revalidate
            }
            freshness => freshness,
        }
    }

    /// Waits for what the origin says.
    async fn forward(self: &Arc<Self>, ask: &Ask<'_>, stored: Option<Arc<Entry>>) -> Answered {
        let why = match &stored {
            Some(_) => "fwd=stale",
            None if ask.key.is_variant() => "fwd=vary-miss",
            None => "fwd=uri-miss",
        };
        let Some(joined) = self.join(ask, stored.as_ref()) else {
            self.count("waiters_full");
            let error = FetchError::Overloaded {
                retry_after_seconds: 1,
            };
            return Ok(match self.stands_in(stored.as_ref()) {
                Some(entry) => {
                    let ttl = entry.ttl_seconds(self.clock.now_microseconds());
                    let status = format!("crackers; hit; ttl={ttl}; detail=too-many-waiters");
                    (Answer::Stored(entry), status)
                }
                None => {
                    let status = format!("crackers; {why}; detail=too-many-waiters");
                    (Answer::Failed(error), status)
                }
            });
        };
        let is_leader = joined.is_leader();
        let (collapsed, outcome) = if is_leader {
            ("", "miss")
        } else {
            ("; collapsed", "collapsed")
        };
        let (shared, own) = {
            let _waiting = Waiting::begin(&self.metrics.cache_waiters);
            joined.outcome().await
        };
        Ok(match (shared, own) {
            (Shared::Stored(entry), _) if !vary::fits(&entry.vary, ask.headers) => {
                return Err(Again::Unsuitable);
            }
            (Shared::Outdated, _) => return Err(Again::Outdated),
            (Shared::Stored(entry), _) => {
                self.count(outcome);
                let status = format!("crackers; {why}; stored{collapsed}");
                (Answer::Stored(entry), status)
            }
            (Shared::Failed(error @ FetchError::Overloaded { .. }), _)
                if !is_leader && self.stands_in(stored.as_ref()).is_none() =>
            {
                let status = format!("crackers; {why}{collapsed}; detail=origin-failed");
                return Err(Again::Displaced(error, status));
            }
            (Shared::Failed(error), own) => {
                let own = own.filter(|fetched| self.is_for(ask.headers, fetched));
                let (answer, detail) = self.after_failure(stored, error, own);
                (
                    answer,
                    detail.unwrap_or_else(|| {
                        format!("crackers; {why}{collapsed}; detail=origin-failed")
                    }),
                )
            }
            (Shared::Unshared, Some(fetched)) if self.is_for(ask.headers, &fetched) => {
                self.count("not_stored");
                (Answer::Direct(fetched), format!("crackers; {why}"))
            }
            (Shared::Unshared, _) => {
                self.count("pass");
                (Answer::Pass, format!("crackers; {why}; detail=not-shared"))
            }
        })
    }

    fn stands_in(&self, stored: Option<&Arc<Entry>>) -> Option<Arc<Entry>> {
        let now = self.clock.now_microseconds();
        let may = stored.filter(|entry| entry.may_stand_in(now) && self.purges.is_current(entry));
        may.cloned()
    }

    /// What stands in for an answer that the origin did not give.
    fn after_failure(
        &self,
        stored: Option<Arc<Entry>>,
        error: FetchError,
        own: Option<Fetched>,
    ) -> (Answer, Option<String>) {
        if let Some(entry) = self.stands_in(stored.as_ref()) {
            self.count("stale_if_error");
            let ttl = entry.ttl_seconds(self.clock.now_microseconds());
            return (
                Answer::Stored(entry),
                Some(format!("crackers; hit; ttl={ttl}; detail=stale-if-error")),
            );
        }
        self.count("failed");
        (own.map_or(Answer::Failed(error), Answer::Direct), None)
    }

    /// Waits with others for the fetch of a key, or begins it; `None` when too many wait already.
    fn join(
        self: &Arc<Self>,
        ask: &Ask<'_>,
        stored: Option<&Arc<Entry>>,
    ) -> Option<coalesce::Joined> {
        let waiters_max = self.config.waiters_max;
        let (joined, leader) = self.flights.join(ask.key.text(), waiters_max)?;
        if let Some(leader) = leader {
            let (cache, key, stored) = (Arc::clone(self), ask.key.clone(), stored.cloned());
            let (fetch, terms) = ((ask.fetch)(&ask.key), ask.terms);
            tokio::spawn(async move { cache.fill(leader, key, stored, fetch, terms).await });
        }
        Some(joined)
    }
}
