//! A proxy in front says whose connection it passes on, and only a trusted one is believed.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use anyhow::Result;
use crackers_tests::careless_origin::CarelessOrigin;
use crackers_tests::lone_edge::{LoneEdge, lone_edge_of};
use crackers_tests::process::{PATIENCE, free_port};

use super::tls;

const ASK: &[u8] =
    b"GET /x HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.66\r\nConnection: close\r\n\r\n";

/// A header of version 2 with this command, kind of addresses, and what follows.
fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap_or_default().to_be_bytes();
    [
        b"\r\n\r\n\0\r\nQUIT\n",
        &[command, family][..],
        &length,
        rest,
    ]
    .concat()
}

/// On behalf of 198.51.100.NUMBER.
fn on_behalf_of(number: u8) -> Vec<u8> {
    header(
        0x21,
        0x11,
        &[198, 51, 100, number, 127, 0, 0, 1, 0x12, 0x34, 0, 80],
    )
}

/// An edge that hears such headers on its port from these proxies, with further settings of stage `accept`.
fn edge(
    folder: &Path,
    origin: &CarelessOrigin,
    trusted: &str,
    accept: &str,
) -> Result<(LoneEdge, u16)> {
    let port = free_port()?;
    let groups = format!(
        "forward:\n  groups:\n    - name: origin\n      servers: [{{address: '127.0.0.1:{}', weight: 1}}]\n      \
         health: {{path: /api/health/live, interval_ms: 1000, timeout_ms: 5000, healthy_after: 1, unhealthy_after: 9}}\n",
        origin.port
    );
    // Beside the plain one, by which a test sees that it serves.
    let own = format!(
        "accept: {{{accept}listen: ['127.0.0.1:$PORT', '127.0.0.1:{port}'], proxy_protocol: ['127.0.0.1:{port}']}}\n\
         admit: {{trusted_proxies: [{trusted}], rate_limits: []}}\n"
    );
    Ok((lone_edge_of(folder, &groups, &own)?, port))
}

/// Sends bytes in pieces; the whole answer, empty where there is none.
fn exchange(port: u16, pieces: &[&[u8]]) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    for piece in pieces {
        // The edge may close the connection before it has everything.
        let _ = stream.write_all(piece);
    }
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => Err(error.into()),
        _ => Ok(String::from_utf8_lossy(&answer).into_owned()),
    }
}

/// Whom the origin takes for the client of the last request.
fn client(origin: &CarelessOrigin) -> String {
    let seen = origin.take();
    let head = seen
        .last()
        .map(|one| one.0.to_ascii_lowercase())
        .unwrap_or_default();
    let line = head
        .lines()
        .find_map(|line| line.strip_prefix("x-forwarded-for: "));
    line.unwrap_or_default().to_owned()
}

#[test]
fn the_client_is_the_one_whom_a_trusted_proxy_names() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, CarelessOrigin::start()?);
    let (edge, port) = edge(folder.path(), &origin, "127.0.0.0/8", "")?;
    let mut six = [0; 36];
    six[..16].copy_from_slice(&"2001:db8::7".parse::<std::net::Ipv6Addr>()?.octets());
    let with_more = [
        &[198, 51, 100, 9, 127, 0, 0, 1, 0x12, 0x34, 0, 80][..],
        &[4, 0, 1, 0],
    ]
    .concat();
    for (header, named) in [
        (on_behalf_of(7), "198.51.100.7"),
        (header(0x21, 0x21, &six), "2001:db8::7"),
        (header(0x21, 0x11, &with_more), "198.51.100.9"),
        // The proxy speaks for itself, or of nobody with an address: then it is one more hop that is believed.
        (header(0x20, 0, b""), "203.0.113.66, 203.0.113.66"),
        (header(0x21, 0, b""), "203.0.113.66, 203.0.113.66"),
    ] {
        let answer = exchange(port, &[&header, ASK])?;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{named}: {answer}");
        assert_eq!(client(&origin), named);
    }
    // Byte by byte.
    let whole = [&on_behalf_of(8)[..], ASK].concat();
    let pieces: Vec<&[u8]> = whole.chunks(1).collect();
    assert!(exchange(port, &pieces)?.starts_with("HTTP/1.1 200 "));
    assert_eq!(client(&origin), "198.51.100.8");
    // Where none is expected, it is nothing but a malformed request.
    let answer = exchange(edge.port, &[&on_behalf_of(7), ASK])?;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    Ok(())
}

#[test]
fn without_a_good_header_of_a_trusted_proxy_a_connection_is_closed_unanswered() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, CarelessOrigin::start()?);
    let (_edge, port) = edge(
        folder.path(),
        &origin,
        "127.0.0.0/8",
        "head_timeout_ms: 500, ",
    )?;
    for bad in [
        &b""[..],
        b"PROXY TCP4 198.51.100.7 127.0.0.1 4660 80\r\n",
        &header(0x11, 0x11, &[0; 12]),
        &header(0x21, 0x12, &[0; 12]),
        &header(0x21, 0x11, &[0; 11]),
        &header(0x21, 0x11, &[0; 3000]),
    ] {
        assert_eq!(exchange(port, &[bad, ASK])?, "", "{bad:?}");
    }
    assert_eq!(exchange(port, &[&on_behalf_of(7)[..20]])?, "");
    let (folder, stranger) = (tempfile::tempdir()?, CarelessOrigin::start()?);
    let (_edge, port) = edge(folder.path(), &stranger, "10.0.0.0/8", "")?;
    assert_eq!(exchange(port, &[&on_behalf_of(7), ASK])?, "");
    assert!(origin.take().is_empty() && stranger.take().is_empty());
    Ok(())
}

#[test]
fn a_named_client_has_no_more_connections_than_one_who_comes_himself() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, CarelessOrigin::start()?);
    let limit = "connections_per_address_max: 2, idle_timeout_ms: 600000, ";
    let (_edge, port) = edge(folder.path(), &origin, "127.0.0.0/8", limit)?;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(
            &[
                &on_behalf_of(7)[..],
                b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n",
            ]
            .concat(),
        )?;
        assert!(stream.read(&mut [0; 4096])? > 0);
        held.push(stream);
    }
    assert_eq!(exchange(port, &[&on_behalf_of(7), ASK])?, "");
    assert!(exchange(port, &[&on_behalf_of(8), ASK])?.starts_with("HTTP/1.1 200 "));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_begins_behind_the_header() -> Result<()> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (authority, folder) = (crackers_tests::tls::Authority::new()?, tempfile::tempdir()?);
    authority.sign(folder.path(), "shop", "shop.example.in")?;
    authority.sign(folder.path(), "wild", "*.example.org")?;
    let (port, origin) = (free_port()?, CarelessOrigin::start()?);
    let groups = format!(
        "forward:\n  groups:\n    - name: origin\n      servers: [{{address: '127.0.0.1:{}', weight: 1}}]\n      \
         health: {{path: /api/health/live, interval_ms: 1000, timeout_ms: 5000, healthy_after: 1, unhealthy_after: 9}}\n\
         admit: {{trusted_proxies: [127.0.0.0/8]}}\n",
        origin.port
    );
    let settings = tls::settings(folder.path(), port);
    let heard = format!("accept: {{proxy_protocol: ['127.0.0.1:{port}'], ");
    let _edge = lone_edge_of(
        folder.path(),
        &groups,
        &settings.replacen("accept: {", &heard, 1),
    )?;
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(&on_behalf_of(7)).await?;
    let connector = authority.client_of(&["http/1.1"])?;
    let mut stream = connector
        .connect("shop.example.in".try_into()?, stream)
        .await?;
    stream.write_all(ASK).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    assert!(answer.starts_with(b"HTTP/1.1 200 "));
    assert_eq!(client(&origin), "198.51.100.7");
    Ok(())
}
