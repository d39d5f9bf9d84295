//! Stage `dispatch`: who is served first when origins are busy, who waits, and who is told to come back.

mod breaker;

use std::io::Write as _;
use std::sync::Arc;

use anyhow::Result;
use crackers_shared::session_cookie::{CUSTOMER_COOKIE, Keys, SessionCookie};
use crackers_tests::gated::Gated;
use crackers_tests::lone_edge::{LoneEdge, lone_edge_of};
use crackers_tests::process::PATIENCE;
use tokio::task::JoinHandle;

/// An edge with one slot in front of an origin with a gate.
struct Busy {
    edge: LoneEdge,
    origin: Gated,
    client: reqwest::Client,
    folder: tempfile::TempDir,
}

type Asked = JoinHandle<Result<reqwest::Response>>;

impl Busy {
    /// Whoever connects is a trusted proxy, so that a test may be many clients.
    fn start(own: &str) -> Result<Arc<Self>> {
        let (folder, origin) = (tempfile::tempdir()?, Gated::start()?);
        let groups = format!(
            "forward:\n  groups:\n    - name: origin\n      servers: [{{address: '127.0.0.1:{}', weight: 1}}]\n      \
             health: {{path: /api/health/live, interval_ms: 1000, timeout_ms: 5000, healthy_after: 1, unhealthy_after: 9}}\n\
             admit: {{trusted_proxies: [127.0.0.0/8]}}\n\
             dispatch: {{concurrency_max: 1, concurrency_when_full: 1, queue_wait_ms: 30000}}\n",
            origin.port
        );
        let edge = lone_edge_of(folder.path(), &groups, own)?;
        let client = reqwest::Client::builder().timeout(PATIENCE).build()?;
        Ok(Arc::new(Self {
            edge,
            origin,
            client,
            folder,
        }))
    }

    /// Asks as the client with this address, or cookie.
    fn ask(self: &Arc<Self>, method: &str, path: &str, who: (&'static str, &str)) -> Asked {
        let url = format!("http://127.0.0.1:{}{path}", self.edge.port);
        let request = match method {
            "POST" => self.client.post(url),
            _ => self.client.get(url),
        };
        let request = request.header(who.0, who.1);
        tokio::spawn(async move { Ok(request.send().await?) })
    }

    /// Asks, and waits until it waits: only then has the next one's turn come: what arrives later waits behind it.
    async fn waits(
        self: &Arc<Self>,
        method: &str,
        path: &str,
        who: (&'static str, &str),
        class: &str,
    ) -> Result<Asked> {
        let line = format!("dispatch_waiting{{class=\"{class}\"}}");
        let before = self.edge.metric(&line).await?;
        let asked = self.ask(method, path, who);
        self.edge.metric_is(&line, before + 1).await?;
        Ok(asked)
    }
}

const ANN: (&str, &str) = ("x-forwarded-for", "198.51.100.1");
const BEN: (&str, &str) = ("x-forwarded-for", "198.51.100.2");
const GREEDY: (&str, &str) = ("x-forwarded-for", "203.0.113.9");

/// The path of a request line.
fn paths(lines: &[String]) -> Vec<&str> {
    let paths = lines.iter().filter_map(|line| line.split(' ').nth(1));
    paths.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_origin_is_busy_checkout_goes_before_cart_before_browsing_before_exports()
-> Result<()> {
    let shop = Busy::start("")?;
    let mut asked = vec![shop.ask("GET", "/api/first", ANN)];
    shop.origin.wait_for(1)?;
    for (method, path, class) in [
        ("GET", "/api/price-list.csv", "export"),
        ("GET", "/api/products", "browse"),
        ("GET", "/api/cart", "cart"),
        ("POST", "/api/orders", "checkout"),
    ] {
        asked.push(shop.waits(method, path, ANN, class).await?);
    }
    shop.origin.allow(5);
    let order = shop.origin.wait_for(5)?;
    let order = paths(&order);
    assert_eq!(
        order[1..],
        [
            "/api/orders",
            "/api/cart",
            "/api/products",
            "/api/price-list.csv"
        ]
    );
    for one in asked {
        assert_eq!(one.await??.status(), 200);
    }
    assert_eq!(shop.edge.metric("dispatch_in_flight").await?, 0);
    let waited = "dispatch_wait_seconds_count{class=\"checkout\"}";
    assert_eq!(shop.edge.metric(waited).await?, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_greedy_client_delays_others_by_no_more_than_a_turn_each() -> Result<()> {
    let shop = Busy::start("")?;
    let keys = Keys::read_or_make(&shop.folder.path().join("data/session.keys"))?;
    let cookie = keys.sign(&SessionCookie {
        id: "abc".to_owned(),
        bucket: "1f".to_owned(),
        expires: i64::MAX,
    });
    let cookie = format!("{CUSTOMER_COOKIE}={cookie}");
    let mut asked = vec![shop.ask("GET", "/api/first", ANN)];
    shop.origin.wait_for(1)?;
    for number in 0..100 {
        asked.push(shop.ask("GET", &format!("/api/greedy/{number}"), GREEDY));
    }
    shop.edge
        .metric_is("dispatch_waiting{class=\"browse\"}", 100)
        .await?;
    for (method, path, who) in [
        ("GET", "/api/ann", ANN),
        // Logged in, behind whatever address: counted by account. A GET with a cookie would ask twice.
        ("POST", "/api/account", ("cookie", cookie.as_str())),
        ("GET", "/api/ben", BEN),
    ] {
        asked.push(shop.waits(method, path, who, "browse").await?);
    }
    shop.origin.allow(104);
    let order = shop.origin.wait_for(104)?;
    let first: Vec<_> = paths(&order)[1..5]
        .iter()
        .map(|path| path.split('/').nth(2))
        .collect();
    assert_eq!(
        first,
        [Some("greedy"), Some("ann"), Some("account"), Some("ben")]
    );
    for one in asked {
        assert_eq!(one.await??.status(), 200);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_line_is_answered_503_and_whoever_has_most_places_gives_one_up() -> Result<()> {
    let shop = Busy::start("dispatch: {queue_max: 3, retry_after_seconds: 7}\n")?;
    let first = shop.ask("GET", "/api/first", ANN);
    shop.origin.wait_for(1)?;
    let mut greedy = Vec::new();
    for number in 0..3 {
        let path = format!("/api/greedy/{number}");
        greedy.push(shop.waits("GET", &path, GREEDY, "browse").await?);
    }
    let refused = shop.ask("GET", "/api/greedy/3", GREEDY).await??;
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "7");
    assert_eq!(
        refused.headers()["content-type"],
        "application/problem+json"
    );
    let problem: serde_json::Value = refused.json().await?;
    assert_eq!(problem["code"], "overloaded");

    let ann = shop.ask("GET", "/api/ann", ANN);
    let displaced = greedy.pop().map(async |one| one.await?);
    let displaced = match displaced {
        Some(displaced) => displaced.await?,
        None => anyhow::bail!("nobody waits"),
    };
    assert_eq!(displaced.status(), 503);
    for (reason, count) in [("queue_full", 1), ("displaced", 1)] {
        let line = format!("dispatch_refused_total{{class=\"browse\",reason=\"{reason}\"}}");
        assert_eq!(shop.edge.metric(&line).await?, count, "{reason}");
    }
    shop.origin.allow(4);
    for one in greedy.into_iter().chain([first, ann]) {
        assert_eq!(one.await??.status(), 200);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_too_long_is_told_to_come_back_and_hits_do_not_wait_at_all() -> Result<()> {
    let shop = Busy::start("dispatch: {queue_wait_ms: 300}\n")?;
    let kept = "HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Length: 4\r\n\r\nkept";
    shop.origin.answer(kept);
    shop.origin.allow(1);
    assert_eq!(shop.ask("GET", "/api/shop", ANN).await??.status(), 200);
    let first = shop.ask("POST", "/api/orders", ANN);
    shop.origin.wait_for(2)?;
    let late = shop.ask("POST", "/api/orders", BEN).await??;
    assert_eq!(late.status(), 503);
    assert!(late.headers().contains_key("retry-after"));
    let line = "dispatch_refused_total{class=\"checkout\",reason=\"waited_too_long\"}";
    assert_eq!(shop.edge.metric(line).await?, 1);
    let hit = shop.ask("GET", "/api/shop", BEN).await??;
    assert_eq!(hit.text().await?, "kept");
    assert_eq!(shop.origin.arrived().len(), 2);
    shop.origin.allow(1);
    assert_eq!(first.await??.status(), 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_gives_up_his_place_in_the_line() -> Result<()> {
    let shop = Busy::start("")?;
    let first = shop.ask("POST", "/api/orders", ANN);
    shop.origin.wait_for(1)?;
    let impatient = shop.waits("POST", "/api/orders", BEN, "checkout").await?;
    impatient.abort();
    let waiting = "dispatch_waiting{class=\"checkout\"}";
    shop.edge.metric_is(waiting, 0).await?;
    // Through Pingora, too.
    let mut last = std::net::TcpStream::connect(("127.0.0.1", shop.edge.port))?;
    last.write_all(b"POST /api/orders HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
    shop.edge.metric_is(waiting, 1).await?;
    drop(last);
    shop.edge.metric_is(waiting, 0).await?;
    let late = "dispatch_refused_total{class=\"checkout\",reason=\"waited_too_long\"}";
    assert_eq!(shop.edge.metric(late).await?, 0);
    shop.origin.allow(1);
    assert_eq!(first.await??.status(), 200);
    assert_eq!(shop.origin.arrived().len(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_adapts_itself_begins_as_it_is_set() -> Result<()> {
    let shop = Busy::start(
        "dispatch: {limit: adaptive, concurrency_max: 100, concurrency_when_full: 100, adaptive: {initial: 2, min: 2}}\n",
    )?;
    let mut asked = Vec::new();
    for number in 1..=2 {
        asked.push(shop.ask("POST", "/api/orders", ANN));
        shop.origin.wait_for(number)?;
    }
    asked.push(shop.waits("POST", "/api/orders", ANN, "checkout").await?);
    assert_eq!(shop.edge.metric("dispatch_limit").await?, 2);
    assert_eq!(shop.origin.arrived().len(), 2);
    shop.origin.allow(3);
    for one in asked {
        assert_eq!(one.await??.status(), 200);
    }
    Ok(())
}
