//! Stage `outbox`: what is owed to others after a write. Follows the `changes` sequence, whichever process wrote to it:
//! [`follow`] brings this process's memory up to date, [`purge`] tells the edges; [`expire`] frees what was not paid; [`mail`] sends
//! mails, [`refunds`] sends money back, [`order_mails`] owes mails to customers whose orders went a step on, [`back_in_stock`] to
//! who waits for a product, [`stock_alerts`] to staff whose stocks fall; [`strays`] removes private files that nothing names.

mod back_in_stock;
mod catch_up;
mod edge_link;
mod expire;
mod follow;
mod mail;
mod order_mails;
mod proofs;
mod purge;
mod refunds;
mod stock_alerts;
mod strays;
mod wake;

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crackers_shared::config_file::Problems;

use crate::app::App;

/// Settings of stage `outbox`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How often the `changes` sequence is looked at, in milliseconds.
    pub poll_interval_ms: u64,
    /// Changes read at once.
    pub changes_at_once: u32,
    /// How often mails that are owed are looked for, in milliseconds.
    pub mail_interval_ms: u64,
    /// Mails that one origin takes on at each look.
    pub mails_per_look: u32,
    /// Mails that one origin hands to the mail server at once.
    pub mails_at_once: usize,
    /// The edges that are told what went stale.
    pub edges: Vec<Edge>,
    /// The longest wait for an edge's answer, in milliseconds.
    pub purge_timeout_ms: u64,
    /// The longest pause between two tries, in milliseconds.
    pub purge_backoff_max_ms: u64,
}

/// An edge's admin interface.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Edge {
    /// Its address, for example `http://127.0.0.1:9146`, or its socket file, for example `unix:/run/crackers/admin.sock`.
    pub url: String,
    /// The file with its bearer token; read again for every message.
    pub token_file: PathBuf,
}

impl Config {
    /// Reports impossible values under `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        for (key, value) in [
            ("poll_interval_ms", self.poll_interval_ms),
            ("mail_interval_ms", self.mail_interval_ms),
            ("mails_per_look", u64::from(self.mails_per_look)),
            ("changes_at_once", u64::from(self.changes_at_once)),
            ("purge_timeout_ms", self.purge_timeout_ms),
            ("purge_backoff_max_ms", self.purge_backoff_max_ms),
        ] {
            problems.require(value > 0, format!("{path}.{key}"), "must be at least 1");
        }
        problems.require(
            (1..=100).contains(&self.mails_at_once),
            format!("{path}.mails_at_once"),
            "must be 1 to 100",
        );
        for (index, edge) in self.edges.iter().enumerate() {
            problems.require(
                edge.url.starts_with("http://") || edge.url.starts_with("unix:"),
                format!("{path}.edges.{index}.url"),
                "must begin with http:// (the admin interface listens on the loopback or a private network) or unix:",
            );
        }
    }
}

/// Waits for a pause; false as soon as the program is asked to stop.
async fn still_running(stop: &mut watch::Receiver<bool>, pause: Duration) -> bool {
    tokio::select! {
        () = tokio::time::sleep(pause) => true,
        _ = stop.wait_for(|stop| *stop) => false,
    }
}

/// The pause before a task that panicked begins again.
const PAUSE_AFTER_PANIC: Duration = Duration::from_secs(1);

/// Runs a task until it ends by itself, anew each time that it panics: nobody else does its work, and what is owed is written
/// in the database, so that it finds there what is left to do.
async fn keep_running<F: Future<Output = ()>>(
    name: &'static str,
    mut stop: watch::Receiver<bool>,
    mut task: impl FnMut(watch::Receiver<bool>) -> F,
) {
    while AssertUnwindSafe(task(stop.clone()))
        .catch_unwind()
        .await
        .is_err()
    {
        tracing::error!(
            task = name,
            "a task of the outbox panicked: that is a defect; it begins again"
        );
        if !still_running(&mut stop, PAUSE_AFTER_PANIC).await {
            return;
        }
    }
}

/// Brings this process's memory up to date, then keeps it so, and starts one task for each edge. Requests that come
/// before the first step is done would find an empty index, so the caller serves only afterwards.
pub async fn start(app: &Arc<App>, stop: &watch::Receiver<bool>) {
    let mut followed = follow::catch_up(app).await;
    if let Err(error) = order_mails::begin(app).await {
        tracing::warn!(%error, "orders of the first moments may not be told of by mail");
    }
    macro_rules! keep {
        ($name:literal, $task:expr) => {
            let (app, task) = (Arc::clone(app), $task);
            let task = move |stop| task(Arc::clone(&app), stop);
            tokio::spawn(keep_running($name, stop.clone(), task));
        };
    }
    let own = Arc::clone(app);
    // Whoever follows again has missed something, and starts over.
    let follow = move |stop| follow::run(Arc::clone(&own), followed.take(), stop);
    tokio::spawn(keep_running("follow", stop.clone(), follow));
    keep!("tell", wake::tell);
    keep!("hear", wake::hear);
    keep!("let_listeners_go", follow::let_listeners_go);
    keep!("expire", expire::run);
    keep!("mail", mail::run);
    keep!("strays", strays::run);
    keep!("refunds", refunds::run);
    keep!("order_mails", order_mails::run);
    for edge in &app.config.outbox.edges {
        let edge = edge.clone();
        keep!("purge", move |app, stop| purge::run(
            app,
            edge.clone(),
            stop
        ));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_begins_again_and_one_that_ends_does_not() {
        let (_ask, stop) = watch::channel(false);
        let begun = AtomicU32::new(0);
        let task = |_| async {
            let before = begun.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            assert!(before > 0, "as the test wants it");
        };
        keep_running("test", stop, task).await;
        assert_eq!(begun.into_inner(), 2);
    }

    #[tokio::test]
    async fn a_task_that_panics_on_and_on_ends_when_asked_to_stop() {
        let (ask, stop) = watch::channel(false);
        let task = |_| async {
            ask.send_replace(true);
            assert!(!*ask.borrow(), "as the test wants it");
        };
        keep_running("test", stop, task).await;
    }
}
