//! The settings in use, and how they are changed without a restart: a new configuration is read and checked whole, then
//! taken over at once, or not at all. Requests that have begun go on with the settings that they began with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use serde::Serialize;
use tokio::sync::{Mutex, watch};

use crate::config::{self, Config};
use crate::edge::Edge;
use crate::forward;

/// Reads the configuration anew.
pub type Load = Arc<dyn Fn() -> anyhow::Result<Config> + Send + Sync>;

/// See the module.
pub struct Live {
    edge: ArcSwap<Edge>,
    load: Load,
    changed: watch::Sender<()>,
    stop: watch::Receiver<bool>,
    one_at_a_time: Mutex<()>,
    is_handed_over: AtomicBool,
}

/// What a reload has brought.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reloaded {
    /// Keys whose new value is in use.
    pub changed: Vec<String>,
    /// Keys whose new value needs a restart; the old one stays in use.
    pub needs_restart: Vec<String>,
}

impl Live {
    /// Begins with these settings, and checks the origins until `stop` turns true.
    pub fn new(edge: Arc<Edge>, load: Load, stop: watch::Receiver<bool>) -> Arc<Self> {
        forward::watch(&edge.upstreams, None, &edge.metrics, &stop);
        Arc::new(Self {
            edge: ArcSwap::new(edge),
            load,
            changed: watch::Sender::new(()),
            stop,
            one_at_a_time: Mutex::new(()),
            is_handed_over: AtomicBool::new(false),
        })
    }

    /// The edge with the settings in use.
    pub fn edge(&self) -> Arc<Edge> {
        self.edge.load_full()
    }

    /// Hears of each change of the settings: for whoever waits so long that he would miss one.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Another edge serves on the same sockets; purges go to that one, so nothing is answered from memory here any more.
    pub fn hand_over(&self) {
        self.is_handed_over.store(true, Ordering::Release);
        self.edge().cache.retire();
    }

    /// Whether it is to stop: nobody is to ask again on the same connection.
    pub fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Whether another edge serves on the same sockets.
    pub fn is_handed_over(&self) -> bool {
        self.is_handed_over.load(Ordering::Acquire)
    }

    /// Takes the configuration anew. Whoever drops this breaks nothing off: what was begun is ended.
    ///
    /// # Errors
    /// Whatever is wrong with it, and where; then everything stays as it is.
    pub async fn reload(self: &Arc<Self>) -> anyhow::Result<Reloaded> {
        let live = Arc::clone(self);
        tokio::spawn(async move { live.reload_in_turn().await }).await?
    }

    async fn reload_in_turn(&self) -> anyhow::Result<Reloaded> {
        let _turn = self.one_at_a_time.lock().await;
        let before = self.edge();
        let outcome = self.try_reload(&before).await;
        match &outcome {
            Ok(reloaded) => {
                tracing::info!(changed = ?reloaded.changed, "the configuration was taken anew");
                for key in &reloaded.needs_restart {
                    tracing::warn!(%key, "a changed key needs a restart; its old value stays in use");
                }
            }
            Err(error) => tracing::error!("the configuration stays as it is: {error:#}"),
        }
        let label = if outcome.is_ok() { "taken" } else { "refused" };
        before.metrics.reloads.with_label_values(&[label]).inc();
        outcome
    }

    async fn try_reload(&self, before: &Arc<Edge>) -> anyhow::Result<Reloaded> {
        let load = Arc::clone(&self.load);
        let wanted = tokio::task::spawn_blocking(move || load()).await??;
        let (config, reloaded) = config::reloadable(&before.config, &wanted)?;
        let edge = Arc::new(before.next(Arc::new(config)).await?);
        edge.take_over(before);
        forward::watch(
            &edge.upstreams,
            Some(&before.upstreams),
            &edge.metrics,
            &self.stop,
        );
        self.edge.store(edge);
        self.changed.send_replace(());
        Ok(reloaded)
    }
}
