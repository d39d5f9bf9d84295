//! With Redis several origins hear of each other at once and keep sessions nearer; without it, or when it is gone, everything is
//! the same and takes longer.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use crackers_tests::redis_server::RedisServer;
use crackers_tests::stack::Stack;
use serde_json::json;

use super::accounts::{LoggedIn, log_in};
use super::both_databases::on_mongodb;
use super::inside::{all_have_heard, counts};
use super::orders::selling;
use super::staff::Desk;

/// Each origin looks by itself so rarely that what comes sooner was told by Redis.
const RARELY: &str = "outbox: {poll_interval_ms: 15000}\n";
/// Much longer than a message takes, much shorter than that.
const SOON: Duration = Duration::from_secs(7);

/// Sets a price as staff do, and waits until everybody sees it.
async fn price(desk: &Desk<'_>, id: &str, paise: i64) -> Result<()> {
    let path = format!("/api/admin/products/{id}");
    let change = json!({ "price_paise": paise });
    let put = desk.change("PATCH", &path, Some(&change)).await?;
    ensure!(put.status == 200, "{}", put.json()?);
    let public = format!("/api/products/{id}");
    desk.shop
        .wait_for("the price shows", async || {
            Ok(desk.shop.get(&public).await?.json()?["price"]["amount_paise"] == paise)
        })
        .await
}

/// Asks both origins several times; all of them must say this.
async fn all_say(shop: &Stack, who: &LoggedIn, status: u16) -> Result<()> {
    for port in &shop.origin_ports {
        for _ in 0..3 {
            let request =
                reqwest::Client::new().get(format!("http://127.0.0.1:{port}/api/auth/me"));
            let answer = request.header("cookie", &who.cookie).send().await?;
            ensure!(
                answer.status().as_u16() == status,
                "{port}: {}",
                answer.status()
            );
        }
    }
    Ok(())
}

/// Logged out through one origin, a cookie is worth nothing at any.
async fn logs_out(shop: &Stack, who: &LoggedIn) -> Result<()> {
    all_say(shop, who, 200).await?;
    let out = shop
        .ask("POST", "/api/auth/logout", None, &who.fields())
        .await?;
    ensure!(out.status == 200, "{}", out.json()?);
    all_say(shop, who, 401).await
}

/// A question that breaks off lets Redis alone for a second; what was to be said within it is said afterwards.
async fn says_again(
    shop: &Stack,
    redis: &RedisServer,
    who: &LoggedIn,
    (desk, id): (&Desk<'_>, &str),
) -> Result<()> {
    redis.ask("CLIENT KILL TYPE normal")?;
    all_say(shop, who, 200).await?;
    tokio::time::timeout(SOON, price(desk, id, 105))
        .await
        .context("what Redis did not take is not said again")?
}

async fn redis_dies(database: &str) -> Result<()> {
    let Some(mut redis) = tokio::task::spawn_blocking(RedisServer::start).await?? else {
        return Ok(());
    };
    let own = format!(
        "{database}{RARELY}services: {{redis: {{url: '{}', timeout_ms: 2000}}}}\n",
        redis.url()
    );
    let shop = &selling(&own, 2).await?;
    let desk = Desk::open(shop).await?;
    let list = shop.get("/api/products?limit=1").await?.json()?;
    let id = list["items"][0]["id"].as_str().context("no id")?;
    let people = [
        log_in(shop, "meena@example.in").await?,
        log_in(shop, "ravi@example.in").await?,
        log_in(shop, "asha@example.in").await?,
    ];
    for paise in [101, 102] {
        tokio::time::timeout(SOON, price(&desk, id, paise))
            .await
            .context("Redis wakes nobody")??;
    }
    all_say(shop, &people[0], 200).await?;
    let kept = redis.ask("KEYS *:session:*")?;
    ensure!(kept.contains("crackers:"), "no session is kept: {kept}");
    logs_out(shop, &people[0]).await?;
    all_say(shop, &people[1], 200).await?;

    redis.kill();
    logs_out(shop, &people[1]).await?;
    price(&desk, id, 103).await?;
    all_say(shop, &people[2], 200).await?;

    redis.restart()?;
    shop.wait_for("both origins listen again", async || {
        let heard = |text: String| text.matches("Redis wakes this origin").count() >= 2;
        Ok(shop.origins.iter().all(|origin| heard(origin.log())))
    })
    .await?;
    // What is over is over, whatever Redis knows.
    for gone in &people[..2] {
        all_say(shop, gone, 401).await?;
    }
    tokio::time::timeout(SOON, price(&desk, id, 104))
        .await
        .context("Redis wakes nobody again")??;

    says_again(shop, &redis, &people[2], (&desk, id)).await?;
    logs_out(shop, &people[2]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_gone_means_slower_and_never_wrong_on_sqlite() -> Result<()> {
    redis_dies("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_gone_means_slower_and_never_wrong_on_mongodb() -> Result<()> {
    on_mongodb(redis_dies).await
}

/// The same, and that every origin has asked Redis for it and was answered.
async fn all_say_by_redis(shop: &Stack, who: &LoggedIn, status: u16) -> Result<()> {
    let line = "crackers_origin_services_redis_total{outcome=\"answered\"}";
    let before = counts(shop, line).await?;
    all_say(shop, who, status).await?;
    let after = counts(shop, line).await?;
    let mut both = before.iter().zip(&after);
    ensure!(
        both.all(|(before, after)| before + 3 <= *after),
        "{before:?} {after:?}"
    );
    Ok(())
}

/// It says nothing for a while, and then goes on with what it knew; later it knows what it knew before that, as one that was
/// started again from its file.
async fn redis_hangs(origin: &str) -> Result<()> {
    let Some(redis) = tokio::task::spawn_blocking(RedisServer::start).await?? else {
        return Ok(());
    };
    let url = redis.url();
    // Nothing is forgotten as long as the test takes.
    let own = format!(
        "{origin}services: {{redis: {{url: '{url}', timeout_ms: 3000, session_seconds: 3600}}}}\n"
    );
    let shop = &selling(&own, 2).await?;
    let meena = log_in(shop, "meena@example.in").await?;
    let ravi = log_in(shop, "ravi@example.in").await?;
    all_say(shop, &meena, 200).await?;
    let names = redis.ask("KEYS *:session:*")?;
    let names: Vec<_> = names.lines().filter(|line| line.contains(':')).collect();
    ensure!(names.len() == 1, "not one session is kept: {names:?}");
    ensure!(
        redis
            .ask(&format!("COPY {} its-file", names[0]))?
            .contains(":1")
    );

    redis.pause()?;
    logs_out(shop, &meena).await?;
    all_have_heard(shop).await?;
    redis.resume()?;
    all_say(shop, &meena, 401).await?;
    shop.wait_for("Redis is asked again", async || {
        Ok(all_say_by_redis(shop, &ravi, 200).await.is_ok())
    })
    .await?;
    all_say(shop, &meena, 401).await?;

    let back = redis.ask(&format!("COPY its-file {} REPLACE", names[0]))?;
    ensure!(back.contains(":1"), "{back}");
    all_say_by_redis(shop, &meena, 401).await?;
    logs_out(shop, &ravi).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_and_knows_the_past_lets_nobody_in_on_sqlite() -> Result<()> {
    redis_hangs("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_and_knows_the_past_lets_nobody_in_on_mongodb() -> Result<()> {
    on_mongodb(redis_hangs).await
}
