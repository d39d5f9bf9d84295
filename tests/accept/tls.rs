//! TLS at the edge: certificates by name, taken anew when they change, and the way from plain HTTP.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use crackers_tests::lone_edge::{lone_edge_with, raw_origin};
use crackers_tests::process::free_port;
use crackers_tests::raw::exchange;
use crackers_tests::stack::{Setup, Stack};
use crackers_tests::tls::Authority;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::http2::Place;

/// An answer over TLS, as text, from the server that has this name. Whether its session was resumed.
pub(super) async fn ask(
    client: &TlsConnector,
    port: u16,
    name: &str,
    path: &str,
) -> Result<(String, bool)> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let mut stream = client.connect(name.to_owned().try_into()?, stream).await?;
    let head = format!("GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let kind = stream.get_ref().1.handshake_kind();
    let is_resumed = kind == Some(rustls::HandshakeKind::Resumed);
    Ok((String::from_utf8_lossy(&answer).into_owned(), is_resumed))
}

pub(super) fn settings(folder: &Path, port: u16) -> String {
    let pair = |file: &str| {
        let at = folder.join(file);
        let at = at.display();
        format!("{{certificate_file: '{at}.pem', key_file: '{at}.key'}}")
    };
    format!(
        "accept: {{tls: {{listen: ['127.0.0.1:{port}'], certificates: [{}, {}], reload_interval_ms: 50, redirect: false, redirect_port: {port}}}}}\n",
        pair("shop"),
        pair("wild")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn each_name_gets_its_certificate_and_answers_are_those_of_plain_http() -> Result<()> {
    let (authority, folder, port) = (Authority::new()?, tempfile::tempdir()?, free_port()?);
    authority.sign(folder.path(), "shop", "shop.example.in")?;
    authority.sign(folder.path(), "wild", "*.example.org")?;
    let edge = settings(folder.path(), port);
    let shop = Stack::of(Setup {
        edge: &edge,
        ..Setup::default()
    });
    let shop = shop.await?;
    let client = authority.client()?;
    for name in ["shop.example.in", "www.example.org"] {
        let (answer, _) = ask(&client, port, name, "/api/shop").await?;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(
            answer.contains("max-age=31536000; includeSubDomains"),
            "{answer}"
        );
    }
    // Nobody has a certificate for this name, and nobody pretends to.
    assert!(ask(&client, port, "shop.example.com", "/").await.is_err());
    let (second, is_resumed) = ask(&client, port, "shop.example.in", "/api/shop").await?;
    assert!(
        is_resumed,
        "a client that comes back saves the key exchange"
    );
    assert!(second.contains("crackers; hit"), "{second}");
    assert!(
        shop.edge_metric("crackers_edge_accept_tls_handshakes_total{outcome=\"full\"}")
            .await?
            >= 2.0
    );
    Ok(())
}

const EMPTY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_speaks_only_tls_1_2_is_served() -> Result<()> {
    let place = Place::new()?;
    let _edge = place.edge_of(raw_origin(EMPTY)?, "", "")?;
    let (authority, port) = (&place.authority, place.port);
    let client = authority.client_with(&["http/1.1"], &[&rustls::version::TLS12])?;
    let (answer, _) = ask(&client, port, "shop.example.in", "/x").await?;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (answer, is_resumed) = ask(&client, port, "shop.example.in", "/x").await?;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(is_resumed);
    Ok(())
}

/// What a client says first whose newest version has this minor number, 3 for TLS 1.2 (RFC 5246 7.4.1.2).
fn hello(minor: u8) -> Vec<u8> {
    // supported_groups: x25519 and secp256r1.
    let groups: [u8; 10] = [0, 10, 0, 6, 0, 4, 0, 29, 0, 23];
    // signature_algorithms: ecdsa_secp256r1_sha256.
    let signatures: [u8; 8] = [0, 13, 0, 4, 0, 2, 4, 3];
    // A random number; no session; ECDHE-ECDSA with AES-128 in GCM, and in CBC; no compression; 18 bytes of extensions.
    let offer: [u8; 11] = [0, 0, 4, 0xc0, 0x2b, 0xc0, 0x09, 1, 0, 0, 18];
    let message = [&[3, minor][..], &[7; 32], &offer, &groups, &signatures].concat();
    // A record of a ClientHello, each with its length.
    [&[22, 3, 1, 0, 67, 1, 0, 0, 63][..], &message[..]].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_speaks_nothing_newer_than_tls_1_1_is_refused() -> Result<()> {
    let place = Place::new()?;
    let _edge = place.edge_of(raw_origin(EMPTY)?, "", "")?;
    for minor in [1, 2] {
        let (said, is_closed) = exchange(place.port, &hello(minor))?;
        // An alert, fatal: protocol_version (RFC 5246 7.2).
        let is_alert = said.starts_with('\u{15}') && said.ends_with("\u{2}\u{46}");
        assert!(is_alert && is_closed, "{minor}: {said:?}");
    }
    // With another number, a handshake: it is the version that was refused.
    let (said, _) = exchange(place.port, &hello(3))?;
    assert!(said.starts_with('\u{16}'), "{said:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_passes_over_tls() -> Result<()> {
    let (authority, folder, port) = (Authority::new()?, tempfile::tempdir()?, free_port()?);
    authority.sign(folder.path(), "shop", "shop.example.in")?;
    authority.sign(folder.path(), "wild", "*.example.org")?;
    let origin = raw_origin(super::streams::AGREED)?;
    let own = settings(folder.path(), port);
    let _edge = lone_edge_with(folder.path(), origin, &own)?;
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let name = "shop.example.in".to_owned().try_into()?;
    let mut stream = authority.client()?.connect(name, stream).await?;
    let asking = super::streams::ASKING.replace("Host: a", "Host: shop.example.in");
    stream
        .write_all(format!("{asking}early").as_bytes())
        .await?;
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\nearly") {
        ensure!(stream.read_buf(&mut seen).await? > 0, "closed");
    }
    let long = vec![b'x'; 300_000];
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut back = vec![0; long.len()];
    let (sent, read) = tokio::join!(writer.write_all(&long), reader.read_exact(&mut back));
    sent?;
    read?;
    assert!(back == long);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_certificates_are_taken_and_broken_ones_are_not() -> Result<()> {
    let (old, new) = (Authority::new()?, Authority::new()?);
    let (folder, port) = (tempfile::tempdir()?, free_port()?);
    old.sign(folder.path(), "shop", "shop.example.in")?;
    old.sign(folder.path(), "wild", "*.example.org")?;
    let edge = settings(folder.path(), port);
    let shop = Stack::of(Setup {
        edge: &edge,
        ..Setup::default()
    });
    let shop = shop.await?;
    let asks = async |authority: &Authority| {
        ask(&authority.client()?, port, "shop.example.in", "/health").await
    };
    asks(&old).await.context("the old one is good")?;
    assert!(asks(&new).await.is_err());

    std::fs::write(folder.path().join("shop.pem"), "no certificate")?;
    shop.wait_for("it is refused", async || {
        Ok(shop
            .edge
            .log()
            .contains("changed certificates are not taken"))
    })
    .await?;
    asks(&old).await.context("the old one is still in use")?;

    new.sign(folder.path(), "shop", "shop.example.in")?;
    shop.wait_for("the new one is in use", async || {
        Ok(asks(&new).await.is_ok())
    })
    .await?;
    assert!(asks(&old).await.is_err());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_requests_are_sent_to_tls_but_for_health_and_proofs_of_the_name() -> Result<()> {
    let (authority, folder, port) = (Authority::new()?, tempfile::tempdir()?, free_port()?);
    authority.sign(folder.path(), "shop", "shop.example.in")?;
    authority.sign(folder.path(), "wild", "*.example.org")?;
    let own = settings(folder.path(), port).replace("redirect: false", "redirect: true");
    let origin = raw_origin("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
    let (_edge, plain) = lone_edge_with(folder.path(), origin, &own)?;
    let ask = |path: &str| {
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: shop.example.in:{plain}\r\nConnection: close\r\n\r\n"
        );
        Ok::<_, std::io::Error>(exchange(plain, head.as_bytes())?.0)
    };
    let sent = ask("/catalogue?q=rocket")?;
    assert!(sent.starts_with("HTTP/1.1 308"), "{sent}");
    let there = format!("https://shop.example.in:{port}/catalogue?q=rocket");
    assert!(sent.contains(&there), "{sent}");
    assert!(
        !sent.to_lowercase().contains("strict-transport-security"),
        "{sent}"
    );
    for stays in ["/health", "/.well-known/acme-challenge/token"] {
        assert!(ask(stays)?.starts_with("HTTP/1.1 200"), "{stays}");
    }
    // Without a name there is no place to send anybody to.
    let (nameless, _) = exchange(plain, b"GET /evil.example/x HTTP/1.0\r\n\r\n")?;
    assert!(
        nameless.starts_with("HTTP/1.1 200") && !nameless.contains("evil"),
        "{nameless}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_certificate_is_named_before_any_port_is_bound() -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(
        folder.path().join("own.yaml"),
        settings(folder.path(), free_port()?),
    )?;
    for arguments in [
        &["--config", "own.yaml", "--test"][..],
        &["--config", "own.yaml"],
    ] {
        let said = crackers_tests::process::run("crackers-proxy", arguments, folder.path());
        let said = said.err().context("it was taken")?.to_string();
        assert!(
            said.contains("accept.tls.certificates.0") && said.contains("shop.pem"),
            "{said}"
        );
    }
    Ok(())
}
