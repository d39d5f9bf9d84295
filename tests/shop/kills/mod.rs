//! Promises about orders, proved by killing processes in the middle of a rush: what was acknowledged exists once, nothing
//! is sold twice, stock is its ledger, and a key gives the same order again. `make kill ROUNDS=50` does it many times.

mod flash;
mod migrating;
mod rush;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use crackers_tests::mongod::{self, Mongod};
use crackers_tests::replica_set::ReplicaSet;
use crackers_tests::stack::Stack;

use self::rush::Rush;
use super::both_databases::{on, on_mongodb};
use super::orders::selling;

const BUYERS: usize = 40;
/// Fewer than buyers.
const ENOUGH: usize = 25;
/// Into the rush, and between two kills of one rush.
const PAUSE: Duration = Duration::from_millis(350);

/// How many rushes each test makes.
fn rounds() -> usize {
    let named = std::env::var("CRACKERS_KILL_ROUNDS").ok();
    named.and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// Rushes with this harm in the middle of each.
async fn rushes(
    shop: &mut Stack,
    mut harm: impl AsyncFnMut(&mut Stack) -> Result<()>,
) -> Result<()> {
    for _ in 0..rounds() {
        let rush = Rush::ordinary(shop, ENOUGH).await?;
        let buyers = rush.begin(BUYERS, false);
        tokio::time::sleep(PAUSE).await;
        harm(shop).await?;
        rush.end(shop, buyers).await?;
    }
    Ok(())
}

/// Kills one origin after the other.
async fn killed_origins(origin: &str, origins: usize) -> Result<()> {
    let mut shop = selling(origin, origins).await?;
    rushes(&mut shop, async |shop| {
        for kill in 0..3 {
            let victim = kill % origins;
            shop.origins[victim].kill();
            shop.restart_origin(victim)?;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    })
    .await
}

async fn killed_edge(origin: &str) -> Result<()> {
    let mut shop = selling(origin, 1).await?;
    rushes(&mut shop, async |shop| {
        for _ in 0..2 {
            shop.edge.kill();
            shop.restart_edge()?;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite_killed_origins_lose_and_double_nothing() -> Result<()> {
    killed_origins("", 1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite_one_killed_origin_of_three_loses_and_doubles_nothing() -> Result<()> {
    killed_origins("", 3).await
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite_a_killed_edge_loses_and_doubles_nothing() -> Result<()> {
    killed_edge("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mongodb_killed_origins_lose_and_double_nothing() -> Result<()> {
    match mongod::shared_uri() {
        Some(uri) => killed_origins(&on(&uri), 1).await,
        None => Ok(()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mongodb_one_killed_origin_of_three_loses_and_doubles_nothing() -> Result<()> {
    match mongod::shared_uri() {
        Some(uri) => killed_origins(&on(&uri), 3).await,
        None => Ok(()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mongodb_a_killed_edge_loses_and_doubles_nothing() -> Result<()> {
    on_mongodb(killed_edge).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_mongod_that_starts_again_loses_and_doubles_nothing() -> Result<()> {
    let Some(server) = tokio::task::spawn_blocking(Mongod::start).await?? else {
        return Ok(());
    };
    let server = Arc::new(server);
    let mut shop = selling(&on(&server.uri()), 1).await?;
    rushes(&mut shop, async |_| {
        let server = Arc::clone(&server);
        tokio::task::spawn_blocking(move || {
            server.kill()?;
            server.restart()
        })
        .await?
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_steps_down_loses_and_doubles_nothing() -> Result<()> {
    let Some(set) = tokio::task::spawn_blocking(ReplicaSet::start).await?? else {
        return Ok(());
    };
    let mut shop = selling(&on(&set.uri()), 1).await?;
    rushes(&mut shop, async |_| set.step_down().await).await
}
