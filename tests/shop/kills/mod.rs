//! Promises about orders, proved by killing processes in the middle of a rush: what was acknowledged exists once, nothing
//! is sold twice, stock is its ledger, and a key gives the same order again. `make kill ROUNDS=50` does it many times.

mod flash;
mod migrating;
mod regulars;
mod rush;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use crackers_tests::mongod::{self, Mongod};
use crackers_tests::replica_set::ReplicaSet;
use crackers_tests::stack::Stack;
use rustix::process::{Pid, Signal, kill_process};

use self::regulars::{Harmed, Regulars};
use self::rush::Rush;
use super::both_databases::{on, on_for, on_mongodb};
use super::orders::selling;

const BUYERS: usize = 40;
/// Fewer than buyers.
const ENOUGH: usize = 25;
/// Of one rush.
const KILLS: usize = 3;
/// The same, where the first ones found nobody.
const KILLS_MAX: usize = 12;
/// How long a primary goes on that nobody hears.
const UNHEARD: Duration = Duration::from_millis(300);

/// How long the members of a set may be without a primary, in milliseconds: they also elect where nobody asked them to.
const ELECTED: u32 = 5000;

/// How many rushes each test makes.
fn rounds() -> usize {
    let named = std::env::var("CRACKERS_KILL_ROUNDS").ok();
    named.and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// Rushes with this harm in the middle of each; what it did to the orders that were under way.
async fn rushes(
    shop: &mut Stack,
    mut harm: impl AsyncFnMut(&mut Stack, &Regulars) -> Result<()>,
) -> Result<Harmed> {
    let mut all = Harmed::default();
    for _ in 0..rounds() {
        let rush = Rush::ordinary(shop, ENOUGH).await?;
        let regulars = Regulars::begin(shop, rush.product()).await?;
        let buyers = rush.begin(BUYERS, false);
        harm(shop, &regulars).await?;
        let (others, harmed) = regulars.end(shop).await?;
        rush.end(shop, buyers, &others).await?;
        all.met += harmed.met;
        all.broken_off += harmed.broken_off;
    }
    assert!(all.met > 0, "no order was under way");
    Ok(all)
}

/// Kills in the midst of one rush, and more of them where none has broken off an order.
async fn kills(
    shop: &mut Stack,
    regulars: &Regulars,
    mut kill: impl AsyncFnMut(&mut Stack, usize) -> Result<()>,
) -> Result<()> {
    for number in 0..KILLS_MAX {
        if number >= KILLS && regulars.harmed().broken_off > 0 {
            break;
        }
        regulars.before_a_harm(shop).await?;
        kill(shop, number).await?;
    }
    Ok(())
}

/// Kills one origin after the other.
async fn killed_origins(origin: &str, origins: usize) -> Result<()> {
    let mut shop = selling(origin, origins).await?;
    let harmed = rushes(&mut shop, async |shop, regulars| {
        kills(shop, regulars, async |shop, number| {
            let victim = number % origins;
            shop.origins[victim].kill();
            shop.restart_origin(victim)
        })
        .await
    });
    assert!(harmed.await?.broken_off > 0, "no order was broken off");
    Ok(())
}

/// Kills one worker after the other under a supervisor that starts them again.
async fn killed_workers(origin: &str) -> Result<()> {
    let mut shop = selling(&format!("{origin}accept: {{workers: 2}}\n"), 1).await?;
    let harmed = rushes(&mut shop, async |shop, regulars| {
        kills(shop, regulars, async |shop, number| {
            let workers = shop.origins[0].children()?;
            let victim = workers.get(number % workers.len().max(1)).copied();
            let victim = victim.and_then(Pid::from_raw).context("no worker")?;
            kill_process(victim, Signal::KILL)?;
            shop.wait_for("there are two again", async || {
                let now = shop.origins[0].children()?;
                Ok(now.len() == 2 && !now.contains(&victim.as_raw_nonzero().get()))
            })
            .await
        })
        .await
    });
    assert!(harmed.await?.broken_off > 0, "no order was broken off");
    Ok(())
}

async fn killed_edge(origin: &str) -> Result<()> {
    let mut shop = selling(origin, 1).await?;
    let harmed = rushes(&mut shop, async |shop, regulars| {
        kills(shop, regulars, async |shop, _| {
            shop.edge.kill();
            shop.restart_edge()
        })
        .await
    });
    assert!(harmed.await?.broken_off > 0, "no order was broken off");
    Ok(())
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
async fn on_sqlite_killed_workers_lose_and_double_nothing() -> Result<()> {
    killed_workers("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mongodb_killed_workers_lose_and_double_nothing() -> Result<()> {
    on_mongodb(killed_workers).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_mongod_that_starts_again_loses_and_doubles_nothing() -> Result<()> {
    let Some(server) = tokio::task::spawn_blocking(Mongod::start).await?? else {
        return Ok(());
    };
    let server = Arc::new(server);
    let mut shop = selling(&on(&server.uri()), 1).await?;
    rushes(&mut shop, async |shop, regulars| {
        regulars.before_a_harm(shop).await?;
        tokio::task::block_in_place(|| server.kill())?;
        // The origin tries again until the server is there: those that are under way wait.
        assert!(regulars.under_way() > 0, "no order was under way");
        let server = Arc::clone(&server);
        tokio::task::spawn_blocking(move || server.restart()).await?
    })
    .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_steps_down_loses_and_doubles_nothing() -> Result<()> {
    let Some(set) = tokio::task::spawn_blocking(ReplicaSet::start).await?? else {
        return Ok(());
    };
    let mut shop = selling(&on_for(&set.uri(), ELECTED), 1).await?;
    rushes(&mut shop, async |shop, regulars| {
        regulars.before_a_harm(shop).await?;
        set.step_down().await
    })
    .await?;
    Ok(())
}

/// What only the primary has is lost with it: nobody may have been told of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_dies_unheard_takes_no_acknowledged_order_with_it_on_mongodb() -> Result<()>
{
    let Some(set) = tokio::task::spawn_blocking(ReplicaSet::start).await?? else {
        return Ok(());
    };
    let mut shop = selling(&on_for(&set.uri(), ELECTED), 1).await?;
    rushes(&mut shop, async |shop, regulars| {
        regulars.before_a_harm(shop).await?;
        set.lose_primary_unheard(UNHEARD).await
    })
    .await?;
    Ok(())
}
