//! Active checks: every server is asked for its health path, and taken out or brought back after enough answers.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::http::RequestHeader;
use pingora_load_balancing::Backend;
use pingora_load_balancing::health_check::{HealthCheck, HealthObserve, HttpHealthCheck};
use tokio::sync::watch::Receiver;

use crackers_shared::clock::Clock;

use super::group::Group;
use super::upstreams::Server;
use super::{GroupConfig, Upstreams};
use crate::telemetry::Metrics;

/// How the servers of a group are checked: 200 on the health path, on a connection of its own, since one that is reused
/// misses a full accept queue.
///
/// # Errors
/// When the health path is none.
pub(super) fn check(
    config: &GroupConfig,
    clock: &Clock,
) -> pingora::Result<Box<dyn HealthCheck + Send + Sync>> {
    let mut check = HttpHealthCheck::new("health-check", false);
    let limit = Some(Duration::from_millis(config.health.timeout_ms));
    let options = &mut check.peer_template.options;
    options.connection_timeout = limit;
    options.total_connection_timeout = limit;
    options.read_timeout = limit;
    options.write_timeout = limit;
    let mut head = RequestHeader::build("GET", config.health.path.as_bytes(), None)?;
    head.insert_header("Host", "health-check")?;
    head.insert_header("Connection", "close")?;
    check.req = head;
    check.consecutive_success = config.health.healthy_after as usize;
    check.consecutive_failure = config.health.unhealthy_after as usize;
    check.health_changed_callback = Some(Box::new(Tell(config.name.clone(), clock.clone())));
    Ok(Box::new(check))
}

/// Tells people of a change, and lets whoever comes back start slowly.
struct Tell(String, Clock);

#[async_trait]
impl HealthObserve for Tell {
    async fn observe(&self, target: &Backend, healthy: bool) {
        let server = target.ext.get::<Arc<Server>>();
        if let (Some(server), true) = (server, healthy) {
            let now = self.1.now_microseconds();
            server.record.came_back(now);
            server.breaker.came_back(now);
        }
        let server = server.map_or("", |server| server.address.as_str());
        tracing::warn!(group = %self.0, server, up = healthy, "an origin changed its state");
    }
}

/// Checks every server until asked to stop, each group in a task of its own; those that were there before are checked already.
pub fn watch(
    upstreams: &Upstreams,
    before: Option<&Upstreams>,
    metrics: &Arc<Metrics>,
    stop: &Receiver<bool>,
) {
    let is_new = |group: &&Arc<Group>| !before.is_some_and(|before| before.holds(group));
    for group in upstreams.groups.iter().filter(is_new) {
        let (group, metrics) = (Arc::clone(group), Arc::clone(metrics));
        tokio::spawn(check_forever(group, metrics, stop.clone()));
    }
}

async fn check_forever(group: Arc<Group>, metrics: Arc<Metrics>, mut stop: Receiver<bool>) {
    let pause = Duration::from_millis(group.config.health.interval_ms);
    while !group.is_retired() {
        let round = async {
            group.refresh().await;
            group.check().await;
            if group.is_retired() {
                return;
            }
            for server in &group.servers {
                let up = metrics
                    .upstream_up
                    .with_label_values(&[&group.name, &server.address]);
                up.set(i64::from(group.is_up(server)));
            }
            tokio::time::sleep(pause).await;
        };
        tokio::select! {
            () = round => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}
