//! Stage `accept`: what is refused, and how the edge starts and stops.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use anyhow::Result;
use crackers_tests::raw::exchange;
use crackers_tests::stack::{Process, Stack, run};

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_are_refused_and_their_connection_is_closed() -> Result<()> {
    let shop = Stack::start(1, "").await?;
    for (request, status) in [
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\nHost: a\n\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n", 400),
        (
            "POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (
            "POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
            400,
        ),
        (
            "POST /api/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
            501,
        ),
        (
            "POST /api/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            400,
        ),
        (
            "POST /api/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
            400,
        ),
        (
            "POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n",
            413,
        ),
        ("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        ("GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
    ] {
        let smuggled = format!("{request}GET /health HTTP/1.1\r\nHost: smuggled\r\n\r\n");
        let (answer, closed) = exchange(shop.port, smuggled.as_bytes())?;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request:?}: {answer}"
        );
        assert!(closed, "{request:?}: the connection stays open");
        assert_eq!(
            answer.matches("content-length: ").count(),
            1,
            "{request:?}: {answer}"
        );
        assert!(
            answer.contains("application/problem+json"),
            "{request:?}: {answer}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oversize_head_is_answered_431() -> Result<()> {
    let shop = Stack::start(1, "").await?;
    let request = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
        "x".repeat(20_000)
    );
    let (answer, closed) = exchange(shop.port, request.as_bytes())?;
    assert!(answer.starts_with("HTTP/1.1 431 ") && closed, "{answer}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_requests_are_answered_in_order_on_one_connection() -> Result<()> {
    let shop = Stack::start(1, "").await?;
    let requests = "GET /health HTTP/1.1\r\nHost: a\r\n\r\n\
                    POST /api/products HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n\
                    GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let (answer, closed) = exchange(shop.port, requests.as_bytes())?;
    let statuses: Vec<_> = answer
        .match_indices("HTTP/1.1 ")
        .map(|(at, _)| &answer[at + 9..at + 12])
        .collect();
    assert_eq!(
        (statuses, closed),
        (vec!["200", "405", "200"], true),
        "{answer}"
    );
    Ok(())
}

/// An origin that speaks raw bytes: takes one request, answers as told, then echoes.
fn raw_origin(answer: &'static str) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve_raw(stream, answer));
        }
    });
    Ok(port)
}

fn serve_raw(mut stream: TcpStream, answer: &str) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    if head.starts_with(b"GET /api/health/live") {
        return stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    stream.write_all(answer.as_bytes())?;
    let mut part = [0; 1024];
    loop {
        let read = stream.read(&mut part)?;
        if read == 0 {
            return Ok(());
        }
        stream.write_all(&part[..read])?;
    }
}

fn overlay(port: u16) -> String {
    format!(
        "forward:\n  groups:\n    - name: origin\n      servers: [{{address: '127.0.0.1:{port}', weight: 1}}]\n      \
         health: {{path: /api/health/live, interval_ms: 1000, timeout_ms: 1000, healthy_after: 1, unhealthy_after: 9}}\n"
    )
}

/// An edge alone, in front of something that is not our origin.
fn lone_edge(folder: &std::path::Path, origin: u16) -> Result<(Process, u16)> {
    let [port, metrics, admin] =
        std::array::from_fn(|_| crackers_tests::stack::free_port().unwrap_or_default());
    let config = format!(
        "accept: {{listen: ['127.0.0.1:{port}']}}\n\
         telemetry: {{metrics_listen: '127.0.0.1:{metrics}', admin_listen: '127.0.0.1:{admin}'}}\n{}",
        overlay(origin)
    );
    std::fs::write(folder.join("lone.yaml"), config)?;
    let edge = Process::start("crackers-proxy", &["--config", "lone.yaml"], folder, "lone")?;
    let deadline = std::time::Instant::now() + crackers_tests::stack::PATIENCE;
    while TcpStream::connect(("127.0.0.1", port)).is_err() && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    Ok((edge, port))
}

#[test]
fn a_websocket_passes_both_ways() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let origin = raw_origin(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    )?;
    let (_edge, port) = lone_edge(folder.path(), origin)?;
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(crackers_tests::stack::PATIENCE))?;
    stream.write_all(
        b"GET /live HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    )?;
    let mut seen = String::new();
    let mut part = [0; 1024];
    while !seen.contains("\r\n\r\n") {
        let read = stream.read(&mut part)?;
        seen.push_str(&String::from_utf8_lossy(&part[..read]));
        anyhow::ensure!(read > 0, "closed: {seen}");
    }
    assert!(seen.starts_with("HTTP/1.1 101 "), "{seen}");
    for word in ["ping", "pong"] {
        stream.write_all(word.as_bytes())?;
        let read = stream.read(&mut part)?;
        assert_eq!(&part[..read], word.as_bytes());
    }
    Ok(())
}

#[test]
fn an_event_stream_arrives_event_by_event_and_uncompressed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let origin = raw_origin(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\
         Transfer-Encoding: chunked\r\n\r\nd\r\ndata: first\n\n\r\n",
    )?;
    let (_edge, port) = lone_edge(folder.path(), origin)?;
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(crackers_tests::stack::PATIENCE))?;
    stream.write_all(b"GET /api/admin/events HTTP/1.1\r\nHost: a\r\nAuthorization: x\r\nAccept-Encoding: br\r\n\r\n")?;
    let mut seen = String::new();
    let mut part = [0; 1024];
    // The origin never ends its answer: the event must come before the end.
    while !seen.contains("data: first") {
        let read = stream.read(&mut part)?;
        anyhow::ensure!(read > 0, "closed: {seen}");
        seen.push_str(&String::from_utf8_lossy(&part[..read]));
    }
    assert!(!seen.to_lowercase().contains("content-encoding"), "{seen}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_named_with_its_key() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?;
    let config = format!("accept: {{listen: ['{address}']}}\n");
    std::fs::write(folder.path().join("own.yaml"), config)?;
    for program in ["crackers-proxy", "crackers-origin"] {
        let said = run(program, &["--config", "own.yaml"], folder.path())
            .unwrap_err()
            .to_string();
        assert!(
            said.contains(&format!("cannot listen on {address} (accept.listen)")),
            "{said}"
        );
        assert!(said.contains("another program has it"), "{said}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_configuration_is_refused_with_file_line_and_key() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let config = "telemetry:\n  log_format: text\naccept:\n  listn: []\n";
    std::fs::write(folder.path().join("own.yaml"), config)?;
    for program in ["crackers-proxy", "crackers-origin"] {
        for arguments in [
            &["--config", "own.yaml", "--test"][..],
            &["--config", "own.yaml"],
        ] {
            let said = run(program, arguments, folder.path())
                .unwrap_err()
                .to_string();
            assert!(
                said.contains("own.yaml:4") && said.contains("accept.listn"),
                "{said}"
            );
            assert!(said.contains("Some(1)"), "{said}");
        }
        let schema = run(program, &["--print-config-schema"], folder.path())?;
        assert!(
            serde_json::from_str::<serde_json::Value>(&schema)?["properties"]["accept"].is_object()
        );
        run(program, &["--test"], folder.path())?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_to_stop_both_programs_finish_and_leave_with_success() -> Result<()> {
    let mut shop = Stack::start(1, "").await?;
    assert!(shop.edge.terminate()?.success());
    assert!(shop.origins[0].terminate()?.success());
    Ok(())
}
