//! Orders. Each is placed in one write of its own; the writer takes those that wait together into one commit.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::error::DatabaseError;
use super::{Answer, Sqlite, changes, rows, stock};
use crate::commerce::changes::NewChange;
use crate::commerce::orders::{NewOrder, Order, OrderEvent, OrderState, Placed};

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

    /// See [`super::super::Database::orders_before`].
    pub async fn orders_before(
        &self,
        state: Option<OrderState>,
        before: Option<i64>,
        limit: u32,
    ) -> Answer<Vec<Order>> {
        self.read(move |connection| {
            let before = before.unwrap_or(i64::MAX);
            let (condition, word) = match state {
                Some(state) => ("state = ?2 AND", state.as_str()),
                None => ("?2 = '' AND", ""),
            };
            let sql = format!(
                "SELECT document FROM orders WHERE {condition} number < ?1 ORDER BY number DESC LIMIT ?3"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let found = statement.query_map(params![before, word, limit], |row| Ok(order(row)))?;
            found.map(|order| order?).collect()
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
        event: &OrderEvent,
        expected_version: Option<i64>,
    ) -> Answer<Order> {
        let (id, event) = (id.to_owned(), event.clone());
        self.write(move |connection| step(connection, &id, event, expected_version))
            .await
    }
}

fn place(connection: &Connection, new: &NewOrder) -> Answer<Placed> {
    if let Some((body_hash, order)) = by_key(connection, &new.idempotency_key)? {
        return Ok(Placed::again(order, body_hash == new.body_hash));
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
            "INSERT INTO orders (number, id, tracking_token, state, expires_at, document)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            order.number,
            order.id,
            order.tracking_token,
            order.state.as_str(),
            order.expires_at.map(Timestamp::as_microsecond),
            rows::to_document(&order)?
        ])?;
    connection
        .prepare_cached(
            "INSERT INTO order_keys (key, body_hash, order_number) VALUES (?1, ?2, ?3)",
        )?
        .execute(params![new.idempotency_key, new.body_hash, order.number])?;
    append(connection, &order, tags, new.at)?;
    Ok(Placed::New(order))
}

fn step(
    connection: &Connection,
    id: &str,
    event: OrderEvent,
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
    let at = event.at;
    let next = before.stepped(event)?;
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

fn order(row: &Row<'_>) -> Answer<Order> {
    rows::document(&row.get::<_, String>(0)?)
}
