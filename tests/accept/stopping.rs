//! A stop drops nothing that was asked before it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;

use anyhow::{Context as _, Result, ensure};
use crackers_tests::lone_edge::lone_edge;
use crackers_tests::process::Process;
use crackers_tests::rolling::known;
use crackers_tests::stack::{PATIENCE, Setup, Stack};

#[tokio::test(flavor = "multi_thread")]
async fn asked_to_stop_both_programs_finish_and_leave_with_success() -> Result<()> {
    let mut shop = Stack::start(1, "").await?;
    assert!(shop.edge.terminate()?.success());
    assert!(shop.origins[0].terminate()?.success());
    shop.restart_edge()?;
    shop.restart_origin(0)?;
    shop.wait_for("the shop is open again", async || {
        Ok(shop.get("/api/health").await?.status == 200)
    })
    .await?;
    assert!(shop.edge.interrupt()?.success());
    assert!(shop.origins[0].interrupt()?.success());
    Ok(())
}

/// An origin that answers its requests (health checks aside) only when it is told to: the first channel says that one
/// arrived, the second that it may be answered.
fn patient_origin() -> Result<(u16, mpsc::Receiver<()>, mpsc::Sender<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let (arrived, arrivals) = mpsc::channel();
    let (allow, allowed) = mpsc::channel();
    std::thread::spawn(move || -> Result<()> {
        for stream in listener.incoming() {
            let mut stream = stream?;
            let mut part = [0; 8192];
            let read = stream.read(&mut part)?;
            if part[..read].starts_with(b"GET /slow") {
                arrived.send(())?;
                allowed.recv()?;
            }
            // Whoever asks for health may have gone.
            let _ = stream.write_all(
                b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\ndone",
            );
        }
        Ok(())
    });
    Ok((port, arrivals, allow))
}

/// Asks an edge to stop, and waits until it takes no connections any more.
fn stop(edge: &Process, port: u16) -> Result<()> {
    edge.ask_to_stop()?;
    let begun = std::time::Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_ok() {
        ensure!(begun.elapsed() < PATIENCE, "it still takes connections");
    }
    Ok(())
}

#[test]
fn a_stopping_edge_takes_nothing_new_and_answers_what_it_has() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (origin, arrivals, allow) = patient_origin()?;
    let (mut edge, port) = lone_edge(folder.path(), origin)?;
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
    arrivals.recv_timeout(PATIENCE)?;
    stop(&edge, port)?;
    allow.send(())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("done"),
        "{answer}"
    );
    assert!(edge.wait()?.success());
    Ok(())
}

/// A client who keeps his connection.
fn client(port: u16) -> Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(BufReader::new(stream))
}

/// A request that the cache has no part in, with these fields besides.
fn request(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: x\r\n{fields}\r\n")
}

/// The head of the next answer, in small letters; it is good, and its body comes whole.
fn good_answer(client: &mut BufReader<TcpStream>) -> Result<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        ensure!(client.read_line(&mut head)? > 0, "closed after {head:?}");
    }
    let mut body = [0; 4];
    client.read_exact(&mut body)?;
    let head = head.to_ascii_lowercase();
    let is_good = head.starts_with("http/1.1 200 ") && head.contains("\r\ncontent-length: 4\r\n");
    ensure!(is_good && body == *b"done", "{head}{body:?}");
    Ok(head)
}

/// What says that an answer is the last of its connection.
const LAST: &str = "\r\nconnection: close\r\n";

#[test]
fn a_client_who_keeps_asking_is_told_which_answer_is_the_last() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (origin, arrivals, allow) = patient_origin()?;
    let (mut edge, port) = lone_edge(folder.path(), origin)?;
    let mut client = client(port)?;
    for path in ["/first", "/second"] {
        client.get_mut().write_all(request(path, "").as_bytes())?;
        let head = good_answer(&mut client)?;
        assert!(!head.contains(LAST), "{head}");
    }
    client
        .get_mut()
        .write_all(request("/slow", "").as_bytes())?;
    arrivals.recv_timeout(PATIENCE)?;
    stop(&edge, port)?;
    allow.send(())?;
    let head = good_answer(&mut client)?;
    assert!(head.contains(LAST), "{head}");
    assert!(client.fill_buf()?.is_empty(), "something follows");
    assert!(edge.wait()?.success());
    Ok(())
}

#[test]
fn whoever_asks_ahead_of_a_stop_gets_whole_answers_and_is_told_which_is_the_last() -> Result<()> {
    // By the edge's own client, and by Pingora.
    for fields in ["", "TE: trailers\r\n"] {
        let folder = tempfile::tempdir()?;
        let (origin, arrivals, allow) = patient_origin()?;
        let (mut edge, port) = lone_edge(folder.path(), origin)?;
        let mut client = client(port)?;
        let both = ["/slow", "/next"].map(|path| request(path, fields));
        client.get_mut().write_all(both.concat().as_bytes())?;
        arrivals.recv_timeout(PATIENCE)?;
        stop(&edge, port)?;
        allow.send(())?;
        let mut last = good_answer(&mut client)?;
        // An end that is none, a reset, is an error.
        while !client.fill_buf()?.is_empty() {
            assert!(!last.contains(LAST), "{fields}: something follows {last}");
            last = good_answer(&mut client)?;
        }
        assert!(last.contains(LAST), "{fields}: {last}");
        assert!(edge.wait()?.success());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_origin_sends_a_slow_reader_everything() -> Result<()> {
    const SIZE: usize = 9 * 1024 * 1024;
    let mut shop = Stack::start(1, "").await?;
    let picture = shop.folder.path().join("data/uploads/pictures/large.svg");
    std::fs::write(picture, "x".repeat(SIZE))?;
    // A window so small that most of the answer must wait in the origin.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.set_recv_buffer_size(4096)?;
    let address: std::net::SocketAddr = ([127, 0, 0, 1], shop.origin_ports[0]).into();
    socket.connect(&address.into())?;
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /pictures/large.svg HTTP/1.1\r\nHost: a\r\n\r\n")?;
    let mut part = [0; 4096];
    let read = stream.read(&mut part)?;
    let mut answer = part[..read].to_vec();
    shop.origins[0].ask_to_stop()?;
    stream.read_to_end(&mut answer)?;
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n");
    assert_eq!(answer.len() - head.context("no head")? - 4, SIZE);
    assert!(shop.origins[0].wait()?.success());
    Ok(())
}

/// Longer than any test: whoever ends earlier has not waited for it.
const LONG_NOTICE: &str = "accept: {stop_notice_ms: 600000}\n";
const TWO_WORKERS_WITH_LONG_NOTICE: &str = "accept: {workers: 2, stop_notice_ms: 600000}\n";

async fn gives_notice(origin: &str) -> Result<()> {
    let mut shop = Stack::of(Setup {
        origin,
        ..Setup::default()
    })
    .await?;
    shop.origins[0].ask_to_stop()?;
    shop.wait_for("the edge has heard that the origin stops", async || {
        let known = known(&shop, 0).await?;
        Ok(known["stopping"] == true && known["up"] == false)
    })
    .await?;
    let url = format!("http://127.0.0.1:{}/api/health/live", shop.origin_ports[0]);
    let said = reqwest::get(url).await?;
    assert_eq!(said.status().as_u16(), 503);
    assert_eq!(said.headers()["connection"], "close");
    assert_eq!(
        said.json::<serde_json::Value>().await?["status"],
        "stopping"
    );
    // There is no other origin, so this one is asked as long as it is there.
    let answer = shop.get("/api/health").await?;
    assert_eq!((answer.status, answer.field("x-stopping")), (200, ""));
    // A second signal ends the notice.
    assert!(shop.origins[0].terminate()?.success());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_that_will_stop_says_so_and_serves_until_it_is_asked_again() -> Result<()> {
    gives_notice(LONG_NOTICE).await
}

#[tokio::test(flavor = "multi_thread")]
async fn all_workers_of_an_origin_that_will_stop_say_so() -> Result<()> {
    gives_notice(TWO_WORKERS_WITH_LONG_NOTICE).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_at_a_terminal_does_not_wait_for_the_notice() -> Result<()> {
    for origin in [LONG_NOTICE, TWO_WORKERS_WITH_LONG_NOTICE] {
        let mut shop = Stack::of(Setup {
            origin,
            ..Setup::default()
        })
        .await?;
        assert!(shop.origins[0].interrupt()?.success());
    }
    Ok(())
}
