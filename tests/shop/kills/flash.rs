//! Many more buyers than pieces, all at once: exactly the pieces are sold, and all others are told so.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use crackers_tests::mongod;

use super::rush::Rush;
use crate::shop::both_databases::on;
use crate::shop::inside::all_have_heard;
use crate::shop::orders::selling;

const PIECES: usize = 500;

/// `make flash` brings 2,000.
fn buyers() -> usize {
    let named = std::env::var("CRACKERS_FLASH_BUYERS").ok();
    named.and_then(|text| text.parse().ok()).unwrap_or(600)
}

async fn exactly_the_pieces_are_sold(origin: &str, origins: usize) -> Result<()> {
    let shop = selling(origin, origins).await?;
    let dearest = shop
        .get("/api/products?limit=1&sort=-price&stock=in_stock")
        .await?
        .json()?;
    let sku = dearest["items"][0]["sku"].as_str().context("no SKU")?;
    // One piece is enough for an order.
    shop.command(&["product", "set-price", sku, "1000000"])?;
    shop.wait_for("the price shows", async || {
        let list = shop
            .get("/api/products?limit=1&sort=-price&stock=in_stock")
            .await?
            .json()?;
        Ok(list["items"][0]["price"]["amount_paise"] == 1_000_000)
    })
    .await?;
    all_have_heard(&shop).await?;
    let rush = Rush::of(&shop, PIECES, 1).await?;
    let all = rush.begin(buyers(), true);
    rush.end(&shop, all, &BTreeSet::new()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite_a_flash_sale_sells_exactly_the_pieces() -> Result<()> {
    exactly_the_pieces_are_sold("", 1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite_a_flash_sale_over_three_origins_sells_exactly_the_pieces() -> Result<()> {
    exactly_the_pieces_are_sold("", 3).await
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mongodb_a_flash_sale_sells_exactly_the_pieces() -> Result<()> {
    match mongod::shared_uri() {
        Some(uri) => exactly_the_pieces_are_sold(&on(&uri), 1).await,
        None => Ok(()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mongodb_a_flash_sale_over_three_origins_sells_exactly_the_pieces() -> Result<()> {
    match mongod::shared_uri() {
        Some(uri) => exactly_the_pieces_are_sold(&on(&uri), 3).await,
        None => Ok(()),
    }
}
