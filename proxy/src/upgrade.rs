//! One edge after another on the same sockets. The running one listens on a socket file for the next one and gives it its
//! listening sockets, which nobody ever closes. Until the next one has said that it serves, nothing changes for the running
//! one: whoever fails before that has failed alone. From then on the running one takes nothing new, and ends when what it
//! has is answered.
//!
//! No two caches may hear of purges at once, or one would miss some: the running edge stops answering from its cache and
//! lets go of its admin interface before it says how far it has heard; only then does the next one take that interface, and
//! it forgets whatever it has stored until then.

mod link;

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crackers_shared::config_file::Problems;

use crate::admit::mode::Mode;
use crate::cache::purge::Applied;
use crate::edge::Edge;
use crate::live::Live;

/// What both sides say; goes up when an older edge would misunderstand it.
const PROTOCOL: u32 = 1;
/// How long what needs no work may take.
const AT_ONCE: Duration = Duration::from_secs(10);

/// Settings of the upgrade.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The socket file on which the running edge waits for the next one; none, and there are no upgrades.
    pub socket: Option<PathBuf>,
    /// How long the next one may take from the sockets to serving, in milliseconds.
    pub timeout_ms: u64,
    /// How long the edge before it leaves idle connections open, for one more request each, in milliseconds.
    pub idle_ms: u64,
}

impl Config {
    /// Reports impossible values under `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        problems.require(
            self.timeout_ms > 0,
            format!("{path}.timeout_ms"),
            "must be at least 1",
        );
    }
}

/// What the next edge says first.
#[derive(Serialize, Deserialize)]
struct Hello {
    protocol: u32,
    version: String,
}

/// What it is answered.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    /// The sockets come beside it.
    Sockets(Inheritance),
    /// And why.
    Refused(String),
}

/// What one edge leaves to the next, its sockets aside.
#[derive(Serialize, Deserialize)]
struct Inheritance {
    /// What the settings call each socket, in the order of the sockets.
    names: Vec<String>,
    /// Upgrades that led to the running edge.
    generation: i64,
    /// As it is before the next one serves.
    #[serde(flatten)]
    by_hand: ByHand,
}

/// What an operator has told the edge, and has to stay as it is.
#[derive(Serialize, Deserialize)]
struct ByHand {
    /// Addresses of origins that get nothing new.
    drained: Vec<String>,
    /// How far the shop is open; none, and the configuration says so, or an older edge that does not tell.
    #[serde(default)]
    mode: Option<Mode>,
}

impl ByHand {
    /// What this edge was told.
    fn of(edge: &Edge) -> Self {
        let servers = edge.upstreams.servers();
        let drained = servers.filter(|server| server.drained.load(Ordering::Relaxed));
        Self {
            drained: drained.map(|server| server.address.clone()).collect(),
            mode: edge.admit.switch.get(),
        }
    }

    /// Lets this edge be told the same. An origin that its settings do not have needs no draining.
    fn apply(&self, edge: &Edge) {
        for server in edge.upstreams.servers() {
            let is_drained = self.drained.contains(&server.address);
            server.drained.store(is_drained, Ordering::Relaxed);
        }
        edge.admit.switch.set(self.mode);
    }
}

/// What the next edge says once it takes connections.
#[derive(Serialize, Deserialize)]
struct Serving {}

/// What the one before says once nothing reaches it any more.
#[derive(Serialize, Deserialize)]
struct Left {
    applied: Applied,
    /// As it is now that nobody can say anything more. An older edge does not tell.
    by_hand: Option<ByHand>,
}

/// A running edge, as far as the next one is concerned.
pub struct Running {
    /// Its settings and stages.
    pub live: Arc<Live>,
    /// Its listening sockets, under the names that the settings give them.
    pub sockets: Vec<(String, OwnedFd)>,
    /// Tells the tasks below to end.
    pub leave: watch::Sender<bool>,
    /// What serves metrics and admin interface.
    pub admin: Vec<JoinHandle<()>>,
}

/// Waits until the next edge serves, and lets go; true then, false when asked to stop before.
pub async fn offer(
    listener: UnixListener,
    running: Running,
    mut stop: watch::Receiver<bool>,
) -> bool {
    loop {
        let attempt = async {
            let stream = next(&listener).await;
            let outcome = hand_over(&stream, &running).await;
            outcome.map(|()| stream)
        };
        let outcome = tokio::select! {
            outcome = attempt => outcome,
            _ = stop.wait_for(|stop| *stop) => return false,
        };
        match outcome {
            Ok(stream) => {
                let_go(&stream, running).await;
                return true;
            }
            Err(error) => {
                running.live.edge().metrics.upgrades_failed.inc();
                tracing::error!("the next edge does not serve, this one goes on: {error:#}");
            }
        }
    }
}

/// The next who asks, of the same account or of root.
async fn next(listener: &UnixListener) -> UnixStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let own = rustix::process::geteuid().as_raw();
                let asker = stream.peer_cred().map(|asker| asker.uid());
                if asker.is_ok_and(|asker| asker == own || asker == 0) {
                    return stream;
                }
                tracing::warn!("somebody else's program asked for the sockets, and got none");
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn hand_over(stream: &UnixStream, running: &Running) -> anyhow::Result<()> {
    let (hello, _) = link::receive::<Hello>(stream, AT_ONCE).await?;
    if hello.protocol != PROTOCOL {
        let why = format!(
            "version {} upgrades by protocol {}, the running version {} by {PROTOCOL}",
            hello.version,
            hello.protocol,
            env!("CARGO_PKG_VERSION")
        );
        link::send(stream, &Reply::Refused(why.clone()), &[]).await?;
        bail!(why);
    }
    let edge = running.live.edge();
    let inheritance = Inheritance {
        names: running
            .sockets
            .iter()
            .map(|(name, _)| name.clone())
            .collect(),
        generation: edge.metrics.generation.get(),
        by_hand: ByHand::of(&edge),
    };
    let sockets = running.sockets.iter().map(|(_, socket)| socket);
    let sockets: Vec<_> = sockets
        .map(|socket| socket.as_fd().try_clone_to_owned())
        .collect::<Result<_, _>>()?;
    link::send(stream, &Reply::Sockets(inheritance), &sockets).await?;
    tracing::info!(version = %hello.version, "the sockets are handed to the next edge");
    let within = Duration::from_millis(edge.config.accept.upgrade.timeout_ms);
    link::receive::<Serving>(stream, within).await?;
    Ok(())
}

/// Lets go of everything but the requests in flight.
async fn let_go(stream: &UnixStream, running: Running) {
    running.live.hand_over();
    running.leave.send_replace(true);
    for task in running.admin {
        // It bounds itself.
        let _ = task.await;
    }
    let edge = running.live.edge();
    let left = Left {
        applied: edge.cache.applied(),
        by_hand: Some(ByHand::of(&edge)),
    };
    if let Err(error) = link::send(stream, &left, &[]).await {
        tracing::error!("the next edge has gone: {error:#}");
    }
    tracing::info!("the next edge serves; finishing what is in flight");
}

/// What the next edge has got of the running one.
pub struct Handed {
    sockets: HashMap<String, OwnedFd>,
    inheritance: Inheritance,
    stream: UnixStream,
}

/// Asks the running edge for its sockets.
///
/// # Errors
/// When there is none, or it refuses.
pub async fn ask(socket: &Path) -> anyhow::Result<Handed> {
    let at = || format!("accept.upgrade.socket: {}", socket.display());
    let stream = UnixStream::connect(socket).await.with_context(|| {
        format!(
            "no running edge to take the sockets of ({}); without --upgrade one starts anew",
            at()
        )
    })?;
    let hello = Hello {
        protocol: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    link::send(&stream, &hello, &[]).await.with_context(at)?;
    let (reply, sockets) = link::receive(&stream, AT_ONCE).await.with_context(at)?;
    let inheritance = match reply {
        Reply::Sockets(inheritance) => inheritance,
        Reply::Refused(why) => bail!("the running edge refuses: {why}"),
    };
    ensure!(
        inheritance.names.len() == sockets.len(),
        "the running edge named {} sockets and gave {}: is the limit of open files reached?",
        inheritance.names.len(),
        sockets.len()
    );
    let names = inheritance.names.iter().cloned();
    Ok(Handed {
        sockets: names.zip(sockets).collect(),
        inheritance,
        stream,
    })
}

impl Handed {
    /// The sockets, by the names that the settings of the running edge give them.
    pub fn take_sockets(&mut self) -> HashMap<String, OwnedFd> {
        std::mem::take(&mut self.sockets)
    }

    /// Goes on with what the running edge knew; to be called before anything is served.
    pub fn begin(&self, live: &Live) {
        let edge = live.edge();
        edge.metrics.generation.set(self.inheritance.generation + 1);
        self.inheritance.by_hand.apply(&edge);
    }

    /// Tells the running edge that this one serves, and waits until nothing reaches that one any more. Purges may come
    /// from then on.
    ///
    /// # Errors
    /// When it does not let go.
    pub async fn take_over(self, live: &Live) -> anyhow::Result<()> {
        let does_not = "the running edge does not let go";
        link::send(&self.stream, &Serving {}, &[])
            .await
            .context(does_not)?;
        let (left, _) = link::receive::<Left>(&self.stream, 2 * AT_ONCE)
            .await
            .context(does_not)?;
        let edge = live.edge();
        edge.cache.begin_at(&left.applied);
        if let Some(by_hand) = &left.by_hand {
            by_hand.apply(&edge);
        }
        Ok(())
    }
}
