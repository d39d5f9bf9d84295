//! Each route has its group and its timeouts, whichever way a request is sent to an origin.

use std::io::{BufRead, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use crackers_tests::careless_origin::CarelessOrigin;
use crackers_tests::gated::{DONE, Gated};
use crackers_tests::lone_edge::{LoneEdge, lone_edge_of};
use crackers_tests::process::PATIENCE;
use socket2::{Domain, Socket, Type};

/// A way on which a request comes to an origin.
#[derive(Clone, Copy, Debug)]
struct Way {
    name: &'static str,
    method: &'static str,
    /// What comes behind the fields that all have.
    rest: &'static str,
}

/// All of them.
const WAYS: [Way; 3] = [
    Way {
        name: "the edge's own client",
        method: "POST",
        rest: "Content-Length: 0\r\n\r\n",
    },
    Way {
        name: PINGORA,
        method: "POST",
        rest: "Content-Length: 0\r\nTE: trailers\r\n\r\n",
    },
    Way {
        name: CACHE,
        method: "GET",
        rest: "\r\n",
    },
];

const PINGORA: &str = "Pingora";
const CACHE: &str = "a fetch of the cache";

/// How long the steps of a route may take: a moment where they are named, and longer than any test otherwise.
fn timeouts(short: &str) -> String {
    let steps = ["connect_ms", "read_ms", "write_ms", "idle_ms"].map(|step| {
        let most = if short.contains(step) { 300 } else { 600_000 };
        format!("{step}: {most}")
    });
    format!("{{{}}}", steps.join(", "))
}

/// An edge with two groups of one origin each: one gets everything but what begins with `/api/b/`, unless that begins with
/// `/api/b/a/`. With each origin's port stands which of its steps are short.
fn edge(folder: &Path, [a, b]: [(u16, &str); 2]) -> Result<LoneEdge> {
    let group = |name: &str, port: u16| {
        format!(
            "    - name: {name}\n      servers: [{{address: '127.0.0.1:{port}', weight: 1}}]\n      \
             health: {{path: /api/health/live, interval_ms: 1000, timeout_ms: 1000, healthy_after: 1, unhealthy_after: 9}}\n"
        )
    };
    let route = |prefix: &str, name: &str, short: &str| {
        let timeouts = timeouts(short);
        format!("    - {{path_prefix: {prefix}, group: {name}, timeouts: {timeouts}}}\n")
    };
    let groups = [group("a", a.0), group("b", b.0)].concat();
    let routes = [
        route("/", "a", a.1),
        route("/api/b/", "b", b.1),
        route("/api/b/a/", "a", a.1),
    ];
    let routes = routes.concat();
    let settings = format!("forward:\n  retries_max: 0\n  groups:\n{groups}  routes:\n{routes}");
    lone_edge_of(folder, &settings, "accept: {head_bytes_max: 1048576}\n")
}

fn connect(edge: &LoneEdge) -> Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", edge.port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Sends a request; its answer is still to come.
fn ask(edge: &LoneEdge, way: Way, path: &str) -> Result<BufReader<TcpStream>> {
    let (mut stream, Way { method, rest, .. }) = (connect(edge)?, way);
    let request = format!("{method} {path} HTTP/1.1\r\nHost: shop\r\n{rest}");
    stream.write_all(request.as_bytes())?;
    Ok(BufReader::new(stream))
}

/// The status of the answer that comes.
fn status(mut answer: impl BufRead) -> Result<u16> {
    let mut line = String::new();
    answer.read_line(&mut line)?;
    let status = line.split(' ').nth(1).context("no answer")?;
    Ok(status.parse()?)
}

/// Sends a request and waits for the status of its answer.
fn answered(edge: &LoneEdge, way: Way, path: &str) -> Result<u16> {
    let answer = ask(edge, way, path)?;
    status(answer).with_context(|| format!("{} {path}", way.name))
}

/// How often the edge's own client took a connection, new or kept. The cache has no other.
async fn connections_taken(edge: &LoneEdge) -> Result<u64> {
    let opened = edge.metric("forward_connections_total{outcome=\"opened\"}");
    let reused = edge.metric("forward_connections_total{outcome=\"reused\"}");
    Ok(opened.await? + reused.await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_prefix_says_which_group_gets_a_path_whichever_way_it_is_sent() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (a, b) = (CarelessOrigin::start()?, CarelessOrigin::start()?);
    let edge = edge(folder.path(), [(a.port, ""), (b.port, "")])?;
    for way in WAYS {
        for (path, is_of_b) in [
            ("/x", false),
            ("/api/b", false),
            ("/api/bb/x", false),
            ("/api/b/", true),
            ("/api/b/x", true),
            ("/api/b/a/x", false),
        ] {
            let told = format!("{} {path}", way.name);
            let before = connections_taken(&edge).await?;
            assert_eq!(answered(&edge, way, path)?, 200, "{told}");
            let is_pingoras = connections_taken(&edge).await? == before;
            assert_eq!(is_pingoras, way.name == PINGORA, "{told}");
            let [of_a, of_b] = [a.take(), b.take()];
            let (seen, others) = if is_of_b { (of_b, of_a) } else { (of_a, of_b) };
            let heads: Vec<_> = seen.iter().map(|(head, _)| head.to_lowercase()).collect();
            assert_eq!((heads.len(), others.len()), (1, 0), "{told}");
            let line = format!("{} {path} http/1.1\r\n", way.method.to_lowercase());
            assert!(heads[0].starts_with(&line), "{told}: {heads:?}");
            let is_fetch = heads[0].contains("\r\nuser-agent: crackers-edge\r\n");
            assert_eq!(is_fetch, way.name == CACHE, "{told}: {heads:?}");
        }
    }
    Ok(())
}

#[test]
fn an_answer_may_take_as_long_as_its_own_route_says() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (patient, hasty) = (Gated::start()?, Gated::start()?);
    let edge = edge(folder.path(), [(patient.port, ""), (hasty.port, "read_ms")])?;
    for (number, way) in WAYS.into_iter().enumerate() {
        let slow = ask(&edge, way, "/slow")?;
        patient.wait_for(number + 1)?;
        // The time of the other route begins later, and is over before this one is answered.
        let never = answered(&edge, way, "/api/b/never")?;
        assert_eq!(never, 504, "{}", way.name);
        patient.allow(1);
        assert_eq!(status(slow)?, 200, "{}", way.name);
    }
    let asked = ["post", "post", "get"].map(|method| format!("{method} /api/b/never"));
    assert_eq!(hasty.wait_for(3)?, asked);
    Ok(())
}

/// A socket of an origin that listens nowhere yet.
fn bound() -> Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&anywhere.into())?;
    Ok(socket)
}

/// An origin that reads nothing. Segments and its buffer are so small that neither side's system takes much for it.
fn deaf_origin() -> Result<TcpListener> {
    let socket = bound()?;
    socket.set_recv_buffer_size(1024)?;
    socket.set_tcp_mss(536)?;
    socket.listen(128)?;
    Ok(socket.into())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_that_takes_nothing_of_a_long_request_is_given_up() -> Result<()> {
    let (folder, deaf) = (tempfile::tempdir()?, deaf_origin()?);
    let port = deaf.local_addr()?.port();
    // Pingora asks for an answer all the same once its time to write is over.
    let edge = edge(
        folder.path(),
        [(port, "write_ms"), (port, "write_ms, read_ms")],
    )?;
    let part = "x".repeat(64 * 1024);
    // The longest body that the edge's own client sends, behind a long head.
    let (length, long) = (part.len(), part.repeat(4));
    let own = format!("X-Long: {long}\r\nContent-Length: {length}\r\n\r\n{part}");
    let body = part.repeat(64);
    let streamed = format!("Content-Length: {}\r\n\r\n{body}", body.len());
    for (path, rest) in [("/x", own), ("/api/b/x", streamed)] {
        let stream = connect(&edge)?;
        let mut sending = stream.try_clone()?;
        let request = format!("POST {path} HTTP/1.1\r\nHost: shop\r\n{rest}");
        // The edge does not take all of it.
        std::thread::spawn(move || sending.write_all(request.as_bytes()));
        let status = status(BufReader::new(stream)).context(path)?;
        assert_eq!(status, 504, "{path}");
    }
    assert_eq!(connections_taken(&edge).await?, 1);
    Ok(())
}

/// An origin whose queue is full, and those who fill it: it takes nobody any more, and refuses nobody.
fn full_origin() -> Result<(TcpListener, Vec<TcpStream>)> {
    let socket = bound()?;
    socket.listen(0)?;
    let listener = TcpListener::from(socket);
    let (address, moment) = (listener.local_addr()?, Duration::from_secs(1));
    let mut queue = Vec::new();
    while let Ok(waiting) = TcpStream::connect_timeout(&address, moment) {
        queue.push(waiting);
        ensure!(queue.len() < 100, "its queue has no end");
    }
    Ok((listener, queue))
}

#[test]
fn an_origin_that_takes_no_connection_is_given_up() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (full, _queue) = full_origin()?;
    let port = full.local_addr()?.port();
    let edge = edge(folder.path(), [(port, "connect_ms"), (port, "connect_ms")])?;
    for way in WAYS {
        for path in ["/x", "/api/b/x"] {
            let status = answered(&edge, way, path)?;
            assert_eq!(status, 503, "{} {path}", way.name);
        }
    }
    Ok(())
}

/// What an origin tells of a connection on which it was asked for something.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Begun,
    Ended,
}

/// An origin that answers everybody at once, and tells of its connections; not of those of health checks.
fn telling_origin() -> Result<(u16, mpsc::Receiver<Told>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let tell = tell.clone();
            // Whoever hears nothing has ended its test.
            std::thread::spawn(move || serve(stream, &tell));
        }
    });
    Ok((port, told))
}

fn serve(stream: TcpStream, tell: &mpsc::Sender<Told>) -> Result<()> {
    let (mut stream, mut is_used) = (BufReader::new(stream), false);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).unwrap_or(0) > 0 {
                continue;
            }
            if is_used {
                tell.send(Told::Ended)?;
            }
            return Ok(());
        }
        let is_check = head.contains("/api/health/live");
        if !is_check && !std::mem::replace(&mut is_used, true) {
            tell.send(Told::Begun)?;
        }
        stream.get_mut().write_all(DONE.as_bytes())?;
    }
}

#[test]
fn a_connection_that_nobody_uses_is_closed_after_the_time_of_its_route() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let ((kept, of_kept), (left, of_left)) = (telling_origin()?, telling_origin()?);
    let edge = edge(folder.path(), [(kept, ""), (left, "idle_ms")])?;
    for way in WAYS.into_iter().chain(WAYS) {
        for path in ["/x", "/api/b/x"] {
            let status = answered(&edge, way, path)?;
            assert_eq!(status, 200, "{} {path}", way.name);
        }
        // Each time on another one, since the one before has ended.
        for expected in [Told::Begun, Told::Ended] {
            let told = of_left.recv_timeout(PATIENCE).context(way.name)?;
            assert_eq!(told, expected, "{}", way.name);
        }
    }
    // One of Pingora, and one of the edge's own client, by which the cache fetches, too.
    let kept: Vec<_> = of_kept.try_iter().collect();
    assert_eq!(kept, [Told::Begun, Told::Begun]);
    Ok(())
}
