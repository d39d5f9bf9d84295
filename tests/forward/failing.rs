//! Origins that break off, say nothing or go on for ever, and clients who do not wait: what becomes of a plain request.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use anyhow::Result;
use crackers_tests::gated::Gated;
use crackers_tests::lone_edge::{LoneEdge, lone_edge_of};
use crackers_tests::raw;
use crackers_tests::scripted::Scripted;
use crackers_tests::stack::PATIENCE;

use super::plain::{ask, edge, request, scripts};

/// What one client gets for one request, and how often the origin saw it.
fn once(edge: &LoneEdge, origin: &Scripted, text: &str, number: usize) -> Result<(String, usize)> {
    let (answers, _, seen) = ask(edge, origin, &request(text, number))?;
    Ok((answers[0].clone(), seen.len()))
}

const POST: &str = "POST /x HTTP/1.1\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn a_post_without_an_answer_is_not_sent_again_and_a_broken_body_ends_the_connection() -> Result<()>
{
    let folder = tempfile::tempdir()?;
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".to_owned();
    let origin = Scripted::start(&scripts(&[(String::new(), true), (half, true)]))?;
    let edge = edge(folder.path(), origin.port, true)?;
    let (answer, seen) = once(&edge, &origin, POST, 0)?;
    assert!(
        answer.contains("HTTP/1.1 502 ") && seen == 1,
        "{seen} {answer}"
    );
    let (answer, seen) = once(&edge, &origin, "GET /x HTTP/1.1\r\n", 0)?;
    assert!(
        answer.contains("HTTP/1.1 502 ") && seen == 2,
        "{seen} {answer}"
    );
    let (answers, is_closed, seen) = ask(&edge, &origin, &request(POST, 1))?;
    assert!(
        answers[0].ends_with("\n\nhalf") && is_closed && seen.len() == 1,
        "{answers:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_connection_that_the_origin_has_closed_is_not_used_for_a_post() -> Result<()> {
    let folder = tempfile::tempdir()?;
    // It promises to go on, and closes.
    let fine = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned();
    let origin = Scripted::start(&scripts(&[(fine, true)]))?;
    let edge = edge(folder.path(), origin.port, true)?;
    for _ in 0..3 {
        let (answer, seen) = once(&edge, &origin, POST, 0)?;
        assert!(
            answer.contains("HTTP/1.1 200 ") && seen == 1,
            "{seen} {answer}"
        );
        let deadline = std::time::Instant::now() + PATIENCE;
        let idle = "crackers_edge_forward_connections_idle 0\n";
        let url = format!("http://127.0.0.1:{}/metrics", edge.metrics);
        while !reqwest::get(&url).await?.text().await?.contains(idle) {
            anyhow::ensure!(std::time::Instant::now() < deadline, "it is kept");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
    Ok(())
}

/// One slot, and steps that take at most so long.
fn narrow_edge(folder: &Path, origin: u16, read_ms: u64) -> Result<LoneEdge> {
    let groups = format!(
        "forward:\n  retries_max: 0\n  routes: [{{path_prefix: /, group: origin, timeouts: {{connect_ms: 2000, read_ms: {read_ms}, write_ms: 2000, idle_ms: 2000}}}}]\n  \
         groups:\n    - name: origin\n      servers: [{{address: '127.0.0.1:{origin}', weight: 1}}]\n      \
         health: {{path: /api/health/live, interval_ms: 1000, timeout_ms: 1000, healthy_after: 1, unhealthy_after: 9}}\n"
    );
    let own = "dispatch: {concurrency_max: 1, concurrency_when_full: 1}\n";
    lone_edge_of(folder, &groups, own)
}

#[test]
fn a_client_who_goes_away_frees_his_slot() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let origin = Gated::start()?;
    let edge = narrow_edge(folder.path(), origin.port, 60_000)?;
    let ask = |path: &str| -> Result<TcpStream> {
        let mut stream = TcpStream::connect(("127.0.0.1", edge.port))?;
        stream.write_all(
            format!("GET /api/cart/{path} HTTP/1.1\r\nHost: shop\r\nAuthorization: x\r\n\r\n")
                .as_bytes(),
        )?;
        Ok(stream)
    };
    let first = ask("first")?;
    origin.wait_for(1)?;
    drop(first);
    let _second = ask("second")?;
    let arrived = origin.wait_for(2)?;
    assert_eq!(arrived, ["get /api/cart/first", "get /api/cart/second"]);
    Ok(())
}

#[test]
fn live_events_that_nobody_announced_pass_as_they_come_and_keep_no_slot() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let events = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: a\n\n\r\n";
    let fine = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let answers = [events, fine].map(|answer| (answer.to_owned(), false));
    let origin = Scripted::start(&scripts(&answers))?;
    let edge = narrow_edge(folder.path(), origin.port, 60_000)?;
    let mut stream = TcpStream::connect(("127.0.0.1", edge.port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /api/cart/0 HTTP/1.1\r\nHost: shop\r\nAuthorization: x\r\n\r\n")?;
    let (mut seen, mut part) = (String::new(), [0; 1024]);
    while !seen.contains("data: a") {
        let read = stream.read(&mut part)?;
        anyhow::ensure!(read > 0, "closed: {seen}");
        seen.push_str(&String::from_utf8_lossy(&part[..read]));
    }
    let (answer, _) = once(&edge, &origin, POST, 1)?;
    assert!(answer.contains("HTTP/1.1 200 "), "{answer}");
    Ok(())
}

#[test]
fn an_origin_that_says_nothing_is_504_and_one_that_is_not_there_is_503() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let origin = Gated::start()?;
    let edge = narrow_edge(folder.path(), origin.port, 200)?;
    let statuses = |port: u16| -> Result<Vec<bool>> {
        let texts = ["GET /x HTTP/1.1\r\n", POST];
        let answers = texts.map(|text| raw::exchange(port, request(text, 0).as_bytes()));
        let mut found = Vec::new();
        for answer in answers {
            let (answer, _) = answer?;
            found.push(answer.starts_with("HTTP/1.1 504 Gateway Timeout"));
            found.push(answer.starts_with("HTTP/1.1 503 Service Unavailable"));
        }
        Ok(found)
    };
    assert_eq!(statuses(edge.port)?, [true, false, true, false]);
    assert_eq!(origin.wait_for(2)?.len(), 2);
    let nobody = tempfile::tempdir()?;
    let edge = narrow_edge(nobody.path(), crackers_tests::stack::free_port()?, 200)?;
    assert_eq!(statuses(edge.port)?, [false, true, false, true]);
    Ok(())
}
