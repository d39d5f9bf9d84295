//! Origins: where they are, how they are reached, and what is counted of each.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use parking_lot::Mutex;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::upstreams::peer::HttpPeer;
use pingora_load_balancing::Backend;
use pingora_load_balancing::discovery::ServiceDiscovery;
use tokio::time::timeout;

use super::ejection::Record;
use super::{ServerConfig, Timeouts};
use crate::dispatch::breaker::{Breaker, Passed};

/// One origin, as the configuration names it: what is counted of it outlives its address.
#[derive(Debug)]
pub struct Server {
    /// `host:port` or `unix:/path`.
    pub address: String,
    pub(super) weight: AtomicU32,
    pub(super) is_backup: AtomicBool,
    /// Whether it gets nothing new, by order of the operator.
    pub drained: AtomicBool,
    /// Whether it has said that it will stop.
    pub is_stopping: AtomicBool,
    /// Requests it is working on.
    pub in_flight: AtomicUsize,
    pub(super) record: Record,
    /// Whether it gets requests at all.
    pub breaker: Breaker,
    /// The address it had last.
    pub(super) last: Mutex<Option<SocketAddr>>,
    /// Held while its name is looked up.
    pub(super) looking: Arc<tokio::sync::Mutex<()>>,
}

impl Server {
    /// A server of which nothing is known yet.
    pub(super) fn new(config: &ServerConfig) -> Self {
        Self {
            address: config.address.clone(),
            weight: AtomicU32::new(config.weight),
            is_backup: AtomicBool::new(config.backup),
            drained: AtomicBool::new(false),
            is_stopping: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            record: Record::new(),
            breaker: Breaker::default(),
            last: Mutex::new(None),
            looking: Arc::default(),
        }
    }

    /// Goes on with other settings.
    pub(super) fn configure(&self, config: &ServerConfig) {
        self.weight.store(config.weight, Ordering::Relaxed);
        self.is_backup.store(config.backup, Ordering::Relaxed);
    }

    /// Where it is now; a name is looked up for at most so long.
    async fn locate(self: &Arc<Self>, patience: Duration) -> Option<SocketAddr> {
        match self.address.strip_prefix("unix:") {
            Some(path) => std::os::unix::net::SocketAddr::from_pathname(path)
                .ok()
                .map(SocketAddr::from),
            None => match self.address.parse::<std::net::SocketAddr>() {
                Ok(literal) => Some(literal.into()),
                Err(_) => self.look_up(patience).await,
            },
        }
    }

    /// The first address of its name, or the one before while there is none or finding out takes too long.
    async fn look_up(self: &Arc<Self>, patience: Duration) -> Option<SocketAddr> {
        // One lookup at once, which nobody can break off: however long the resolver takes, it keeps one thread at most, and
        // what it finds counts from then on.
        if let Ok(turn) = Arc::clone(&self.looking).try_lock_owned() {
            let server = Arc::clone(self);
            tokio::spawn(async move {
                let _turn = turn;
                let found = resolve(&server.address).await;
                let mut last = server.last.lock();
                *last = found.or_else(|| last.take());
            });
        }
        let found = timeout(patience, self.looking.lock()).await;
        if found.is_err() {
            let name = self.address.as_str();
            tracing::warn!(%name, "looking up an origin's name takes too long");
        }
        drop(found);
        self.last.lock().clone()
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
#[derive(Debug)]
pub struct Chosen {
    /// The server.
    pub server: Arc<Server>,
    /// What its breaker let through.
    pub pass: Pass,
    /// Where it is.
    pub place: Place,
}

/// Where a server is.
#[derive(Clone, Debug)]
pub struct Place(pub SocketAddr);

/// A request that a server's breaker let through. Dropped without a word on how it went, it is given back.
#[derive(Debug)]
pub struct Pass {
    server: Arc<Server>,
    passed: Option<Passed>,
}

impl Pass {
    pub(super) fn of(server: &Arc<Server>, passed: Passed) -> Self {
        Self {
            server: Arc::clone(server),
            passed: Some(passed),
        }
    }

    /// For the report; it is not given back any more.
    pub(super) fn take(mut self) -> Option<Passed> {
        self.passed.take()
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(passed) = self.passed.take() {
            self.server.breaker.give_back(passed);
        }
    }
}

impl Place {
    /// How Pingora reaches it.
    pub fn peer(&self, timeouts: &Timeouts) -> HttpPeer {
        // Pingora's constructor takes no resolved Unix address; this field is its own way to set one.
        let mut peer = HttpPeer::new("0.0.0.0:1", false, String::new());
        peer._address = self.0.clone();
        let options = &mut peer.options;
        options.connection_timeout = Some(Duration::from_millis(timeouts.connect_ms));
        options.total_connection_timeout = Some(Duration::from_millis(timeouts.connect_ms));
        options.read_timeout = Some(Duration::from_millis(timeouts.read_ms));
        options.write_timeout = Some(Duration::from_millis(timeouts.write_ms));
        options.idle_timeout = Some(Duration::from_millis(timeouts.idle_ms));
        peer
    }
}

impl Chosen {
    pub(super) fn new(server: &Arc<Server>, pass: Pass, backend: &Backend) -> Self {
        Self {
            server: Arc::clone(server),
            pass,
            place: Place(backend.addr.clone()),
        }
    }
}

/// The servers of a group, wherever their names lead.
pub(super) struct Named {
    /// Each with its weight in this group's configuration: the server's own is another group's as long as that is in use, and
    /// with its weight a backend would lose its health.
    pub(super) servers: Vec<(Arc<Server>, usize)>,
    /// How long it may take to look up a name.
    pub(super) patience: Duration,
}

#[async_trait]
impl ServiceDiscovery for Named {
    async fn discover(&self) -> pingora::Result<(BTreeSet<Backend>, HashMap<u64, bool>)> {
        let each = self.servers.iter();
        let places = each.map(|(server, _)| server.locate(self.patience));
        let places = join_all(places).await.into_iter();
        let located = self.servers.iter().zip(places);
        let backends = located.filter_map(|((server, weight), place)| {
            let mut ext = http::Extensions::new();
            ext.insert(Arc::clone(server));
            Some(Backend {
                addr: place?,
                weight: *weight,
                ext,
            })
        });
        Ok((backends.collect(), HashMap::new()))
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
