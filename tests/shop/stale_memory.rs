//! What an order costs is said by the database in the step that places it, whatever an origin remembers.

use anyhow::{Context as _, Result};
use crackers_tests::answer::Answer;
use crackers_tests::stack::Stack;
use serde_json::Value;

use super::both_databases::on_mongodb;
use super::orders::{order_of, selling, stocked, text};

async fn place(shop: &Stack, order: &Value, key: &str) -> Result<Answer> {
    shop.post("/api/orders", order, &[("idempotency-key", key)])
        .await
}

/// Memory that never hears of changes: the rules must hold without it.
const DEAF: &str = "outbox: {poll_interval_ms: 86400000}\n";

async fn memory_that_is_behind(origin: &str) -> Result<()> {
    let shop = &selling(&format!("{DEAF}{origin}"), 1).await?;
    let product = stocked(shop, 100).await?;
    let (id, sku) = (text(&product, "/id")?, text(&product, "/sku")?);
    let old = order_of(shop, id, 15).await?;
    shop.command(&["product", "set-price", sku, "90000"])?;
    let refused = place(shop, &old, "a-key-of-the-old-price").await?;
    assert_eq!(refused.json()?["code"], "price_changed");
    let mut new = old.clone();
    let goods = old["expected_total_paise"].as_i64().context("no total")?;
    let seen = refused.json()?["detail"].to_string();
    let total: String = seen.chars().filter(char::is_ascii_digit).collect();
    new["expected_total_paise"] = total.parse::<i64>()?.into();
    assert_ne!(new["expected_total_paise"], goods);
    let placed = place(shop, &new, "a-key-of-the-new-price").await?;
    assert_eq!(placed.status, 201, "{}", placed.json()?);
    shop.command(&["shop", "mode", "closed"])?;
    let closed = place(shop, &new, "a-key-of-a-closed-shop").await?;
    assert_eq!(closed.json()?["code"], "not_selling");
    shop.command(&["shop", "mode", "order"])?;
    let open = place(shop, &new, "a-key-of-an-open-shop-").await?;
    assert_eq!(open.status, 201, "{}", open.json()?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_costs_what_the_database_says_though_memory_is_behind_on_sqlite() -> Result<()> {
    memory_that_is_behind("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_costs_what_the_database_says_though_memory_is_behind_on_mongodb() -> Result<()> {
    on_mongodb(memory_that_is_behind).await
}
