//! Stage `cache`: what is answered from memory. Gets what it does not have through [`fetch`]; knows nothing of
//! connections, limits and origins.

mod client;
pub mod coalesce;
mod directives;
pub mod encodings;
pub mod entry;
pub mod fetch;
mod fill;
pub mod hit;
pub mod invalidation;
pub mod key;
mod marks;
pub mod policy;
pub mod purge;
pub mod range;

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use prometheus::IntCounter;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crackers_shared::clock::Clock;
use crackers_shared::config_file::Problems;

use crate::telemetry::Metrics;
pub use client::{fetch_fields, unmark_conditions};
use coalesce::{Flights, Shared, Waiting};
use entry::{Entry, Freshness};
use fetch::{Fetch, FetchError, FetchRequest, Fetched};
use key::Key;
use marks::Marks;
use purge::Purges;

/// Settings of stage `cache`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Bytes of answers kept in memory, all codings included.
    pub bytes_max: u64,
    /// The largest answer that is kept, in bytes.
    pub entry_bytes_max: usize,
    /// Clients that may wait for one fetch; more are answered 503.
    pub waiters_max: usize,
    /// How long 404 and 410 are remembered at most, in seconds.
    pub negative_ttl_seconds: u64,
    /// Lifetimes are shortened by up to so many percent, so that what was stored together does not end together.
    pub jitter_percent: u8,
    /// Smaller bodies are not compressed, in bytes.
    pub compress_bytes_min: usize,
    /// Effort of gzip, 1 to 9.
    pub gzip_level: u32,
    /// Effort of brotli, 0 to 11.
    pub brotli_level: u32,
    /// Tags whose last purge is remembered; beyond them everything counts as purged.
    pub tags_max: usize,
    /// How long it is remembered that a question's answer could not be shared or that the origin failed it, in seconds.
    pub marks_seconds: u64,
    /// Questions of which that is remembered.
    pub marks_max: u64,
    /// What may be kept; the longest prefix wins, paths without a route are not kept.
    pub routes: Vec<RouteConfig>,
}

/// What may be kept of some paths.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// Paths that begin so.
    pub path_prefix: String,
    /// Whether answers are kept.
    pub enabled: bool,
    /// Query keys that answers depend on; a request with any other key bypasses the cache.
    pub query: Vec<String>,
    /// Query keys that mean nothing and are taken off; a star at the end stands for any ending.
    pub ignored_query: Vec<String>,
    /// Stands above what the origin says of freshness, in seconds; null leaves it to the origin.
    pub ttl_seconds: Option<u64>,
}

impl Config {
    /// Reports impossible values under `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        let most = self.entry_bytes_max as u64;
        problems.require(
            most <= self.bytes_max,
            format!("{path}.entry_bytes_max"),
            format!("must not exceed bytes_max ({}), got {most}", self.bytes_max),
        );
        problems.require(
            self.jitter_percent <= 50,
            format!("{path}.jitter_percent"),
            "must be at most 50",
        );
        problems.require(
            (1..=9).contains(&self.gzip_level),
            format!("{path}.gzip_level"),
            "must be 1 to 9",
        );
        problems.require(
            self.brotli_level <= 11,
            format!("{path}.brotli_level"),
            "must be 0 to 11",
        );
        problems.require(
            self.negative_ttl_seconds <= 5,
            format!("{path}.negative_ttl_seconds"),
            "must be at most 5",
        );
        for (index, route) in self.routes.iter().enumerate() {
            problems.require(
                route.path_prefix.starts_with('/'),
                format!("{path}.routes.{index}.path_prefix"),
                "must begin with /",
            );
        }
    }

    /// The route of a path, if its answers may be kept.
    pub fn route(&self, path: &str) -> Option<&RouteConfig> {
        let fitting = self
            .routes
            .iter()
            .filter(|route| path.starts_with(&route.path_prefix));
        fitting
            .max_by_key(|route| route.path_prefix.len())
            .filter(|route| route.enabled)
    }
}

/// A question to the cache.
pub struct Ask<'a> {
    /// Which answer.
    pub key: Key,
    /// The client's fields.
    pub headers: &'a HeaderMap,
    /// What is sent to the origin when there is no answer: a GET.
    pub fetch: FetchRequest,
    /// See [`RouteConfig::ttl_seconds`].
    pub ttl: Option<Duration>,
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

/// Answers in memory.
pub struct Cache {
    config: Config,
    clock: Clock,
    fetch: Arc<dyn Fetch>,
    store: moka::sync::Cache<String, Arc<Entry>>,
    flights: Flights,
    purges: Purges,
    marks: Marks,
    /// Of [`Metrics::cache_requests`].
    hits: IntCounter,
    metrics: Arc<Metrics>,
}

impl Cache {
    /// An empty cache.
    pub fn new(
        config: Config,
        clock: Clock,
        fetch: Arc<dyn Fetch>,
        metrics: Arc<Metrics>,
    ) -> Arc<Self> {
        let evictions = metrics.cache_evictions.clone();
        let store = moka::sync::Cache::builder()
            .max_capacity(config.bytes_max)
            .weigher(|key: &String, entry: &Arc<Entry>| {
                u32::try_from(key.len() + entry.weight()).unwrap_or(u32::MAX)
            })
            .eviction_listener(move |_, _, cause| {
                if cause.was_evicted() {
                    evictions.inc();
                }
            })
            .build();
        let purges = Purges::new(config.tags_max);
        let marks = Marks::new(config.marks_max, Duration::from_secs(config.marks_seconds));
        Arc::new(Self {
            config,
            clock,
            fetch,
            store,
            flights: Flights::default(),
            purges,
            marks,
            hits: metrics.cache_requests.with_label_values(&["hit"]),
            metrics,
        })
    }

    /// Answers a question; with it comes what `Cache-Status` says (RFC 9211).
    pub async fn answer(self: &Arc<Self>, ask: Ask<'_>) -> (Answer, String) {
        let now = self.clock.now_microseconds();
        let stored = self
            .store
            .get(ask.key.text())
            .filter(|entry| self.purges.is_current(entry));
        let state = stored
            .as_ref()
            .map(|entry| (self.worth(&ask.key, entry, now), entry.ttl_seconds(now)));
        match (state, stored) {
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
                let Ask {
                    key,
                    fetch,
                    ttl: route,
                    ..
                } = ask;
                drop(self.join(key, Some(Arc::clone(&entry)), fetch, route));
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
            (_, stored) => self.forward(ask, stored).await,
        }
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

    async fn forward(
        self: &Arc<Self>,
        ask: Ask<'_>,
        stored: Option<Arc<Entry>>,
    ) -> (Answer, String) {
        let why = if stored.is_some() {
            "fwd=stale"
        } else {
            "fwd=uri-miss"
        };
        let Ask {
            key,
            headers,
            fetch,
            ttl,
        } = ask;
        let Some(joined) = self.join(key, stored.clone(), fetch, ttl) else {
            self.count("waiters_full");
            let error = FetchError::Overloaded {
                retry_after_seconds: 1,
            };
            return (
                Answer::Failed(error),
                format!("crackers; {why}; detail=too-many-waiters"),
            );
        };
        let collapsed = if joined.is_leader() {
            ""
        } else {
            "; collapsed"
        };
        let (shared, own) = {
            let _waiting = Waiting::begin(&self.metrics.cache_waiters);
            joined.outcome().await
        };
        match (shared, own) {
            (Shared::Stored(entry), _) => {
                self.count(if collapsed.is_empty() {
                    "miss"
                } else {
                    "collapsed"
                });
                (
                    Answer::Stored(entry),
                    format!("crackers; {why}; stored{collapsed}"),
                )
            }
            (Shared::Failed(error), own) => {
                let (answer, detail) = self.after_failure(stored, error, own);
                (
                    answer,
                    detail.unwrap_or_else(|| {
                        format!("crackers; {why}{collapsed}; detail=origin-failed")
                    }),
                )
            }
            (Shared::Unshared, Some(fetched)) if client::is_for(headers, &fetched) => {
                self.count("not_stored");
                (Answer::Direct(fetched), format!("crackers; {why}"))
            }
            (Shared::Unshared, _) => {
                self.count("pass");
                (Answer::Pass, format!("crackers; {why}; detail=not-shared"))
            }
        }
    }

    /// What stands in for an answer that the origin did not give.
    fn after_failure(
        &self,
        stored: Option<Arc<Entry>>,
        error: FetchError,
        own: Option<Fetched>,
    ) -> (Answer, Option<String>) {
        let now = self.clock.now_microseconds();
        let stands_in =
            stored.filter(|entry| entry.may_stand_in(now) && self.purges.is_current(entry));
        if let Some(entry) = stands_in {
            self.count("stale_if_error");
            let ttl = entry.ttl_seconds(now);
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
        key: Key,
        stored: Option<Arc<Entry>>,
        fetch: FetchRequest,
        ttl: Option<Duration>,
    ) -> Option<coalesce::Joined> {
        let (joined, leader) = self.flights.join(key.text(), self.config.waiters_max)?;
        if let Some(leader) = leader {
            let cache = Arc::clone(self);
            tokio::spawn(async move { cache.fill(leader, key, stored, fetch, ttl).await });
        }
        Some(joined)
    }

    /// Entries and bytes in memory.
    pub fn size(&self) -> (u64, u64) {
        self.store.run_pending_tasks();
        (self.store.entry_count(), self.store.weighted_size())
    }

    fn count(&self, outcome: &str) {
        self.metrics
            .cache_requests
            .with_label_values(&[outcome])
            .inc();
    }
}

#[cfg(test)]
mod tests;
