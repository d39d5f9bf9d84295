//! What one origin has answered to everybody others take from Redis: never an old one, never a wrong one, and without Redis the same.

use std::cell::Cell;

use anyhow::{Context as _, Result, ensure};
use crackers_tests::redis_server::RedisServer;
use crackers_tests::stack::{Answer, Stack};

use super::both_databases::on_mongodb;
use super::orders::selling;

/// Two origins, and questions that nobody has asked before.
struct Shop<'a> {
    stack: &'a Stack,
    asked: Cell<usize>,
}

impl Shop<'_> {
    /// A list that holds every product, under a name of its own.
    fn question(&self) -> String {
        self.asked.set(self.asked.get() + 1);
        format!(
            "/api/products?limit=100&sort=price&max={}",
            900_000_000 + self.asked.get()
        )
    }

    /// Asks one origin, past the edge.
    async fn ask(&self, origin: usize, path: &str) -> Result<Answer> {
        let port = self.stack.origin_ports[origin];
        let answer = reqwest::get(format!("http://127.0.0.1:{port}{path}")).await?;
        let answer = Answer::of(answer).await?;
        ensure!(answer.status == 200, "{path}: {}", answer.status);
        Ok(answer)
    }

    /// Answers that the second origin took from Redis.
    async fn shared(&self) -> Result<u64> {
        let text = reqwest::get(&self.stack.origin_metrics_urls[1])
            .await?
            .text()
            .await?;
        let line = "crackers_origin_api_answers_total{outcome=\"shared\"}";
        let found = text.lines().find_map(|row| row.strip_prefix(line));
        Ok(found.map_or(Ok(0), |count| count.trim().parse())?)
    }

    /// Waits until what the first origin answers is what the second one takes.
    async fn is_shared(&self) -> Result<()> {
        self.stack
            .wait_for("an answer is shared", async || {
                let before = self.shared().await?;
                self.both_say_the_same(&self.question()).await?;
                Ok(self.shared().await? > before)
            })
            .await
    }

    async fn both_say_the_same(&self, path: &str) -> Result<()> {
        let (first, second) = (self.ask(0, path).await?, self.ask(1, path).await?);
        ensure!(first.json()? == second.json()?, "{path}");
        for name in ["etag", "cache-tag", "content-type", "cdn-cache-control"] {
            ensure!(first.field(name) == second.field(name), "{path}: {name}");
        }
        Ok(())
    }
}

/// The price of a product in a list.
fn price(list: &Answer, id: &str) -> Result<i64> {
    let list = list.json()?;
    let items = list["items"].as_array().context("no items")?;
    let item = items.iter().find(|item| item["id"] == id);
    let price = item.context("it is not there")?["price"]["amount_paise"].as_i64();
    price.context("no price")
}

/// A change is followed by both; what only the first was asked before it is asked of the second.
async fn is_never_old(shop: &Shop<'_>) -> Result<()> {
    let old = shop.question();
    let new = 100 + i64::try_from(shop.asked.get())?;
    let list = shop.ask(0, &old).await?.json()?;
    let (id, sku) = (&list["items"][0]["id"], &list["items"][0]["sku"]);
    let (id, sku) = (
        id.as_str().context("no id")?,
        sku.as_str().context("no SKU")?,
    );
    let product = format!("/api/products/{id}");
    for origin in 0..2 {
        // In memory: only who follows the change answers otherwise.
        shop.ask(origin, &product).await?;
    }
    shop.stack
        .command(&["product", "set-price", sku, &new.to_string()])?;
    shop.stack
        .wait_for("both follow the change", async || {
            for origin in 0..2 {
                let seen = shop.ask(origin, &product).await?.json()?;
                if seen["price"]["amount_paise"] != new {
                    return Ok(false);
                }
            }
            Ok(true)
        })
        .await?;
    let before = shop.shared().await?;
    ensure!(
        price(&shop.ask(1, &old).await?, id)? == new,
        "an old answer came again"
    );
    ensure!(shop.shared().await? == before);
    Ok(())
}

/// Answers in Redis that somebody has written over are none.
async fn is_never_wrong(shop: &Shop<'_>, redis: &RedisServer) -> Result<()> {
    for harm in [
        "SET {} nonsense",
        "APPEND {} x",
        "SETRANGE {} 3 zz",
        "RENAME {} gone",
    ] {
        redis.ask("FLUSHALL")?;
        let path = shop.question();
        let made = shop.ask(0, &path).await?;
        let keys = redis.ask("KEYS *:answer:*")?;
        let key = keys.lines().find(|line| line.starts_with("crackers:"));
        redis.ask(&harm.replace("{}", key.context("nothing is kept")?))?;
        let before = shop.shared().await?;
        let second = shop.ask(1, &path).await?;
        ensure!(second.json()? == made.json()?, "{harm}");
        ensure!(shop.shared().await? == before, "{harm}");
    }
    Ok(())
}

async fn sharing(database: &str) -> Result<()> {
    let Some(mut redis) = tokio::task::spawn_blocking(RedisServer::start).await?? else {
        return Ok(());
    };
    let own = format!(
        "{database}services: {{redis: {{url: '{}', timeout_ms: 5000}}}}\n",
        redis.url()
    );
    let stack = &selling(&own, 2).await?;
    let asked = Cell::new(0);
    let shop = &Shop { stack, asked };
    shop.is_shared().await?;
    let lives =
        redis.ask("EVAL \"return redis.call('TTL', redis.call('KEYS', '*:answer:*')[1])\" 0")?;
    let seconds = lives.lines().next().and_then(|line| line.strip_prefix(':'));
    ensure!(
        (1..=60).contains(&seconds.context("no time")?.parse::<i64>()?),
        "{lives}"
    );
    is_never_old(shop).await?;
    shop.is_shared().await?;
    is_never_wrong(shop, &redis).await?;

    redis.kill();
    for _ in 0..3 {
        shop.both_say_the_same(&shop.question()).await?;
    }
    is_never_old(shop).await?;
    redis.restart()?;
    shop.is_shared().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_origin_has_answered_others_take_from_redis_on_sqlite() -> Result<()> {
    sharing("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_origin_has_answered_others_take_from_redis_on_mongodb() -> Result<()> {
    on_mongodb(sharing).await
}
