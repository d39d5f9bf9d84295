//! A program that is killed while it brings MongoDB's schema up to date: the next one waits until its turn is over by the
//! server's clock, and finishes.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use crackers_tests::mongod::Mongod;
use crackers_tests::stack::{PATIENCE, Process, run};
use mongodb::bson::{Document, doc};

use super::super::both_databases::on;

/// What is written of the schema, once the lock is in it.
async fn locked(meta: &mongodb::Collection<Document>) -> Result<Document> {
    let is_locked = doc! { "_id": "schema", "lock.owner": { "$exists": true } };
    let look = async {
        loop {
            if let Some(schema) = meta.find_one(is_locked.clone()).await? {
                return Ok(schema);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let found = tokio::time::timeout(PATIENCE, look).await;
    found.context("nobody takes the lock")?
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lock_of_a_killed_program_is_taken_over_when_its_turn_is_over() -> Result<()> {
    let Some(server) = tokio::task::spawn_blocking(Mongod::start).await?? else {
        return Ok(());
    };
    server.delay(&["createIndexes"], 300).await?;
    let own = on(&server.uri());
    let own = own.replace("{uri:", "{migration_lease_ms: 3000, uri:");
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("own.yaml"), own)?;
    let seed = ["--config", "own.yaml", "seed"];
    let mut first = Process::start("crackers-origin", &seed, folder.path(), "first")?;
    let client = mongodb::Client::with_uri_str(server.uri()).await?;
    let names = async {
        loop {
            let names = client.list_database_names().await?;
            if let Some(name) = names.into_iter().find(|name| name.starts_with("shop_")) {
                return Ok::<_, anyhow::Error>(name);
            }
        }
    };
    let name = tokio::time::timeout(PATIENCE, names).await??;
    let meta = client.database(&name).collection::<Document>("meta");
    locked(&meta).await?;
    first.kill();
    let left = locked(&meta).await?;
    server.hurry().await?;

    let path = folder.path().to_owned();
    tokio::task::spawn_blocking(move || run("crackers-origin", &seed, &path)).await??;
    let after = meta.find_one(doc! { "_id": "schema" }).await?;
    let after = after.context("nothing is written of the schema")?;
    ensure!(!after.contains_key("lock"), "{after}");
    let steps = after.get_array("steps")?;
    let before = left.get_array("steps").map_or(0, Vec::len);
    let next = steps.get(before).and_then(|step| step.as_document());
    let next = next.context("the next one took no step")?;
    let lock = left.get_document("lock")?;
    ensure!(lock.get_str("owner")? != next.get_str("owner")?, "{after}");
    ensure!(
        next.get_datetime("at")? > lock.get_datetime("until")?,
        "it did not wait: {left} {after}"
    );
    let numbers: Vec<_> = steps
        .iter()
        .filter_map(|step| step.as_document()?.get_i64("number").ok())
        .collect();
    ensure!(numbers == [1, 2, 3, 4, 5], "{after}");
    tokio::task::spawn_blocking(move || drop(server)).await?;
    Ok(())
}
