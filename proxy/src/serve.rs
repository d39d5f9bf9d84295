//! The boot as a story: sockets, stages, serve, drain.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use pingora::server::configuration::ServerConf;
use pingora_proxy::{HttpProxy, http_proxy};
use sd_notify::NotifyState;
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crackers_shared::clock::Clock;
use crackers_shared::shutdown_signal::Signals;

use crate::accept::tls::Certificates;
use crate::accept::{self, Listener, Sockets};
use crate::config::Config;
use crate::edge::Edge;
use crate::live::{Live, Load};
use crate::phases::Phases;
use crate::telemetry::admin::{self, Door, Role};
use crate::upgrade::{self, Handed, Running};

/// All that listens.
struct Bound {
    shop: Vec<Listener>,
    metrics: TcpListener,
    admin: Vec<Door>,
    /// For the next edge.
    upgrades: Option<UnixListener>,
    /// Socket files that belong to this edge until another one takes over.
    files: Vec<SocketFile>,
    sockets: Sockets,
}

/// A socket file, and which one of that name it was.
struct SocketFile {
    path: PathBuf,
    number: Option<u64>,
}

impl SocketFile {
    fn of(path: PathBuf) -> Self {
        let number = Self::number(&path);
        Self { path, number }
    }

    fn number(path: &Path) -> Option<u64> {
        Some(path.metadata().ok()?.ino())
    }

    /// Another edge may have been started meanwhile, and have made one of its own in its place.
    fn remove(&self) {
        if self.number.is_some() && Self::number(&self.path) == self.number {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Serves until asked to stop, or until the next edge serves; on the sockets of the running edge, if it is to take over.
///
/// # Errors
/// When it cannot start, and why.
pub async fn run(config: Arc<Config>, load: Load, takes_over: bool) -> anyhow::Result<()> {
    let certificates = Certificates::read(&config.accept.tls)?;
    let token = admin::token(&config.telemetry.admin_token_file)?;
    let mut before = match takes_over {
        true => Some(running_edge(&config).await?),
        false => None,
    };
    let bound = bind(&config, &certificates, before.as_mut()).await?;
    let edge = Arc::new(Edge::new(Arc::clone(&config), Clock::system())?);
    let (ask_to_stop, stop) = watch::channel(false);
    let ask_to_stop = Arc::new(ask_to_stop);
    edge.upstreams.refresh().await;
    let live = Live::new(Arc::clone(&edge), load, stop.clone());
    let look = Duration::from_millis(config.accept.tls.reload_interval_ms);
    tokio::spawn(certificates.follow(look, Arc::clone(&edge.metrics), stop.clone()));
    listen_to_signals(&live, &ask_to_stop)?;
    if let Some(before) = &before {
        before.begin(&live);
    }
    for listener in &bound.shop {
        tracing::info!(address = %listener.address(), "serving");
    }
    let serving = accept::serve(bound.shop, Arc::clone(&live), proxy(&live), stop.clone());
    let serving = tokio::spawn(serving);
    let taken = match before {
        Some(before) => before.take_over(&live).await,
        None => Ok(()),
    };
    if taken.is_ok() {
        tell_supervisor(takes_over);
        let (leave, left) = watch::channel(false);
        let admin = serve_admin(bound.metrics, bound.admin, token, &live, &left);
        let sockets = bound.sockets.into_copies();
        let running = Running {
            live: Arc::clone(&live),
            sockets,
            leave,
            admin,
        };
        let offered = tokio::spawn(offer(bound.upgrades, running, stop, ask_to_stop));
        serving.await?;
        offered.await?;
        if !live.is_handed_over() {
            // Left behind they would be taken for leftovers at the next start.
            bound.files.iter().for_each(SocketFile::remove);
        }
    } else {
        ask_to_stop.send_replace(true);
        serving.await?;
    }
    tracing::info!("stopped");
    taken
}

/// Tells systemd, where it has started this, that it serves; and after an upgrade, that it is to look after this process from now
/// on, not after the one before.
fn tell_supervisor(takes_over: bool) {
    let main = NotifyState::MainPid(std::process::id());
    let said = [main, NotifyState::Ready];
    let said = if takes_over { &said[..] } else { &said[1..] };
    if let Err(error) = sd_notify::notify(said) {
        tracing::warn!(%error, "NOTIFY_SOCKET: whoever started this does not hear that it serves");
    }
}

async fn running_edge(config: &Config) -> anyhow::Result<Handed> {
    let socket = config.accept.upgrade.socket.as_deref();
    upgrade::ask(socket.context("accept.upgrade.socket is null: there are no upgrades")?).await
}

async fn bind(
    config: &Config,
    certificates: &Arc<Certificates>,
    before: Option<&mut Handed>,
) -> anyhow::Result<Bound> {
    let acceptor = certificates.acceptor(config.accept.protocols())?;
    let mut sockets = Sockets::of(before.map(Handed::take_sockets).unwrap_or_default());
    let shop = accept::bind(&config.accept, &acceptor, &mut sockets).await?;
    let (metrics, admin) = (
        config.telemetry.metrics_listen.to_string(),
        config.telemetry.admin_listen.to_string(),
    );
    let metrics = sockets.tcp(&metrics, "telemetry.metrics_listen").await?;
    let mut admin = vec![Door::Tcp(
        sockets.tcp(&admin, "telemetry.admin_listen").await?,
    )];
    let mut files = config.accept.listen_unix.clone();
    if let Some(path) = config.telemetry.admin_listen_unix.clone() {
        let key = "telemetry.admin_listen_unix";
        admin.push(Door::Unix(sockets.private_unix(&path, key).await?));
        files.push(path);
    }
    let mut upgrades = None;
    if let Some(path) = config.accept.upgrade.socket.clone() {
        let key = "accept.upgrade.socket";
        upgrades = Some(sockets.private_unix(&path, key).await?);
        files.push(path);
    }
    Ok(Bound {
        files: files.into_iter().map(SocketFile::of).collect(),
        shop,
        metrics,
        admin,
        upgrades,
        sockets,
    })
}

fn proxy(live: &Arc<Live>) -> HttpProxy<Phases> {
    let conf = ServerConf {
        max_retries: 8,
        upstream_keepalive_pool_size: live.edge().config.forward.idle_connections_max,
        ..ServerConf::default()
    };
    let live = Arc::clone(live);
    let mut proxy = http_proxy(&Arc::new(conf), Phases { live });
    proxy.handle_init_modules();
    proxy
}

fn serve_admin(
    metrics: TcpListener,
    admin: Vec<Door>,
    token: Arc<str>,
    live: &Arc<Live>,
    leave: &watch::Receiver<bool>,
) -> Vec<JoinHandle<()>> {
    let metrics = [(Door::Tcp(metrics), Role::Metrics)];
    let admin = admin
        .into_iter()
        .map(|door| (door, Role::Admin(Arc::clone(&token))));
    let all = metrics.into_iter().chain(admin).map(|(door, role)| {
        let (live, leave) = (Arc::clone(live), leave.clone());
        tokio::spawn(admin::serve(door, role, live, leave))
    });
    all.collect()
}

/// Waits for the next edge, and stops when it serves.
async fn offer(
    upgrades: Option<UnixListener>,
    running: Running,
    stop: watch::Receiver<bool>,
    ask_to_stop: Arc<watch::Sender<bool>>,
) {
    if let Some(listener) = upgrades
        && upgrade::offer(listener, running, stop).await
    {
        ask_to_stop.send_replace(true);
    }
}

fn listen_to_signals(live: &Arc<Live>, stop: &Arc<watch::Sender<bool>>) -> anyhow::Result<()> {
    let hang_up = signal(SignalKind::hangup())?;
    tokio::spawn(reload_when_asked(hang_up, Arc::clone(live)));
    let (stop, mut signals) = (Arc::clone(stop), Signals::listen()?);
    tokio::spawn(async move {
        let signal = signals.next().await.name();
        tracing::info!(signal, "asked to stop; finishing what is in flight");
        stop.send_replace(true);
    });
    Ok(())
}

/// Takes the configuration anew at each SIGHUP; what came of it stands in the log.
async fn reload_when_asked(mut hang_up: Signal, live: Arc<Live>) {
    while hang_up.recv().await.is_some() {
        // Whatever was wrong with it is written already.
        let _ = live.reload().await;
    }
}
