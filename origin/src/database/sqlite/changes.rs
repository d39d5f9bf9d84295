//! The `changes` sequence.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{Answer, Sqlite, rows};
use crate::commerce::changes::{Change, NewChange};

impl Sqlite {
    /// See [`super::super::Database::last_sequence`].
    pub async fn last_sequence(&self) -> Answer<i64> {
        self.read(last).await
    }

    /// See [`super::super::Database::changes_after`].
    pub async fn changes_after(&self, sequence: i64, limit: u32) -> Answer<Vec<Change>> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT sequence, at, entity, entity_id, tags FROM changes
                 WHERE sequence > ?1 ORDER BY sequence LIMIT ?2",
            )?;
            let mut found = statement.query(params![sequence, limit])?;
            let mut changes = Vec::new();
            while let Some(row) = found.next()? {
                let tags: String = row.get(4)?;
                changes.push(Change {
                    sequence: row.get(0)?,
                    at: rows::time(row.get(1)?)?,
                    entity: row.get(2)?,
                    entity_id: row.get(3)?,
                    tags: rows::document(&tags)?,
                });
            }
            Ok(changes)
        })
        .await
    }
}

fn last(connection: &Connection) -> Answer<i64> {
    let sql = "SELECT coalesce(max(sequence), 0) FROM changes";
    Ok(connection
        .prepare_cached(sql)?
        .query_row([], |row| row.get(0))?)
}

/// Appends to the sequence, inside the transaction of the write that it tells of.
pub(super) fn append(connection: &Connection, change: &NewChange, at: Timestamp) -> Answer<()> {
    connection
        .prepare_cached(
            "INSERT INTO changes (at, entity, entity_id, tags) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![
            at.as_microsecond(),
            change.entity,
            change.entity_id,
            rows::to_document(&change.tags)?
        ])?;
    Ok(())
}

/// Removes what is older than the newest `kept` entries.
pub(super) fn trim(connection: &Connection, kept: u32) -> Answer<()> {
    let oldest_kept = last(connection)? - i64::from(kept);
    connection
        .prepare_cached("DELETE FROM changes WHERE sequence <= ?1")?
        .execute([oldest_kept])?;
    Ok(())
}
