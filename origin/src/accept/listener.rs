//! Listening, taking connections up to the limit, and stopping without dropping a request.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Config, Phase, connection};
use crate::app::App;

/// A socket that listens.
pub enum Listener {
    /// An address.
    Tcp(TcpListener),
    /// A file.
    Unix {
        /// Its socket.
        listener: UnixListener,
        /// Where it is.
        path: PathBuf,
        /// Whether it is removed at the end, by whoever made it.
        is_own: bool,
    },
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} ({key}){hint}")]
pub struct BindError {
    address: String,
    key: &'static str,
    source: std::io::Error,
    hint: &'static str,
}

impl BindError {
    pub(crate) fn new(address: String, key: &'static str, source: std::io::Error) -> Self {
        let hint = if source.kind() == std::io::ErrorKind::AddrInUse {
            "; another program has it: stop that one, or choose another address"
        } else {
            ""
        };
        Self {
            address,
            key,
            source,
            hint,
        }
    }
}

/// Binds every address before anything is served.
///
/// # Errors
/// The first address that cannot be had, and why.
pub async fn bind(config: &Config) -> Result<Vec<Listener>, BindError> {
    let mut listeners = Vec::new();
    for address in &config.listen {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| BindError::new(address.clone(), "accept.listen", source))?;
        listeners.push(Listener::Tcp(listener));
    }
    for path in &config.listen_unix {
        let listener = bind_unix(path).await.map_err(|source| {
            BindError::new(path.display().to_string(), "accept.listen_unix", source)
        })?;
        listeners.push(Listener::Unix {
            listener,
            path: path.clone(),
            is_own: true,
        });
    }
    Ok(listeners)
}

/// Takes over the sockets that a supervisor has bound by the same settings, in the order of [`bind`].
///
/// # Errors
/// When they were not handed over.
pub fn inherit(config: &Config, handed: &mut listenfd::ListenFd) -> std::io::Result<Vec<Listener>> {
    let missing = || std::io::Error::other("a socket was not handed over");
    let mut listeners = Vec::new();
    for place in 0..config.listen.len() {
        let listener = handed.take_tcp_listener(place)?.ok_or_else(missing)?;
        listener.set_nonblocking(true)?;
        listeners.push(Listener::Tcp(TcpListener::from_std(listener)?));
    }
    for (place, path) in (config.listen.len()..).zip(&config.listen_unix) {
        let listener = handed.take_unix_listener(place)?.ok_or_else(missing)?;
        listener.set_nonblocking(true)?;
        listeners.push(Listener::Unix {
            listener: UnixListener::from_std(listener)?,
            path: path.clone(),
            is_own: false,
        });
    }
    Ok(listeners)
}

/// Binds a socket file; a file that nobody listens on any more is a leftover and goes.
async fn bind_unix(path: &Path) -> std::io::Result<UnixListener> {
    match UnixListener::bind(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            if tokio::net::UnixStream::connect(path).await.is_ok() {
                return Err(error);
            }
            std::fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        other => other,
    }
}

impl Listener {
    /// The address as a person writes it; the real port where 0 was asked for.
    pub fn address(&self) -> String {
        match self {
            Self::Tcp(listener) => listener
                .local_addr()
                .map_or_else(|_| "unknown".to_owned(), |address| address.to_string()),
            Self::Unix { path, .. } => format!("unix:{}", path.display()),
        }
    }

    /// A second handle of the socket, for another process.
    ///
    /// # Errors
    /// When there are no more file descriptors.
    pub fn descriptor(&self) -> std::io::Result<OwnedFd> {
        match self {
            Self::Tcp(listener) => listener.as_fd().try_clone_to_owned(),
            Self::Unix { listener, .. } => listener.as_fd().try_clone_to_owned(),
        }
    }

    /// Takes a socket file away; left behind it would be taken for a leftover at the next start.
    pub fn remove_file(&self) {
        if let Self::Unix {
            path, is_own: true, ..
        } = self
        {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Serves until the app drains, then lets requests in flight finish, at most the grace period long.
pub async fn serve(listeners: Vec<Listener>, app: Arc<App>) {
    let config = &app.config.accept;
    let grace = Duration::from_millis(config.grace_period_ms);
    let connections = Arc::new(Semaphore::new(config.connections_max));
    let graceful = Arc::new(GracefulShutdown::new());
    let mut tasks = tokio::task::JoinSet::new();
    for listener in listeners {
        let (app, connections) = (Arc::clone(&app), Arc::clone(&connections));
        tasks.spawn(take(listener, app, connections, Arc::clone(&graceful)));
    }
    while tasks.join_next().await.is_some() {}
    let mut phase = app.phase.subscribe();
    // The app holds the other end.
    let _ = phase.wait_for(|phase| *phase == Phase::Draining).await;
    if let Some(graceful) = Arc::into_inner(graceful)
        && tokio::time::timeout(grace, graceful.shutdown())
            .await
            .is_err()
    {
        tracing::warn!("requests were still in flight after the grace period and are cut off");
    }
}

async fn take(
    listener: Listener,
    app: Arc<App>,
    connections: Arc<Semaphore>,
    graceful: Arc<GracefulShutdown>,
) {
    let mut phase = app.phase.subscribe();
    loop {
        let taken = tokio::select! {
            taken = accept(&listener) => taken,
            _ = phase.wait_for(|phase| !phase.takes_connections()) => break,
        };
        let stream = match taken {
            Ok(stream) => stream,
            Err(error) => {
                // Out of file descriptors, most likely: wait a little instead of spinning.
                tracing::warn!(%error, "cannot take a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&connections).try_acquire_owned() else {
            app.metrics.connections_refused.inc();
            continue;
        };
        spawn(stream, Arc::clone(&app), permit, &graceful);
    }
    listener.remove_file();
}

/// A connection of either kind.
enum Stream {
    Tcp(tokio::net::TcpStream),
    Unix(tokio::net::UnixStream),
}

async fn accept(listener: &Listener) -> std::io::Result<Stream> {
    match listener {
        Listener::Tcp(listener) => {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            Ok(Stream::Tcp(stream))
        }
        Listener::Unix { listener, .. } => Ok(Stream::Unix(listener.accept().await?.0)),
    }
}

fn spawn(stream: Stream, app: Arc<App>, permit: OwnedSemaphorePermit, graceful: &GracefulShutdown) {
    match stream {
        Stream::Tcp(stream) => connection::spawn(stream, app, permit, graceful),
        Stream::Unix(stream) => connection::spawn(stream, app, permit, graceful),
    }
}
