//! HTTP/2 at the edge: the same answers, the same rules, and bounds on what one connection may do.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use crackers_tests::gated::Gated;
use crackers_tests::lone_edge::{LoneEdge, lone_edge_of};
use crackers_tests::process::{PATIENCE, free_port};
use crackers_tests::stack::{Setup, Stack};
use crackers_tests::tls::Authority;
use h2::RecvStream;
use h2::client::SendRequest;
use http::{Request, Response, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::tls;

pub(crate) const NAME: &str = "shop.example.in";

/// An authority, and a folder with its certificates, for an edge that serves TLS on a port.
pub(crate) struct Place {
    pub(crate) authority: Authority,
    folder: tempfile::TempDir,
    pub(crate) port: u16,
}

impl Place {
    pub(crate) fn new() -> Result<Self> {
        let (authority, folder) = (Authority::new()?, tempfile::tempdir()?);
        authority.sign(folder.path(), "shop", NAME)?;
        authority.sign(folder.path(), "wild", "*.example.org")?;
        Ok(Self {
            authority,
            folder,
            port: free_port()?,
        })
    }

    /// An edge in front of an origin with a gate, with further settings of stage `accept`.
    pub(super) fn edge(&self, origin: &Gated, accept: &str) -> Result<LoneEdge> {
        self.edge_with(origin, accept, "")
    }

    /// The same with settings of other stages.
    fn edge_with(&self, origin: &Gated, accept: &str, more: &str) -> Result<LoneEdge> {
        self.edge_of(origin.port, accept, more)
    }

    /// The same in front of whatever is on a port.
    pub(crate) fn edge_of(&self, origin: u16, accept: &str, more: &str) -> Result<LoneEdge> {
        let groups = format!(
            "forward:\n  groups:\n    - name: origin\n      servers: [{{address: '127.0.0.1:{}', weight: 1}}]\n      \
             health: {{path: /api/health/live, interval_ms: 1000, timeout_ms: 5000, healthy_after: 1, unhealthy_after: 9}}\n",
            origin
        );
        let settings = tls::settings(self.folder.path(), self.port);
        let settings = settings.replacen("accept: {", &format!("accept: {{{accept}"), 1);
        lone_edge_of(self.folder.path(), &groups, &(settings + more))
    }

    /// A connection that has agreed on HTTP/2.
    pub(super) async fn stream(&self) -> Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let connector = self.authority.client_of(&["h2"])?;
        let stream = connector.connect(NAME.try_into()?, stream).await?;
        ensure!(stream.get_ref().1.alpn_protocol() == Some(&b"h2"[..]));
        Ok(stream)
    }

    /// Where the certificates are, and the files of its edge.
    pub(super) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// A connection, spoken on as it should be.
    pub(super) async fn connect(&self) -> Result<Client> {
        let stream = self.stream().await?;
        let (send, connection) = h2::client::handshake(stream).await?;
        let ended = tokio::spawn(connection);
        Ok(Client { send, ended })
    }
}

pub(super) struct Client {
    pub(super) send: SendRequest<Bytes>,
    pub(super) ended: tokio::task::JoinHandle<Result<(), h2::Error>>,
}

pub(super) fn request(method: &str, path: &str, fields: &[(&str, &str)]) -> Result<Request<()>> {
    let uri = format!("https://{NAME}{path}");
    let request = Request::builder().method(method).uri(uri);
    let fields = fields.iter();
    let request = fields.fold(request, |request, (name, value)| {
        request.header(*name, *value)
    });
    Ok(request.body(())?)
}

/// Sends a request with its whole body, and reads the whole answer.
pub(super) async fn ask(
    client: &Client,
    request: Request<()>,
    body: &[u8],
) -> Result<(Response<()>, Vec<u8>)> {
    let mut send = client.send.clone().ready().await?;
    let (answer, mut stream) = send.send_request(request, body.is_empty())?;
    if !body.is_empty() {
        // Of a stream that is refused already, the answer tells.
        let _ = stream.send_data(Bytes::copy_from_slice(body), true);
    }
    let (head, body) = tokio::time::timeout(PATIENCE, answer).await??.into_parts();
    Ok((Response::from_parts(head, ()), read(body).await?))
}

async fn read(mut body: RecvStream) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(part) = body.data().await {
        let part = part?;
        body.flow_control().release_capacity(part.len())?;
        all.extend_from_slice(&part);
    }
    Ok(all)
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_over_http2_are_those_of_http1_and_counted_the_same() -> Result<()> {
    let place = Place::new()?;
    let edge = tls::settings(place.folder.path(), place.port);
    let shop = Stack::of(Setup {
        edge: &edge,
        ..Setup::default()
    });
    let shop = shop.await?;
    let client = place.connect().await?;
    let path = "/api/products?limit=5";
    let (old, _) = tls::ask(
        &place.authority.client_of(&["http/1.1"])?,
        place.port,
        NAME,
        path,
    )
    .await?;
    let counted = "crackers_edge_requests_total{method=\"GET\",status=\"200\"}";
    let before = shop.edge_metric(counted).await?;
    let (head, body) = ask(&client, request("GET", path, &[])?, b"").await?;
    assert_eq!(head.status(), StatusCode::OK);
    shop.wait_for("it is counted", async || {
        Ok(shop.edge_metric(counted).await? >= before + 1.0)
    })
    .await?;
    assert_eq!(shop.edge_metric(counted).await?, before + 1.0);
    assert!(old.ends_with(&*String::from_utf8_lossy(&body)), "{old}");
    for (name, value) in head.headers() {
        let is_own =
            ["date", "x-request-id", "cache-status", "age", "ratelimit"].contains(&name.as_str());
        let line = format!("{name}: {}", value.to_str()?).to_lowercase();
        assert!(
            is_own || old.to_lowercase().contains(&line),
            "{line}: {old}"
        );
    }
    assert!(head.headers()["cache-status"].to_str()?.contains("hit"));
    assert!(head.headers().contains_key("strict-transport-security"));
    let list: serde_json::Value = serde_json::from_slice(&body)?;
    let quote =
        serde_json::json!({ "lines": [{ "kind": "product", "id": list["items"][0]["id"], "quantity": 15 }] })
            .to_string();
    let fields = [("content-type", "application/json")];
    let (head, body) = ask(
        &client,
        request("POST", "/api/cart/quote", &fields)?,
        quote.as_bytes(),
    )
    .await?;
    assert_eq!(head.status(), 200, "{}", String::from_utf8_lossy(&body));
    let many = (0..50).map(async |number| {
        let path = format!("/api/products?limit={}", 1 + number % 7);
        ask(&client, request("GET", &path, &[])?, b"").await
    });
    for one in futures_util::future::join_all(many).await {
        assert_eq!(one?.0.status(), 200);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_judged_as_heads_of_http1_are() -> Result<()> {
    let (place, origin) = (Place::new()?, Gated::start()?);
    let _edge = place.edge(&origin, "body_bytes_max: 1000, head_bytes_max: 4096, ")?;
    origin.allow(1000);
    let client = place.connect().await?;
    for (method, fields, body, status) in [
        ("GET", &[("host", "other.example")][..], 0, 400),
        ("CONNECT", &[], 0, 405),
        ("POST", &[("content-length", "1001")], 1001, 413),
        ("POST", &[], 1001, 413),
        ("BREW", &[], 0, 405),
    ] {
        let mut request = request(method, "/api/x", fields)?;
        if method == "CONNECT" {
            *request.uri_mut() = format!("{NAME}:443").parse()?;
        }
        // A stream may also be reset before anybody answers.
        match ask(&client, request, &vec![b'x'; body]).await {
            Ok((head, _)) => assert_eq!(head.status(), status, "{method} {fields:?}"),
            Err(error) => {
                let reset = error.downcast_ref::<h2::Error>();
                assert!(
                    reset.is_some_and(h2::Error::is_reset),
                    "{method} {fields:?}: {error}"
                );
            }
        }
    }
    let seen = origin.arrived();
    assert!(seen.iter().all(|line| line == "post /api/x"), "{seen:?}");
    assert!(seen.len() <= 1, "{seen:?}");
    // The connection is none the worse for it.
    let good = ask(
        &client,
        request("GET", "/api/y", &[("te", "trailers")])?,
        b"",
    )
    .await?;
    assert_eq!(good.0.status(), 200);
    let flood = "x".repeat(8000);
    let flooded = ask(&client, request("GET", "/api/y", &[("x", &flood)])?, b"").await;
    assert!(flooded.is_err() || flooded?.0.status() == 431);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stops_coming_ends_its_stream_and_no_other() -> Result<()> {
    let (place, origin) = (Place::new()?, Gated::start()?);
    let log = place.folder.path().join("access.log");
    let written = format!(
        "telemetry: {{access_log: {{enabled: true, file: '{}'}}}}\n",
        log.display()
    );
    let mut edge = place.edge_with(&origin, "body_timeout_ms: 300, ", &written)?;
    origin.allow(1000);
    let client = place.connect().await?;
    let mut send = client.send.clone().ready().await?;
    let fields = [("content-length", "10")];
    let (answer, mut stream) = send.send_request(request("POST", "/api/x", &fields)?, false)?;
    stream.send_data(Bytes::from_static(b"abc"), false)?;
    let answer = tokio::time::timeout(PATIENCE, answer).await?;
    assert!(
        answer.is_err_and(|error| error.is_reset()),
        "it is answered"
    );
    let line = "accept_http2_streams_total{outcome=\"body_too_slow\"}";
    edge.metric_is(line, 1).await?;
    assert_eq!(
        ask(&client, request("GET", "/api/y", &[])?, b"")
            .await?
            .0
            .status(),
        200
    );
    edge.metric_is("dispatch_in_flight", 0).await?;
    drop(client);
    edge.process.terminate()?;
    let lines = std::fs::read_to_string(log)?;
    let line = lines.lines().find(|line| line.contains("/api/x"));
    let line: serde_json::Value = serde_json::from_str(line.context("nothing is written of it")?)?;
    assert_eq!(
        (&line["method"], &line["status"]),
        (&"POST".into(), &0.into())
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_edge_answers_the_streams_that_it_has() -> Result<()> {
    let (place, origin) = (Place::new()?, Gated::start()?);
    let mut edge = place.edge(&origin, "")?;
    let client = place.connect().await?;
    let asked = ask(&client, request("GET", "/api/x", &[])?, b"");
    let stopped = async {
        tokio::task::block_in_place(|| origin.wait_for(1))?;
        edge.process.ask_to_stop()?;
        tokio::time::sleep(Duration::from_millis(50)).await;
        origin.allow(1);
        anyhow::Ok(())
    };
    let (answer, stopped) = tokio::join!(asked, stopped);
    stopped?;
    assert_eq!(answer?.0.status(), 200);
    assert!(edge.process.wait()?.success());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_told_to_go_before_it_is_closed() -> Result<()> {
    let (place, origin) = (Place::new()?, Gated::start()?);
    let edge = place.edge(&origin, "idle_timeout_ms: 300, ")?;
    let mut stream = place.stream().await?;
    // The preface, and settings that say nothing (RFC 9113 3.4).
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await?;
    // Cut off without a word, it would not know of a request whether it was taken.
    let goes_away = async {
        loop {
            let mut head = [0; 9];
            stream.read_exact(&mut head).await?;
            if head[3] == GOAWAY {
                return Ok::<_, std::io::Error>(());
            }
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            stream.read_exact(&mut vec![0; length as usize]).await?;
        }
    };
    tokio::time::timeout(PATIENCE, goes_away).await??;
    edge.metric_is("accept_http2_connections_ended_total{reason=\"idle\"}", 1)
        .await
}

/// The type of the frame that says so (RFC 9113 6.8).
const GOAWAY: u8 = 7;

#[tokio::test(flavor = "multi_thread")]
async fn curl_speaks_it_too() -> Result<()> {
    let curl = std::process::Command::new("curl").arg("--version").output();
    let speaks = curl.is_ok_and(|curl| String::from_utf8_lossy(&curl.stdout).contains("HTTP2"));
    if !speaks {
        ensure!(
            std::env::var("CI").as_deref() != Ok("true"),
            "CI needs a curl with HTTP/2"
        );
        return Ok(());
    }
    let (place, origin) = (Place::new()?, Gated::start()?);
    let _edge = place.edge(&origin, "")?;
    origin.allow(10);
    let url = format!("https://{NAME}:{}/api/x", place.port);
    let told = format!("{NAME}:{}:127.0.0.1", place.port);
    let mut curl = std::process::Command::new("curl");
    curl.args([
        "-sk",
        "--http2",
        "--resolve",
        &told,
        "-o",
        "/dev/null",
        "-w",
        "%{http_version} %{http_code}",
        &url,
    ]);
    let said = curl.output().context("curl")?;
    assert_eq!(String::from_utf8_lossy(&said.stdout), "2 200");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_taken_back_gives_up_its_place_in_the_line() -> Result<()> {
    let (place, origin) = (Place::new()?, Gated::start()?);
    let one_slot =
        "dispatch: {concurrency_max: 1, concurrency_when_full: 1, queue_wait_ms: 120000}\n";
    let edge = place.edge_with(&origin, "", one_slot)?;
    let client = place.connect().await?;
    let mut send = client.send.clone().ready().await?;
    let (first, _) = send.send_request(request("POST", "/api/orders", &[])?, true)?;
    origin.wait_for(1)?;
    let waiting = "dispatch_waiting{class=\"checkout\"}";
    let mut send = client.send.clone().ready().await?;
    let (_second, mut stream) = send.send_request(request("POST", "/api/orders", &[])?, true)?;
    edge.metric_is(waiting, 1).await?;
    stream.send_reset(h2::Reason::CANCEL);
    edge.metric_is(waiting, 0).await?;
    origin.allow(1);
    let first = tokio::time::timeout(PATIENCE, first).await??;
    assert_eq!(first.status(), 200);
    assert_eq!(origin.arrived().len(), 1);
    Ok(())
}
