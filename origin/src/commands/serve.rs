//! `crackers-origin serve`: bind or take over, open, follow, serve, drain.

use std::sync::Arc;

use listenfd::ListenFd;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crackers_shared::{clock::Clock, shutdown_signal::Signals, telemetry_setup};

use crate::accept::{self, Leaving};
use crate::app::App;
use crate::config::Config;
use crate::{outbox, supervisor, telemetry};

/// Serves alone, or as a worker on the sockets that its supervisor has handed over.
pub(super) async fn run(config: Arc<Config>, handed: Option<ListenFd>) -> anyhow::Result<()> {
    telemetry_setup::install(&config.telemetry.log_filter, config.telemetry.log_format)?;
    let (listeners, metrics, replaced) = match handed {
        Some(handed) => {
            let (listeners, metrics) = supervisor::take_over(&config, handed)?;
            (listeners, metrics, Some(signal(SignalKind::hangup())?))
        }
        None => {
            let listeners = accept::bind(&config.accept).await?;
            let metrics = telemetry::bind(config.telemetry.metrics_listen).await?;
            (listeners, metrics, None)
        }
    };
    let leaving = Leaving::new(Signals::listen()?, replaced);
    let database = super::open(&config).await?;
    let app = Arc::new(App::new(config, database, Clock::system())?);
    let (ask_to_stop, stop) = watch::channel(false);
    outbox::start(&app, &stop).await;
    tokio::spawn(telemetry::serve(metrics, Arc::clone(&app)));
    // Whoever started this (a supervisor, systemd) may be waiting to hear so; nobody has to be.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    for listener in &listeners {
        tracing::info!(address = %listener.address(), database = app.database.kind(), "serving");
    }
    tokio::spawn(leaving.run(Arc::clone(&app), ask_to_stop));
    accept::serve(listeners, app).await;
    tracing::info!("stopped");
    Ok(())
}
