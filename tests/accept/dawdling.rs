//! Clients who send or take so little that they would never come to an end give up what they hold; slow ones are served.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use crackers_tests::careless_origin::CarelessOrigin;
use crackers_tests::lone_edge::{LoneEdge, lone_edge_of, overlay};
use crackers_tests::process::{PATIENCE, free_port};
use crackers_tests::raw::exchange;
use crackers_tests::tls::Authority;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// More than what lies between two programs of one machine.
const BYTES: usize = 24 * 1024 * 1024;

/// Paths under /kept may be kept, others not.
fn answer(head: &str) -> Vec<u8> {
    let is_kept = head.starts_with("GET /kept");
    let (control, length) = match (is_kept, head.contains("/large")) {
        (true, _) => ("max-age=600", BYTES),
        (false, true) => ("no-store", BYTES),
        (false, false) => ("no-store", 2),
    };
    let mut said = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nCache-Control: {control}\r\nContent-Length: {length}\r\n\r\n"
    )
    .into_bytes();
    said.resize(said.len() + length, b'x');
    said
}

/// An edge with so many slots that waits so long for a client, and TLS on the second port.
fn edge(
    folder: &Path,
    origin: u16,
    slots: u32,
    patience_ms: u32,
) -> Result<(LoneEdge, u16, Authority)> {
    let (authority, secure) = (Authority::new()?, free_port()?);
    authority.sign(folder, "shop", "shop.test")?;
    let own = format!(
        "accept:\n  body_timeout_ms: {patience_ms}\n  bytes_per_second_min: 1000\n  tls: {{listen: ['127.0.0.1:{secure}'], redirect: false, \
         certificates: [{{certificate_file: shop.pem, key_file: shop.key}}]}}\n\
         admit: {{rate_limits: []}}\n\
         dispatch: {{concurrency_max: {slots}, concurrency_when_full: {slots}, queue_wait_ms: 20000, slots_percent: {{checkout: 100, cart: 100, browse: 100, export: 100}}}}\n\
         cache: {{entry_bytes_max: 50000000, routes: [{{path_prefix: /kept, enabled: true, query: [], ignored_query: [], ttl_seconds: null}}]}}\n"
    );
    let edge = lone_edge_of(folder, &overlay(origin), &own)?;
    Ok((edge, secure, authority))
}

/// Sends a byte every now and then behind a head, until the edge has had enough; what it said.
fn trickle(port: u16, head: &str, byte: &[u8]) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.write_all(head.as_bytes())?;
    stream.set_read_timeout(Some(Duration::from_millis(150)))?;
    let (begun, mut said) = (Instant::now(), Vec::new());
    loop {
        ensure!(begun.elapsed() < PATIENCE, "nobody minds {head:?}");
        let _ = stream.write_all(byte);
        let mut part = [0; 4096];
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(read) => said.extend_from_slice(&part[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
    }
    Ok(String::from_utf8_lossy(&said).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_trickles_gives_up_its_slot() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, CarelessOrigin::answering(answer)?);
    let (edge, ..) = edge(folder.path(), origin.port, 1, 700)?;
    let port = edge.port;
    let slow = [
        ("Content-Length: 5000", &b"x"[..]),
        ("Content-Length: 500000", b"x"),
        ("Transfer-Encoding: chunked", b"1\r\nx\r\n"),
    ];
    let slow = slow.map(|(field, byte)| {
        let head = format!("POST /x HTTP/1.1\r\nHost: shop.test\r\n{field}\r\n\r\n");
        std::thread::spawn(move || trickle(port, &head, byte))
    });
    for one in slow {
        let Ok(said) = one.join() else {
            anyhow::bail!("a client has failed");
        };
        let said = said?;
        assert!(
            said.is_empty() || said.starts_with("HTTP/1.1 408 "),
            "{said}"
        );
    }
    let next = b"GET /x HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n";
    assert!(exchange(port, next)?.0.starts_with("HTTP/1.1 200 "));
    edge.metric_is("dispatch_in_flight", 0).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_body_takes_no_slot_before_it_is_there() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, CarelessOrigin::answering(answer)?);
    let (edge, ..) = edge(folder.path(), origin.port, 1, 10_000)?;
    let mut slow = TcpStream::connect(("127.0.0.1", edge.port))?;
    slow.set_read_timeout(Some(PATIENCE))?;
    slow.write_all(b"POST /x HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\no")?;
    let next = b"GET /x HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n";
    assert!(exchange(edge.port, next)?.0.starts_with("HTTP/1.1 200 "));
    edge.metric_is("dispatch_in_flight", 0).await?;
    slow.write_all(b"k")?;
    let mut said = [0; 12];
    slow.read_exact(&mut said)?;
    assert_eq!(&said, b"HTTP/1.1 200");
    Ok(())
}

/// The ways that an answer takes: from the cache, from it through Pingora, plainly forwarded, streamed through Pingora.
const WAYS: [&str; 4] = [
    "GET /kept HTTP/1.1\r\nHost: shop.test\r\n\r\n",
    "GET /kept HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n",
    "GET /large HTTP/1.1\r\nHost: shop.test\r\n\r\n",
    "GET /large HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n",
];

const SMALL: &str = "GET /small HTTP/1.1\r\nHost: shop.test\r\n\r\n";

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A connection to the plain port, or over TLS.
async fn connect(edge: &LoneEdge, secure: Option<(u16, &Authority)>) -> Result<Box<dyn Stream>> {
    let Some((port, authority)) = secure else {
        return Ok(Box::new(
            tokio::net::TcpStream::connect(("127.0.0.1", edge.port)).await?,
        ));
    };
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
    let name = ServerName::try_from("shop.test")?;
    Ok(Box::new(authority.client()?.connect(name, stream).await?))
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_takes_nothing_or_next_to_nothing_is_let_go_on_every_way() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, CarelessOrigin::answering(answer)?);
    let (edge, port, authority) = edge(folder.path(), origin.port, 1, 700)?;
    exchange(edge.port, WAYS[1].as_bytes())?;
    for secure in [None, Some((port, &authority))] {
        for way in WAYS {
            let mut still = connect(&edge, secure).await?;
            // The edge has him once it has answered.
            still.write_all(SMALL.as_bytes()).await?;
            let mut seen = Vec::new();
            while !seen.ends_with(b"\r\n\r\nxx") {
                seen.push(still.read_u8().await?);
            }
            still.write_all(way.as_bytes()).await?;
            edge.metric_is("accept_connections", 0).await?;
            edge.metric_is("dispatch_in_flight", 0).await?;
            drop(still);
        }
    }
    let mut sipping = connect(&edge, None).await?;
    sipping.write_all(WAYS[2].as_bytes()).await?;
    let begun = Instant::now();
    let mut sip = [0; 64];
    while sipping.read(&mut sip).await.is_ok_and(|read| read > 0)
        && edge.metric("accept_connections").await? > 0
    {
        ensure!(begun.elapsed() < PATIENCE, "it is never let go");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    edge.metric_is("dispatch_in_flight", 0).await
}

/// Takes half a megabyte at a time, with a rest before the next: in all longer than the longest wait, none of which is too long.
async fn takes_slowly(mut stream: Box<dyn Stream>, way: &str) -> Result<()> {
    stream.write_all(way.as_bytes()).await?;
    let (mut part, mut got, mut rested) = (vec![0; 64 * 1024], 0, 0);
    while got < BYTES {
        let read = stream.read(&mut part).await?;
        ensure!(read > 0, "cut after {got} bytes of {way:?}");
        got += read;
        if got - rested > 512 * 1024 {
            rested = got;
            tokio::time::sleep(Duration::from_millis(240)).await;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_who_goes_on_gets_everything_on_every_way() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, CarelessOrigin::answering(answer)?);
    let (edge, port, authority) = edge(folder.path(), origin.port, 8, 10_000)?;
    exchange(edge.port, WAYS[1].as_bytes())?;
    let mut readers = Vec::new();
    for secure in [None, Some((port, &authority))] {
        for way in WAYS {
            let stream = connect(&edge, secure).await?;
            readers.push(tokio::spawn(takes_slowly(stream, way)));
        }
    }
    for reader in readers {
        reader.await??;
    }
    Ok(())
}
