//! Listening, taking connections up to the limit, and stopping without dropping a request.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pingora::apps::HttpServerApp as _;
use pingora_limits::inflight::{Guard, Inflight};
use pingora_proxy::HttpProxy;
use prometheus::IntGauge;
use rustls::HandshakeKind;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

use super::socket::Socket;
use super::sockets::{BindError, Sockets};
use super::{Config, front, http2, proxy_protocol};
use crate::admit::client_address;
use crate::edge::Edge;
use crate::live::Live;
use crate::phases::Phases;

/// A socket that listens.
pub enum Listener {
    /// An address.
    Tcp(TcpListener),
    /// A file.
    Unix(UnixListener, PathBuf),
    /// An address with TLS.
    Tls(TcpListener, TlsAcceptor),
}

/// Binds every address before anything is served.
///
/// # Errors
/// The first address that cannot be had, and why.
pub async fn bind(
    config: &Config,
    tls: &TlsAcceptor,
    sockets: &mut Sockets,
) -> Result<Vec<Listener>, BindError> {
    let mut listeners = Vec::new();
    for address in &config.tls.listen {
        let bound = sockets.tcp(address, "accept.tls.listen").await?;
        listeners.push(Listener::Tls(bound, tls.clone()));
    }
    for address in &config.listen {
        let bound = sockets.tcp(address, "accept.listen").await?;
        listeners.push(Listener::Tcp(bound));
    }
    for path in &config.listen_unix {
        let bound = sockets.unix(path, "accept.listen_unix").await?;
        listeners.push(Listener::Unix(bound, path.clone()));
    }
    Ok(listeners)
}

impl Listener {
    /// The address as a person writes it; the real port where 0 was asked for.
    pub fn address(&self) -> String {
        match self {
            Self::Tcp(listener) | Self::Tls(listener, _) => listener
                .local_addr()
                .map_or_else(|_| "unknown".to_owned(), |address| address.to_string()),
            Self::Unix(_, path) => format!("unix:{}", path.display()),
        }
    }

    /// Whether its address is one of these.
    fn is_among(&self, addresses: &[String]) -> bool {
        let own = match self {
            Self::Tcp(listener) | Self::Tls(listener, _) => listener.local_addr().ok(),
            Self::Unix(..) => None,
        };
        let mut addresses = addresses
            .iter()
            .filter_map(|address| address.parse::<SocketAddr>().ok());
        own.is_some_and(|own| addresses.any(|address| address == own))
    }

    /// What makes TLS of its connections.
    fn tls(&self) -> Option<TlsAcceptor> {
        match self {
            Self::Tls(_, acceptor) => Some(acceptor.clone()),
            Self::Tcp(_) | Self::Unix(..) => None,
        }
    }

    async fn accept(&self) -> std::io::Result<Socket> {
        match self {
            Self::Tcp(listener) | Self::Tls(listener, _) => {
                let (stream, client) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Socket::Tcp(stream, client))
            }
            Self::Unix(listener, _) => Ok(Socket::Unix(listener.accept().await?.0)),
        }
    }
}

/// How many connections there may be, altogether and from one address.
struct Places {
    all: Arc<Semaphore>,
    by_address: Inflight,
}

/// A connection's place, given back when it is dropped.
struct Place {
    _counted: Counted,
    _of_all: OwnedSemaphorePermit,
    _of_address: Option<Guard>,
}

/// One that a gauge counts, however it ends.
struct Counted(IntGauge);

impl Counted {
    fn one_of(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Places {
    fn new(config: &Config) -> Self {
        Self {
            all: Arc::new(Semaphore::new(config.connections_max)),
            by_address: Inflight::new(),
        }
    }

    /// A place for a connection; `None` when there is none left.
    fn take(&self, edge: &Edge, socket: &Socket) -> Option<Place> {
        let of_all = Arc::clone(&self.all).try_acquire_owned().ok()?;
        let of_address = self.of_address(&edge.config, socket.ip()).ok()?;
        Some(Place {
            _counted: Counted::one_of(&edge.metrics.connections),
            _of_all: of_all,
            _of_address: of_address,
        })
    }

    /// A place among those of an address; trusted proxies and socket files need none.
    fn of_address(
        &self,
        config: &crate::config::Config,
        ip: Option<IpAddr>,
    ) -> Result<Option<Guard>, NoPlace> {
        let Some(stranger) = ip.filter(|ip| !is_trusted(config, *ip)) else {
            return Ok(None);
        };
        let most = config.accept.connections_per_address_max;
        let key = client_address::limit_key(stranger);
        match self.by_address.incr(key, 1) {
            (_, open) if open > isize::try_from(most).unwrap_or(isize::MAX) => Err(NoPlace),
            (guard, _) => Ok(Some(guard)),
        }
    }
}

/// All places are taken.
struct NoPlace;

fn is_trusted(config: &crate::config::Config, ip: IpAddr) -> bool {
    let mut networks = config.admit.trusted_proxies.iter();
    networks.any(|network| network.contains(&ip))
}

/// Serves until `stop` turns true, then waits for the requests in flight, at most the grace period long.
pub async fn serve(
    listeners: Vec<Listener>,
    live: Arc<Live>,
    proxy: HttpProxy<Phases>,
    stop: watch::Receiver<bool>,
) {
    let proxy = Arc::new(proxy);
    let places = Arc::new(Places::new(&live.edge().config.accept));
    let connections = TaskTracker::new();
    let mut takers = tokio::task::JoinSet::new();
    for listener in listeners {
        let (live, proxy, stop) = (Arc::clone(&live), Arc::clone(&proxy), stop.clone());
        takers.spawn(take(
            listener,
            live,
            proxy,
            Arc::clone(&places),
            connections.clone(),
            stop,
        ));
    }
    while takers.join_next().await.is_some() {}
    proxy.http_cleanup().await;
    connections.close();
    let grace = Duration::from_millis(live.edge().config.accept.grace_period_ms);
    if tokio::time::timeout(grace, connections.wait())
        .await
        .is_err()
    {
        tracing::warn!(
            open = connections.len(),
            "requests were still in flight after the grace period and are cut off"
        );
    }
}

async fn take(
    listener: Listener,
    live: Arc<Live>,
    proxy: Arc<HttpProxy<Phases>>,
    places: Arc<Places>,
    connections: TaskTracker,
    mut stop: watch::Receiver<bool>,
) {
    let is_introduced = listener.is_among(&live.edge().config.accept.proxy_protocol);
    loop {
        let taken = tokio::select! {
            taken = listener.accept() => taken,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let socket = match taken {
            Ok(socket) => socket,
            Err(error) => {
                // Out of file descriptors, most likely: wait a little instead of spinning.
                tracing::warn!(%error, "cannot take a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let edge = live.edge();
        let Some(place) = places.take(&edge, &socket) else {
            edge.metrics.connections_refused.inc();
            continue;
        };
        let (live, proxy, stop) = (Arc::clone(&live), Arc::clone(&proxy), stop.clone());
        let (tls, places) = (listener.tls(), Arc::clone(&places));
        // A connection's task is as large as the largest thing that it ever waits for: what is over soon, or is not plain HTTP/1,
        // has boxes of its own.
        connections.spawn(async move {
            let begun = match is_introduced || tls.is_some() {
                true => Box::pin(begin(socket, is_introduced, tls, &places, &live, &stop)).await,
                false => Some((socket, None)),
            };
            match begun {
                Some((socket, _place_of_client)) if socket.is_http2() => {
                    Box::pin(http2::serve(socket, live, proxy, stop)).await;
                }
                Some((socket, _place_of_client)) => front::serve(socket, live, proxy, stop).await,
                None => {}
            }
            drop(place);
        });
    }
}

/// What comes before the first request of a connection: whose it is, and TLS. `None` when that fails, or when it is not there yet
/// while the edge stops.
async fn begin(
    socket: Socket,
    is_introduced: bool,
    tls: Option<TlsAcceptor>,
    places: &Places,
    live: &Live,
    stop: &watch::Receiver<bool>,
) -> Option<(Socket, Option<Guard>)> {
    let edge = live.edge();
    let begun = async {
        let (socket, client, place) = match is_introduced {
            true => introduction(socket, places, &edge).await?,
            false => (socket, None, None),
        };
        let socket = with_tls(socket, tls, &edge).await?;
        Some((socket.on_behalf_of(client), place))
    };
    tokio::select! {
        biased;
        begun = begun => begun,
        () = leave(live, stop.clone()) => None,
    }
}

/// Resolves when the edge stops for whoever has asked for nothing yet. Where another edge has taken over that is a while later:
/// hung up on at once, a client could lose the request that he is just sending.
pub(super) async fn leave(live: &Live, mut stop: watch::Receiver<bool>) {
    // Nobody who could ask is left: that is a stop, too.
    let _ = stop.wait_for(|stop| *stop).await;
    if live.is_handed_over() {
        let idle_ms = live.edge().config.accept.upgrade.idle_ms;
        tokio::time::sleep(Duration::from_millis(idle_ms)).await;
    }
}

/// Hears of a trusted proxy whose connection this is; `None` when it says nothing that can be understood, when somebody else
/// does, or when that client has no place left.
async fn introduction(
    mut socket: Socket,
    places: &Places,
    edge: &Edge,
) -> Option<(Socket, Option<SocketAddr>, Option<Guard>)> {
    let config = &edge.config;
    let within = Duration::from_millis(config.accept.head_timeout_ms);
    let outcome = match socket.ip() {
        Some(proxy) if is_trusted(config, proxy) => {
            match tokio::time::timeout(within, proxy_protocol::read(&mut socket)).await {
                Ok(Ok(client)) => {
                    let ip = client.map(|client| client.ip());
                    places
                        .of_address(config, ip)
                        .map(|place| (client, place))
                        .map_err(|_| "no_place")
                }
                Ok(Err(bad)) => {
                    tracing::debug!(%proxy, %bad, "a PROXY protocol header is refused");
                    Err("malformed")
                }
                Err(_) => Err("too_slow"),
            }
        }
        _ => Err("not_trusted"),
    };
    let label = outcome.as_ref().map_or_else(|label| *label, |_| "taken");
    edge.metrics.proxy_headers.with_label_values(&[label]).inc();
    let (client, place) = outcome.ok()?;
    Some((socket, client, place))
}

/// Makes TLS of a connection where its listener has it; `None` when the handshake fails or takes too long.
async fn with_tls(socket: Socket, tls: Option<TlsAcceptor>, edge: &Edge) -> Option<Socket> {
    let (stream, client, acceptor) = match (socket, tls) {
        (Socket::Tcp(stream, client), Some(acceptor)) => (stream, client, acceptor),
        (socket, _) => return Some(socket),
    };
    let within = Duration::from_millis(edge.config.accept.tls.handshake_timeout_ms);
    let outcome = match tokio::time::timeout(within, acceptor.accept(stream)).await {
        Ok(Ok(stream)) if stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed) => {
            (Some(stream), "resumed")
        }
        Ok(Ok(stream)) => (Some(stream), "full"),
        Ok(Err(_)) => (None, "failed"),
        Err(_) => (None, "too_slow"),
    };
    let (stream, label) = outcome;
    edge.metrics.handshakes.with_label_values(&[label]).inc();
    stream.map(|stream| Socket::Tls(Box::new(stream), client))
}
