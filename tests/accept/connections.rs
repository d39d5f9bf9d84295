//! Sockets of both kinds, and how many connections they take.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

use anyhow::Result;
use crackers_tests::lone_edge::{lone_edge_with, raw_origin};
use crackers_tests::raw::{exchange, exchange_unix};
use crackers_tests::stack::{PATIENCE, Setup, Stack};

const ASK: &[u8] = b"GET /api/shop HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn both_programs_listen_on_unix_sockets_and_the_edge_reaches_an_origin_through_one()
-> Result<()> {
    let sockets = tempfile::tempdir()?;
    let [edge, origin] = ["edge", "origin"].map(|name| sockets.path().join(name));
    // Leftovers of a crash: nobody listens there any more.
    for path in [&edge, &origin] {
        drop(std::os::unix::net::UnixListener::bind(path)?);
    }
    let (own, servers) = (
        format!("accept: {{listen_unix: ['{}']}}\n", origin.display()),
        format!(
            "accept: {{listen_unix: ['{}']}}\nforward:\n  groups:\n    - name: origin\n      \
                 servers: [{{address: 'unix:{}', weight: 1}}]\n      \
                 health: {{path: /api/health/live, interval_ms: 200, timeout_ms: 1000, healthy_after: 1, unhealthy_after: 2}}\n",
            edge.display(),
            origin.display()
        ),
    );
    let mut shop = Stack::of(Setup {
        edge: &servers,
        origin: &own,
        ..Setup::default()
    })
    .await?;
    for path in [&edge, &origin] {
        let (answer, closed) = exchange_unix(path, ASK)?;
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && closed,
            "{}: {answer}",
            path.display()
        );
    }
    assert_eq!(shop.get("/api/shop").await?.status, 200);
    assert!(shop.edge.terminate()?.success() && shop.origins[0].terminate()?.success());
    assert!(
        !edge.exists() && !origin.exists(),
        "a socket is left behind"
    );
    Ok(())
}

/// A connection that was answered and stays open; none where the other side closes it without a word.
fn hold(port: u16) -> Result<Option<TcpStream>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let asked = stream.write_all(b"GET /api/shop HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut status = [0; 13];
    match asked.and_then(|()| stream.read_exact(&mut status)) {
        Ok(()) => anyhow::ensure!(&status == b"HTTP/1.1 200 ", "{status:?}"),
        Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(error.into()),
        Err(_) => return Ok(None),
    }
    Ok(Some(stream))
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_the_limit_are_closed_and_counted_and_places_come_back() -> Result<()> {
    // The test's own client keeps a connection or two to the edge, the edge some to the origin.
    let setup = Setup {
        edge: "accept: {connections_max: 6}\n",
        origin: "accept: {connections_max: 40}\n",
        ..Setup::default()
    };
    let shop = Stack::of(setup).await?;
    for (port, limit) in [(shop.port, 6), (shop.origin_ports[0], 40)] {
        let mut held = Vec::new();
        while let Some(stream) = hold(port)? {
            held.push(stream);
            anyhow::ensure!(held.len() <= limit, "{} connections are open", held.len());
        }
        assert!(!held.is_empty());
        drop(held);
        let begun = std::time::Instant::now();
        while !exchange(port, ASK).is_ok_and(|(answer, _)| answer.starts_with("HTTP/1.1 200 ")) {
            anyhow::ensure!(begun.elapsed() < PATIENCE, "no place comes back");
        }
    }
    assert!(
        shop.edge_metric("crackers_edge_accept_connections_refused_total")
            .await?
            >= 1.0
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_gets_only_so_many_connections_unless_it_is_a_trusted_proxy() -> Result<()> {
    let held_until_refused = |port: u16| -> Result<usize> {
        let mut held = Vec::new();
        while held.len() < 20
            && let Some(stream) = hold(port)?
        {
            held.push(stream);
        }
        Ok(held.len())
    };
    let limit = "accept: {connections_per_address_max: 5}\n";
    let strict = Stack::start(1, limit).await?;
    // The test's own client has some of them.
    let own = strict
        .edge_metric("crackers_edge_accept_connections")
        .await?;
    let held = held_until_refused(strict.port)?;
    assert_eq!(held as f64, 5.0 - own);
    let trusting = format!("{limit}admit: {{trusted_proxies: [127.0.0.0/8]}}\n");
    let trusting = Stack::start(1, &trusting).await?;
    assert_eq!(held_until_refused(trusting.port)?, 20);
    Ok(())
}

#[test]
fn the_last_answer_that_a_connection_may_have_says_so() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let origin = raw_origin("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")?;
    let own = "accept: {requests_per_connection_max: 3}\n";
    let (_edge, port) = lone_edge_with(folder.path(), origin, own)?;
    for last in ["GET /health", "POST /api/x", "GET /api/x"] {
        let asked = ["GET /health", "GET /api/x", last, "GET /health"];
        let requests = asked.map(|line| {
            format!("{line} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nAuthorization: x\r\n\r\n")
        });
        let (seen, is_closed) = exchange(port, requests.concat().as_bytes())?;
        let seen = seen.to_ascii_lowercase();
        let each = seen.split("http/1.1 200 ").skip(1);
        let closes: Vec<_> = each
            .map(|answer| answer.contains("connection: close"))
            .collect();
        assert_eq!(closes, [false, false, true], "{last}: {seen}");
        assert!(is_closed, "{last}");
    }
    Ok(())
}
