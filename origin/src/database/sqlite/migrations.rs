//! The schema, in numbered steps that are never edited once released, only followed by others.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::super::error::DatabaseError;
use super::Answer;
use crate::commerce::ids;

/// Each step runs once, in order; its number is its place, counted from one.
const STEPS: &[&str] = &[
    include_str!("migrations/0001_catalogue.sql"),
    include_str!("migrations/0002_orders.sql"),
    include_str!("migrations/0003_records.sql"),
];

/// Brings the schema up to date under the database's write lock, and answers with the database's id.
pub(super) fn run(connection: &mut Connection) -> Answer<String> {
    // The lock is taken before the version is read, so that of two programs that start together one waits.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
    )?;
    let found = meta(&transaction, "schema")?.map_or(Ok(0), |text| {
        text.parse::<i64>()
            .map_err(|_| DatabaseError::Corrupt(format!("schema version {text:?}")))
    })?;
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(DatabaseError::NewerSchema { found, known });
    }
    for step in STEPS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(step)?;
    }
    put_meta(&transaction, "schema", &known.to_string())?;
    let id = match meta(&transaction, "database_id")? {
        Some(id) => id,
        None => {
            let id = ids::unguessable();
            put_meta(&transaction, "database_id", &id)?;
            id
        }
    };
    transaction.commit()?;
    Ok(id)
}

fn meta(connection: &Connection, key: &str) -> Answer<Option<String>> {
    let mut statement = connection.prepare("SELECT value FROM meta WHERE key = ?1")?;
    Ok(statement.query_row([key], |row| row.get(0)).optional()?)
}

fn put_meta(connection: &Connection, key: &str, value: &str) -> Answer<()> {
    connection.execute(
        "INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)",
        [key, value],
    )?;
    Ok(())
}
