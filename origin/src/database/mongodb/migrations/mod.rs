//! The schema, in numbered steps, one program at a time. [`steps`] says what each step does, [`lock`] whose turn it is.
//!
//! One document of `meta` holds the number of the newest step, who brings the schema up to date, until when that holds, and
//! which step was taken when and by whom: a program whose turn is over cannot write that it has taken one.

mod lock;
mod steps;

use std::time::Duration;

use mongodb::Database;
use mongodb::bson::{Document, doc};
use mongodb::options::ReturnDocument;

use self::lock::Lock;
use super::super::{DatabaseError, settings};
use super::{Answer, Failure};
use crate::commerce::ids;

/// The newest schema this program knows.
const KNOWN: i64 = 5;

/// Brings the schema up to date, and answers with the database's id.
pub(super) async fn run(database: &Database, config: &settings::Mongodb) -> Answer<String> {
    if let Some(id) = is_up_to_date(database).await? {
        return Ok(id);
    }
    let lease = Duration::from_millis(config.migration_lease_ms);
    let wait = Duration::from_millis(config.migration_wait_ms);
    let lock = Lock::take(database, lease, wait).await?;
    let done = tokio::select! {
        done = take_steps(database, &lock) => done,
        lost = lock.keep() => Err(lost),
    };
    let released = lock.release().await;
    let id = done?;
    released?;
    Ok(id)
}

/// The database's id, where there is nothing to do.
async fn is_up_to_date(database: &Database) -> Answer<Option<String>> {
    let meta = database.collection::<Document>("meta");
    let schema = meta.find_one(doc! { "_id": "schema" }).await;
    let schema = schema.map_err(Failure::from)?.unwrap_or_default();
    if version(&schema)? < KNOWN {
        return Ok(None);
    }
    let id = meta.find_one(doc! { "_id": "database_id" }).await;
    let id = id.map_err(Failure::from)?;
    Ok(id.and_then(|id| id.get_str("value").ok().map(str::to_owned)))
}

/// The number of the newest step that was taken; 0 before the first.
///
/// # Errors
/// [`DatabaseError::NewerSchema`] where this program does not know that step.
fn version(schema: &Document) -> Answer<i64> {
    let found = schema.get_i64("version").unwrap_or(0);
    let known = KNOWN;
    match found > known {
        true => Err(DatabaseError::NewerSchema { found, known }),
        false => Ok(found),
    }
}

async fn take_steps(database: &Database, lock: &Lock) -> Answer<String> {
    let id = database_id(database).await?;
    // As it stands since the lock is ours.
    let meta = database.collection::<Document>("meta");
    let schema = meta.find_one(doc! { "_id": "schema" }).await;
    let found = version(&schema.map_err(Failure::from)?.unwrap_or_default())?;
    for number in found + 1..=KNOWN {
        tracing::info!(number, "the database's schema is brought up to date");
        steps::take(number, database, lock).await?;
        lock.write_down(number).await?;
    }
    Ok(id)
}

async fn database_id(database: &Database) -> Answer<String> {
    let meta = database.collection::<Document>("meta");
    let id = doc! { "$setOnInsert": { "value": ids::unguessable() } };
    let made = meta
        .find_one_and_update(doc! { "_id": "database_id" }, id)
        .upsert(true)
        .return_document(ReturnDocument::After)
        .await
        .map_err(Failure::from)?;
    let id = made.and_then(|made| made.get_str("value").ok().map(str::to_owned));
    id.ok_or_else(|| DatabaseError::Corrupt("meta.database_id".to_owned()))
}
