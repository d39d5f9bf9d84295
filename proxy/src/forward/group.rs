//! Groups of origins: who is up, and whose turn it is. Pingora's load balancer finds and checks the servers; this adds
//! the choice among them, ejection of those that fail requests, and what happens when few are left.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use parking_lot::Mutex;
use pingora_load_balancing::health_check::HealthCheck;
use pingora_load_balancing::selection::RoundRobin;
use pingora_load_balancing::{Backend, Backends, LoadBalancer};

use crackers_shared::clock::Clock;

use super::balance::{self, Balance, Candidate, HashBy, Standing};
use super::retry_budget::{RetryBudget, RetryBudgetConfig};
use super::upstreams::{Chosen, Named, Pass, Server};
use super::{GroupConfig, ServerConfig};
use crate::dispatch::breaker::{BreakerConfig, Passed, State, Turned, Went};
use crate::telemetry::Metrics;

/// Who asks for a server.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// The client; none for the cache's own fetches.
    pub address: Option<IpAddr>,
    /// The path without the query.
    pub path: &'a str,
}

/// Origins that can stand in for each other.
pub struct Group {
    /// Its name in the configuration.
    pub name: String,
    /// Its settings.
    pub config: GroupConfig,
    /// Its members.
    pub servers: Vec<Arc<Server>>,
    balancer: LoadBalancer<RoundRobin>,
    turn: AtomicU64,
    /// Held while it is decided whether one more may be ejected.
    ejecting: Mutex<()>,
    is_retired: AtomicBool,
    retry_budget: RetryBudget,
    breaker: BreakerConfig,
    pub(super) clock: Clock,
    pub(super) metrics: Arc<Metrics>,
}

/// What all groups have in common.
#[derive(Clone, Debug)]
pub struct Common {
    /// How many requests may be tried again.
    pub retry_budget: RetryBudgetConfig,
    /// When a server gets no requests for a while.
    pub breaker: BreakerConfig,
    /// What time it is.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// How a try failed, as far as the next one is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// There was a connection, and it broke off before an answer.
    BrokeOff,
    /// Nobody took the connection, or nothing came in time.
    Otherwise,
}

impl Group {
    /// A group whose servers count as up until a check says otherwise. Servers with a host name join it with the first
    /// [`Group::refresh`]; those that are known stay what they are, their settings included, until [`Group::take_over`].
    pub fn new(
        config: &GroupConfig,
        check: Option<Box<dyn HealthCheck + Send + Sync>>,
        common: &Common,
        known: &[Arc<Server>],
    ) -> Self {
        let of_config = |one: &ServerConfig| {
            let mut known = known.iter();
            let same = known.find(|server| server.address == one.address);
            same.map_or_else(|| Arc::new(Server::new(one)), Arc::clone)
        };
        let servers: Vec<_> = config.servers.iter().map(of_config).collect();
        let weights = config.servers.iter().map(|one| one.weight as usize);
        let mut backends = Backends::new(Box::new(Named {
            servers: servers.iter().cloned().zip(weights).collect(),
            patience: Duration::from_millis(config.health.timeout_ms),
        }));
        if let Some(check) = check {
            backends.set_health_check(check);
        }
        let group = Self {
            name: config.name.clone(),
            config: config.clone(),
            servers,
            balancer: LoadBalancer::from_backends(backends),
            turn: AtomicU64::new(0),
            ejecting: Mutex::new(()),
            is_retired: AtomicBool::new(false),
            retry_budget: RetryBudget::new(common.retry_budget.clone()),
            breaker: common.breaker.clone(),
            clock: common.clock.clone(),
            metrics: Arc::clone(&common.metrics),
        };
        // Addresses need no waiting; a name is left for later.
        let _ = group.balancer.update().now_or_never();
        group
    }

    /// Whether a group with these settings would be the same.
    pub(super) fn is_as(&self, config: &GroupConfig, common: &Common) -> bool {
        self.config == *config
            && self.breaker == common.breaker
            && self.retry_budget.config == common.retry_budget
    }

    /// From now on it is this group that is used: servers that another one has had go by its settings.
    pub(super) fn take_over(&self) {
        for (server, config) in self.servers.iter().zip(&self.config.servers) {
            server.configure(config);
        }
    }

    /// It gets no more requests than those that it has, and needs no checks.
    pub fn retire(&self) {
        self.is_retired.store(true, Ordering::Relaxed);
    }

    /// See [`Group::retire`].
    pub fn is_retired(&self) -> bool {
        self.is_retired.load(Ordering::Relaxed)
    }

    /// Looks up where the servers are.
    pub async fn refresh(&self) {
        // Our discovery has no error: a name without an address keeps its last one.
        let _ = self.balancer.update().await;
    }

    /// Asks every server whether it serves, all at once.
    pub async fn check(&self) {
        self.balancer.backends().run_health_check(true).await;
    }

    /// Whether the last checks found a server serving, and it has not said that it will stop.
    pub fn is_up(&self, server: &Arc<Server>) -> bool {
        let backends = self.balancer.backends();
        let known = backends.get_backend();
        let mut known = known.iter();
        let own = known.find(|backend| {
            let of = backend.ext.get::<Arc<Server>>();
            of.is_some_and(|of| Arc::ptr_eq(of, server))
        });
        own.is_some_and(|backend| backends.ready(backend))
            && !server.is_stopping.load(Ordering::Relaxed)
    }

    /// Whether a server gets nothing for a while because it failed requests.
    pub fn is_ejected(&self, server: &Server) -> bool {
        server.record.is_ejected(self.clock.now_microseconds())
    }

    /// Opens or closes a server's breaker by hand.
    pub fn turn_breaker(&self, server: &Server, is_open: bool) {
        let now = self.clock.now_microseconds();
        server.breaker.turn(&self.breaker, is_open, now);
        if is_open {
            let labels = [self.name.as_str(), &server.address, "by_hand"];
            self.metrics.breaker_opened.with_label_values(&labels).inc();
        }
    }

    /// Whether a server's breaker lets requests through.
    pub fn breaker_state(&self, server: &Server) -> State {
        server.breaker.state(self.clock.now_microseconds())
    }

    /// Whose turn it is, among those that may get this request ([`balance::eligible`]) and are not in `tried`. `None`
    /// when nobody is left.
    pub fn choose(&self, asker: &Asker<'_>, tried: &[Arc<Server>]) -> Option<Chosen> {
        let now = self.clock.now_microseconds();
        if tried.is_empty() {
            self.retry_budget.asked(now);
        }
        // Somebody else may take the last probe of a breaker between the look and the step.
        for _ in 0..=self.servers.len() {
            let backends = self.balancer.backends().get_backend();
            let (backend, server) = self.whose_turn(&backends, asker, tried, now)?;
            if let Some(passed) = server.breaker.enter(&self.breaker, now) {
                return Some(Chosen::new(server, Pass::of(server, passed), backend));
            }
        }
        None
    }

    fn whose_turn<'a>(
        &self,
        backends: &'a BTreeSet<Backend>,
        asker: &Asker<'_>,
        tried: &[Arc<Server>],
        now: i64,
    ) -> Option<(&'a Backend, &'a Arc<Server>)> {
        let known: Vec<(&Backend, &Arc<Server>)> = backends
            .iter()
            .filter_map(|backend| Some((backend, backend.ext.get::<Arc<Server>>()?)))
            .collect();
        // Who stands alone, others being drained, is asked again.
        let is_alone = undrained(backends) < 2;
        let standings = known.iter().map(|(backend, server)| Standing {
            is_healthy: self.balancer.backends().ready(backend) && !server.record.is_ejected(now),
            is_drained: server.drained.load(Ordering::Relaxed),
            is_stopping: server.is_stopping.load(Ordering::Relaxed),
            is_open: !server.breaker.may_pass(&self.breaker, now),
            is_backup: server.is_backup.load(Ordering::Relaxed),
            is_tried: !is_alone && tried.iter().any(|one| Arc::ptr_eq(one, server)),
        });
        let eligible = balance::eligible(&standings.collect::<Vec<_>>());
        let candidates = eligible.iter().map(|index| {
            let server = known[*index].1;
            Candidate {
                name: &server.address,
                weight: u64::from(server.weight.load(Ordering::Relaxed))
                    * server.record.share(&self.config.ejection, now),
                in_flight: server.in_flight.load(Ordering::Relaxed),
            }
        });
        let candidates: Vec<_> = candidates.collect();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let picked = balance::pick(self.config.balance, &candidates, turn, self.key(asker))?;
        Some(known[eligible[picked]])
    }

    fn key(&self, asker: &Asker<'_>) -> u64 {
        match (self.config.balance, self.config.hash_by, asker.address) {
            (Balance::ConsistentHash, HashBy::Address, Some(address)) => balance::hash_of(&address),
            (Balance::ConsistentHash, _, _) => balance::hash_of(&asker.path),
            _ => 0,
        }
    }

    /// Takes in how a request went, as far as the head of its answer. The breaker hears of what it let through; ejection of
    /// failures, those of its probes aside. Gives back what may break off yet ([`Group::broke_off`]).
    pub fn report(&self, server: &Server, pass: Option<Pass>, went: Went) -> Option<Passed> {
        let now = self.clock.now_microseconds();
        let passed = pass.and_then(Pass::take);
        let turned =
            passed.and_then(|passed| server.breaker.report(&self.breaker, passed, went, now));
        self.tell(server, turned);
        if went == Went::Badly {
            self.failed(server, passed, now);
        }
        passed.filter(|_| went != Went::Badly)
    }

    /// Takes in that an answer broke off whose head was good.
    pub fn broke_off(&self, server: &Server, passed: Passed) {
        let now = self.clock.now_microseconds();
        let turned = server.breaker.broke_off(&self.breaker, passed, now);
        self.tell(server, turned);
        self.failed(server, Some(passed), now);
    }

    fn tell(&self, server: &Server, turned: Option<Turned>) {
        match turned {
            Some(Turned::Opened(reason)) => {
                let labels = [self.name.as_str(), &server.address, reason];
                self.metrics.breaker_opened.with_label_values(&labels).inc();
                tracing::warn!(group = %self.name, server = %server.address, reason, "an origin's breaker has opened");
            }
            Some(Turned::Closed) => {
                tracing::warn!(group = %self.name, server = %server.address, "an origin's breaker has closed");
            }
            None => {}
        }
    }

    fn failed(&self, server: &Server, passed: Option<Passed>, now: i64) {
        let names = [self.name.as_str(), &server.address];
        let failures = &self.metrics.upstream_failures;
        failures.with_label_values(&names).inc();
        let config = &self.config.ejection;
        let is_probe = passed.is_some_and(|passed| passed.is_probe);
        if is_probe || !server.record.failed(config, now) {
            return;
        }
        let _one_at_a_time = self.ejecting.lock();
        let ejected = self.servers.iter().filter(|one| one.record.is_ejected(now));
        let may_be = self.servers.len() * config.share_max_percent / 100;
        if ejected.count() < may_be && !server.record.is_ejected(now) {
            server.record.eject(config, now);
            self.metrics.ejections.with_label_values(&names).inc();
            tracing::warn!(group = %self.name, server = %server.address, "an origin failed too often and is ejected");
        }
    }

    /// What time it is, in microseconds.
    pub fn now(&self) -> i64 {
        self.clock.now_microseconds()
    }

    /// Whether a request may be tried on one more server than those in `tried`; takes from the budget if so. A server that
    /// stands alone may be several processes behind one socket: where a connection broke off, one of them may have died, and
    /// it is tried once more.
    pub fn may_retry(&self, tried: usize, retries_max: u32, failed: Failed) -> bool {
        let servers = undrained(&self.balancer.backends().get_backend());
        let most = match failed {
            Failed::BrokeOff => servers.max(2),
            Failed::Otherwise => servers,
        };
        if tried >= most || tried > retries_max as usize {
            return false;
        }
        let fits = self.retry_budget.take(self.clock.now_microseconds());
        let counter = if fits {
            &self.metrics.retries
        } else {
            &self.metrics.retries_refused
        };
        counter.with_label_values(&[&self.name]).inc();
        fits
    }
}

/// How many servers are there and get something new.
fn undrained(backends: &BTreeSet<Backend>) -> usize {
    let servers = backends
        .iter()
        .filter_map(|one| one.ext.get::<Arc<Server>>());
    let undrained = servers.filter(|server| !server.drained.load(Ordering::Relaxed));
    undrained.count()
}

#[cfg(test)]
pub(super) mod more_tests;
#[cfg(test)]
mod tests;
