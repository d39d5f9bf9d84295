//! What is inside the database of a shop that runs, without asking the shop.

use anyhow::{Context as _, Result};
use crackers_origin::database::Database;
use crackers_origin::database::settings::{Config, Kind};
use crackers_tests::stack::Stack;

/// The database of a shop.
pub(super) async fn database(shop: &Stack) -> Result<Database> {
    Ok(Box::pin(Database::open(&settings(shop)?)).await?)
}

/// A number that each origin counts.
pub(super) async fn counts(shop: &Stack, line: &str) -> Result<Vec<i64>> {
    let mut all = Vec::new();
    for url in &shop.origin_metrics_urls {
        let text = reqwest::get(url).await?.text().await?;
        let found = text.lines().find_map(|row| row.strip_prefix(line));
        all.push(found.map_or(Ok(0), |count| count.trim().parse())?);
    }
    Ok(all)
}

/// Waits until every origin has followed all that was written so far.
pub(super) async fn all_have_heard(shop: &Stack) -> Result<()> {
    let newest = database(shop).await?.last_sequence().await?;
    shop.wait_for("everybody has heard of everything", async || {
        let heard = counts(shop, "crackers_origin_outbox_changes_sequence").await?;
        Ok(heard.iter().all(|sequence| *sequence >= newest))
    })
    .await
}

/// Stock is what its ledger adds up to, and as many pieces as it should be.
pub(super) async fn ledger_holds(shop: &Stack, product: &str, pieces: i64) -> Result<()> {
    let database = database(shop).await?;
    let stock = database
        .stock(product)
        .await?
        .context("no stock")?
        .available;
    let rows = database.stock_movements(product, 10_000_000).await?;
    let sum: i64 = rows.iter().map(|row| row.delta).sum();
    assert_eq!(
        (stock, sum),
        (pieces, pieces),
        "stock and the sum of its ledger"
    );
    Ok(())
}

/// Where the shop keeps its data.
fn settings(shop: &Stack) -> Result<Config> {
    let whole: crackers_origin::config::Config =
        serde_yaml::from_str(crackers_origin::config::DEFAULTS)?;
    let mut config = whole.database;
    config.sqlite.file = shop.folder.path().join(&config.sqlite.file);
    let own = std::fs::read_to_string(shop.folder.path().join("origin-own.yaml"))?;
    let own: serde_yaml::Value = serde_yaml::from_str(&own)?;
    let mongodb = &own["database"]["mongodb"];
    if let (Some(uri), Some(name)) = (mongodb["uri"].as_str(), mongodb["database"].as_str()) {
        config.kind = Kind::Mongodb;
        (config.mongodb.uri, config.mongodb.database) = (uri.to_owned(), name.to_owned());
    }
    Ok(config)
}
