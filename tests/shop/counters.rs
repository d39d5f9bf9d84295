//! What is counted against a limit is counted by the database: several origins, a Redis that forgets and one that is gone let
//! nobody try once more, or once less. That a limit is used up every origin knows from Redis, without asking the database.

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

/// A shop of the owner's with two origins that share a Redis; none where there is no Redis.
async fn with_redis(database: &str) -> Result<Option<(RedisServer, Stack)>> {
    let Some(redis) = tokio::task::spawn_blocking(RedisServer::start).await?? else {
        return Ok(None);
    };
    let url = redis.url();
    let own = format!("{database}services: {{redis: {{url: '{url}', timeout_ms: 5000}}}}\n");
    let shop = selling(&own, 2).await?;
    shop.command_with(PASSWORD, &["admin", "create", OWNER])?;
    Ok(Some((redis, shop)))
}

async fn limits_hold(database: &str) -> Result<()> {
    let Some((mut redis, shop)) = with_redis(database).await? else {
        return Ok(());
    };
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

/// How many tries at a limit that is used up an origin has refused, and by whose word: Redis', the database's.
async fn refused(shop: &Stack, origin: usize, limit: &str) -> Result<[u64; 2]> {
    let text = reqwest::get(&shop.origin_metrics_urls[origin]).await?;
    let text = text.text().await?;
    let counted = |by: &str| {
        let labels = format!("{{by=\"{by}\",limit=\"{limit}\"}} ");
        let line = format!("crackers_origin_api_limits_used_up_total{labels}");
        let found = text.lines().find_map(|row| row.strip_prefix(&line));
        found.map_or(Ok(0), str::parse)
    };
    Ok([counted("redis")?, counted("database")?])
}

async fn used_up_is_known_to_all(database: &str) -> Result<()> {
    let Some((mut redis, shop)) = with_redis(database).await? else {
        return Ok(());
    };
    // The first origin hears of the last code, and of the last wrong log-in from an address.
    for _ in 0..5 {
        let wanted = json!({ "email": MEENA });
        assert_eq!(ask(&shop, 0, "/api/auth/otp", &wanted).await?, 202);
    }
    for number in 0..20 {
        let guess =
            json!({ "email": format!("{number}@example.in"), "password": "a wrong password" });
        assert_eq!(ask(&shop, 0, "/api/admin/login", &guess).await?, 401);
    }
    let limits = ["codes", "log_ins"];
    for limit in limits {
        assert_eq!(refused(&shop, 0, limit).await?, [0, 1], "{limit}");
    }
    // The second one has heard of none; neither asks the database until Redis forgets or is gone.
    let steps = [
        ("known", [1, 0]),
        ("still known", [2, 0]),
        ("forgotten", [2, 1]),
        ("known again", [3, 1]),
        ("gone", [3, 2]),
    ];
    for (step, expected) in steps {
        match step {
            "forgotten" => drop(redis.ask("FLUSHALL")?),
            "gone" => redis.kill(),
            _ => {}
        }
        assert_eq!(tried_at(&shop, 1).await?, [202, 401], "{step}");
        for limit in limits {
            assert_eq!(refused(&shop, 1, limit).await?, expected, "{step}: {limit}");
        }
    }
    Ok(())
}

/// Asks one origin for a code, and to be let in with the right password.
async fn tried_at(shop: &Stack, origin: usize) -> Result<[u16; 2]> {
    let wanted = json!({ "email": MEENA });
    let right = json!({ "email": OWNER, "password": PASSWORD });
    Ok([
        ask(shop, origin, "/api/auth/otp", &wanted).await?,
        ask(shop, origin, "/api/admin/login", &right).await?,
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_used_up_is_known_at_every_origin_on_sqlite() -> Result<()> {
    used_up_is_known_to_all("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_used_up_is_known_at_every_origin_on_mongodb() -> Result<()> {
    on_mongodb(used_up_is_known_to_all).await
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
