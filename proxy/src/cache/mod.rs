//! Stage `cache`: what is answered from memory. Gets what it does not have through [`fetch`]; knows nothing of
//! connections, limits and origins.

mod answer;
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
pub mod vary;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{HeaderName, header};
use prometheus::IntCounter;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crackers_shared::clock::Clock;
use crackers_shared::config_file::Problems;

use crate::telemetry::Metrics;
pub use answer::{Answer, Ask};
pub use client::{unmarked_conditions, wants_stored_only};
use coalesce::Flights;
use encodings::Encoder;
use fetch::Fetch;
use marks::Marks;
use purge::Purges;
use vary::Slot;

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
    /// Answers that are compressed at once; 0 means one for each core.
    pub compress_at_once: usize,
    /// Answers that may wait for their turn to be compressed; more are kept as they are.
    pub compress_waiting_max: usize,
    /// Tags whose last purge is remembered; beyond them everything counts as purged.
    pub tags_max: usize,
    /// How long it is remembered that a question's answer could not be shared or that the origin failed it, in seconds.
    pub marks_seconds: u64,
    /// Questions of which that is remembered.
    pub marks_max: u64,
    /// Fields of requests that answers may depend on (`Vary`): they are sent along when an answer is fetched for all.
    pub vary: Vec<String>,
    /// Answers kept to one question that depend on such fields; further ones are not kept.
    pub variants_max: usize,
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
    /// Where nothing says how long an answer is fresh: this part of the time since it was last modified, in percent, a day at
    /// the most (RFC 9111 4.2.2); 0 guesses nothing.
    #[serde(default)]
    pub heuristic_percent: u8,
}

/// The longest lifetime that a cache needs to tell from others, in seconds (RFC 9111 1.2.2).
const TTL_SECONDS_MAX: u64 = 1 << 31;

impl RouteConfig {
    fn check(&self, path: &str, problems: &mut Problems) {
        problems.require(
            self.path_prefix.starts_with('/'),
            format!("{path}.path_prefix"),
            "must begin with /",
        );
        problems.require(
            self.ttl_seconds.is_none_or(|ttl| ttl <= TTL_SECONDS_MAX),
            format!("{path}.ttl_seconds"),
            format!("must be at most {TTL_SECONDS_MAX}"),
        );
        problems.require(
            self.heuristic_percent <= 100,
            format!("{path}.heuristic_percent"),
            "must be at most 100",
        );
    }
}

/// Fields that no answer for all depends on: they are one client's own, ask for a part or on a condition, or are the edge's to say.
const NEVER_VARIED_BY: [HeaderName; 13] = [
    header::ACCEPT_ENCODING,
    header::AUTHORIZATION,
    header::CACHE_CONTROL,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::COOKIE,
    header::HOST,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::RANGE,
    header::TRANSFER_ENCODING,
];

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
            self.compress_at_once <= 1024,
            format!("{path}.compress_at_once"),
            "must be at most 1024",
        );
        problems.require(
            self.negative_ttl_seconds <= 5,
            format!("{path}.negative_ttl_seconds"),
            "must be at most 5",
        );
        problems.require(
            (1..=300).contains(&self.marks_seconds),
            format!("{path}.marks_seconds"),
            "must be 1 to 300",
        );
        problems.require(
            self.tags_max > 0,
            format!("{path}.tags_max"),
            "must be at least 1: with none, every purge purges everything",
        );
        for (index, name) in self.vary.iter().enumerate() {
            let is_known = name.parse::<HeaderName>();
            let is_known = is_known.is_ok_and(|name| !NEVER_VARIED_BY.contains(&name));
            problems.require(
                is_known,
                format!("{path}.vary.{index}"),
                format!("{name:?} is no field that answers for all may depend on"),
            );
        }
        for (index, route) in self.routes.iter().enumerate() {
            route.check(&format!("{path}.routes.{index}"), problems);
        }
    }

    /// What is said of lifetimes on a route.
    pub fn terms(&self, route: &RouteConfig) -> policy::Terms {
        policy::Terms {
            ttl: route.ttl_seconds.map(Duration::from_secs),
            heuristic_percent: route.heuristic_percent,
            negative_max: Duration::from_secs(self.negative_ttl_seconds),
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

/// Answers in memory.
pub struct Cache {
    config: Config,
    clock: Clock,
    fetch: Arc<dyn Fetch>,
    store: moka::sync::Cache<String, Slot>,
    flights: Flights,
    purges: Purges,
    marks: Marks,
    encoder: Encoder,
    /// Whether nothing is answered from here any more.
    is_retired: AtomicBool,
    /// See [`Config::vary`].
    vary: Vec<HeaderName>,
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
            .weigher(|key: &String, slot: &Slot| {
                u32::try_from(key.len() + slot.weight()).unwrap_or(u32::MAX)
            })
            .eviction_listener(move |_, _, cause| {
                if cause.was_evicted() {
                    evictions.inc();
                }
            })
            .build();
        let purges = Purges::new(config.tags_max, metrics.cache_purge_overflows.clone());
        let encoder = Encoder::new(&config, &metrics);
        let marks = Marks::new(config.marks_max, Duration::from_secs(config.marks_seconds));
        Arc::new(Self {
            vary: config
                .vary
                .iter()
                .filter_map(|name| name.parse().ok())
                .collect(),
            config,
            clock,
            fetch,
            store,
            flights: Flights::default(),
            purges,
            marks,
            encoder,
            is_retired: AtomicBool::new(false),
            hits: metrics.cache_requests.with_label_values(&["hit"]),
            metrics,
        })
    }

    /// Nothing is answered from here any more: purges go to another edge.
    pub fn retire(&self) {
        self.is_retired.store(true, Ordering::Release);
        self.store.invalidate_all();
    }

    /// Whether requests pass it by.
    pub fn is_retired(&self) -> bool {
        self.is_retired.load(Ordering::Acquire)
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
