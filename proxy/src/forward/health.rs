//! Active checks: every server is asked for its health path, and taken out or brought back after enough answers. One that says
//! that it will stop is taken out at once: that is no failure, which might be a mistake, but its word.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::{Error, ErrorType};
use pingora_load_balancing::Backend;
use pingora_load_balancing::health_check::{HealthCheck, HealthObserve, HttpHealthCheck};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch::Receiver;

use crackers_shared::clock::Clock;
use crackers_shared::config_file::Problems;
use crackers_shared::headers;

use super::group::Group;
use super::upstreams::Server;
use super::{GroupConfig, Upstreams};
use crate::telemetry::Metrics;

/// How the servers of a group are checked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthConfig {
    /// Must answer 200.
    pub path: String,
    /// From one check to the next.
    pub interval_ms: u64,
    /// The longest wait for an answer.
    pub timeout_ms: u64,
    /// Good checks in a row that bring a server back.
    pub healthy_after: u32,
    /// Failed checks in a row that take a server out.
    pub unhealthy_after: u32,
}

impl HealthConfig {
    /// Reports impossible values under `path`.
    pub(super) fn check(&self, path: &str, problems: &mut Problems) {
        problems.require(
            self.path.starts_with('/') && self.path.parse::<http::uri::PathAndQuery>().is_ok(),
            format!("{path}.path"),
            "expected a path such as /api/health/live",
        );
        for (key, value) in [
            ("interval_ms", self.interval_ms),
            ("timeout_ms", self.timeout_ms),
            ("healthy_after", u64::from(self.healthy_after)),
            ("unhealthy_after", u64::from(self.unhealthy_after)),
        ] {
            problems.require(value > 0, format!("{path}.{key}"), "must be at least 1");
        }
    }
}

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
    check.validator = Some(Box::new(judge));
    let (group, clock) = (config.name.clone(), clock.clone());
    Ok(Box::new(Check {
        check,
        group,
        clock,
    }))
}

/// The error of a check whose answer says that the server will stop.
const STOPPING: ErrorType = ErrorType::Custom("the server will stop");

/// 200 is the only good answer.
fn judge(answer: &ResponseHeader) -> pingora::Result<()> {
    if answer.headers.contains_key(headers::STOPPING) {
        return Err(Error::new(STOPPING));
    }
    if answer.status != 200 {
        let kind = ErrorType::CustomCode("answered", answer.status.as_u16());
        return Err(Error::new(kind));
    }
    Ok(())
}

/// Pingora's check, which counts good and bad answers, and the word of a server that will stop.
struct Check {
    check: HttpHealthCheck,
    group: String,
    clock: Clock,
}

#[async_trait]
impl HealthCheck for Check {
    async fn check(&self, target: &Backend) -> pingora::Result<()> {
        let checked = self.check.check(target).await;
        let Some(server) = target.ext.get::<Arc<Server>>() else {
            return checked;
        };
        let has_said_so = match &checked {
            Ok(()) => false,
            Err(error) if *error.etype() == STOPPING => true,
            // Whoever does not answer takes nothing back.
            Err(_) => return checked,
        };
        if server.is_stopping.swap(has_said_so, Ordering::Relaxed) != has_said_so {
            let address = server.address.as_str();
            tracing::warn!(group = %self.group, server = address, stopping = has_said_so, "an origin has said whether it stops");
            if !has_said_so {
                came_back(server, &self.clock);
            }
        }
        checked
    }

    async fn health_status_change(&self, target: &Backend, healthy: bool) {
        self.check.health_status_change(target, healthy).await;
    }

    fn health_threshold(&self, success: bool) -> usize {
        self.check.health_threshold(success)
    }
}

/// Whoever comes back starts slowly.
fn came_back(server: &Server, clock: &Clock) {
    let now = clock.now_microseconds();
    server.record.came_back(now);
    server.breaker.came_back(now);
}

/// Tells people of a change, and lets whoever comes back start slowly.
struct Tell(String, Clock);

#[async_trait]
impl HealthObserve for Tell {
    async fn observe(&self, target: &Backend, healthy: bool) {
        let server = target.ext.get::<Arc<Server>>();
        if let (Some(server), true) = (server, healthy) {
            came_back(server, &self.1);
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
