//! Spans reach a collector, and nobody waits for one.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use crackers_tests::careless_origin::CarelessOrigin;
use crackers_tests::lone_edge::{LoneEdge, lone_edge_of};
use crackers_tests::process::{PATIENCE, free_port};
use crackers_tests::raw::exchange;
use crackers_tests::recording_origin::RecordingOrigin;
use http::{Request, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::accept::http2::{NAME, Place};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// An edge that sends its spans to a port.
fn edge(folder: &std::path::Path, origin: u16, collector: u16) -> Result<LoneEdge> {
    let groups = format!(
        "forward:\n  groups:\n    - name: origin\n      servers: [{{address: '127.0.0.1:{origin}', weight: 1}}]\n      \
         health: {{path: /api/health/live, interval_ms: 1000, timeout_ms: 5000, healthy_after: 1, unhealthy_after: 9}}\n"
    );
    lone_edge_of(folder, &groups, &sent_to(collector))
}

/// Settings of an edge that sends its spans to a port.
fn sent_to(collector: u16) -> String {
    format!("telemetry: {{traces: {{endpoint: 'http://127.0.0.1:{collector}/v1/traces'}}}}\n")
}

async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        ensure!(begun.elapsed() < PATIENCE, "{what}: it never came true");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The spans that a collector has got, in their order.
fn spans(collector: &RecordingOrigin) -> Result<Vec<Value>> {
    spans_of(&collector.seen())
}

fn spans_of(messages: &[Request<Bytes>]) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    for message in messages {
        assert_eq!(message.uri().path(), "/v1/traces");
        assert_eq!(message.headers()["content-type"], "application/json");
        let message: Value = serde_json::from_slice(message.body())?;
        let spans = &message["resourceSpans"][0]["scopeSpans"][0]["spans"];
        found.extend(spans.as_array().context("no spans")?.clone());
    }
    Ok(found)
}

fn attribute<'a>(span: &'a Value, key: &str) -> &'a Value {
    let attributes = span["attributes"].as_array().into_iter().flatten();
    let mut named = attributes.filter(|attribute| attribute["key"] == key);
    named
        .next()
        .map_or(&Value::Null, |attribute| &attribute["value"])
}

fn taken(_: &Request<Bytes>) -> Response<Bytes> {
    Response::default()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_is_a_span_of_its_trace_and_the_origin_hears_of_it() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, CarelessOrigin::start()?);
    let collector = RecordingOrigin::start(taken).await?;
    let edge = edge(folder.path(), origin.port, collector.port)?;
    let request = format!(
        "GET /a?name=secret HTTP/1.1\r\nHost: shop\r\nTraceparent: 00-{TRACE}-{PARENT}-00\r\nAuthorization: x\r\n\r\n\
         GET /health HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n"
    );
    tokio::task::block_in_place(|| exchange(edge.port, request.as_bytes()))?;
    let found = until("spans arrive", async || {
        let found = spans(&collector)?;
        Ok((found.len() >= 8).then_some(found))
    })
    .await?;
    let of = |path: &str| {
        let mut spans = found.iter();
        spans.find(|span| attribute(span, "url.path")["stringValue"] == path)
    };
    let (asked, health) = (
        of("/a").context("no /a")?,
        of("/health").context("no /health")?,
    );
    assert_eq!(
        json!([asked["traceId"], asked["parentSpanId"], asked["kind"]]),
        json!([TRACE, PARENT, 2])
    );
    assert_eq!(
        attribute(asked, "http.response.status_code")["intValue"],
        "200"
    );
    assert_eq!(
        attribute(asked, "http.request.method")["stringValue"],
        "GET"
    );
    assert!(!asked.to_string().contains("secret"));
    // Nobody brought this one along.
    assert!(health["parentSpanId"].is_null() && health["traceId"] != TRACE);
    let stages = |of: &Value| {
        let inside = found
            .iter()
            .filter(|span| span["parentSpanId"] == of["spanId"]);
        Vec::from_iter(inside.filter_map(|span| span["name"].as_str()))
    };
    assert_eq!(stages(asked), ["admit", "dispatch", "forward", "respond"]);
    assert_eq!(stages(health), ["admit", "respond"]);
    let forwarded = found
        .iter()
        .find(|span| span["name"] == "forward")
        .context("no forward")?;
    assert_eq!(
        json!([forwarded["traceId"], forwarded["parentSpanId"]]),
        json!([TRACE, asked["spanId"]])
    );
    let server = format!("127.0.0.1:{}", origin.port);
    assert_eq!(
        attribute(forwarded, "server.address")["stringValue"],
        server
    );
    // What the origin makes of it belongs under the edge's span.
    let head = origin.take().remove(0).0.to_ascii_lowercase();
    let own = asked["spanId"].as_str().context("no id")?;
    assert!(
        head.contains(&format!("traceparent: 00-{TRACE}-{own}-01")),
        "{head}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_through_the_edge_has_its_stages() -> Result<()> {
    let origin = RecordingOrigin::start(|request| {
        let kind = request.uri().path().starts_with("/assets/");
        let control = if kind { "max-age=60" } else { "no-store" };
        let answer = Response::builder().header("Cache-Control", control);
        answer.body(Bytes::from_static(b"body")).unwrap_or_default()
    });
    let (origin, collector) = (origin.await?, RecordingOrigin::start(taken).await?);
    let place = Place::new()?;
    let edge = place.edge_of(origin.port, "", &sent_to(collector.port))?;
    for (path, more, stages) in [
        ("/assets/a", "", &["admit", "cache", "respond"][..]),
        ("/assets/a", "", &["admit", "respond"]),
        (
            "/assets/a",
            "Cache-Control: max-stale\r\n",
            &["admit", "cache", "respond"],
        ),
        (
            "/api/a",
            "Authorization: x\r\n",
            &["admit", "dispatch", "forward", "respond"],
        ),
        // Through Pingora.
        (
            "/api/a",
            "Authorization: x\r\nTE: trailers\r\n",
            &["admit", "dispatch", "forward", "respond"],
        ),
    ] {
        let before = collector.seen().len();
        // What is malformed ends the connection, and is no request.
        let request = format!("GET {path} HTTP/1.1\r\nHost: shop\r\n{more}\r\nBAD\r\n\r\n");
        tokio::task::block_in_place(|| exchange(edge.port, request.as_bytes()))?;
        let found = until("spans arrive", async || {
            let all = collector.seen();
            let found = spans_of(&all[before.min(all.len())..])?;
            Ok((found.len() > stages.len()).then_some(found))
        })
        .await?;
        let names = found
            .iter()
            .skip(1)
            .filter_map(|span| span["name"].as_str());
        assert_eq!(Vec::from_iter(names), stages, "{path} {more}");
    }
    // A hit over TLS takes the short way, too.
    let client = place.authority.client_of(&["http/1.1"])?;
    for stages in [&["admit", "cache", "respond"][..], &["admit", "respond"]] {
        let before = collector.seen().len();
        let stream = TcpStream::connect(("127.0.0.1", place.port)).await?;
        let mut stream = client.connect(NAME.try_into()?, stream).await?;
        let request = format!("GET /assets/b HTTP/1.1\r\nHost: {NAME}\r\n\r\nBAD\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        tokio::time::timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await??;
        let found = until("spans arrive", async || {
            let all = collector.seen();
            let found = spans_of(&all[before.min(all.len())..])?;
            Ok((found.len() > stages.len()).then_some(found))
        });
        let found = found.await?;
        let names = found.iter().skip(1).map(|span| &span["name"]);
        assert!(names.eq(stages), "{found:?} instead of {stages:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_gone_costs_spans_and_nothing_else() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, CarelessOrigin::start()?);
    let edge = edge(folder.path(), origin.port, free_port()?)?;
    for _ in 0..20 {
        let url = format!("http://127.0.0.1:{}/a", edge.port);
        assert_eq!(reqwest::get(url).await?.status(), 200);
    }
    until("they are counted", async || {
        let url = format!("http://127.0.0.1:{}/metrics", edge.metrics);
        let metrics = reqwest::get(url).await?.text().await?;
        let line = "crackers_edge_telemetry_spans_total{outcome=\"failed\"} ";
        let failed = metrics
            .lines()
            .find_map(|row| row.strip_prefix(line)?.parse::<u64>().ok());
        Ok(failed.filter(|failed| *failed >= 20))
    })
    .await?;
    Ok(())
}
