//! What is counted against a limit is counted by the database: several origins, a Redis that forgets and one that is gone let
//! nobody try once more, or once less.

use anyhow::Result;
use crackers_tests::redis_server::RedisServer;
use crackers_tests::stack::Stack;
use serde_json::{Value, json};

use super::accounts::{self, mails};
use super::both_databases::on_mongodb;
use super::orders::selling;
use super::staff::PASSWORD;

const MEENA: &str = "meena@example.in";
const OWNER: &str = "owner@example.in";

/// Asks one of the origins itself; the status of its answer.
async fn ask(shop: &Stack, origin: usize, path: &str, body: &Value) -> Result<u16> {
    let url = format!("http://127.0.0.1:{}{path}", shop.origin_ports[origin]);
    let answer = reqwest::Client::new().post(url).json(body).send().await?;
    Ok(answer.status().as_u16())
}

/// Asks for a code, and guesses at the owner's password, each of the origins.
async fn tried(shop: &Stack, password: &str) -> Result<[u16; 2]> {
    let mut statuses = [0; 2];
    for (origin, status) in statuses.iter_mut().enumerate() {
        let code = ask(shop, origin, "/api/auth/otp", &json!({ "email": MEENA })).await?;
        assert_eq!(code, 202);
        let guess = json!({ "email": OWNER, "password": password });
        *status = ask(shop, origin, "/api/admin/login", &guess).await?;
    }
    Ok(statuses)
}

fn codes_for_meena(shop: &Stack) -> Result<usize> {
    let to = format!("To: {MEENA}");
    Ok(mails(shop)?
        .iter()
        .filter(|mail| mail.contains(&to))
        .count())
}

async fn limits_hold(database: &str) -> Result<()> {
    let Some(mut redis) = tokio::task::spawn_blocking(RedisServer::start).await?? else {
        return Ok(());
    };
    let url = redis.url();
    let own = format!("{database}services: {{redis: {{url: '{url}'}}}}\n");
    let shop = selling(&own, 2).await?;
    shop.command_with(PASSWORD, &["admin", "create", OWNER])?;
    // Four wrong ones, of which Redis forgets two and has never seen two.
    assert_eq!(tried(&shop, "a wrong password").await?, [401, 401]);
    redis.ask("FLUSHALL")?;
    redis.kill();
    assert_eq!(tried(&shop, "a wrong password").await?, [401, 401]);
    // The fifth locks the account for both; and of six codes five were mailed.
    redis.restart()?;
    let guess = json!({ "email": OWNER, "password": "a wrong password" });
    assert_eq!(ask(&shop, 0, "/api/admin/login", &guess).await?, 401);
    assert_eq!(tried(&shop, PASSWORD).await?, [401, 401]);
    shop.wait_for("five codes come", async || Ok(codes_for_meena(&shop)? == 5))
        .await?;
    // Another one's code comes after whatever was owed to her.
    accounts::log_in(&shop, "ravi@example.in").await?;
    assert_eq!(codes_for_meena(&shop)?, 5);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_whatever_becomes_of_redis_on_sqlite() -> Result<()> {
    limits_hold("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_whatever_becomes_of_redis_on_mongodb() -> Result<()> {
    on_mongodb(limits_hold).await
}

#[tokio::test(flavor = "multi_thread")]
async fn four_wrong_tries_over_two_origins_are_not_five() -> Result<()> {
    let shop = selling("", 2).await?;
    shop.command_with(PASSWORD, &["admin", "create", OWNER])?;
    for _ in 0..2 {
        assert_eq!(tried(&shop, "a wrong password").await?, [401, 401]);
    }
    assert_eq!(tried(&shop, PASSWORD).await?, [200, 200]);
    Ok(())
}
