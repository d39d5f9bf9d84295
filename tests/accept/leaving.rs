//! A stop waits for requests, and for nobody who has asked for nothing.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use crackers_tests::careless_origin::CarelessOrigin;
use crackers_tests::frames::HELLO;
use crackers_tests::gated::Gated;
use crackers_tests::lone_edge::{LoneEdge, lone_edge_of, overlay};
use crackers_tests::process::{PATIENCE, free_port};
use crackers_tests::tls::Authority;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::http2::{NAME, Place, request};
use super::tls;

/// Much less than anything that a client may be waited for here, and more than it takes to leave on a loaded machine.
const SOON: Duration = Duration::from_secs(12);

/// Stops an edge, which must not take long.
fn stops_soon(edge: &mut LoneEdge) -> Result<()> {
    let begun = Instant::now();
    ensure!(edge.process.terminate()?.success());
    let (took, log) = (begun.elapsed(), edge.process.log());
    ensure!(took < SOON && !log.contains("cut off"), "{took:?}: {log}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_nobody_who_has_not_come_to_a_request() -> Result<()> {
    let (authority, folder) = (Authority::new()?, tempfile::tempdir()?);
    let (origin, port) = (Gated::start()?, free_port()?);
    authority.sign(folder.path(), "shop", NAME)?;
    authority.sign(folder.path(), "wild", "*.example.org")?;
    let own = tls::settings(folder.path(), port);
    let own = own.replacen(
        "accept: {tls: {",
        "accept: {head_timeout_ms: 25000, tls: {handshake_timeout_ms: 25000, ",
        1,
    );
    let mut edge = lone_edge_of(folder.path(), &overlay(origin.port), &own)?;
    let open = || tokio::net::TcpStream::connect(("127.0.0.1", port));
    let connector = authority.client_of(&["h2"])?;
    // No TLS, no word of HTTP/2 behind it, and no answer to the question whether all was heard.
    let _silent = open().await?;
    let _agreed = connector.connect(NAME.try_into()?, open().await?).await?;
    let mut deaf = connector.connect(NAME.try_into()?, open().await?).await?;
    deaf.write_all(HELLO).await?;
    deaf.flush().await?;
    deaf.read_exact(&mut [0; 9]).await?;
    edge.metric_is("accept_connections", 3).await?;
    tokio::task::block_in_place(|| stops_soon(&mut edge))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_no_proxy_that_does_not_say_whose_connection_it_is() -> Result<()> {
    let (folder, origin, port) = (tempfile::tempdir()?, Gated::start()?, free_port()?);
    let own = format!(
        "accept: {{head_timeout_ms: 25000, listen: ['127.0.0.1:$PORT', '127.0.0.1:{port}'], proxy_protocol: ['127.0.0.1:{port}']}}\n\
         admit: {{trusted_proxies: [127.0.0.0/8]}}\n"
    );
    let mut edge = lone_edge_of(folder.path(), &overlay(origin.port), &own)?;
    let _silent = TcpStream::connect(("127.0.0.1", port))?;
    edge.metric_is("accept_connections", 1).await?;
    tokio::task::block_in_place(|| stops_soon(&mut edge))
}

/// More than a client with little room in his system takes at once, and no more than an edge has room for.
const BYTES: usize = 50_000;

fn large(_head: &str) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: {BYTES}\r\n\r\n");
    let mut said = head.into_bytes();
    said.resize(said.len() + BYTES, b'x');
    said
}

/// All of the answer has left for him, and nobody here has it any more; he still has to take it.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_throws_away_nothing_that_a_slow_client_over_http2_has_not_taken() -> Result<()> {
    let (place, origin) = (Place::new()?, CarelessOrigin::answering(large)?);
    let mut edge = place.edge_of(origin.port, "", "")?;
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4096)?;
    let socket = socket.connect(([127, 0, 0, 1], place.port).into()).await?;
    let connector = place.authority.client_of(&["h2"])?;
    let stream = connector.connect(NAME.try_into()?, socket).await?;
    let windows = 4 * 1024 * 1024;
    let mut client = h2::client::Builder::new();
    client.initial_window_size(windows);
    client.initial_connection_window_size(windows);
    let (mut send, connection) = client.handshake::<_, Bytes>(stream).await?;
    let mut connection = Box::pin(connection);
    let (answer, _) = send.send_request(request("GET", "/api/large", &[])?, true)?;
    let answer = tokio::select! {
        answer = answer => answer?,
        ended = &mut connection => bail!("{ended:?}"),
    };
    // From now on he takes nothing for a while.
    let stopped = tokio::task::spawn_blocking(move || edge.process.terminate());
    tokio::time::sleep(Duration::from_secs(4)).await;
    let reading = tokio::spawn(connection);
    let (mut body, mut got) = (answer.into_body(), 0);
    while let Some(part) = body.data().await {
        got += part.with_context(|| format!("after {got} bytes"))?.len();
    }
    assert_eq!(got, BYTES);
    drop((send, body));
    // Nor does anything break while the two say goodbye to each other.
    reading.await?.context("the goodbye")?;
    ensure!(stopped.await??.success());
    Ok(())
}

/// Asks for the health of the edge, with something behind the request; the answer.
fn ask(stream: &mut TcpStream, behind: &str) -> Result<String> {
    let head = format!("GET /health HTTP/1.1\r\nHost: a\r\n\r\n{behind}");
    stream.write_all(head.as_bytes())?;
    let (mut seen, mut byte) = (Vec::new(), [0]);
    while !seen.ends_with(b"}") {
        stream.read_exact(&mut byte)?;
        seen.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&seen).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_line_behind_a_request_begins_no_other() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, Gated::start()?);
    let own = "accept: {head_timeout_ms: 300}\n";
    let mut edge = lone_edge_of(folder.path(), &overlay(origin.port), own)?;
    let mut stream = TcpStream::connect(("127.0.0.1", edge.port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // Were it the beginning of a head, that would be late by then.
    let late = Duration::from_millis(600);
    for behind in ["\r\n", "", "\r\n\r\n"] {
        let answer = ask(&mut stream, behind)?;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        tokio::time::sleep(late).await;
    }
    for half in ["\r", "\n"] {
        stream.write_all(half.as_bytes())?;
        tokio::time::sleep(late).await;
    }
    let answer = ask(&mut stream, "\r\n")?;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    tokio::time::sleep(late).await;
    tokio::task::block_in_place(|| stops_soon(&mut edge))?;
    // It ends without a word.
    assert_eq!(stream.read(&mut [0])?, 0);
    Ok(())
}

#[test]
fn empty_lines_without_end_keep_no_connection() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, Gated::start()?);
    let edge = lone_edge_of(folder.path(), &overlay(origin.port), "")?;
    let (seen, is_closed) = crackers_tests::raw::exchange(edge.port, &b"\r\n".repeat(100))?;
    assert!(seen.starts_with("HTTP/1.1 400 ") && is_closed, "{seen}");
    Ok(())
}
