//! `crackers-origin serve`: bind or take over, open, follow, serve, drain.

use std::sync::Arc;

use listenfd::ListenFd;
use tokio::sync::watch;

use crackers_shared::{clock::Clock, shutdown_signal, telemetry_setup};

use crate::app::App;
use crate::config::Config;
use crate::{accept, outbox, supervisor, telemetry};

/// Serves alone, or as a worker on the sockets that its supervisor has handed over.
pub(super) async fn run(config: Arc<Config>, handed: Option<ListenFd>) -> anyhow::Result<()> {
    telemetry_setup::install(&config.telemetry.log_filter, config.telemetry.log_format)?;
    let (listeners, metrics) = match handed {
        Some(handed) => supervisor::take_over(&config, handed)?,
        None => {
            let listeners = accept::bind(&config.accept).await?;
            let metrics = telemetry::bind(config.telemetry.metrics_listen).await?;
            (listeners, metrics)
        }
    };
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
    tokio::spawn(async move {
        match shutdown_signal::asked_to_stop().await {
            Ok(signal) => tracing::info!(signal, "asked to stop; finishing what is in flight"),
            Err(error) => tracing::error!(%error, "cannot listen for signals"),
        }
        // Nobody listens any more only when the server is already gone.
        let _ = ask_to_stop.send(true);
    });
    accept::serve(listeners, app, stop).await;
    tracing::info!("stopped");
    Ok(())
}
