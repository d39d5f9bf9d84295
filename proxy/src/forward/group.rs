//! Groups of origins: who is up, and whose turn it is. Pingora's load balancer finds and checks the servers; this adds
//! the choice among them, ejection of those that fail requests, and what happens when few are left.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt as _;
use parking_lot::Mutex;
use pingora_load_balancing::health_check::HealthCheck;
use pingora_load_balancing::selection::RoundRobin;
use pingora_load_balancing::{Backend, Backends, LoadBalancer};

use crackers_shared::clock::Clock;

use super::GroupConfig;
use super::balance::{self, Balance, Candidate, HashBy, Standing};
use super::retry_budget::{RetryBudget, RetryBudgetConfig};
use super::upstreams::{Chosen, Named, Server};
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
    retry_budget: RetryBudget,
    clock: Clock,
    metrics: Arc<Metrics>,
}

impl Group {
    /// A group whose servers count as up until a check says otherwise. Servers with a host name join it with the first
    /// [`Group::refresh`].
    pub fn new(
        config: &GroupConfig,
        budget: RetryBudgetConfig,
        check: Option<Box<dyn HealthCheck + Send + Sync>>,
        clock: Clock,
        metrics: Arc<Metrics>,
    ) -> Self {
        let servers = config.servers.iter().map(|one| Arc::new(Server::new(one)));
        let servers: Vec<_> = servers.collect();
        let mut backends = Backends::new(Box::new(Named(servers.clone())));
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
            retry_budget: RetryBudget::new(budget),
            clock,
            metrics,
        };
        // Addresses need no waiting; a name is left for later.
        let _ = group.balancer.update().now_or_never();
        group
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

    /// Whether the last checks found a server serving.
    pub fn is_up(&self, server: &Arc<Server>) -> bool {
        let backends = self.balancer.backends();
        let known = backends.get_backend();
        let mut known = known.iter();
        let own = known.find(|backend| {
            let of = backend.ext.get::<Arc<Server>>();
            of.is_some_and(|of| Arc::ptr_eq(of, server))
        });
        own.is_some_and(|backend| backends.ready(backend))
    }

    /// Whether a server gets nothing for a while because it failed requests.
    pub fn is_ejected(&self, server: &Server) -> bool {
        server.record.is_ejected(self.clock.now_microseconds())
    }

    /// Whose turn it is, among those that may get this request ([`balance::eligible`]) and are not in `tried`. `None`
    /// when nobody is left.
    pub fn choose(&self, asker: &Asker<'_>, tried: &[Arc<Server>]) -> Option<Chosen> {
        let now = self.clock.now_microseconds();
        if tried.is_empty() {
            self.retry_budget.asked(now);
        }
        let backends = self.balancer.backends();
        let known = backends.get_backend();
        let known: Vec<(&Backend, &Arc<Server>)> = known
            .iter()
            .filter_map(|backend| Some((backend, backend.ext.get::<Arc<Server>>()?)))
            .collect();
        let standings = known.iter().map(|(backend, server)| Standing {
            is_healthy: backends.ready(backend) && !server.record.is_ejected(now),
            is_drained: server.drained.load(Ordering::Relaxed),
            is_backup: server.is_backup,
            is_tried: tried.iter().any(|one| Arc::ptr_eq(one, server)),
        });
        let eligible = balance::eligible(&standings.collect::<Vec<_>>());
        let candidates = eligible.iter().map(|index| {
            let server = known[*index].1;
            Candidate {
                name: &server.address,
                weight: u64::from(server.weight) * server.record.share(&self.config.ejection, now),
                in_flight: server.in_flight.load(Ordering::Relaxed),
            }
        });
        let candidates: Vec<_> = candidates.collect();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let picked = balance::pick(self.config.balance, &candidates, turn, self.key(asker))?;
        Chosen::of(known[eligible[picked]].0)
    }

    fn key(&self, asker: &Asker<'_>) -> u64 {
        match (self.config.balance, self.config.hash_by, asker.address) {
            (Balance::ConsistentHash, HashBy::Address, Some(address)) => balance::hash_of(&address),
            (Balance::ConsistentHash, _, _) => balance::hash_of(&asker.path),
            _ => 0,
        }
    }

    /// Takes in how a request went: failed means no answer, or a gateway's error.
    pub fn report(&self, server: &Server, is_good: bool) {
        if is_good {
            server.record.succeeded();
            return;
        }
        let names = [self.name.as_str(), &server.address];
        self.metrics
            .upstream_failures
            .with_label_values(&names)
            .inc();
        let (config, now) = (&self.config.ejection, self.clock.now_microseconds());
        if !server.record.failed(config, now) {
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

    /// Whether a request may be tried on one more server than those in `tried`; takes from the budget if so.
    pub fn may_retry(&self, tried: usize, retries_max: u32) -> bool {
        if tried >= self.servers.len() || tried > retries_max as usize {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_trait::async_trait;
    use jiff::Timestamp;

    use super::super::{EjectionConfig, HealthConfig, ServerConfig};
    use super::*;

    const ASKER: Asker<'_> = Asker {
        address: None,
        path: "/",
    };

    fn new(config: &GroupConfig, check: Option<Box<dyn HealthCheck + Send + Sync>>) -> Group {
        let budget = RetryBudgetConfig {
            percent: 20,
            floor: 3,
            window_ms: 10_000,
        };
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        Group::new(config, budget, check, clock, Arc::new(Metrics::new()))
    }

    /// Servers on ports from 1 on, with these weights; those whose ports are in `down` fail their first check.
    async fn group(weights: &[u32], down: &[u16]) -> Group {
        let servers = weights
            .iter()
            .zip(1_u16..)
            .map(|(weight, port)| ServerConfig {
                address: format!("127.0.0.1:{port}"),
                weight: *weight,
                backup: false,
            });
        let config = GroupConfig {
            name: "origin".to_owned(),
            balance: Balance::default(),
            hash_by: HashBy::default(),
            ejection: EjectionConfig::default(),
            servers: servers.collect(),
            health: HealthConfig {
                path: "/".to_owned(),
                interval_ms: 1000,
                timeout_ms: 1000,
                healthy_after: 1,
                unhealthy_after: 1,
            },
        };
        let group = new(&config, Some(Box::new(Ports(down.to_vec()))));
        group.check().await;
        group
    }

    /// A check that fails on these ports.
    struct Ports(Vec<u16>);

    #[async_trait]
    impl HealthCheck for Ports {
        async fn check(&self, target: &Backend) -> pingora::Result<()> {
            let port = target.addr.as_inet().map_or(0, std::net::SocketAddr::port);
            if self.0.contains(&port) {
                return Err(pingora::Error::new(pingora::ErrorType::ConnectRefused));
            }
            Ok(())
        }

        fn health_threshold(&self, _success: bool) -> usize {
            1
        }
    }

    #[tokio::test]
    async fn who_is_down_gets_nothing_while_another_is_up() {
        let group = group(&[1, 1, 1], &[2]).await;
        assert!(!group.is_up(&group.servers[1]));
        for _ in 0..12 {
            let chosen = group.choose(&ASKER, &[]).unwrap();
            assert_ne!(chosen.server.address, "127.0.0.1:2");
        }
    }

    #[tokio::test]
    async fn when_none_is_up_all_are_used() {
        let group = group(&[1, 1], &[1, 2]).await;
        let first = Arc::clone(&group.servers[0]);
        assert!(group.choose(&ASKER, &[]).is_some());
        let other = group.choose(&ASKER, &[Arc::clone(&first)]).unwrap();
        assert_eq!(other.server.address, "127.0.0.1:2");
        assert!(group.choose(&ASKER, &[first, other.server]).is_none());
    }

    #[tokio::test]
    async fn a_name_joins_with_its_address_and_a_socket_without() {
        let servers = ["localhost:7", "unix:/run/crackers.sock"].map(|address| ServerConfig {
            address: address.to_owned(),
            weight: 1,
            backup: false,
        });
        let config = GroupConfig {
            servers: servers.into(),
            ..group(&[1], &[]).await.config
        };
        let group = new(&config, None);
        group.refresh().await;
        assert!(group.servers.iter().all(|server| group.is_up(server)));
    }

    fn fail(group: &Group, server: usize, times: u32) {
        for _ in 0..times {
            group.report(&group.servers[server], false);
        }
    }

    #[tokio::test]
    async fn who_fails_several_in_a_row_is_ejected_for_a_while() {
        let group = group(&[1, 1], &[]).await;
        fail(&group, 0, 5);
        assert_eq!(
            group
                .metrics
                .ejections
                .with_label_values(&["origin", "127.0.0.1:1"])
                .get(),
            1
        );
        for _ in 0..6 {
            let chosen = group.choose(&ASKER, &[]).unwrap();
            assert_eq!(chosen.server.address, "127.0.0.1:2");
        }
        group.clock.advance(Duration::from_secs(20));
        let mut back = (0..20).map(|_| group.choose(&ASKER, &[]).unwrap());
        assert!(back.any(|chosen| chosen.server.address == "127.0.0.1:1"));
    }

    #[tokio::test]
    async fn no_more_than_the_share_is_ejected_at_once() {
        let group = group(&[1, 1, 1], &[]).await;
        for server in 0..3 {
            fail(&group, server, 10);
        }
        let ejected = group.servers.iter().filter(|one| group.is_ejected(one));
        assert_eq!(ejected.count(), 1);
    }

    #[tokio::test]
    async fn who_is_drained_gets_nothing_until_it_is_called_back() {
        let group = group(&[1, 1], &[]).await;
        group.servers[0].drained.store(true, Ordering::Relaxed);
        for _ in 0..4 {
            let chosen = group.choose(&ASKER, &[]).unwrap();
            assert_eq!(chosen.server.address, "127.0.0.1:2");
        }
        group.servers[1].drained.store(true, Ordering::Relaxed);
        assert!(group.choose(&ASKER, &[]).is_none());
    }
}
