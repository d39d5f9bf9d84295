//! Wakes every origin of a database when one has written, through Redis: what is owed is done at once. Without it, or while it is
//! gone, each looks by itself as often as its settings say.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::watch;

use super::still_running;
use crate::app::App;

/// The shortest pause between two wake-ups: a rush of writes is told of together.
const PAUSE: Duration = Duration::from_millis(10);
/// The pause after Redis was gone.
const RETRY: Duration = Duration::from_secs(1);
/// How often a wake-up is said that Redis does not take. It is gone then: when it is back each
/// origin looks by itself, and where only this was refused, when its own time to look comes.
const TRIES: usize = 5;

/// Tells the others of each write of this process, until asked to stop.
pub(super) async fn tell(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let (Some(redis), Ok(id)) = (&app.redis, app.database.database_id().await) else {
        return;
    };
    loop {
        let is_written = tokio::select! {
            () = app.written.notified() => true,
            _ = stop.wait_for(|stop| *stop) => false,
        };
        if !is_written {
            return;
        }
        for _ in 0..TRIES {
            if redis.wake(&id).await {
                break;
            }
            if !still_running(&mut stop, RETRY).await {
                return;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Hears of writes of every process, this one's own among them, until asked to stop.
pub(super) async fn hear(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let (Some(redis), Ok(id)) = (&app.redis, app.database.database_id().await) else {
        return;
    };
    loop {
        match redis.woken(&id).await {
            Ok(mut messages) => {
                tracing::info!("Redis wakes this origin");
                // Something may have been written while nobody heard.
                app.woken.send_replace(());
                loop {
                    tokio::select! {
                        message = messages.next() => {
                            if message.is_none() {
                                break;
                            }
                            app.woken.send_replace(());
                        }
                        _ = stop.wait_for(|stop| *stop) => return,
                    }
                }
                tracing::warn!("Redis is gone: this origin looks by itself");
            }
            Err(error) => tracing::debug!("Redis cannot be reached: {error:#}"),
        }
        if !still_running(&mut stop, RETRY).await {
            return;
        }
    }
}

/// Waits for the next look: a pause, or until woken. False as soon as the program is asked to stop.
pub(super) async fn next_look(
    woken: &mut watch::Receiver<()>,
    stop: &mut watch::Receiver<bool>,
    pause: Duration,
) -> bool {
    let pause_left = tokio::select! {
        () = tokio::time::sleep(pause) => Some(Duration::ZERO),
        // The sender lives as long as the process.
        _ = woken.changed() => Some(PAUSE),
        _ = stop.wait_for(|stop| *stop) => None,
    };
    match pause_left {
        Some(pause) => still_running(stop, pause).await,
        None => false,
    }
}
