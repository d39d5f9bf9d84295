//! Stock and its ledger.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::super::error::DatabaseError;
use super::{Answer, Sqlite, changes, combos, products, rows};
use crate::commerce::availability::Availability;
use crate::commerce::changes::{NewChange, tags_of_combo_words, tags_of_stock_change};
use crate::commerce::combos::may_change_words;
use crate::commerce::reservation::{Moved, Shelf, StocksAdjusted};
use crate::commerce::stock::{
    StockAdjusted, StockAdjustment, StockMovement, StockRecord, is_of_product,
};

impl Sqlite {
    /// See [`super::super::Database::stock`].
    pub async fn stock(&self, product_id: &str) -> Answer<Option<StockRecord>> {
        let id = product_id.to_owned();
        self.read(move |connection| record(connection, &id)).await
    }

    /// See [`super::super::Database::stocks`].
    pub async fn stocks(&self, ids: &[String]) -> Answer<Vec<StockRecord>> {
        let ids = ids.to_vec();
        self.read(move |connection| {
            let found = ids.iter().map(|id| record(connection, id));
            found.filter_map(Result::transpose).collect()
        })
        .await
    }

    /// See [`super::super::Database::stock_movements`].
    pub async fn stock_movements(
        &self,
        product_id: &str,
        limit: u32,
    ) -> Answer<Vec<StockMovement>> {
        let id = product_id.to_owned();
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT delta, reason, at FROM stock_movements
                 WHERE product_id = ?1 ORDER BY number DESC LIMIT ?2",
            )?;
            let mut found = statement.query(params![id, limit])?;
            let mut movements = Vec::new();
            while let Some(row) = found.next()? {
                movements.push(StockMovement {
                    product_id: id.clone(),
                    delta: row.get(0)?,
                    reason: row.get(1)?,
                    at: rows::time(row.get(2)?)?,
                });
            }
            Ok(movements)
        })
        .await
    }

    /// See [`super::super::Database::create_stock`].
    pub async fn create_stock(&self, id: &str, available: i64, at: Timestamp) -> Answer<()> {
        let id = id.to_owned();
        self.write(move |connection| match record(connection, &id)? {
            Some(_) => Ok(()),
            None => create(connection, &id, available, 0, at),
        })
        .await
    }

    /// See [`super::super::Database::adjust_stock`].
    pub async fn adjust_stock(
        &self,
        product_id: &str,
        adjustment: StockAdjustment,
        reason: &str,
        at: Timestamp,
    ) -> Answer<StockAdjusted> {
        let (id, reason) = (product_id.to_owned(), reason.to_owned());
        self.write(move |connection| adjust(connection, &id, adjustment, &reason, at))
            .await
    }
}

impl Sqlite {
    /// See [`super::super::Database::adjust_stocks`].
    pub async fn adjust_stocks(
        &self,
        adjustments: &[(String, StockAdjustment)],
        reason: &str,
        at: Timestamp,
    ) -> Answer<StocksAdjusted> {
        let (adjustments, reason) = (adjustments.to_vec(), reason.to_owned());
        self.write(move |connection| adjust_all(connection, &adjustments, &reason, at))
            .await
    }
}

fn adjust_all(
    connection: &Connection,
    adjustments: &[(String, StockAdjustment)],
    reason: &str,
    at: Timestamp,
) -> Answer<StocksAdjusted> {
    let mut shelf = shelf(connection, adjustments.iter().map(|(id, _)| id))?;
    let missing = adjustments.iter().find(|(id, _)| shelf.stock(id).is_none());
    if let Some((id, _)) = missing {
        return Err(DatabaseError::NotFound {
            entity: "stock",
            id: id.clone(),
        });
    }
    let moved = match shelf.adjust_all(adjustments) {
        Ok(moved) => moved,
        Err(short) => return Ok(Err(short)),
    };
    let mut tags = put_shelf(connection, &shelf, &moved, reason, at)?;
    for (id, _) in adjustments {
        let change = NewChange {
            entity: "stock",
            entity_id: id.clone(),
            // The first one carries what all of them made stale.
            tags: std::mem::take(&mut tags),
        };
        changes::append(connection, &change, at)?;
    }
    Ok(Ok(moved.into_iter().map(|moved| moved.after).collect()))
}

/// Makes a stock with its first ledger row.
pub(super) fn create(
    connection: &Connection,
    id: &str,
    available: i64,
    low_at: i64,
    at: Timestamp,
) -> Answer<()> {
    connection
        .prepare_cached(
            "INSERT INTO stock (product_id, available, low_at, version) VALUES (?1, ?2, ?3, 0)",
        )?
        .execute(params![id, available, low_at])?;
    write_movement(connection, id, available, "opening", at)
}

fn adjust(
    connection: &Connection,
    id: &str,
    adjustment: StockAdjustment,
    reason: &str,
    at: Timestamp,
) -> Answer<StockAdjusted> {
    let missing = || DatabaseError::NotFound {
        entity: "stock",
        id: id.to_owned(),
    };
    let id = id.to_owned();
    let before = record(connection, &id)?.ok_or_else(missing)?;
    let mut shelf = Shelf::new([before.clone()]);
    let moved = shelf.adjust(&id, adjustment)?.ok_or_else(missing)?;
    let after = moved.after.clone();
    let tags = put_shelf(connection, &shelf, &[moved], reason, at)?;
    let change = NewChange {
        entity: "stock",
        entity_id: id,
        tags,
    };
    changes::append(connection, &change, at)?;
    Ok(StockAdjusted::between(&before, after))
}

fn record(connection: &Connection, id: &str) -> Answer<Option<StockRecord>> {
    let sql = "SELECT available, low_at, version FROM stock WHERE product_id = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_row([id], |row| {
        Ok(StockRecord {
            product_id: id.to_owned(),
            available: row.get(0)?,
            low_at: row.get(1)?,
            version: row.get(2)?,
        })
    });
    Ok(found.optional()?)
}

/// Writes a ledger row.
pub(super) fn write_movement(
    connection: &Connection,
    id: &str,
    delta: i64,
    reason: &str,
    at: Timestamp,
) -> Answer<()> {
    connection
        .prepare_cached(
            "INSERT INTO stock_movements (product_id, delta, reason, at) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![id, delta, reason, at.as_microsecond()])?;
    Ok(())
}

/// The stock of these products, to decide on.
pub(super) fn shelf<'a>(
    connection: &Connection,
    ids: impl Iterator<Item = &'a String>,
) -> Answer<Shelf> {
    let found: Vec<_> = ids
        .map(|id| record(connection, id))
        .collect::<Answer<_>>()?;
    Ok(Shelf::new(found.into_iter().flatten()))
}

/// Writes what was decided: stock, ledger, public words. Answers with the tags of what went stale.
pub(super) fn put_shelf(
    connection: &Connection,
    shelf: &Shelf,
    moved: &[Moved],
    reason: &str,
    at: Timestamp,
) -> Answer<Vec<String>> {
    let ids: Vec<_> = shelf
        .changed()
        .filter(|(before, now)| is_of_product(&now.product_id) && may_change_words(before, now))
        .map(|(_, now)| &now.product_id)
        .collect();
    let combos_before = combos::words_containing_any(connection, &ids)?;
    for each in moved {
        write_movement(connection, &each.after.product_id, each.delta, reason, at)?;
    }
    let mut tags = Vec::new();
    for (before, now) in shelf.changed() {
        connection
            .prepare_cached("UPDATE stock SET available = ?2, version = ?3 WHERE product_id = ?1")?
            .execute(params![now.product_id, now.available, now.version])?;
        let word = Availability::of(now.available, now.low_at);
        if is_of_product(&now.product_id)
            && word != Availability::of(before.available, before.low_at)
        {
            let mut product = products::required(connection, &now.product_id)?;
            product.availability = word;
            products::put(connection, &product)?;
            tags.extend(tags_of_stock_change(&product, true, &[]));
        }
    }
    let combos_after = combos::words_containing_any(connection, &ids)?;
    tags.extend(tags_of_combo_words(combos_before, combos_after));
    tags.sort();
    tags.dedup();
    Ok(tags)
}
