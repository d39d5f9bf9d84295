//! What every part of the running edge shares.

use std::sync::Arc;

use http::HeaderValue;
use jiff::Timestamp;

use crackers_shared::clock::Clock;

use crate::admit::Admit;
use crate::cache::Cache;
use crate::config::Config;
use crate::dispatch::Dispatch;
use crate::forward::{UpstreamClient, Upstreams};
use crate::respond::Respond;
use crate::telemetry::Metrics;
use crate::telemetry::access_log::AccessLog;

/// The running edge: immutable settings and the stages at work.
pub struct Edge {
    /// The checked settings.
    pub config: Arc<Config>,
    /// What time it is.
    pub clock: Clock,
    /// When the process began to serve.
    pub started: Timestamp,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// One line a request.
    pub access_log: AccessLog,
    /// Who may pass.
    pub admit: Admit,
    /// What is answered from memory.
    pub cache: Arc<Cache>,
    /// Who gets an origin slot.
    pub dispatch: Arc<Dispatch>,
    /// Which origin gets the rest.
    pub upstreams: Arc<Upstreams>,
    /// What every answer carries.
    pub respond: Respond,
    /// What `Strict-Transport-Security` says on answers over TLS; browsers mind it there only (RFC 6797 7.2).
    pub strict_transport: Option<HeaderValue>,
}

/// What `Strict-Transport-Security` says, where it is wanted.
fn strict_transport(config: &Config) -> Option<HeaderValue> {
    let seconds = config.accept.tls.hsts_max_age_seconds;
    let value = HeaderValue::try_from(format!("max-age={seconds}; includeSubDomains"));
    value.ok().filter(|_| seconds > 0)
}

impl Edge {
    /// An edge that has served nothing yet.
    ///
    /// # Errors
    /// When the access log cannot be opened.
    pub fn new(config: Arc<Config>, clock: Clock) -> anyhow::Result<Self> {
        let metrics = Arc::new(Metrics::new());
        let own = Arc::new(config.dispatch.clone());
        let dispatch = Dispatch::new(own, clock.clone(), Arc::clone(&metrics));
        let upstreams = Arc::new(Upstreams::new(&config, &clock, &metrics));
        let client = UpstreamClient::new(
            config.forward.idle_connections_max,
            Arc::clone(&upstreams),
            Arc::clone(&dispatch),
        );
        let cache = Cache::new(
            config.cache.clone(),
            clock.clone(),
            Arc::new(client),
            Arc::clone(&metrics),
        );
        Ok(Self {
            access_log: AccessLog::start(&config.telemetry.access_log, Arc::clone(&metrics))?,
            admit: Admit::new(config.admit.clone(), clock.clone())?,
            respond: Respond::new(&config.respond),
            strict_transport: strict_transport(&config),
            started: clock.now(),
            cache,
            dispatch,
            upstreams,
            metrics,
            clock,
            config,
        })
    }
}
