//! How a process leaves without a lost request. An idle connection that is closed just when the edge sends a request on it loses
//! that request, and nobody can say whether it was carried out. So a process that will stop says so first, while it still serves, and
//! closes its connections only when nothing should come any more.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::Signal;
use tokio::sync::watch;

use crackers_shared::shutdown_signal::{Asked, Signals};

use crate::app::App;

/// How far a process is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It serves.
    Serving,
    /// It serves on for its notice, while every answer says that it will stop and ends its connection.
    Stopping,
    /// Another process on the same sockets takes what comes, so the address stops nothing and nothing is said; every answer ends
    /// its connection.
    Replaced,
    /// It finishes what it has.
    Draining,
}

impl Phase {
    /// Whether it takes further connections.
    pub(super) fn takes_connections(self) -> bool {
        matches!(self, Self::Serving | Self::Stopping)
    }
}

/// What is heard of those who want this process to end.
pub struct Leaving {
    signals: Signals,
    /// For a worker: SIGHUP of its supervisor, when another one has taken its place.
    replaced: Option<Signal>,
}

impl Leaving {
    /// Hears `signals`, and `replaced` if there is a supervisor.
    pub fn new(signals: Signals, replaced: Option<Signal>) -> Self {
        Self { signals, replaced }
    }

    /// Takes the app through the phases when it is asked to leave; `stop` turns true when it drains. SIGINT, and any second signal,
    /// cut the notice short.
    pub async fn run(mut self, app: Arc<App>, stop: watch::Sender<bool>) {
        let first = self.next().await;
        if first != Phase::Draining {
            app.phase.send_replace(first);
            let notice = Duration::from_millis(app.config.accept.stop_notice_ms);
            tokio::select! {
                () = tokio::time::sleep(notice) => {}
                _ = self.signals.next() => {}
            }
        }
        tracing::info!("finishing what is in flight");
        app.phase.send_replace(Phase::Draining);
        stop.send_replace(true);
    }

    async fn next(&mut self) -> Phase {
        let replaced = async {
            match &mut self.replaced {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            asked = self.signals.next() => {
                tracing::info!(signal = asked.name(), "asked to stop");
                match asked {
                    Asked::ToStop => Phase::Stopping,
                    Asked::ToStopNow => Phase::Draining,
                }
            }
            _ = replaced => {
                tracing::info!("another worker has taken this one's place");
                Phase::Replaced
            }
        }
    }
}
