//! Promises about orders, proved by killing processes in the middle of a rush.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use crackers_tests::mongod;
use crackers_tests::stack::Stack;
use serde_json::Value;

use super::both_databases::on;
use super::orders::{order_of, selling, stocked};

const BUYERS: usize = 40;
const PIECES: u32 = 15;

/// Sends one order until it is answered for good: 201, or 409 that there is too little. Its number.
async fn insist(shop: &Stack, order: &Value, key: &str) -> Result<Option<String>> {
    let deadline = std::time::Instant::now() + crackers_tests::stack::PATIENCE;
    loop {
        let answer = shop
            .post("/api/orders", order, &[("idempotency-key", key)])
            .await;
        match answer.map(|answer| (answer.status, answer.json())) {
            Ok((201, body)) => return Ok(body?["number"].as_str().map(str::to_owned)),
            Ok((409, body))
                if body
                    .as_ref()
                    .is_ok_and(|body| body["code"] == "stock_too_low") =>
            {
                return Ok(None);
            }
            other => anyhow::ensure!(std::time::Instant::now() < deadline, "{key}: {other:?}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// Kills the origin three times while buyers order more than there is, each insisting on his key.
async fn killed_origins_lose_and_double_nothing(origin: &str) -> Result<()> {
    let mut shop = selling(origin, 1).await?;
    // Enough for 25 of 40 buyers.
    let stock = 25 * PIECES;
    let product = stocked(&shop, stock).await?;
    let id = product["id"].as_str().context("no id")?.to_owned();
    let order = Arc::new(order_of(&shop, &id, PIECES).await?);
    let mut origin = shop.origins.remove(0);
    let folder = shop.folder.path().to_owned();
    let shop = Arc::new(shop);
    let buyers: Vec<_> = (0..BUYERS)
        .map(|buyer| {
            let (shop, order) = (Arc::clone(&shop), Arc::clone(&order));
            tokio::spawn(async move {
                // Not all at once: every kill finds some in flight.
                tokio::time::sleep(std::time::Duration::from_millis(40 * buyer as u64)).await;
                insist(&shop, &order, &format!("the-key-of-buyer-{buyer:04}")).await
            })
        })
        .collect();
    for _ in 0..3 {
        tokio::time::sleep(std::time::Duration::from_millis(350)).await;
        origin.kill();
        origin = crackers_tests::stack::start_origin(&folder, 0)?;
    }
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    for (buyer, result) in buyers.into_iter().enumerate() {
        if let Some(number) = result.await?? {
            assert_eq!(
                numbers.insert(number.clone(), buyer),
                None,
                "{number} went to two buyers"
            );
        }
    }
    assert_eq!(numbers.len(), 25, "exactly what there was is sold");
    let listed = shop.command(&["order", "list", "--limit", "1000"])?;
    let listed: Vec<_> = listed
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(
        listed.len(),
        25,
        "as many orders as acknowledgements: {listed:?}"
    );
    assert!(
        listed.iter().all(|number| numbers.contains_key(*number)),
        "{listed:?}"
    );
    // One more finds nothing: no piece came back from nowhere.
    assert_eq!(
        insist(&shop, &order, "the-key-of-one-more-buyer").await?,
        None
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite_killed_origins_lose_and_double_nothing() -> Result<()> {
    killed_origins_lose_and_double_nothing("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mongodb_killed_origins_lose_and_double_nothing() -> Result<()> {
    match mongod::shared_uri() {
        Some(uri) => killed_origins_lose_and_double_nothing(&on(&uri)).await,
        None => Ok(()),
    }
}
