//! Active checks: every server is asked for its health path, and taken out or brought back after enough answers.

use std::sync::Arc;
use std::time::Duration;

use pingora_core::connectors::http::Connector;
use pingora_http::RequestHeader;
use tokio::sync::watch::Receiver;

use super::upstreams::{Group, Server};
use super::{Timeouts, Upstreams};
use crate::telemetry::Metrics;

/// Checks every server until asked to stop, each in a task of its own.
pub fn watch(upstreams: &Arc<Upstreams>, metrics: &Arc<Metrics>, stop: &Receiver<bool>) {
    for group in &upstreams.groups {
        for server in &group.servers {
            let (group, server) = (Arc::clone(group), Arc::clone(server));
            tokio::spawn(check_forever(
                group,
                server,
                Arc::clone(metrics),
                stop.clone(),
            ));
        }
    }
}

async fn check_forever(
    group: Arc<Group>,
    server: Arc<Server>,
    metrics: Arc<Metrics>,
    mut stop: Receiver<bool>,
) {
    let config = &group.config.health;
    let connector = Connector::new(None);
    let gauge = metrics
        .upstream_up
        .with_label_values(&[&group.name, &server.address]);
    loop {
        let limit = Duration::from_millis(config.timeout_ms);
        let answered = tokio::time::timeout(limit, check(&connector, &server, &group)).await;
        if server.checked(answered.unwrap_or(false), config) {
            tracing::warn!(group = %group.name, server = %server.address, up = server.is_up(), "an origin changed its state");
        }
        gauge.set(i64::from(server.is_up()));
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(config.interval_ms)) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// Whether the health path answers 200, on a connection of its own: a check that reuses one misses full accept queues.
async fn check(connector: &Connector, server: &Server, group: &Group) -> bool {
    let config = &group.config.health;
    let limit = config.timeout_ms;
    let timeouts = Timeouts {
        connect_ms: limit,
        read_ms: limit,
        write_ms: limit,
        idle_ms: limit,
    };
    let Some(peer) = server.peer(&timeouts) else {
        return false;
    };
    let asked = async {
        let (mut session, _) = connector.get_http_session(&peer).await.ok()?;
        let mut head = RequestHeader::build("GET", config.path.as_bytes(), None).ok()?;
        head.insert_header("Host", "health-check").ok()?;
        head.insert_header("Connection", "close").ok()?;
        session.write_request_header(Box::new(head)).await.ok()?;
        session.finish_request_body().await.ok()?;
        session.read_response_header().await.ok()?;
        let status = session.response_header()?.status;
        session.shutdown().await;
        Some(status == http::StatusCode::OK)
    };
    asked.await.unwrap_or(false)
}
