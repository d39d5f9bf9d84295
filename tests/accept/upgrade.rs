//! One edge after another on the same sockets.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use crackers_tests::gated::Gated;
use crackers_tests::lone_edge::{LoneEdge, lone_edge_of, overlay};
use crackers_tests::process::{Process, run};
use crackers_tests::stack::{PATIENCE, Stack};
use serde_json::{Value, json};

use super::http2::{self, ask, request};

const UPGRADE: [&str; 5] = ["--config", "lone.yaml", "--config", "own.yaml", "--upgrade"];

/// A connection that stays open.
struct Kept(BufReader<TcpStream>);

impl Kept {
    fn open(edge: &LoneEdge) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", edge.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(BufReader::new(stream)))
    }

    fn send(&mut self, path: &str) -> Result<()> {
        let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        Ok(self.0.get_mut().write_all(head.as_bytes())?)
    }

    /// The head of the next answer, in small letters; its body is read, too.
    fn answer(&mut self) -> Result<String> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            ensure!(self.0.read_line(&mut head)? > 0, "closed after {head:?}");
        }
        let head = head.to_ascii_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.context("no length")?];
        self.0.read_exact(&mut body)?;
        Ok(head)
    }

    fn is_closed(&mut self) -> bool {
        matches!(self.0.read(&mut [0]), Ok(0))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_edge_serves_while_the_one_before_answers_what_it_has() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, Gated::start()?);
    let mut edge = lone_edge_of(folder.path(), &overlay(origin.port), "")?;
    let (mut busy, mut idle) = (Kept::open(&edge)?, Kept::open(&edge)?);
    idle.send("/health")?;
    assert!(!idle.answer()?.contains("connection: close"));
    busy.send("/slow")?;
    origin.wait_for(1)?;
    let mut before = edge.upgrade(folder.path()).await?;
    // The next one takes what comes, the one before still waits for the origin.
    let mut fresh = Kept::open(&edge)?;
    fresh.send("/health")?;
    assert!(!fresh.answer()?.contains("connection: close"));
    idle.send("/health")?;
    let last = idle.answer()?;
    assert!(
        last.starts_with("http/1.1 200") && last.contains("connection: close"),
        "{last}"
    );
    assert!(idle.is_closed());
    origin.allow(1);
    assert!(busy.answer()?.starts_with("http/1.1 200"));
    // Its answer was begun before; whatever it said, one more request is answered if it is kept.
    drop(busy);
    assert!(before.wait()?.success());
    fresh.send("/health")?;
    assert!(fresh.answer()?.starts_with("http/1.1 200"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_do_not_keep_the_edge_before_for_ever() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, Gated::start()?);
    let own = "accept: {upgrade: {idle_ms: 50}}\n";
    let mut edge = lone_edge_of(folder.path(), &overlay(origin.port), own)?;
    let mut idle = Kept::open(&edge)?;
    idle.send("/health")?;
    idle.answer()?;
    let mut before = edge.upgrade(folder.path()).await?;
    assert!(before.wait()?.success());
    assert!(idle.is_closed());
    assert!(!before.log().contains("cut off"), "{}", before.log());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn other_addresses_are_taken_by_an_upgrade() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, Gated::start()?);
    let mut edge = lone_edge_of(folder.path(), &overlay(origin.port), "")?;
    let (file, own) = (
        folder.path().join("shop.sock"),
        folder.path().join("own.yaml"),
    );
    std::fs::write(
        &own,
        format!("accept: {{listen_unix: ['{}']}}\n", file.display()),
    )?;
    let ask = b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    for _ in 0..2 {
        assert!(edge.upgrade(folder.path()).await?.wait()?.success());
        // The one before has left the file to the next one.
        let (answer, _) = crackers_tests::raw::exchange_unix(&file, ask)?;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert!(edge.process.terminate()?.success());
    assert!(!file.exists() && !folder.path().join("data/edge-upgrade.sock").exists());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_next_edge_that_does_not_start_leaves_the_running_one_serving() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, Gated::start()?);
    let edge = lone_edge_of(folder.path(), &overlay(origin.port), "")?;
    let own = folder.path().join("own.yaml");
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let _holder = std::net::TcpListener::bind(taken)?;
    for (text, why) in [
        ("cache: {gzip_level: 99}\n".to_owned(), "cache.gzip_level"),
        (
            "accept: {upgrade: {socket: nobody.sock}}\n".to_owned(),
            "no running edge",
        ),
        (
            format!(
                "accept: {{listen: ['127.0.0.1:{}', '{taken}']}}\n",
                edge.port
            ),
            "another program has it",
        ),
    ] {
        std::fs::write(&own, text)?;
        let said = run("crackers-proxy", &UPGRADE, folder.path()).unwrap_err();
        assert!(said.to_string().contains(why), "{said}");
        let mut client = Kept::open(&edge)?;
        client.send("/health")?;
        assert!(!client.answer()?.contains("connection: close"));
    }
    // The last one had got the sockets.
    edge.metric_is("telemetry_upgrades_failed_total", 1).await?;
    let begun = Instant::now();
    while !edge.process.log().contains("this one goes on") {
        ensure!(begun.elapsed() < PATIENCE, "{}", edge.process.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_next_edge_that_is_too_late_leaves_the_running_one_its_socket_files() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, Gated::start()?);
    let own = "accept: {listen_unix: [shop.sock], upgrade: {timeout_ms: 1}}\n";
    let edge = lone_edge_of(folder.path(), &overlay(origin.port), own)?;
    // It has the sockets, and waits for its keys until nobody waits for it any more.
    let keys = folder.path().join("keys");
    ensure!(Command::new("mkfifo").arg(&keys).status()?.success());
    let later = format!("{own}admit: {{session_keys_file: keys}}\n");
    std::fs::write(folder.path().join("own.yaml"), later)?;
    let place = folder.path().to_owned();
    let next = tokio::task::spawn_blocking(move || run("crackers-proxy", &UPGRADE, &place));
    edge.metric_is("telemetry_upgrades_failed_total", 1).await?;
    std::fs::write(keys, "a key of more than thirty-two characters\n")?;
    let said = next.await?.unwrap_err();
    assert!(said.to_string().contains("does not let go"), "{said}");
    let mut client = UnixStream::connect(folder.path().join("shop.sock"))?;
    client.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    client.read_to_string(&mut answer)?;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_speaks_otherwise_gets_no_sockets_and_hears_why() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, Gated::start()?);
    let edge = lone_edge_of(folder.path(), &overlay(origin.port), "")?;
    let file = folder.path().join("data/edge-upgrade.sock");
    let begun = Instant::now();
    // The edge listens there a moment after it listens for customers.
    let stream = loop {
        match UnixStream::connect(&file) {
            Ok(stream) => break stream,
            Err(error) => ensure!(begun.elapsed() < PATIENCE, "{error}"),
        }
    };
    stream.set_read_timeout(Some(PATIENCE))?;
    writeln!(&stream, "{}", json!({ "protocol": 99, "version": "9.9.9" }))?;
    let mut reply = String::new();
    BufReader::new(&stream).read_line(&mut reply)?;
    let reply: Value = serde_json::from_str(&reply)?;
    let why = reply["refused"].as_str().context("not refused")?;
    assert!(
        why.contains("9.9.9") && why.contains("protocol 99"),
        "{why}"
    );
    // It writes that down only after it has said so.
    let deadline = Instant::now() + PATIENCE;
    while !edge.process.log().contains("protocol 99") {
        ensure!(Instant::now() < deadline, "{}", edge.process.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn purges_and_drained_origins_go_over_to_the_next_edge() -> Result<()> {
    let mut shop = Stack::start(2, "").await?;
    let server = format!("127.0.0.1:{}", shop.origin_ports[1]);
    let order = reqwest::Client::new().post(format!("{}/drain", shop.admin_url));
    let order = order
        .bearer_auth(shop.admin_token()?)
        .json(&json!({ "address": server }));
    assert_eq!(order.send().await?.status(), 200);
    let status = async |shop: &Stack| -> Result<Value> {
        let ask = reqwest::Client::new().get(format!("{}/status", shop.admin_url));
        Ok(ask
            .bearer_auth(shop.admin_token()?)
            .send()
            .await?
            .json()
            .await?)
    };
    let heard = status(&shop).await?["cache"]["applied"].clone();
    let mut before = shop.upgrade_edge().await?;
    let now = status(&shop).await?;
    assert_eq!(now["generation"], 1);
    assert_eq!(now["cache"]["applied"], heard);
    let servers = now["groups"][0]["servers"]
        .as_array()
        .context("no servers")?;
    let drained = servers.iter().filter(|one| one["drained"] == true);
    let drained: Vec<_> = drained.map(|one| one["address"].clone()).collect();
    assert_eq!(drained, [json!(server)]);
    let product = shop.get("/api/products?limit=1").await?.json()?["items"][0].clone();
    let (id, sku) = (product["id"].as_str(), product["sku"].as_str());
    let path = format!("/api/products/{}", id.context("no id")?);
    shop.get(&path).await?;
    shop.command(&["product", "set-price", sku.context("no sku")?, "12345"])?;
    shop.wait_for("the next edge is told of the price", async || {
        Ok(shop.get(&path).await?.json()?["price"]["amount_paise"] == 12345)
    })
    .await?;
    assert!(before.wait()?.success());
    Ok(())
}

/// Asks the admin interface of an edge.
async fn order(edge: &LoneEdge, folder: &Path, path: &str, body: &Value) -> Result<Value> {
    let token = std::fs::read_to_string(folder.join("data/edge-admin.token"))?;
    let url = format!("http://127.0.0.1:{}{path}", edge.admin);
    let order = reqwest::Client::new().post(url).bearer_auth(token);
    Ok(order.json(body).send().await?.json().await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn how_far_the_shop_is_open_stays_as_it_was_set_by_hand() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, Gated::start()?);
    let path = folder.path();
    let mut edge = lone_edge_of(path, &overlay(origin.port), "")?;
    origin.allow(10);
    for (mode, status) in [
        (json!("read_only"), 503),
        (json!("maintenance"), 503),
        (Value::Null, 200),
    ] {
        order(&edge, path, "/mode", &json!({ "mode": mode })).await?;
        assert!(edge.upgrade(path).await?.wait()?.success());
        let url = format!("http://127.0.0.1:{}/api/x", edge.port);
        let answer = reqwest::Client::new().post(url).body("{}").send().await?;
        assert_eq!(answer.status().as_u16(), status, "{mode}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http2_the_edge_before_says_goodbye_and_answers_every_stream() -> Result<()> {
    let (place, origin) = (http2::Place::new()?, Gated::start()?);
    let mut edge = place.edge_of(origin.port, "", "")?;
    let [idle, reader, buyer] = [
        place.connect().await?,
        place.connect().await?,
        place.connect().await?,
    ];
    let read = ask(&reader, request("GET", "/api/x", &[])?, b"");
    let bought = ask(&buyer, request("POST", "/api/x", &[])?, b"{}");
    let upgraded = async {
        tokio::task::block_in_place(|| origin.wait_for(2))?;
        let before = edge.upgrade(place.folder()).await?;
        for client in [&idle, &reader, &buyer] {
            is_told_to_go(client).await?;
        }
        // Whoever comes now is the next one's.
        let fresh = place.connect().await?;
        let (answer, _) = ask(&fresh, request("GET", "/health", &[])?, b"").await?;
        ensure!(answer.status() == 200);
        origin.allow(2);
        anyhow::Ok((before, fresh))
    };
    let (read, bought, upgraded) = tokio::join!(read, bought, upgraded);
    let (mut before, fresh) = upgraded.context("upgrading")?;
    assert_eq!(read.context("a reader")?.0.status(), 200);
    assert_eq!(bought.context("a buyer")?.0.status(), 200);
    for client in [idle, reader, buyer] {
        // Whether its own last frame still finds the edge is of no importance.
        let _ = client.ended.await?;
    }
    assert!(before.wait()?.success());
    assert!(!before.log().contains("cut off"), "{}", before.log());
    let (answer, _) = ask(&fresh, request("GET", "/health", &[])?, b"").await?;
    assert_eq!(answer.status(), 200);
    Ok(())
}

/// Waits until a client may not begin another stream.
async fn is_told_to_go(client: &http2::Client) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match client.send.clone().ready().await {
            Err(_) => return Ok(()),
            Ok(_) => ensure!(Instant::now() < deadline, "it was never told to go"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The next message to whoever has started a program.
fn notified(socket: &UnixDatagram) -> Result<String> {
    let mut message = [0; 256];
    let length = socket.recv(&mut message)?;
    Ok(String::from_utf8_lossy(&message[..length]).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_hears_which_process_serves_now() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, Gated::start()?);
    let path = folder.path();
    let mut edge = lone_edge_of(path, &overlay(origin.port), "")?;
    let file = path.join("notify.sock");
    let socket = UnixDatagram::bind(&file)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let told = [("NOTIFY_SOCKET", file.to_str().context("no name")?)];
    let mut next = Process::start_with("crackers-proxy", &UPGRADE, &told, path, "next")?;
    let said = tokio::task::block_in_place(|| notified(&socket))?;
    assert_eq!(said, format!("MAINPID={}\nREADY=1\n", next.id()));
    assert!(edge.process.wait()?.success());
    assert!(next.terminate()?.success());
    // One that starts by itself is the main process already.
    let _first = Process::start_with("crackers-proxy", &UPGRADE[..4], &told, path, "first")?;
    let said = tokio::task::block_in_place(|| notified(&socket))?;
    assert_eq!(said, "READY=1\n");
    Ok(())
}
