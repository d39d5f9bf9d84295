//! The configuration is taken anew without a restart: whole, or not at all.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context as _, Result};
use crackers_tests::stack::{PATIENCE, Setup, Stack};
use serde_json::{Value, json};

/// Writes the file that is laid over the edge's configuration.
fn write(shop: &Stack, text: &str) -> Result<()> {
    Ok(std::fs::write(
        shop.folder.path().join("edge-own.yaml"),
        text,
    )?)
}

/// Asks the admin interface for a reload: status and body.
async fn reload(shop: &Stack) -> Result<(u16, Value)> {
    let order = reqwest::Client::new().post(format!("{}/reload", shop.admin_url));
    let answer = order.bearer_auth(shop.admin_token()?).send().await?;
    Ok((answer.status().as_u16(), answer.json().await?))
}

/// What the admin interface says under a path.
async fn told(shop: &Stack, path: &str) -> Result<Value> {
    let order = reqwest::Client::new().get(format!("{}{path}", shop.admin_url));
    let answer = order.bearer_auth(shop.admin_token()?).send().await?;
    Ok(answer.json().await?)
}

/// The configuration in use.
async fn in_use(shop: &Stack) -> Result<Value> {
    told(shop, "/config").await
}

async fn taken(shop: &Stack) -> Result<f64> {
    let line = "crackers_edge_telemetry_reloads_total{outcome=\"taken\"}";
    shop.edge_metric(line).await
}

/// Settings that differ in every stage, with the origins in another order and another weight each time.
fn settings(shop: &Stack, round: usize) -> String {
    let server = |place: usize| {
        let port = shop.origin_ports[place % 2];
        format!("{{address: '127.0.0.1:{port}', weight: {}}}", 1 + round % 3)
    };
    format!(
        "accept: {{idle_timeout_ms: {}}}\n\
         admit: {{rate_limits: [{{name: all, methods: [], path_prefixes: [], requests_max: {}, window_ms: 60000}}]}}\n\
         dispatch: {{concurrency_max: {}, queue_max: {}}}\n\
         forward:\n  retries_max: {}\n  groups:\n    - name: origin\n      balance: {}\n      servers: [{}, {}]\n      \
         health: {{path: /api/health/live, interval_ms: {}, timeout_ms: 2000, healthy_after: 1, unhealthy_after: 3}}\n\
         respond: {{compress_bytes_min: {}}}\n",
        60_000 + round,
        1_000_000 + round,
        64 + round,
        500 + round,
        1 + round % 2,
        ["round_robin", "least_connections"][round % 2],
        server(round),
        server(round + 1),
        500 + round,
        256 + round,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_reloads_under_load_fail_no_request() -> Result<()> {
    let shop = Arc::new(Stack::start(2, "").await?);
    write(&shop, &settings(&shop, 0))?;
    assert_eq!(reload(&shop).await?.0, 200);
    let (enough, answered) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let list = shop.get("/api/products?limit=1").await?.json()?;
    let product = list["items"][0]["id"].clone();
    let customers: Vec<_> = (0..4)
        .map(|customer| {
            let (shop, enough) = (Arc::clone(&shop), Arc::clone(&enough));
            let (answered, product) = (Arc::clone(&answered), product.clone());
            tokio::spawn(async move {
                let quote =
                    json!({ "lines": [{ "kind": "product", "id": product, "quantity": 15 }] });
                let mut wrong = Vec::new();
                while !enough.load(Ordering::Relaxed) {
                    // From memory, from an origin, and with a body.
                    let answer = match (customer + answered.load(Ordering::Relaxed)) % 3 {
                        0 => shop.get("/api/products").await,
                        1 => shop.get_with("/api/health", &[]).await,
                        _ => shop.post("/api/cart/quote", &quote, &[]).await,
                    };
                    match answer {
                        Ok(answer) if answer.status == 200 => {}
                        Ok(answer) => wrong.push(answer.status.to_string()),
                        Err(error) => wrong.push(format!("{error:#}")),
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                wrong
            })
        })
        .collect();
    for round in 1..=20 {
        let before = (answered.load(Ordering::Relaxed), taken(&shop).await?);
        write(&shop, &settings(&shop, round))?;
        if round % 2 == 0 {
            shop.edge.hang_up()?;
        } else {
            assert_eq!(reload(&shop).await?.0, 200);
        }
        shop.wait_for("it is taken, and requests go on", async || {
            let goes_on = answered.load(Ordering::Relaxed) > before.0 + 10;
            Ok(goes_on && taken(&shop).await? > before.1)
        })
        .await?;
        let config = in_use(&shop).await?;
        assert_eq!(config["dispatch"]["queue_max"], 500 + round);
    }
    enough.store(true, Ordering::Relaxed);
    for customer in customers {
        assert_eq!(customer.await?, Vec::<String>::new());
    }
    assert!(answered.load(Ordering::Relaxed) > 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_file_changes_nothing_and_is_named_with_line_and_key() -> Result<()> {
    let shop = Stack::start(1, "").await?;
    let before = in_use(&shop).await?;
    for (text, line, key) in [
        (
            "dispatch:\n  queue_max: 7\n  queue_maks: 8\n",
            3,
            "dispatch.queue_maks",
        ),
        (
            "dispatch: {queue_max: 7}\ncache:\n  gzip_level: 99\n",
            3,
            "cache.gzip_level",
        ),
        ("dispatch: {queue_max: 7}\nrespond: [\n", 3, ""),
    ] {
        write(&shop, text)?;
        let (status, problem) = reload(&shop).await?;
        let detail = problem["detail"].as_str().context("no detail")?;
        assert_eq!(status, 422, "{problem}");
        let place = format!("edge-own.yaml:{line}");
        assert!(detail.contains(&place) && detail.contains(key), "{detail}");
        assert_eq!(in_use(&shop).await?, before, "{text}");
    }
    // By signal, too; the log says why.
    shop.edge.hang_up()?;
    let line = "crackers_edge_telemetry_reloads_total{outcome=\"refused\"}";
    shop.wait_for("it is refused", async || {
        let is_told = shop.edge.log().contains("the configuration stays as it is");
        Ok(is_told && shop.edge_metric(line).await? > 3.0)
    })
    .await?;
    assert_eq!(shop.get("/api/shop").await?.status, 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_used_of_a_budget_and_what_was_cached_stays_so() -> Result<()> {
    let own = |most: u32| {
        format!(
            "admit: {{rate_limits: [{{name: all, methods: [POST], path_prefixes: [], requests_max: {most}, window_ms: 900000}}]}}\n"
        )
    };
    let setup = Setup {
        edge: &own(3),
        ..Setup::default()
    };
    let shop = Stack::of(setup).await?;
    let post =
        async || Ok::<_, anyhow::Error>(shop.post("/api/nothing", &json!({}), &[]).await?.status);
    for expected in [404, 404, 404, 429] {
        assert_eq!(post().await?, expected);
    }
    shop.get("/api/shop").await?;
    write(&shop, &(own(3) + "dispatch: {queue_max: 7}\n"))?;
    assert_eq!(
        reload(&shop).await?.1["changed"],
        json!(["dispatch.queue_max"])
    );
    assert_eq!(post().await?, 429, "the budget is whole again");
    let hit = shop.get("/api/shop").await?;
    assert!(
        hit.field("cache-status").contains("hit"),
        "the cache is empty"
    );
    Ok(())
}

/// Gives the admin interface an order: the status.
async fn order(shop: &Stack, path: &str, message: &Value) -> Result<u16> {
    let order = reqwest::Client::new().post(format!("{}{path}", shop.admin_url));
    let order = order.bearer_auth(shop.admin_token()?).json(message);
    Ok(order.send().await?.status().as_u16())
}

/// The edge's connections to origins, by what became of them.
async fn connections(shop: &Stack, outcome: &str) -> Result<f64> {
    let line = format!("crackers_edge_forward_connections_total{{outcome=\"{outcome}\"}}");
    shop.edge_metric(&line).await
}

/// What the first two origins have answered.
async fn answered_by_others(shop: &Stack) -> Result<[u64; 2]> {
    let (first, second) = (shop.origin_requests_of(0), shop.origin_requests_of(1));
    Ok([first.await?, second.await?])
}

/// The first of three origins is drained, the second one's breaker is open, and the last gets what is asked.
async fn only_the_last_serves(shop: &Stack) -> Result<()> {
    let status = told(shop, "/status").await?;
    let servers = status["groups"][0]["servers"].as_array();
    let servers = servers.context("no servers")?.iter();
    let stand = servers.map(|one| json!([one["drained"], one["breaker"]]));
    let stand: Vec<_> = stand.collect();
    let expected = json!([[true, "closed"], [false, "open"], [false, "closed"]]);
    assert_eq!(Value::from(stand), expected);
    let before = answered_by_others(shop).await?;
    for _ in 0..4 {
        // The cache has no part in it.
        let fields = [("authorization", "none")];
        let answer = shop.get_with("/api/health", &fields).await?;
        assert_eq!(answer.status, 200);
    }
    assert_eq!(answered_by_others(shop).await?, before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn drained_origins_open_breakers_and_kept_connections_stay_so() -> Result<()> {
    let shop = Stack::start(3, "dispatch: {breaker: {open_ms: 600000}}\n").await?;
    let server = |number: usize| format!("127.0.0.1:{}", shop.origin_ports[number]);
    let drain = json!({ "address": server(0) });
    assert_eq!(order(&shop, "/drain", &drain).await?, 200);
    let open = json!({ "address": server(1), "state": "open" });
    assert_eq!(order(&shop, "/breaker", &open).await?, 200);
    only_the_last_serves(&shop).await?;
    let opened = connections(&shop, "opened").await?;
    // The group goes over as it is; then another one is made of the same servers.
    for (own, changed) in [
        (
            "dispatch: {queue_max: 7, breaker: {open_ms: 600000}}\n",
            "dispatch.queue_max",
        ),
        (
            "dispatch: {queue_max: 7, breaker: {open_ms: 600000, slow_ms: 9000}}\n",
            "dispatch.breaker",
        ),
    ] {
        write(&shop, own)?;
        assert_eq!(reload(&shop).await?.1["changed"], json!([changed]));
        let reused = connections(&shop, "reused").await?;
        only_the_last_serves(&shop).await?;
        assert_eq!(connections(&shop, "reused").await?, reused + 4.0);
        assert_eq!(connections(&shop, "opened").await?, opened, "{changed}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_restart_is_named_and_stays_as_it_is() -> Result<()> {
    let shop = Stack::start(1, "").await?;
    write(
        &shop,
        "cache: {gzip_level: 9}\ntelemetry: {admin_listen: '127.0.0.1:1'}\nadmit: {blocked: [203.0.113.0/24]}\n",
    )?;
    let (status, reloaded) = reload(&shop).await?;
    assert_eq!(status, 200);
    assert_eq!(reloaded["changed"], json!(["admit.blocked"]));
    let keys = json!(["cache.gzip_level", "telemetry.admin_listen"]);
    assert_eq!(reloaded["needs_restart"], keys);
    let log = shop.edge.log();
    assert!(
        log.contains("needs a restart") && log.contains("cache.gzip_level"),
        "{log}"
    );
    let config = in_use(&shop).await?;
    assert_eq!(config["cache"]["gzip_level"], 6);
    assert_eq!(config["admit"]["blocked"], json!(["203.0.113.0/24"]));
    let stranger = reqwest::Client::new().post(format!("{}/reload", shop.admin_url));
    assert_eq!(stranger.send().await?.status(), 401);
    Ok(())
}

/// Heads of stored answers are written in advance, under the settings of that time.
#[tokio::test(flavor = "multi_thread")]
async fn a_stored_answer_carries_the_fields_of_the_settings_in_use() -> Result<()> {
    let shop = Stack::start(1, "").await?;
    shop.get("/api/categories").await?;
    for own in ["one", "two", "one"] {
        let fields = format!("respond: {{security_headers: [{{name: x-{own}, value: {own}}}]}}\n");
        write(&shop, &fields)?;
        assert_eq!(reload(&shop).await?.0, 200);
        for _ in 0..2 {
            let answer = shop.get("/api/categories").await?;
            assert!(answer.field("cache-status").contains("hit"));
            let said = [answer.field("x-one"), answer.field("x-two")];
            assert_eq!(
                said,
                if own == "one" {
                    ["one", ""]
                } else {
                    ["", "two"]
                }
            );
            assert_eq!(answer.field("x-frame-options"), "");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_open_already_is_idle_for_as_long_as_the_settings_in_use_say()
-> Result<()> {
    let shop = Stack::start(1, "").await?;
    let mut idle = TcpStream::connect(("127.0.0.1", shop.port))?;
    idle.set_read_timeout(Some(PATIENCE))?;
    // Taken, and served once: its timer is that of a minute.
    idle.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")?;
    let mut part = [0; 4096];
    assert!(idle.read(&mut part)? > 0);
    write(&shop, "accept: {idle_timeout_ms: 300}\n")?;
    assert_eq!(reload(&shop).await?.0, 200);
    while idle.read(&mut part)? > 0 {}
    Ok(())
}

/// Which part of a query an answer depends on is said by the settings in use, to purges too.
#[tokio::test(flavor = "multi_thread")]
async fn a_purge_by_url_goes_by_the_settings_in_use() -> Result<()> {
    let shop = Stack::start(1, "").await?;
    write(
        &shop,
        "cache:\n  routes:\n    - {path_prefix: /, enabled: true, query: [z, a], ignored_query: [], ttl_seconds: 60}\n",
    )?;
    let (status, said) = reload(&shop).await?;
    assert_eq!(status, 200, "{said}");
    let url = "/help?z=1&a=2";
    for expected in ["stored", "hit"] {
        let answer = shop.get(url).await?;
        assert!(answer.field("cache-status").contains(expected), "{url}");
    }
    let purged = order(&shop, "/purge", &json!({ "urls": [url] })).await?;
    assert_eq!(purged, 200);
    let answer = shop.get(url).await?;
    assert!(!answer.field("cache-status").contains("hit"), "{url}");
    Ok(())
}
