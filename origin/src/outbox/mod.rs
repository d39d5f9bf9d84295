//! Stage `outbox`: what is owed to others after a write. Follows the `changes` sequence, whichever process wrote to it:
//! [`follow`] brings this process's memory up to date, [`purge`] tells the edges; [`expire`] frees what was not paid; [`mail`] sends
//! mails, [`refunds`] sends money back, [`order_mails`] owes mails to customers whose orders went a step on, [`back_in_stock`] to
//! who waits for a product, [`stock_alerts`] to staff whose stocks fall; [`strays`] removes private files that nothing names.

mod back_in_stock;
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

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

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
            ("changes_at_once", u64::from(self.changes_at_once)),
            ("purge_timeout_ms", self.purge_timeout_ms),
            ("purge_backoff_max_ms", self.purge_backoff_max_ms),
        ] {
            problems.require(value > 0, format!("{path}.{key}"), "must be at least 1");
        }
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

/// Brings this process's memory up to date, then keeps it so, and starts one task for each edge. Requests that come
/// before the first step is done would find an empty index, so the caller serves only afterwards.
pub async fn start(app: &Arc<App>, stop: &watch::Receiver<bool>) {
    let followed = follow::catch_up(app).await;
    if let Err(error) = order_mails::begin(app).await {
        tracing::warn!(%error, "orders of the first moments may not be told of by mail");
    }
    tokio::spawn(follow::run(Arc::clone(app), followed, stop.clone()));
    tokio::spawn(wake::tell(Arc::clone(app), stop.clone()));
    tokio::spawn(wake::hear(Arc::clone(app), stop.clone()));
    tokio::spawn(follow::let_listeners_go(Arc::clone(app), stop.clone()));
    tokio::spawn(expire::run(Arc::clone(app), stop.clone()));
    tokio::spawn(mail::run(Arc::clone(app), stop.clone()));
    tokio::spawn(strays::run(Arc::clone(app), stop.clone()));
    tokio::spawn(refunds::run(Arc::clone(app), stop.clone()));
    tokio::spawn(order_mails::run(Arc::clone(app), stop.clone()));
    for edge in &app.config.outbox.edges {
        tokio::spawn(purge::run(Arc::clone(app), edge.clone(), stop.clone()));
    }
}
