//! A database whose connections are all in use: whoever comes is told to come back, whoever asks for what the edge has is served, and
//! it is over as soon as there is a free one.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use anyhow::{Context as _, Result};
use crackers_tests::mongod::Mongod;
use crackers_tests::stack::{Answer, Setup, Stack};
use serde_json::json;

use super::both_databases::on;

/// What everybody looks at, and the edge has.
const KEPT: &str = "/api/categories";

async fn shop(own: &str, wait_timeout_ms: u32) -> Result<Stack> {
    let pool = format!("pool: {{size_max: 1, size_min: 1, wait_timeout_ms: {wait_timeout_ms}}}");
    let own = match own.strip_prefix("database: {") {
        Some(rest) => format!("database: {{{pool}, {rest}"),
        None => format!("database: {{{pool}}}\n"),
    };
    let shop = Stack::of(Setup {
        origin: &own,
        ..Setup::default()
    })
    .await?;
    shop.wait_for("the edge has what everybody looks at", async || {
        let answer = shop.get(KEPT).await?;
        Ok(answer.status == 200 && answer.field("cache-status").contains("hit"))
    })
    .await?;
    Ok(shop)
}

/// Asks for what nobody has asked for before, past the edge.
async fn cold(shop: &Stack, number: u32) -> Result<Answer> {
    let port = shop.origin_ports[0];
    let url = format!("http://127.0.0.1:{port}/api/products?min={number}");
    Answer::of(reqwest::get(url).await?).await
}

fn is_told_to_come_back(answer: &Answer) -> Result<()> {
    let problem = answer.json()?;
    assert_eq!(
        (answer.status, &problem["code"]),
        (503, &json!("database_unavailable"))
    );
    assert_eq!(answer.field("content-type"), "application/problem+json");
    assert!(
        answer
            .field("retry-after")
            .parse::<u32>()
            .is_ok_and(|seconds| seconds > 0)
    );
    // What it was that ran out is the shop's own business.
    assert!(!problem.to_string().contains("connection"), "{problem}");
    Ok(())
}

async fn is_kept(shop: &Stack) -> Result<()> {
    let kept = shop.get(KEPT).await?;
    assert_eq!(kept.status, 200);
    assert!(
        kept.field("cache-status").contains("hit"),
        "{}",
        kept.field("cache-status")
    );
    Ok(())
}

/// Everything is as before, for whoever comes through the edge and for the shop itself.
async fn is_over(shop: &Stack) -> Result<()> {
    shop.wait_for("everything is answered again", async || {
        let path = format!(
            "/api/products?max={}",
            crackers_shared::request_id::random::<2>()[0]
        );
        Ok(shop.get(&path).await?.status == 200 && shop.get("/api/health").await?.status == 200)
    })
    .await?;
    let url = &shop.origin_metrics_urls[0];
    let metrics = reqwest::get(url).await?.text().await?;
    let given_up = metrics
        .lines()
        .find_map(|line| line.strip_prefix("crackers_origin_database_pool_timed_out "));
    assert!(given_up.context("no metric")?.parse::<u64>()? > 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn when_every_connection_is_in_use_others_are_told_to_come_back_on_sqlite() -> Result<()> {
    let shop = &shop("", 2).await?;
    // One connection, and a crowd in front of it that stays until one of it was sent away and a hit was served meanwhile.
    let (is_enough, number) = (AtomicBool::new(false), AtomicU32::new(1));
    let visitor = async || {
        while !is_enough.load(Ordering::Relaxed) {
            let answer = cold(shop, number.fetch_add(1, Ordering::Relaxed)).await?;
            if answer.status != 200 {
                is_told_to_come_back(&answer)?;
                is_kept(shop).await?;
                is_enough.store(true, Ordering::Relaxed);
            }
        }
        anyhow::Ok(())
    };
    let crowd = futures_util::future::try_join_all((0..64).map(|_| visitor()));
    tokio::time::timeout(crackers_tests::stack::PATIENCE, crowd)
        .await
        .context("nobody was sent away")??;
    is_over(shop).await
}

#[tokio::test(flavor = "multi_thread")]
async fn when_every_session_is_in_use_others_are_told_to_come_back_on_mongodb() -> Result<()> {
    let Some(server) = tokio::task::spawn_blocking(Mongod::start).await?? else {
        return Ok(());
    };
    let shop = &shop(&on(&server.uri()), 100).await?;
    // Whoever has the session keeps it for as long as the server thinks; then the next one has it.
    server.delay(&["find", "aggregate"], 5_000).await?;
    let held = async {
        // Nobody waits for what comes of these.
        let holders = (0..4).map(|number| cold(shop, number));
        futures_util::future::join_all(holders).await
    };
    let seen = async {
        shop.wait_for("somebody is told to come back", async || {
            Ok(cold(shop, 77).await?.status == 503)
        })
        .await?;
        is_told_to_come_back(&cold(shop, 78).await?)?;
        // Through the edge, too, which goes on with what it has.
        is_told_to_come_back(&shop.get("/api/products?min=79").await?)?;
        for _ in 0..20 {
            is_kept(shop).await?;
        }
        server.hurry().await
    };
    tokio::select! {
        seen = seen => seen?,
        _ = async { held.await; std::future::pending::<()>().await } => {}
    }
    is_over(shop).await?;
    tokio::task::spawn_blocking(move || drop(server)).await?;
    Ok(())
}
