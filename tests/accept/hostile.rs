//! Clients that mean harm cost the others nothing: the slow, the endless, the many, and those who say they are somebody else.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use anyhow::{Result, ensure};
use crackers_tests::careless_origin::CarelessOrigin;
use crackers_tests::lone_edge::{lone_edge, lone_edge_with};
use crackers_tests::process::PATIENCE;
use crackers_tests::raw::exchange;

/// Asks for something that is never kept; the whole answer.
fn ask(port: u16, fields: &str) -> Result<String> {
    let request = format!("GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n");
    Ok(exchange(port, request.as_bytes())?.0)
}

#[test]
fn hundreds_of_slow_clients_delay_nobody_and_are_ended() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, CarelessOrigin::start()?);
    let own = "accept: {head_timeout_ms: 4000, body_timeout_ms: 4000, idle_timeout_ms: 4000}\n\
        admit: {rate_limits: []}\ndispatch: {concurrency_max: 8, concurrency_when_full: 8, slots_percent: {checkout: 100, cart: 100, browse: 100, export: 10}}\n";
    let (_edge, port) = lone_edge_with(folder.path(), origin.port, own)?;
    let mut slow = Vec::new();
    for number in 0..300 {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let part: &[u8] = match number % 3 {
            0 => b"GET /x HTTP/1.1\r\nHost: a\r\nX: ",
            1 => b"",
            _ => b"G",
        };
        stream.write_all(part)?;
        slow.push(stream);
    }
    for _ in 0..50 {
        let answer = ask(port, "")?;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    for mut stream in slow {
        let mut all = Vec::new();
        stream.read_to_end(&mut all)?;
        let said = String::from_utf8_lossy(&all);
        assert!(
            said.is_empty() || said.starts_with("HTTP/1.1 408 "),
            "{said}"
        );
    }
    Ok(())
}

#[test]
fn slow_bodies_hold_slots_for_no_longer_than_they_may() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, CarelessOrigin::start()?);
    let own = "accept: {body_timeout_ms: 500}\nadmit: {rate_limits: []}\n\
        dispatch: {concurrency_max: 4, concurrency_when_full: 4, queue_wait_ms: 20000, slots_percent: {checkout: 100, cart: 100, browse: 100, export: 25}}\n";
    let (_edge, port) = lone_edge_with(folder.path(), origin.port, own)?;
    let slow: Vec<_> = (0..20)
        .map(|_| {
            std::thread::spawn(move || {
                exchange(
                    port,
                    b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc",
                )
            })
        })
        .collect();
    let answer = ask(port, "")?;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    for one in slow {
        let Ok(said) = one.join() else {
            anyhow::bail!("a client has failed");
        };
        let (said, is_closed) = said?;
        assert!(said.starts_with("HTTP/1.1 408 ") && is_closed, "{said}");
    }
    Ok(())
}

#[test]
fn a_head_without_end_is_cut_off_after_what_a_head_may_have() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, CarelessOrigin::start()?);
    let (_edge, port) = lone_edge(folder.path(), origin.port)?;
    for line in ["X: y\r\n", "X-Long: ", "\u{e9}"] {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /x HTTP/1.1\r\nHost: a\r\n")?;
        let (piece, mut sent) = (line.repeat(512), 0);
        while stream.write_all(piece.as_bytes()).is_ok() {
            sent += piece.len();
            ensure!(sent < 64 * 1024 * 1024, "nobody minds {line:?}");
        }
        let mut all = Vec::new();
        // What was sent in vain may reset the connection before the answer is read.
        let _ = stream.read_to_end(&mut all);
        let said = String::from_utf8_lossy(&all);
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{said}");
    }
    let many = ask(port, &"X: y\r\n".repeat(101))?;
    assert!(many.starts_with("HTTP/1.1 431 "), "{many}");
    assert!(origin.take().is_empty());
    Ok(())
}

#[test]
fn whoever_says_he_is_somebody_else_is_not_believed() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, CarelessOrigin::start()?);
    let (_edge, port) = lone_edge(folder.path(), origin.port)?;
    let said = "X-Forwarded-For: 203.0.113.66\r\nX-Forwarded-For: 10.0.0.1\r\nForwarded: for=203.0.113.66;host=evil;proto=https\r\n\
        X-Forwarded-Host: evil\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Proto: https\r\n\
        X-Real-IP: 203.0.113.66\r\nTrue-Client-IP: evil\r\nX-Forwarded-Port: 666evil\r\nX-Forwarded-Prefix: /evil\r\n\
        X-Original-URL: /evil\r\nX-Rewrite-URL: /evil\r\nX-HTTP-Method-Override: EVIL\r\nX-Host: evil\r\n\
        X-Request-Id: <script>\r\nTraceparent: evil\r\nAuthorization: x\r\n";
    // Forwarded by Pingora, and by the edge's own client; X-Mine is meant for this hop only.
    let ways = [
        "Connection: close, X-Mine\r\nX-Mine: evil\r\n",
        "Connection: close, x-mine, Upgrade\r\nUpgrade: none\r\nX-Mine: evil\r\n",
        "",
    ];
    for (request, way) in ["GET", "POST"]
        .iter()
        .flat_map(|method| ways.map(|way| (method, way)))
    {
        // The edge answers the second one itself, and closes.
        let last = "GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let last = if way.is_empty() { last } else { "" };
        let text = format!("{request} /x HTTP/1.1\r\nHost: a\r\n{way}{said}\r\n{last}");
        exchange(port, text.as_bytes())?;
        let seen = origin.take();
        let head = seen
            .first()
            .map(|one| one.0.to_ascii_lowercase())
            .unwrap_or_default();
        for line in [
            "host: a",
            "x-forwarded-for: 127.0.0.1",
            "forwarded: for=127.0.0.1;host=\"a\";proto=http",
            "x-forwarded-host: a",
            "x-forwarded-proto: http",
        ] {
            let (name, _) = line.split_once(' ').unwrap_or_default();
            assert!(head.contains(&format!("\r\n{line}\r\n")), "{line}: {head}");
            assert_eq!(
                head.matches(&format!("\r\n{name} ")).count(),
                1,
                "{name} {head}"
            );
        }
        for lie in ["evil", "203.0.113.66", "10.0.0.1", "script"] {
            assert!(!head.contains(lie), "{lie}: {head}");
        }
    }
    Ok(())
}

#[test]
fn nothing_that_a_client_says_becomes_a_field_of_an_answer() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, CarelessOrigin::start()?);
    let own = "admit: {cors: {origins: ['https://admin.example']}}\n";
    let (_edge, port) = lone_edge_with(folder.path(), origin.port, own)?;
    for fields in [
        "X-Request-Id: a%0d%0aevil: 1\r\n",
        "X-Request-Id: evil\tevil evil\r\n",
        "X-Request-Id: \u{e9}evil-evil-evil\r\n",
        "Origin: https://evil.example\r\n",
        "Origin: https://admin.example.evil\r\n",
        "Traceparent: 00-evil\r\n",
        "Access-Control-Request-Method: evil\r\nOrigin: https://evil.example\r\n",
    ] {
        for method in ["GET", "OPTIONS", "EVIL"] {
            let text = format!(
                "{method} /evil%0d%0aevil:1?evil=%0aevil HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n"
            );
            let (answer, _) = exchange(port, text.as_bytes())?;
            let head = answer.split("\r\n\r\n").next().unwrap_or_default();
            assert!(
                head.starts_with("HTTP/1.1 ") && !head.contains("evil"),
                "{text} {head}"
            );
        }
    }
    Ok(())
}
