//! Groups of origins: where they are, who is up, and whose turn it is. Pingora's load balancer keeps all three; this
//! adds our names for them, what is counted, and what happens when nobody is up.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use parking_lot::Mutex;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::upstreams::peer::HttpPeer;
use pingora_load_balancing::discovery::ServiceDiscovery;
use pingora_load_balancing::health_check::HealthCheck;
use pingora_load_balancing::selection::RoundRobin;
use pingora_load_balancing::{Backend, Backends, LoadBalancer};

use super::{GroupConfig, Timeouts};

/// One origin, as the configuration names it: what is counted of it outlives its address.
#[derive(Debug)]
pub struct Server {
    /// `host:port` or `unix:/path`.
    pub address: String,
    weight: u32,
    /// Requests it is working on.
    pub in_flight: AtomicUsize,
    /// The address it had last.
    last: Mutex<Option<SocketAddr>>,
}

impl Server {
    /// Where it is now: the first address of its name, or the one before while the name has none.
    async fn locate(&self) -> Option<SocketAddr> {
        let found = match self.address.strip_prefix("unix:") {
            Some(path) => std::os::unix::net::SocketAddr::from_pathname(path)
                .ok()
                .map(SocketAddr::from),
            None => match self.address.parse::<std::net::SocketAddr>() {
                Ok(literal) => Some(literal.into()),
                Err(_) => resolve(&self.address).await,
            },
        };
        let mut last = self.last.lock();
        if found.is_some() {
            last.clone_from(&found);
        }
        last.clone()
    }
}

async fn resolve(name: &str) -> Option<SocketAddr> {
    let found = tokio::net::lookup_host(name).await;
    if let Err(error) = &found {
        tracing::warn!(%name, %error, "an origin's name has no address");
    }
    found.ok()?.next().map(SocketAddr::from)
}

/// A server and where it is.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// The server.
    pub server: Arc<Server>,
    address: SocketAddr,
}

impl Chosen {
    /// How Pingora reaches it.
    pub fn peer(&self, timeouts: &Timeouts) -> HttpPeer {
        // Pingora's constructor takes no resolved Unix address; this field is its own way to set one.
        let mut peer = HttpPeer::new("0.0.0.0:1", false, String::new());
        peer._address = self.address.clone();
        let options = &mut peer.options;
        options.connection_timeout = Some(Duration::from_millis(timeouts.connect_ms));
        options.total_connection_timeout = Some(Duration::from_millis(timeouts.connect_ms));
        options.read_timeout = Some(Duration::from_millis(timeouts.read_ms));
        options.write_timeout = Some(Duration::from_millis(timeouts.write_ms));
        options.idle_timeout = Some(Duration::from_millis(timeouts.idle_ms));
        peer
    }

    fn of(backend: &Backend) -> Option<Self> {
        Some(Self {
            server: Arc::clone(backend.ext.get::<Arc<Server>>()?),
            address: backend.addr.clone(),
        })
    }
}

/// The servers of a group, wherever their names lead.
struct Named(Vec<Arc<Server>>);

#[async_trait]
impl ServiceDiscovery for Named {
    async fn discover(&self) -> pingora::Result<(BTreeSet<Backend>, HashMap<u64, bool>)> {
        let mut backends = BTreeSet::new();
        for server in &self.0 {
            if let Some(addr) = server.locate().await {
                let weight = server.weight as usize;
                let mut ext = http::Extensions::new();
                ext.insert(Arc::clone(server));
                backends.insert(Backend { addr, weight, ext });
            }
        }
        Ok((backends, HashMap::new()))
    }
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
}

/// Backends that are looked at in search of one that fits.
const LOOKS_MAX: usize = 256;

impl Group {
    /// A group whose servers count as up until a check says otherwise. Servers with a host name join it with the first
    /// [`Group::refresh`].
    pub fn new(config: &GroupConfig, check: Option<Box<dyn HealthCheck + Send + Sync>>) -> Self {
        let servers: Vec<_> = config
            .servers
            .iter()
            .map(|server| {
                Arc::new(Server {
                    address: server.address.clone(),
                    weight: server.weight,
                    in_flight: AtomicUsize::new(0),
                    last: Mutex::new(None),
                })
            })
            .collect();
        let mut backends = Backends::new(Box::new(Named(servers.clone())));
        if let Some(check) = check {
            backends.set_health_check(check);
        }
        let group = Self {
            name: config.name.clone(),
            config: config.clone(),
            servers,
            balancer: LoadBalancer::from_backends(backends),
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

    /// Whose turn it is, among those that are up and not in `tried`; when none of these is up, among all that are not
    /// in `tried`: a check can be wrong, and refusing everybody helps nobody. `None` when all were tried.
    pub fn choose(&self, tried: &[Arc<Server>]) -> Option<Chosen> {
        let is_untried = |backend: &Backend| {
            let server = backend.ext.get::<Arc<Server>>();
            server.is_some_and(|server| !tried.iter().any(|one| Arc::ptr_eq(one, server)))
        };
        let turn = |must_be_up: bool| {
            self.balancer.select_with(b"", LOOKS_MAX, |backend, is_up| {
                is_untried(backend) && (is_up || !must_be_up)
            })
        };
        turn(true)
            .or_else(|| turn(false))
            .as_ref()
            .and_then(Chosen::of)
    }
}

/// Counts a request of a server while it lives.
#[derive(Debug)]
pub struct InFlight(Arc<Server>);

impl InFlight {
    /// One more.
    pub fn of(server: &Arc<Server>) -> Self {
        server.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(server))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{HealthConfig, ServerConfig};
    use super::*;

    /// Servers on ports from 1 on, with these weights; those whose ports are in `down` fail their first check.
    async fn group(weights: &[u32], down: &[u16]) -> Group {
        let servers = weights
            .iter()
            .zip(1_u16..)
            .map(|(weight, port)| ServerConfig {
                address: format!("127.0.0.1:{port}"),
                weight: *weight,
            });
        let config = GroupConfig {
            name: "origin".to_owned(),
            servers: servers.collect(),
            health: HealthConfig {
                path: "/".to_owned(),
                interval_ms: 1000,
                timeout_ms: 1000,
                healthy_after: 1,
                unhealthy_after: 1,
            },
        };
        let group = Group::new(&config, Some(Box::new(Ports(down.to_vec()))));
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
            let chosen = group.choose(&[]).unwrap();
            assert_ne!(chosen.server.address, "127.0.0.1:2");
        }
    }

    #[tokio::test]
    async fn when_none_is_up_all_are_used() {
        let group = group(&[1, 1], &[1, 2]).await;
        let first = Arc::clone(&group.servers[0]);
        assert!(group.choose(&[]).is_some());
        let other = group.choose(&[Arc::clone(&first)]).unwrap();
        assert_eq!(other.server.address, "127.0.0.1:2");
        assert!(group.choose(&[first, other.server]).is_none());
    }

    #[tokio::test]
    async fn a_name_joins_with_its_address_and_a_socket_without() {
        let servers = ["localhost:7", "unix:/run/crackers.sock"].map(|address| ServerConfig {
            address: address.to_owned(),
            weight: 1,
        });
        let config = GroupConfig {
            servers: servers.into(),
            ..group(&[1], &[]).await.config
        };
        let group = Group::new(&config, None);
        group.refresh().await;
        assert!(group.servers.iter().all(|server| group.is_up(server)));
    }

    proptest! {
        #[test]
        fn turns_follow_the_weights_exactly(weights in prop::collection::vec(1_u32..6, 1..5)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let group = runtime.block_on(group(&weights, &[]));
            let total: u32 = weights.iter().sum();
            let mut turns: HashMap<String, u32> = HashMap::new();
            for _ in 0..total * 3 {
                *turns.entry(group.choose(&[]).unwrap().server.address.clone()).or_default() += 1;
            }
            for (weight, server) in weights.iter().zip(&group.servers) {
                prop_assert_eq!(turns[&server.address], weight * 3);
            }
        }
    }
}
