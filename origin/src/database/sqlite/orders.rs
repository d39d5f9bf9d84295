//! Orders. Each is placed in one write of its own; the writer takes those that wait together into one commit.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::error::DatabaseError;
use super::super::order_window::OrderWindow;
use super::{Answer, Sqlite, changes, orders_by_time, rows, stock, tallies};
use crate::commerce::basis::{Basis, Ground};
use crate::commerce::changes::NewChange;
use crate::commerce::orders::{NewOrder, Order, OrderQuery, OrderState, OrderStep, Placed};
use crate::commerce::tallies::between;

impl Sqlite {
    /// See [`super::super::Database::place_order`].
    pub async fn place_order(&self, order: &NewOrder) -> Answer<Placed> {
        let order = order.clone();
        self.write(move |connection| place(connection, &order))
            .await
    }

    /// See [`super::super::Database::order_by_key`].
    pub async fn order_by_key(&self, idempotency_key: &str) -> Answer<Option<(String, Order)>> {
        let idempotency_key = idempotency_key.to_owned();
        self.read(move |connection| by_key(connection, &idempotency_key))
            .await
    }

    /// See [`super::super::Database::order_by_id`].
    pub async fn order_by_id(&self, id: &str) -> Answer<Option<Order>> {
        let id = id.to_owned();
        self.read(move |connection| one(connection, "id = ?1", &id))
            .await
    }

    /// See [`super::super::Database::orders_by_ids`].
    pub async fn orders_by_ids(&self, ids: &[String]) -> Answer<Vec<Order>> {
        let ids = ids.to_vec();
        self.read(move |connection| {
            let found = ids.iter().map(|id| one(connection, "id = ?1", id));
            found.filter_map(Result::transpose).collect()
        })
        .await
    }

    /// See [`super::super::Database::order_by_tracking_token`].
    pub async fn order_by_tracking_token(&self, token: &str) -> Answer<Option<Order>> {
        let token = token.to_owned();
        self.read(move |connection| one(connection, "tracking_token = ?1", &token))
            .await
    }

    /// See [`super::super::Database::order_by_number`].
    pub async fn order_by_number(&self, number: i64) -> Answer<Option<Order>> {
        self.read(move |connection| one(connection, "number = ?1", &number))
            .await
    }

    /// See [`super::super::Database::orders`].
    pub async fn orders(&self, query: &OrderQuery) -> Answer<Vec<Order>> {
        let query = query.clone();
        self.read(move |connection| match OrderWindow::is_asked_by(&query) {
            true => orders_by_time::page(connection, &query),
            false => page(connection, &query),
        })
        .await
    }

    /// See [`super::super::Database::orders_due`].
    pub async fn orders_due(&self, at: Timestamp, limit: u32) -> Answer<Vec<String>> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id FROM orders WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2",
            )?;
            let found =
                statement.query_map(params![at.as_microsecond(), limit], |row| row.get(0))?;
            Ok(found.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// See [`super::super::Database::step_order`].
    pub async fn step_order(
        &self,
        id: &str,
        step: &OrderStep,
        expected_version: Option<i64>,
    ) -> Answer<Order> {
        let (id, step) = (id.to_owned(), step.clone());
        self.write(move |connection| take_step(connection, &id, step, expected_version))
            .await
    }

    /// See [`super::super::Database::forget_order_keys`].
    pub async fn forget_order_keys(&self, before: Timestamp, limit: u32) -> Answer<u64> {
        self.write(move |connection| {
            let sql = "DELETE FROM order_keys WHERE key IN
                       (SELECT key FROM order_keys WHERE at < ?1 ORDER BY at LIMIT ?2)";
            let mut statement = connection.prepare_cached(sql)?;
            let gone = statement.execute(params![before.as_microsecond(), limit])?;
            Ok(u64::try_from(gone).unwrap_or(0))
        })
        .await
    }
}

fn place(connection: &Connection, new: &NewOrder) -> Answer<Placed> {
    if let Some((body_hash, order)) = by_key(connection, &new.idempotency_key)? {
        return Ok(Placed::again(order, body_hash == new.body_hash));
    }
    if !stands(connection, &new.basis)? {
        return Ok(Placed::Stale);
    }
    let pieces = new.quote.pieces();
    let mut shelf = stock::shelf(connection, pieces.keys())?;
    let moved = match shelf.take(&pieces) {
        Ok(moved) => moved,
        Err(short) => return Ok(Placed::Short(short)),
    };
    let order = new.numbered(next_number(connection)?);
    let reason = format!("order {}", order.number_text());
    let tags = stock::put_shelf(connection, &shelf, &moved, &reason, new.at)?;
    connection
        .prepare_cached(
            "INSERT INTO orders (number, id, tracking_token, state, expires_at, document, placed_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            order.number,
            order.id,
            order.tracking_token,
            order.state.as_str(),
            order.expires_at.map(Timestamp::as_microsecond),
            rows::to_document(&order)?,
            order.placed_at.as_microsecond()
        ])?;
    connection
        .prepare_cached(
            "INSERT INTO order_keys (key, body_hash, order_number, at) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![
            new.idempotency_key,
            new.body_hash,
            order.number,
            new.at.as_microsecond()
        ])?;
    let mut mark = connection
        .prepare_cached("INSERT OR IGNORE INTO order_marks (mark, number) VALUES (?1, ?2)")?;
    for text in order.marks() {
        mark.execute(params![text, order.number])?;
    }
    tallies::add(connection, &between(None, &order))?;
    append(connection, &order, tags, new.at)?;
    Ok(Placed::New(order))
}

/// Whether everything that a price was made from is still what it was.
fn stands(connection: &Connection, basis: &Basis) -> Answer<bool> {
    for (ground, version) in basis.iter() {
        let (sql, id) = match ground {
            Ground::Shop => (
                "SELECT json_extract(document, '$.version') FROM shop WHERE ?1 = '' AND one = 1",
                "",
            ),
            Ground::Product(id) => ("SELECT version FROM products WHERE id = ?1", id.as_str()),
            Ground::Combo(id) => (
                "SELECT json_extract(document, '$.version') FROM combos WHERE id = ?1",
                id.as_str(),
            ),
            Ground::Coupon(code) => (
                "SELECT version FROM records WHERE kind = 'coupon' AND id = ?1",
                code.as_str(),
            ),
        };
        let mut statement = connection.prepare_cached(sql)?;
        let now: Option<i64> = statement.query_row([id], |row| row.get(0)).optional()?;
        if now != Some(version) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn take_step(
    connection: &Connection,
    id: &str,
    step: OrderStep,
    expected_version: Option<i64>,
) -> Answer<Order> {
    let found = one(connection, "id = ?1", &id)?;
    let before = found.ok_or_else(|| DatabaseError::NotFound {
        entity: "order",
        id: id.to_owned(),
    })?;
    if let Some(expected) = expected_version.filter(|expected| *expected != before.version) {
        return Err(DatabaseError::VersionConflict {
            expected,
            actual: before.version,
        });
    }
    let at = step.at;
    let next = before.stepped(step)?;
    let released = before.released_by(&next);
    let mut tags = Vec::new();
    if !released.is_empty() {
        let mut shelf = stock::shelf(connection, released.keys())?;
        let moved = shelf.put_back(&released);
        let reason = format!("order {} {}", next.number_text(), next.state.as_str());
        tags = stock::put_shelf(connection, &shelf, &moved, &reason, at)?;
    }
    connection
        .prepare_cached(
            "UPDATE orders SET state = ?2, expires_at = ?3, document = ?4 WHERE number = ?1",
        )?
        .execute(params![
            next.number,
            next.state.as_str(),
            next.expires_at.map(Timestamp::as_microsecond),
            rows::to_document(&next)?
        ])?;
    tallies::add(connection, &between(Some(&before), &next))?;
    append(connection, &next, tags, at)?;
    Ok(next)
}

fn append(connection: &Connection, order: &Order, tags: Vec<String>, at: Timestamp) -> Answer<()> {
    let change = NewChange {
        entity: "order",
        entity_id: order.id.clone(),
        tags,
    };
    changes::append(connection, &change, at)
}

fn page(connection: &Connection, query: &OrderQuery) -> Answer<Vec<Order>> {
    // The text depends only on which conditions there are, so that each is prepared once.
    let from = match query.mark {
        Some(_) => {
            "order_marks AS m JOIN orders ON orders.number = m.number WHERE m.mark = ?2 AND m.number"
        }
        None => "orders WHERE ?2 = '' AND orders.number",
    };
    // The sign keeps the index of times out of it: what was found by its mark or number has only to be looked at.
    let time = match (query.from, query.to) {
        (None, None) => "?6 < ?7",
        _ => "+placed_at >= ?6 AND +placed_at < ?7",
    };
    let state = match query.state {
        Some(_) => "state = ?3",
        None => "?3 = ''",
    };
    let sql = format!(
        "SELECT document FROM {from} < ?1 AND orders.number >= ?5 AND {state} AND {time}
         ORDER BY orders.number DESC LIMIT ?4"
    );
    let (least, before) = query.numbers();
    let (from, to) = query.microseconds();
    let mut statement = connection.prepare_cached(&sql)?;
    let values = params![
        before,
        query.mark.as_deref().unwrap_or_default(),
        query.state.map_or("", OrderState::as_str),
        query.limit,
        least,
        from,
        to
    ];
    let found = statement.query_map(values, |row| Ok(order(row)))?;
    found.map(|order| order?).collect()
}

fn by_key(connection: &Connection, key: &str) -> Answer<Option<(String, Order)>> {
    let mut statement = connection.prepare_cached(
        "SELECT document, body_hash FROM order_keys
         JOIN orders ON orders.number = order_keys.order_number WHERE key = ?1",
    )?;
    let found = statement.query_row([key], |row| Ok((row.get::<_, String>(1)?, order(row))));
    let found = found.optional()?;
    found
        .map(|(body_hash, order)| Ok((body_hash, order?)))
        .transpose()
}

/// Orders are never removed, so the numbers have no gap and no double.
fn next_number(connection: &Connection) -> Answer<i64> {
    let sql = "SELECT coalesce(max(number), 0) + 1 FROM orders";
    Ok(connection
        .prepare_cached(sql)?
        .query_row([], |row| row.get(0))?)
}

fn one(
    connection: &Connection,
    condition: &str,
    value: &dyn rusqlite::ToSql,
) -> Answer<Option<Order>> {
    let sql = format!("SELECT document FROM orders WHERE {condition}");
    let mut statement = connection.prepare_cached(&sql)?;
    let found = statement.query_row([value], |row| Ok(order(row)));
    found.optional()?.transpose()
}

pub(super) fn order(row: &Row<'_>) -> Answer<Order> {
    rows::document(&row.get::<_, String>(0)?)
}
