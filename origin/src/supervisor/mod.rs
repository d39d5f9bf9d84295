//! Several workers on one set of sockets. The supervisor binds them, hands them to each worker, and holds them while workers
//! come and go, so that no connection is refused in between. It starts again whoever has died, replaces whoever has grown too
//! large, and all of them one at a time on SIGHUP; the one before stops only when the next one serves. Serves nothing itself.

mod slot;
mod worker;

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use listenfd::ListenFd;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crackers_shared::shutdown_signal::{Asked, Signals};
use crackers_shared::telemetry_setup;

use crate::accept::{self, Listener};
use crate::config::Config;
use crate::telemetry;
use slot::Slot;
use worker::Why;

/// How often the workers are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What every worker is started with.
struct Plan {
    /// Configuration files, as they were given.
    files: Vec<PathBuf>,
    /// Sockets of the shop, in the order of the settings.
    sockets: Vec<OwnedFd>,
    /// Where workers say that they serve.
    folder: tempfile::TempDir,
    /// How long a worker may take to stop.
    stops_within: Duration,
    /// The memory beyond which a worker is replaced, in bytes.
    memory_bytes_max: u64,
}

/// The sockets that a worker was handed: those of the shop, then that of the metrics.
///
/// # Errors
/// When one is missing, or there is no supervisor.
pub fn take_over(
    config: &Config,
    mut handed: ListenFd,
) -> anyhow::Result<(Vec<Listener>, TcpListener)> {
    worker::end_with_supervisor()?;
    let listeners = accept::inherit(&config.accept, &mut handed)
        .context("serve --worker is for the supervisor")?;
    let metrics = handed
        .take_tcp_listener(listeners.len())?
        .context("the metrics' socket was not handed over")?;
    metrics.set_nonblocking(true)?;
    Ok((listeners, TcpListener::from_std(metrics)?))
}

/// Supervises until asked to stop, and until every worker has finished what it had.
///
/// # Errors
/// When a socket cannot be bound or no worker can be started at all.
pub async fn run(config: &Config, workers: u16, files: &[PathBuf]) -> anyhow::Result<()> {
    telemetry_setup::install(&config.telemetry.log_filter, config.telemetry.log_format)?;
    let listeners = accept::bind(&config.accept).await?;
    let sockets = listeners.iter().map(Listener::descriptor);
    let plan = Plan {
        files: files.to_vec(),
        sockets: sockets.collect::<Result<_, _>>()?,
        folder: tempfile::tempdir()?,
        stops_within: Duration::from_millis(
            config.accept.stop_notice_ms + config.accept.grace_period_ms,
        ) + Duration::from_secs(5),
        memory_bytes_max: config.accept.worker_memory_bytes_max,
    };
    let mut slots = Vec::new();
    for number in 0..workers {
        let mut address = config.telemetry.metrics_listen;
        let port = address.port().checked_add(number);
        address.set_port(port.context("telemetry.metrics_listen: no port for every worker")?);
        let metrics = telemetry::bind(address).await?.into_std()?;
        slots.push(Slot::new(number, metrics.into()));
    }
    for slot in &mut slots {
        slot.begin(&plan)?;
    }
    tracing::info!(workers, "supervising");
    let mut signals = Signals::listen()?;
    let asked = until_asked_to_stop(&plan, &mut slots, &mut signals).await?;
    stop(&plan, &mut slots, asked, signals).await;
    listeners.iter().for_each(Listener::remove_file);
    tracing::info!("stopped");
    Ok(())
}

async fn until_asked_to_stop(
    plan: &Plan,
    slots: &mut [Slot],
    signals: &mut Signals,
) -> anyhow::Result<Asked> {
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut look = tokio::time::interval(LOOK_EVERY);
    let mut to_roll: VecDeque<usize> = VecDeque::new();
    let mut is_told = false;
    loop {
        tokio::select! {
            asked = signals.next() => {
                let signal = asked.name();
                tracing::info!(signal, "asked to stop; the workers finish what is in flight");
                return Ok(asked);
            }
            _ = hang_up.recv() => {
                tracing::info!("replacing the workers, one at a time");
                to_roll = (0..slots.len()).collect();
            }
            _ = look.tick() => {
                for slot in slots.iter_mut() {
                    slot.look(plan);
                }
                if !slots.iter().any(Slot::is_changing)
                    && let Some(next) = to_roll.pop_front()
                {
                    slots[next].replace(plan);
                }
                if !is_told && slots.iter().all(Slot::is_serving) {
                    is_told = true;
                    // systemd, where it has started this; nobody has to listen.
                    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
                }
            }
        }
    }
}

async fn stop(plan: &Plan, slots: &mut [Slot], asked: Asked, mut signals: Signals) {
    let deadline = Instant::now() + plan.stops_within;
    let why = match asked {
        Asked::ToStop => Why::AllStop,
        Asked::ToStopNow => Why::AllStopNow,
    };
    slots.iter_mut().for_each(|slot| slot.stop(why, plan));
    while slots.iter_mut().any(|slot| !slot.has_ended()) {
        if Instant::now() > deadline {
            tracing::warn!("workers did not stop in time and are killed");
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = signals.next() => slots.iter_mut().for_each(|slot| slot.stop(Why::AllStopNow, plan)),
        }
    }
}
