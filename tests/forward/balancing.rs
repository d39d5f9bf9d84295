//! Who gets requests: not an origin that fails them, nor one that is drained.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;

use anyhow::Result;
use crackers_tests::lone_edge::{LoneEdge, lone_edge_of, raw_origin};
use reqwest::Method;
use serde_json::{Value, json};

const GOOD: &str = "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nX-Who: good\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
const BAD: &str =
    "HTTP/1.1 502 Bad Gateway\r\nX-Who: bad\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// An edge in front of these two origins; whoever fails three in a row is ejected.
pub(super) fn edge(folder: &Path, ports: [u16; 2]) -> Result<LoneEdge> {
    edge_with(folder, ports, "")
}

/// The same with settings of its own.
fn edge_with(folder: &Path, ports: [u16; 2], own: &str) -> Result<LoneEdge> {
    let [one, other] = ports;
    lone_edge_of(
        folder,
        &format!(
            "forward:\n  groups:\n    - name: origin\n      \
             servers: [{{address: '127.0.0.1:{one}', weight: 1}}, {{address: '127.0.0.1:{other}', weight: 1}}]\n      \
             ejection: {{failures_max: 3, first_ms: 60000}}\n      \
             health: {{path: /api/health/live, interval_ms: 1000, timeout_ms: 5000, healthy_after: 1, unhealthy_after: 9}}\n"
        ),
        own,
    )
}

/// Asks something of the admin interface: the status.
pub(super) async fn order(
    folder: &Path,
    edge: &LoneEdge,
    what: &str,
    message: Value,
) -> Result<u16> {
    let token = std::fs::read_to_string(folder.join("data/edge-admin.token"))?;
    let url = format!("http://127.0.0.1:{}/{what}", edge.admin);
    let order = reqwest::Client::new().post(url).bearer_auth(&token);
    Ok(order.json(&message).send().await?.status().as_u16())
}

/// Asks so many times, one after the other; the statuses.
async fn statuses(edge: &LoneEdge, times: usize) -> Result<Vec<u16>> {
    statuses_of(Method::POST, edge, times).await
}

/// The same with this method.
async fn statuses_of(method: Method, edge: &LoneEdge, times: usize) -> Result<Vec<u16>> {
    let client = reqwest::Client::new();
    let mut statuses = Vec::new();
    for _ in 0..times {
        let url = format!("http://127.0.0.1:{}/api/cart", edge.port);
        let answer = client.request(method.clone(), url).send().await?;
        statuses.push(answer.status().as_u16());
    }
    Ok(statuses)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_that_passes_its_checks_but_fails_requests_is_ejected() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let edge = edge(folder.path(), [raw_origin(GOOD)?, raw_origin(BAD)?])?;
    let first = statuses(&edge, 6).await?;
    assert_eq!(first.iter().filter(|status| **status == 502).count(), 3);
    assert_eq!(statuses(&edge, 20).await?, [200; 20]);
    let metrics = reqwest::get(format!("http://127.0.0.1:{}/metrics", edge.metrics)).await?;
    let ejections = "crackers_edge_forward_ejections_total{group=\"origin\",";
    assert!(metrics.text().await?.contains(ejections));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_origin_gets_nothing_until_it_is_called_back() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let bad = raw_origin(BAD)?;
    let edge = edge(folder.path(), [raw_origin(GOOD)?, bad])?;
    let order = async |what: &str, address: &str| {
        order(folder.path(), &edge, what, json!({ "address": address })).await
    };
    let bad = format!("127.0.0.1:{bad}");
    assert_eq!(order("drain", "127.0.0.1:1").await?, 404);
    assert_eq!(order("drain", &bad).await?, 200);
    assert_eq!(statuses(&edge, 10).await?, [200; 10]);
    assert_eq!(order("undrain", &bad).await?, 200);
    assert!(statuses(&edge, 2).await?.contains(&502));
    Ok(())
}

/// An origin that breaks off so many requests, and answers every further one.
fn breaking(times: usize) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        let mut left = times;
        for mut stream in listener.incoming().flatten() {
            let mut head = [0; 4096];
            let read = stream.read(&mut head).unwrap_or(0);
            let is_check = head[..read].starts_with(b"GET /api/health/live ");
            if is_check || left == 0 {
                // An edge that is gone needs no answer.
                let _ = stream.write_all(GOOD.as_bytes());
            } else {
                left -= 1;
            }
        }
    });
    Ok(port)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stands_alone_beside_a_drained_one_is_asked_again() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let drained = raw_origin(GOOD)?;
    let edge = edge(folder.path(), [breaking(1)?, drained])?;
    let address = json!({ "address": format!("127.0.0.1:{drained}") });
    assert_eq!(order(folder.path(), &edge, "drain", address).await?, 200);
    let url = format!("http://127.0.0.1:{}/api/cart", edge.port);
    // What may be sent again is.
    let answer = reqwest::Client::new().delete(url).send().await?;
    assert_eq!(answer.status(), 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_sent_again_is_not_once_the_budget_is_used_up() -> Result<()> {
    for is_plain in [true, false] {
        let folder = tempfile::tempdir()?;
        let own = format!(
            "accept: {{forward_plain_requests: {is_plain}}}\n\
             forward: {{retry_budget: {{percent: 0, floor: 1, window_ms: 600000}}}}\n"
        );
        let ports = [raw_origin(GOOD)?, breaking(usize::MAX)?];
        let edge = edge_with(folder.path(), ports, &own)?;
        // Three find the one that breaks off before it is ejected: one of them is asked again, two are not.
        let statuses = statuses_of(Method::DELETE, &edge, 20).await?;
        let count = |status: u16| statuses.iter().filter(|one| **one == status).count();
        let told = (count(502), count(200));
        assert_eq!(told, (2, 18), "{is_plain}: {statuses:?}");
        for (name, expected) in [("retries", 1), ("retries_refused", 2)] {
            let line = format!("forward_{name}_total{{group=\"origin\"}}");
            assert_eq!(edge.metric(&line).await?, expected, "{is_plain}: {name}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breaker_is_opened_and_closed_by_hand() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let good = raw_origin(GOOD)?;
    let groups = format!(
        "dispatch: {{breaker: {{open_ms: 600000}}}}\nforward:\n  groups:\n    - name: origin\n      \
         servers: [{{address: '127.0.0.1:{good}', weight: 1}}]\n      \
         health: {{path: /api/health/live, interval_ms: 1000, timeout_ms: 5000, healthy_after: 1, unhealthy_after: 9}}\n"
    );
    let edge = lone_edge_of(folder.path(), &groups, "")?;
    let good = format!("127.0.0.1:{good}");
    let order = async |address: &str, state: &str| {
        let body = json!({ "address": address, "state": state });
        order(folder.path(), &edge, "breaker", body).await
    };
    assert_eq!(order("127.0.0.1:1", "open").await?, 404);
    assert_eq!(order(&good, "half").await?, 400);
    assert_eq!(statuses(&edge, 1).await?, [200]);
    assert_eq!(order(&good, "open").await?, 200);
    assert_eq!(statuses(&edge, 2).await?, [503; 2]);
    assert_eq!(order(&good, "closed").await?, 200);
    assert_eq!(statuses(&edge, 2).await?, [200; 2]);
    Ok(())
}
