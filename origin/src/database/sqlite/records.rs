//! Records: everything that is kept as one document with a version and keys.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::error::DatabaseError;
use super::{Answer, Sqlite, changes, rows};
use crate::commerce::records::{Record, Write, Writes};

impl Sqlite {
    /// See [`super::super::Database::record`].
    pub async fn record(&self, kind: &str, id: &str) -> Answer<Option<Record>> {
        let (kind, id) = (kind.to_owned(), id.to_owned());
        self.read(move |connection| {
            one(
                connection,
                "WHERE records.kind = ?1 AND records.id = ?2",
                &kind,
                &id,
            )
        })
        .await
    }

    /// See [`super::super::Database::records_by_ids`].
    pub async fn records_by_ids(&self, kind: &str, ids: &[String]) -> Answer<Vec<Record>> {
        let (kind, ids) = (kind.to_owned(), ids.to_vec());
        self.read(move |connection| {
            let by = "WHERE records.kind = ?1 AND records.id = ?2";
            let found = ids.iter().map(|id| one(connection, by, &kind, id));
            found.filter_map(Result::transpose).collect()
        })
        .await
    }

    /// See [`super::super::Database::record_by_unique_key`].
    pub async fn record_by_unique_key(&self, kind: &str, key: &str) -> Answer<Option<Record>> {
        let (kind, key) = (kind.to_owned(), key.to_owned());
        self.read(move |connection| {
            let by = "JOIN record_unique_keys AS k ON k.kind = records.kind AND k.id = records.id
                      WHERE k.kind = ?1 AND k.key = ?2";
            one(connection, by, &kind, &key)
        })
        .await
    }

    /// See [`super::super::Database::records_by_key`].
    pub async fn records_by_key(
        &self,
        kind: &str,
        key: &str,
        before: Option<&str>,
        limit: u32,
    ) -> Answer<Vec<Record>> {
        let (kind, key) = (kind.to_owned(), key.to_owned());
        let before = before.map(str::to_owned);
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT records.kind, records.id, version, due_at, document FROM record_keys AS k
                 JOIN records ON records.kind = k.kind AND records.id = k.id
                 WHERE k.kind = ?1 AND k.key = ?2 AND (?3 IS NULL OR k.id < ?3) ORDER BY k.id DESC LIMIT ?4",
            )?;
            let found = statement.query_map(params![kind, key, before, limit], |row| Ok(record(row)))?;
            found.map(|record| record?).collect()
        })
        .await
    }

    /// See [`super::super::Database::records_due`].
    pub async fn records_due(&self, kind: &str, at: Timestamp, limit: u32) -> Answer<Vec<Record>> {
        let kind = kind.to_owned();
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT kind, id, version, due_at, document FROM records
                 WHERE kind = ?1 AND due_at <= ?2 ORDER BY due_at LIMIT ?3",
            )?;
            let values = params![kind, at.as_microsecond(), limit];
            let found = statement.query_map(values, |row| Ok(record(row)))?;
            found.map(|record| record?).collect()
        })
        .await
    }

    /// See [`super::super::Database::records_counted`].
    pub async fn records_counted(&self, kind: &str, key: &str, most: u32) -> Answer<u32> {
        let (kind, key) = (kind.to_owned(), key.to_owned());
        self.read(move |connection| {
            let sql = "SELECT count(*) FROM (SELECT 1 FROM record_keys WHERE kind = ?1 AND key = ?2 LIMIT ?3)";
            let mut statement = connection.prepare_cached(sql)?;
            Ok(statement.query_row(params![kind, key, most], |row| row.get(0))?)
        })
        .await
    }

    /// See [`super::super::Database::next_number`].
    pub async fn next_number(&self, sequence: &str) -> Answer<i64> {
        let key = format!("number:{sequence}");
        self.write(move |connection| {
            let mut statement = connection.prepare_cached(
                "INSERT INTO meta (key, value) VALUES (?1, '1')
                 ON CONFLICT (key) DO UPDATE SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT)
                 RETURNING CAST(value AS INTEGER)",
            )?;
            Ok(statement.query_row([key], |row| row.get(0))?)
        })
        .await
    }

    /// See [`super::super::Database::write_records`].
    pub async fn write_records(&self, writes: &Writes, at: Timestamp) -> Answer<()> {
        let writes = writes.clone();
        self.write(move |connection| write(connection, &writes, at))
            .await
    }
}

/// All steps of a write, inside the transaction of whoever calls.
pub(super) fn write(connection: &Connection, writes: &Writes, at: Timestamp) -> Answer<()> {
    for step in &writes.steps {
        match step {
            Write::Add(record) => put(connection, record)?,
            Write::Replace(record) => {
                remove(connection, &record.kind, &record.id, record.version - 1)?;
                put(connection, record)?;
            }
            Write::Remove { kind, id, version } => remove(connection, kind, id, *version)?,
        }
    }
    for change in &writes.changes {
        changes::append(connection, change, at)?;
    }
    Ok(())
}

fn put(connection: &Connection, record: &Record) -> Answer<()> {
    connection
        .prepare_cached(
            "INSERT INTO records (kind, id, version, due_at, document) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            record.kind,
            record.id,
            record.version,
            record.due_at.map(Timestamp::as_microsecond),
            record.document
        ])?;
    for (table, keys) in [
        ("record_keys", &record.keys),
        ("record_unique_keys", &record.unique_keys),
    ] {
        let sql = format!("INSERT INTO {table} (kind, key, id) VALUES (?1, ?2, ?3)");
        let mut insert = connection.prepare_cached(&sql)?;
        for key in keys {
            insert.execute(params![record.kind, key, record.id])?;
        }
    }
    Ok(())
}

/// Removes a record of this version; its keys go with it.
fn remove(connection: &Connection, kind: &str, id: &str, version: i64) -> Answer<()> {
    let removed = connection
        .prepare_cached("DELETE FROM records WHERE kind = ?1 AND id = ?2 AND version = ?3")?
        .execute(params![kind, id, version])?;
    if removed == 1 {
        return Ok(());
    }
    let actual: Option<i64> = connection
        .prepare_cached("SELECT version FROM records WHERE kind = ?1 AND id = ?2")?
        .query_row([kind, id], |row| row.get(0))
        .optional()?;
    Err(DatabaseError::VersionConflict {
        expected: version,
        actual: actual.unwrap_or(0),
    })
}

fn one(connection: &Connection, by: &str, kind: &str, value: &str) -> Answer<Option<Record>> {
    let sql =
        format!("SELECT records.kind, records.id, version, due_at, document FROM records {by}");
    let mut statement = connection.prepare_cached(&sql)?;
    let found = statement.query_row([kind, value], |row| Ok(record(row)));
    found.optional()?.transpose()
}

/// A record without its keys: those are for finding it.
fn record(row: &Row<'_>) -> Answer<Record> {
    let due_at: Option<i64> = row.get(3)?;
    Ok(Record {
        kind: row.get(0)?,
        id: row.get(1)?,
        version: row.get(2)?,
        keys: Vec::new(),
        unique_keys: Vec::new(),
        due_at: due_at.map(rows::time).transpose()?,
        document: row.get(4)?,
    })
}
