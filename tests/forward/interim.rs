//! Interim answers (RFC 9110 15.2) reach the client when they come, not with the answer.

use std::io::{BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};
use crackers_tests::gated::DONE;
use crackers_tests::lone_edge::LoneEdge;
use crackers_tests::process::PATIENCE;

use super::plain::edge;

const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nCache-Tag: inside\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\n";

/// Whether the answer behind the hints may be said.
type Gate = Arc<(Mutex<bool>, Condvar)>;

/// An origin that says hints at once, and the answer when its gate opens.
fn hinting_origin() -> Result<(u16, Gate)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let gate = Gate::default();
    let of_all = Arc::clone(&gate);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let gate = Arc::clone(&of_all);
            // A connection that breaks off is the edge's affair.
            std::thread::spawn(move || hint(stream, &gate));
        }
    });
    Ok((port, gate))
}

fn hint(stream: TcpStream, (open, changed): &(Mutex<bool>, Condvar)) -> Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let head = head(&mut stream)?;
        if !head.contains("/api/health/live") {
            stream.get_mut().write_all(HINTS.as_bytes())?;
            let open = open.lock().unwrap_or_else(PoisonError::into_inner);
            let waited = changed.wait_timeout_while(open, PATIENCE, |is_open| !*is_open);
            let mut open = waited.ok().context("the gate is broken")?.0;
            *open = false;
        }
        stream.get_mut().write_all(DONE.as_bytes())?;
    }
}

/// A head with its empty line.
fn head(stream: &mut impl std::io::BufRead) -> Result<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        ensure!(stream.read_line(&mut head)? > 0, "closed after {head:?}");
    }
    Ok(head)
}

fn open((open, changed): &(Mutex<bool>, Condvar)) {
    *open.lock().unwrap_or_else(PoisonError::into_inner) = true;
    changed.notify_all();
}

fn asked(edge: &LoneEdge, version: &str) -> Result<BufReader<TcpStream>> {
    let mut stream = TcpStream::connect(("127.0.0.1", edge.port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "POST /api/cart HTTP/{version}\r\nHost: shop\r\nContent-Length: 0\r\n\r\n"
    )?;
    Ok(BufReader::new(stream))
}

#[test]
fn early_hints_arrive_before_the_answer_and_only_where_they_are_understood() -> Result<()> {
    for is_plain in [true, false] {
        let folder = tempfile::tempdir()?;
        let (origin, gate) = hinting_origin()?;
        let edge = edge(folder.path(), origin, is_plain)?;
        let mut stream = asked(&edge, "1.1")?;
        let hints = head(&mut stream)?.to_lowercase();
        assert!(hints.starts_with("http/1.1 103 "), "{is_plain}: {hints}");
        assert!(hints.contains("link: </a.css>; rel=preload\r\n"), "{hints}");
        for inside in ["cache-tag", "x-hop", "content-security-policy"] {
            assert!(!hints.contains(inside), "{is_plain}: {inside} in {hints}");
        }
        open(&gate);
        let answer = head(&mut stream)?;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{is_plain}: {answer}");

        // HTTP/1.0 knows none.
        let mut stream = asked(&edge, "1.0")?;
        open(&gate);
        let mut whole = String::new();
        stream.read_to_string(&mut whole)?;
        assert!(whole.starts_with("HTTP/1.1 200 "), "{is_plain}: {whole}");
        assert!(!whole.contains("HTTP/1.1 103"), "{is_plain}: {whole}");
    }
    Ok(())
}
