//! A client that is gone already is still the stranger that it was: what it sent before it reset its connection is judged by its
//! own address, not believed like a trusted proxy's.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use crackers_tests::careless_origin::CarelessOrigin;
use crackers_tests::lone_edge::{LoneEdge, lone_edge_of, overlay};
use crackers_tests::process::{PATIENCE, free_port};
use crackers_tests::tls::Authority;
use rustls::pki_types::ServerName;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// As many as are sent on each way: of so many, some are read after their reset.
const RESETS: usize = 60;

/// Paths of which strangers see nothing, and an address that nobody here has.
const REQUESTS: [&str; 2] = [
    // Plainly forwarded, where it may.
    "POST /hidden/x HTTP/1.1\r\nHost: shop.test\r\nX-Forwarded-For: 10.0.0.1\r\nContent-Length: 2\r\n\r\nok",
    // Through Pingora.
    "POST /hidden/x HTTP/1.1\r\nHost: shop.test\r\nX-Forwarded-For: 10.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
];

fn edge(folder: &Path, origin: u16) -> Result<(LoneEdge, u16, Authority)> {
    let (authority, secure) = (Authority::new()?, free_port()?);
    authority.sign(folder, "shop", "shop.test")?;
    let own = format!(
        "accept: {{connections_per_address_max: 1000, tls: {{listen: ['127.0.0.1:{secure}'], redirect: false, certificates: [{{certificate_file: shop.pem, key_file: shop.key}}]}}}}\n\
         admit:\n  trusted_proxies: []\n  rules: [{{paths: [/hidden/**], only_from: [10.0.0.0/8]}}]\n  \
           rate_limits: [{{name: all, methods: [], path_prefixes: [], requests_max: 100000, window_ms: 600000}}]\n"
    );
    let edge = lone_edge_of(folder, &overlay(origin), &own)?;
    Ok((edge, secure, authority))
}

/// Sends a request and resets the connection before it can have been answered.
async fn reset(port: u16, tls: Option<&Authority>, request: &str) -> Result<()> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    // Closing it resets it then.
    stream.set_zero_linger()?;
    match tls {
        None => {
            let mut stream = stream;
            stream.write_all(request.as_bytes()).await?;
        }
        Some(authority) => {
            let name = ServerName::try_from("shop.test")?;
            let mut stream = authority.client()?.connect(name, stream).await?;
            stream.write_all(request.as_bytes()).await?;
            stream.flush().await?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_resets_a_connection_is_not_taken_for_a_trusted_proxy() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, CarelessOrigin::start()?);
    let (edge, secure, authority) = edge(folder.path(), origin.port)?;
    for (port, tls) in [(edge.port, None), (secure, Some(&authority))] {
        for request in REQUESTS {
            for _ in 0..RESETS {
                reset(port, tls, request).await?;
            }
        }
    }
    // Somebody who waits for the answer: what came before is dealt with.
    let seen = origin.take();
    ensure!(
        seen.is_empty(),
        "{} came through: {:?}",
        seen.len(),
        seen[0]
    );
    let begun = Instant::now();
    while edge.metric("accept_connections").await? > 0 {
        ensure!(begun.elapsed() < PATIENCE, "they never end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(origin.take(), []);
    Ok(())
}
