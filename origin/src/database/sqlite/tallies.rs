//! What is counted of orders.

use rusqlite::{Connection, params};

use super::{Answer, Sqlite, rows};
use crate::commerce::orders::Order;
use crate::commerce::tallies::{Tallies, between};

impl Sqlite {
    /// See [`super::super::Database::tallies`].
    pub async fn tallies(&self, kind: &str, from: &str, limit: u32) -> Answer<Vec<(String, i64)>> {
        let (kind, from) = (kind.to_owned(), from.to_owned());
        self.read(move |connection| {
            let sql = "SELECT key, value FROM tallies WHERE kind = ?1 AND key >= ?2 ORDER BY key LIMIT ?3";
            all(connection, sql, params![kind, from, limit])
        })
        .await
    }

    /// See [`super::super::Database::largest_tallies`].
    pub async fn largest_tallies(&self, kind: &str, limit: u32) -> Answer<Vec<(String, i64)>> {
        let kind = kind.to_owned();
        self.read(move |connection| {
            let sql = "SELECT key, value FROM tallies WHERE kind = ?1 AND value > 0
                       ORDER BY value DESC, key LIMIT ?2";
            all(connection, sql, params![kind, limit])
        })
        .await
    }
}

fn all(
    connection: &Connection,
    sql: &str,
    values: &[&dyn rusqlite::ToSql],
) -> Answer<Vec<(String, i64)>> {
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_map(values, |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// Adds to what is there.
pub(super) fn add(connection: &Connection, tallies: &Tallies) -> Answer<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO tallies (kind, key, value) VALUES (?1, ?2, ?3)
         ON CONFLICT (kind, key) DO UPDATE SET value = value + excluded.value",
    )?;
    for ((kind, key), by) in tallies {
        statement.execute(params![kind, key, by])?;
    }
    Ok(())
}

/// Fills in what the fourth step of the schema keeps beside orders: times, marks for names, tallies.
pub(super) fn fill_in(connection: &Connection) -> Answer<()> {
    let mut numbers = connection.prepare("SELECT number, document FROM orders ORDER BY number")?;
    let mut found = numbers.query([])?;
    while let Some(row) = found.next()? {
        let number: i64 = row.get(0)?;
        let order: Order = rows::document(&row.get::<_, String>(1)?)?;
        connection
            .prepare_cached("UPDATE orders SET placed_at = ?2 WHERE number = ?1")?
            .execute(params![number, order.placed_at.as_microsecond()])?;
        let mut mark = connection
            .prepare_cached("INSERT OR IGNORE INTO order_marks (mark, number) VALUES (?1, ?2)")?;
        for text in order.marks() {
            mark.execute(params![text, number])?;
        }
        add(connection, &between(None, &order))?;
    }
    Ok(())
}
