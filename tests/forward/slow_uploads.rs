//! Clients who take their time over a body: no origin fails or is slow because of them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use crackers_tests::lone_edge::{LoneEdge, lone_edge_of};
use crackers_tests::scripted::Scripted;
use crackers_tests::stack::PATIENCE;
use serde_json::{Value, json};

use super::balancing::order;
use super::plain::scripts;

const FINE: &str = "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

/// An edge that waits for its origin for so long, and closes a breaker after one good probe.
fn edge(folder: &Path, origin: u16, read_ms: u64) -> Result<LoneEdge> {
    let groups = format!(
        "dispatch: {{breaker: {{slow_ms: 300, open_ms: 300, probes: 1}}}}\n\
         forward:\n  routes: [{{path_prefix: /, group: origin, timeouts: {{connect_ms: 2000, read_ms: {read_ms}, write_ms: 2000, idle_ms: 2000}}}}]\n  \
         groups:\n    - name: origin\n      servers: [{{address: '127.0.0.1:{origin}', weight: 1}}]\n      \
         health: {{path: /api/health/live, interval_ms: 600000, timeout_ms: 1000, healthy_after: 1, unhealthy_after: 9}}\n"
    );
    lone_edge_of(folder, &groups, "")
}

/// A client who has sent half of his request.
fn upload(edge: &LoneEdge, method: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", edge.port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let head = format!(
        "{method} /api/cart/0 HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"
    );
    stream.write_all(head.as_bytes())?;
    Ok(stream)
}

async fn status(edge: &LoneEdge) -> Result<u16> {
    let url = format!("http://127.0.0.1:{}/api/cart/0", edge.port);
    let asked = reqwest::Client::new().delete(url).send();
    Ok(asked.await?.status().as_u16())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_who_pauses_is_told_so_and_is_not_the_origins_failure() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let origin = Scripted::start(&scripts(&[(FINE.to_owned(), true)]))?;
    let edge = edge(folder.path(), origin.port, 5000)?;
    for method in ["POST", "PUT"] {
        let mut answer = String::new();
        upload(&edge, method)?.read_to_string(&mut answer)?;
        assert!(
            answer.starts_with("HTTP/1.1 408 Request Timeout"),
            "{method}: {answer}"
        );
    }
    assert_eq!(status(&edge).await?, 200);
    let metrics = reqwest::get(format!("http://127.0.0.1:{}/metrics", edge.metrics)).await?;
    let text = metrics.text().await?;
    assert!(!text.contains("forward_failures_total{"), "{text}");
    Ok(())
}

/// What the edge says of its only origin.
async fn origin_now(folder: &Path, edge: &LoneEdge) -> Result<Value> {
    let token = std::fs::read_to_string(folder.join("data/edge-admin.token"))?;
    let url = format!("http://127.0.0.1:{}/status", edge.admin);
    let asked = reqwest::Client::new().get(url).bearer_auth(token.trim());
    let said: Value = asked.send().await?.json().await?;
    Ok(said["groups"][0]["servers"][0].clone())
}

/// Waits until something is so.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let begun = Instant::now();
    while !is_so().await? {
        ensure!(begun.elapsed() < PATIENCE, "never {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_without_an_end_does_not_keep_a_breaker_half_open() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let origin = Scripted::start(&scripts(&[(FINE.to_owned(), true)]))?;
    let edge = edge(folder.path(), origin.port, 600_000)?;
    let message = json!({ "address": format!("127.0.0.1:{}", origin.port), "state": "open" });
    assert_eq!(order(folder.path(), &edge, "breaker", message).await?, 200);
    until("half-open", async || {
        Ok(origin_now(folder.path(), &edge).await?["breaker"] == "half-open")
    })
    .await?;
    let uploading = upload(&edge, "POST")?;
    until("at the origin", async || {
        Ok(origin_now(folder.path(), &edge).await?["in_flight"] == 1)
    })
    .await?;
    until("served again", async || Ok(status(&edge).await? == 200)).await?;
    let after = origin_now(folder.path(), &edge).await?;
    assert_eq!(
        (&after["breaker"], &after["in_flight"]),
        (&json!("closed"), &json!(1))
    );
    drop(uploading);
    Ok(())
}
