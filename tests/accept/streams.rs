//! What is not one request and one answer passes untouched.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use anyhow::Result;
use crackers_tests::lone_edge::{lone_edge, raw_origin};

#[test]
fn a_websocket_passes_both_ways() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let origin = raw_origin(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    )?;
    let (_edge, port) = lone_edge(folder.path(), origin)?;
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(crackers_tests::stack::PATIENCE))?;
    stream.write_all(
        b"GET /live HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    )?;
    let mut seen = String::new();
    let mut part = [0; 1024];
    while !seen.contains("\r\n\r\n") {
        let read = stream.read(&mut part)?;
        seen.push_str(&String::from_utf8_lossy(&part[..read]));
        anyhow::ensure!(read > 0, "closed: {seen}");
    }
    assert!(seen.starts_with("HTTP/1.1 101 "), "{seen}");
    for word in ["ping", "pong"] {
        stream.write_all(word.as_bytes())?;
        let read = stream.read(&mut part)?;
        assert_eq!(&part[..read], word.as_bytes());
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
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(crackers_tests::stack::PATIENCE))?;
    stream.write_all(b"GET /api/admin/events HTTP/1.1\r\nHost: a\r\nAuthorization: x\r\nAccept-Encoding: br\r\n\r\n")?;
    let mut seen = String::new();
    let mut part = [0; 1024];
    // The origin never ends its answer: the event must come before the end.
    while !seen.contains("data: first") {
        let read = stream.read(&mut part)?;
        anyhow::ensure!(read > 0, "closed: {seen}");
        seen.push_str(&String::from_utf8_lossy(&part[..read]));
    }
    assert!(!seen.to_lowercase().contains("content-encoding"), "{seen}");
    Ok(())
}
