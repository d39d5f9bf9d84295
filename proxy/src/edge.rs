//! What every part of the running edge shares.

use std::sync::Arc;

use arc_swap::ArcSwap;
use http::HeaderValue;
use jiff::Timestamp;

use crackers_shared::clock::Clock;

use crate::admit::Admit;
use crate::cache::Cache;
use crate::config::Config;
use crate::dispatch::Dispatch;
use crate::forward::group::Group;
use crate::forward::http1::Http1;
use crate::forward::{UpstreamClient, Upstreams};
use crate::respond::Respond;
use crate::telemetry::Metrics;
use crate::telemetry::access_log::AccessLog;
use crate::telemetry::traces::Traces;

/// The running edge: immutable settings and the stages at work. With other settings there is another one
/// ([`crate::live`]), which shares what must outlive them.
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
    pub access_log: Arc<AccessLog>,
    /// Spans of requests.
    pub traces: Arc<Traces>,
    /// Who may pass.
    pub admit: Admit,
    /// What is answered from memory.
    pub cache: Arc<Cache>,
    /// Who gets an origin slot.
    pub dispatch: Arc<Dispatch>,
    /// Which origin gets the rest.
    pub upstreams: Arc<Upstreams>,
    /// The same for fetches of the cache, which belong to no one request.
    fetch_from: Arc<ArcSwap<Upstreams>>,
    /// The connections to origins that are not Pingora's.
    pub http1: Arc<Http1>,
    /// What every answer carries.
    pub respond: Respond,
    /// What `Strict-Transport-Security` says on answers over TLS; browsers mind it there only (RFC 6797 7.2).
    pub strict_transport: Option<HeaderValue>,
}

/// What `Strict-Transport-Security` says, where it is wanted.
fn strict_transport(config: &Config) -> Option<HeaderValue> {
    let tls = &config.accept.tls;
    let seconds = tls.hsts_max_age_seconds;
    let subdomains = if tls.hsts_subdomains {
        "; includeSubDomains"
    } else {
        ""
    };
    let value = HeaderValue::try_from(format!("max-age={seconds}{subdomains}"));
    value.ok().filter(|_| seconds > 0)
}

impl Edge {
    /// An edge that has served nothing yet.
    ///
    /// # Errors
    /// When the access log cannot be opened, or the keys of the sessions cannot be read.
    pub fn new(config: Arc<Config>, clock: Clock) -> anyhow::Result<Self> {
        let metrics = Arc::new(Metrics::new());
        let own = Arc::new(config.dispatch.clone());
        let dispatch = Dispatch::new(own, clock.clone(), Arc::clone(&metrics));
        let upstreams = Arc::new(Upstreams::new(&config, &clock, &metrics, None));
        let fetch_from = Arc::new(ArcSwap::new(Arc::clone(&upstreams)));
        let http1 = Arc::new(Http1::new(
            config.forward.idle_connections_max,
            config.forward.answer_head_bytes_max,
            &metrics,
        ));
        let client = UpstreamClient::new(
            Arc::clone(&http1),
            Arc::clone(&fetch_from),
            Arc::clone(&dispatch),
        );
        let cache = Cache::new(
            config.cache.clone(),
            clock.clone(),
            Arc::new(client),
            Arc::clone(&metrics),
        );
        let access_log = AccessLog::start(&config.telemetry.access_log, Arc::clone(&metrics))?;
        Ok(Self {
            access_log: Arc::new(access_log),
            traces: Arc::new(Traces::start(&config.telemetry.traces, &metrics)?),
            admit: Admit::new(config.admit.clone(), clock.clone())?,
            respond: Respond::new(&config.respond),
            strict_transport: strict_transport(&config),
            started: clock.now(),
            cache,
            dispatch,
            upstreams,
            http1,
            fetch_from,
            metrics,
            clock,
            config,
        })
    }

    /// The same edge with other settings: what it knows of clients, answers and origins goes over. Nothing has changed
    /// for this one before [`Edge::take_over`].
    ///
    /// # Errors
    /// When the keys of the sessions cannot be read.
    pub async fn next(&self, config: Arc<Config>) -> anyhow::Result<Self> {
        let admit = Admit::after(config.admit.clone(), self.clock.clone(), Some(&self.admit))?;
        let (clock, metrics) = (self.clock.clone(), Arc::clone(&self.metrics));
        let upstreams = Upstreams::new(&config, &clock, &metrics, Some(&self.upstreams));
        upstreams.prepare(&self.upstreams).await;
        Ok(Self {
            admit,
            respond: Respond::new(&config.respond),
            strict_transport: strict_transport(&config),
            upstreams: Arc::new(upstreams),
            started: self.started,
            access_log: Arc::clone(&self.access_log),
            traces: Arc::clone(&self.traces),
            cache: Arc::clone(&self.cache),
            dispatch: Arc::clone(&self.dispatch),
            http1: Arc::clone(&self.http1),
            fetch_from: Arc::clone(&self.fetch_from),
            metrics,
            clock,
            config,
        })
    }

    /// What all requests share, whichever settings they began with, goes on with these.
    pub fn take_over(&self, before: &Self) {
        self.upstreams.take_over();
        self.fetch_from.store(Arc::clone(&self.upstreams));
        self.dispatch
            .configure(Arc::new(self.config.dispatch.clone()));
        for group in &before.upstreams.groups {
            if !self.upstreams.holds(group) {
                group.retire();
                self.forget(group);
            }
        }
    }

    /// Takes servers that are there no longer out of the metrics, and their words out of memory.
    fn forget(&self, group: &Group) {
        let mut named = self.upstreams.groups.iter();
        let same = named.find(|one| one.name == group.name);
        for server in &group.servers {
            let stays = same.is_some_and(|same| {
                let mut servers = same.servers.iter();
                servers.any(|one| one.address == server.address)
            });
            if !stays {
                let labels = [group.name.as_str(), &server.address];
                // One that was never shown needs no taking out.
                let _ = self.metrics.upstream_up.remove_label_values(&labels);
                let _ = self.metrics.breaker_state.remove_label_values(&labels);
            }
            let mut all = self.upstreams.servers();
            if all.all(|one| one.address != server.address) {
                self.dispatch.forget(&server.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_told_for_how_long_and_for_which_names_tls_is_meant() {
        let mut config: Config = serde_yaml::from_str(crate::config::DEFAULTS).unwrap();
        for (seconds, subdomains, said) in [
            (600, true, Some("max-age=600; includeSubDomains")),
            (600, false, Some("max-age=600")),
            (0, true, None),
        ] {
            config.accept.tls.hsts_max_age_seconds = seconds;
            config.accept.tls.hsts_subdomains = subdomains;
            let value = strict_transport(&config);
            assert_eq!(value.as_ref().map(|value| value.to_str().unwrap()), said);
        }
    }
}
