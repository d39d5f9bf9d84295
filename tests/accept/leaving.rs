//! A stop waits for requests, and for nobody who has asked for nothing.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use crackers_tests::frames::HELLO;
use crackers_tests::gated::Gated;
use crackers_tests::lone_edge::{LoneEdge, lone_edge_of, overlay};
use crackers_tests::process::{PATIENCE, free_port};
use crackers_tests::tls::Authority;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::http2::NAME;
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
