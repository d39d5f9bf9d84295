//! What is not one request and one answer passes untouched.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Result, ensure};
use crackers_tests::lone_edge::{lone_edge, lone_edge_of, lone_edge_with, overlay, raw_origin};
use crackers_tests::raw::exchange;
use crackers_tests::stack::PATIENCE;

pub(super) const AGREED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";

pub(super) const ASKING: &str = "GET /live HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n";

/// Sends these bytes, and reads until the answer has so many behind its head.
fn open(port: u16, bytes: &str, behind_head: usize) -> Result<(TcpStream, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(bytes.as_bytes())?;
    let (mut seen, mut part) = (String::new(), [0; 1024]);
    let is_there = |seen: &str| {
        let end = seen.find("\r\n\r\n");
        end.is_some_and(|end| seen.len() >= end + 4 + behind_head)
    };
    while !is_there(&seen) {
        let read = stream.read(&mut part)?;
        seen.push_str(&String::from_utf8_lossy(&part[..read]));
        ensure!(read > 0, "closed: {seen}");
    }
    Ok((stream, seen))
}

fn echo(stream: &mut TcpStream, word: &str) -> Result<()> {
    stream.write_all(word.as_bytes())?;
    let mut part = vec![0; word.len()];
    stream.read_exact(&mut part)?;
    ensure!(part == word.as_bytes(), "{part:?}");
    Ok(())
}

#[test]
fn websockets_that_open_at_once_pass_both_ways() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (_edge, port) = lone_edge(folder.path(), raw_origin(AGREED)?)?;
    for _ in 0..200 {
        let (mut stream, seen) = open(port, ASKING, 0)?;
        let lower = seen.to_lowercase();
        assert!(seen.starts_with("HTTP/1.1 101 "), "{seen}");
        assert!(lower.contains("\r\nconnection: upgrade\r\n"), "{seen}");
        assert!(lower.contains("\r\nupgrade: websocket\r\n"), "{seen}");
        assert!(lower.contains("\r\nx-frame-options: "), "{seen}");
        for word in ["ping", "pong"] {
            echo(&mut stream, word)?;
        }
    }
    Ok(())
}

#[test]
fn a_websocket_passes_where_plain_requests_go_through_pingora() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let own = "accept: {forward_plain_requests: false, serve_hits_early: false}\n";
    let (_edge, port) = lone_edge_with(folder.path(), raw_origin(AGREED)?, own)?;
    let (mut stream, seen) = open(port, ASKING, 0)?;
    assert!(seen.starts_with("HTTP/1.1 101 "), "{seen}");
    echo(&mut stream, "ping")
}

#[test]
fn a_websocket_passes_as_the_last_request_of_its_connection() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let own = "accept: {requests_per_connection_max: 1}\n";
    let (_edge, port) = lone_edge_with(folder.path(), raw_origin(AGREED)?, own)?;
    let (mut stream, seen) = open(port, ASKING, 0)?;
    assert!(seen.starts_with("HTTP/1.1 101 "), "{seen}");
    echo(&mut stream, "ping")
}

#[test]
fn what_either_side_says_together_with_the_change_is_not_lost() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let greeting = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhello";
    let (_edge, port) = lone_edge(folder.path(), raw_origin(greeting)?)?;
    let early = format!("{ASKING}GET /early HTTP/1.1\r\n\r\n");
    let (_stream, seen) = open(port, &early, 5 + 23)?;
    assert!(
        seen.ends_with("\r\n\r\nhelloGET /early HTTP/1.1\r\n\r\n"),
        "{seen}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_keeps_no_slot_and_ends_with_its_client() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let origin = raw_origin(AGREED)?;
    let own = "dispatch: {concurrency_max: 1, concurrency_when_full: 1, queue_max: 1, queue_wait_ms: 100}";
    let edge = lone_edge_of(folder.path(), &overlay(origin), own)?;
    let mut opened = Vec::new();
    for _ in 0..3 {
        opened.push(open(edge.port, ASKING, 0)?.0);
    }
    edge.metric_is("forward_tunnels", 3).await?;
    for stream in &mut opened {
        echo(stream, "still there")?;
    }
    opened.clear();
    edge.metric_is("forward_tunnels", 0).await
}

#[test]
fn a_quiet_websocket_is_closed_after_its_time_and_a_lively_one_is_not() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let route = "  routes: [{path_prefix: /, group: origin, timeouts: {connect_ms: 1000, read_ms: 2000, write_ms: 2000, idle_ms: 1000, tunnel_ms: 10000}}]\n";
    let groups = format!("{}{route}", overlay(raw_origin(AGREED)?));
    let edge = lone_edge_of(folder.path(), &groups, "")?;
    let (mut lively, _) = open(edge.port, ASKING, 0)?;
    let (mut quiet, _) = open(edge.port, ASKING, 0)?;
    // For longer than a quiet one may last, with pauses that are longer than an answer may take.
    for _ in 0..5 {
        std::thread::sleep(Duration::from_millis(2500));
        echo(&mut lively, "x")?;
    }
    assert_eq!(quiet.read(&mut [0])?, 0);
    Ok(())
}

#[test]
fn nothing_that_follows_a_declined_websocket_is_a_request() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let declined = "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno";
    let (_edge, port) = lone_edge(folder.path(), raw_origin(declined)?)?;
    let both = format!("{ASKING}GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let (seen, is_closed) = exchange(port, both.as_bytes())?;
    assert!(is_closed, "{seen}");
    assert!(seen.starts_with("HTTP/1.1 426 "), "{seen}");
    assert!(seen.ends_with("\r\n\r\nno"), "{seen}");
    assert!(
        seen.to_lowercase().contains("\r\nconnection: close\r\n"),
        "{seen}"
    );
    Ok(())
}

#[test]
fn no_other_protocol_is_changed_to() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let other = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n";
    let (_edge, port) = lone_edge(folder.path(), raw_origin(other)?)?;
    for asked in ["websocket", "h2c", "websocket, h2c"] {
        for method in ["GET", "POST"] {
            let request = format!(
                "{method} /live HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: {asked}\r\n\r\n"
            );
            let (_, seen) = open(port, &request, 0)?;
            assert!(
                seen.starts_with("HTTP/1.1 502 "),
                "{method} {asked}: {seen}"
            );
        }
    }
    Ok(())
}

#[test]
fn an_event_stream_arrives_event_by_event_and_uncompressed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let origin = raw_origin(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\
         Transfer-Encoding: chunked\r\n\r\nd\r\ndata: first\n\n\r\n",
    )?;
    let (_edge, port) = lone_edge(folder.path(), origin)?;
    let asking = "GET /api/admin/events HTTP/1.1\r\nHost: a\r\nAuthorization: x\r\nAccept-Encoding: br\r\n\r\n";
    // The origin never ends its answer: the event must come before the end.
    let (_stream, seen) = open(port, asking, "d\r\ndata: first".len())?;
    assert!(seen.contains("data: first"), "{seen}");
    assert!(!seen.to_lowercase().contains("content-encoding"), "{seen}");
    Ok(())
}
