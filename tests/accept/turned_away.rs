//! Whoever is answered while he is still sending can read the answer: no reset overtakes it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use crackers_tests::lone_edge::{lone_edge_with, raw_origin};
use crackers_tests::process::{PATIENCE, free_port};
use crackers_tests::tls::Authority;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{http2, tls};

/// More than what lies between two programs of one machine, and less than a body may have.
const BYTES: usize = 8 * 1024 * 1024;

const CLOSED: &str = "admit: {mode: {is: maintenance, exempt: [], retry_after_seconds: 60}}\n";

/// Sends a head and so many bytes, all of them, and reads the answer to its end.
fn send_all(port: u16, head: &str, bytes: usize) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(head.as_bytes())?;
    stream
        .write_all(&vec![b'x'; bytes])
        .context("cut off while sending")?;
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .with_context(|| format!("cut off after {answer:?}"))?;
    Ok(answer)
}

/// Whether it has as much of a body as it says.
fn is_whole(answer: &str) -> bool {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let head = head.to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    length == Some(body.len().to_string().as_str())
}

#[test]
fn a_large_upload_that_is_refused_at_once_is_told_why() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (_edge, port) = lone_edge_with(folder.path(), raw_origin("")?, CLOSED)?;
    for (fields, status) in [
        (format!("Content-Length: {BYTES}"), 503),
        // It stays open otherwise.
        (format!("Connection: close\r\nContent-Length: {BYTES}"), 503),
        // Its head is refused.
        ("Content-Length: 99999999".to_owned(), 413),
    ] {
        let head = format!("POST /api/x HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
        let answer = send_all(port, &head, BYTES)?;
        let is_told = answer.starts_with(&format!("HTTP/1.1 {status} "));
        assert!(is_told && is_whole(&answer), "{fields}: {answer}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_it_is_told_too() -> Result<()> {
    let (authority, folder) = (Authority::new()?, tempfile::tempdir()?);
    let port = free_port()?;
    authority.sign(folder.path(), "shop", http2::NAME)?;
    authority.sign(folder.path(), "wild", "*.example.org")?;
    let own = tls::settings(folder.path(), port) + CLOSED;
    let (_edge, _) = lone_edge_with(folder.path(), raw_origin("")?, &own)?;
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
    let connector = authority.client()?;
    let mut stream = connector.connect(http2::NAME.try_into()?, stream).await?;
    let head = format!(
        "POST /api/x HTTP/1.1\r\nHost: {}\r\nContent-Length: {BYTES}\r\n\r\n",
        http2::NAME
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&vec![b'x'; BYTES]).await?;
    stream.flush().await?;
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await??;
    let is_told = answer.starts_with("HTTP/1.1 503 ");
    assert!(is_told && is_whole(&answer), "{answer}");
    Ok(())
}

/// An origin that breaks off after each head, health checks aside.
fn breaking_off() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Whether the edge hears it is its own affair.
            std::thread::spawn(move || break_off(stream));
        }
    });
    Ok(port)
}

fn break_off(mut stream: TcpStream) -> std::io::Result<()> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    if head.starts_with(b"GET /api/health/live") {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
    }
    Ok(())
}

#[test]
fn whoever_is_still_sending_when_the_origin_breaks_off_is_told() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (_edge, port) = lone_edge_with(folder.path(), breaking_off()?, "")?;
    let head = format!("POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: {BYTES}\r\n\r\n");
    let answer = send_all(port, &head, BYTES)?;
    let is_told = answer.starts_with("HTTP/1.1 50");
    assert!(is_told && is_whole(&answer), "{answer}");
    Ok(())
}

#[test]
fn nobody_keeps_his_connection_by_sending_on_and_on() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (_edge, port) = lone_edge_with(folder.path(), raw_origin("")?, CLOSED)?;
    let head = format!("POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: {BYTES}\r\n\r\n");
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.write_all(head.as_bytes())?;
    let begun = Instant::now();
    while stream.write_all(b"x").is_ok() {
        ensure!(begun.elapsed() < PATIENCE, "nobody minds");
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}
