//! Orders: how they are found, how a batch of them is placed, and how one goes a step on.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use mongodb::ClientSession;
use mongodb::bson::{Document, doc};

use super::super::DatabaseError;
use super::super::order_window::OrderWindow;
use super::error::Failure;
use super::grounds::Versions;
use super::products::{from_json, to_json};
use super::{Answer, Mongo, changes, orders_by_time, stock, tallies};
use crate::commerce::changes::NewChange;
use crate::commerce::orders::{NewOrder, Order, OrderQuery, OrderStep, Placed};
use crate::commerce::reservation::Moved;
use crate::commerce::tallies::{Tallies, between};

impl Mongo {
    /// See [`super::super::Database::order_by_key`].
    pub async fn order_by_key(&self, idempotency_key: &str) -> Answer<Option<(String, Order)>> {
        let key = idempotency_key.to_owned();
        self.read(move |this, session| {
            Box::pin(async move {
                let known = keys(this, session, &[key.as_str()]).await?;
                let Some((body_hash, id)) = known.get(&key) else {
                    return Ok(None);
                };
                let found = one(this, session, doc! { "_id": id }).await?;
                Ok(found.map(|order| (body_hash.clone(), order)))
            })
        })
        .await
    }

    async fn one_order(&self, filter: Document) -> Answer<Option<Order>> {
        self.read(move |this, session| Box::pin(async move { one(this, session, filter).await }))
            .await
    }

    /// See [`super::super::Database::order_by_id`].
    pub async fn order_by_id(&self, id: &str) -> Answer<Option<Order>> {
        self.one_order(doc! { "_id": id }).await
    }

    /// See [`super::super::Database::orders_by_ids`].
    pub async fn orders_by_ids(&self, ids: &[String]) -> Answer<Vec<Order>> {
        let filter = doc! { "_id": { "$in": ids } };
        let limit = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        let found = self.find_orders(filter, doc! {}, limit).await?;
        found.iter().map(from_json).collect()
    }

    /// See [`super::super::Database::order_by_tracking_token`].
    pub async fn order_by_tracking_token(&self, token: &str) -> Answer<Option<Order>> {
        self.one_order(doc! { "tracking_token": token }).await
    }

    /// See [`super::super::Database::order_by_number`].
    pub async fn order_by_number(&self, number: i64) -> Answer<Option<Order>> {
        self.one_order(doc! { "number": number }).await
    }

    /// See [`super::super::Database::orders`].
    pub async fn orders(&self, query: &OrderQuery) -> Answer<Vec<Order>> {
        if OrderWindow::is_asked_by(query) {
            let query = query.clone();
            let found = self.read(move |this, session| {
                Box::pin(async move { orders_by_time::page(this, session, &query).await })
            });
            return found.await?.iter().map(from_json).collect();
        }
        let (least, before) = query.numbers();
        let mut filter = doc! { "number": { "$gte": least, "$lt": before } };
        if query.from.is_some() || query.to.is_some() {
            let (from, to) = query.microseconds();
            filter.insert("placed_at", doc! { "$gte": from, "$lt": to });
        }
        if let Some(state) = query.state {
            filter.insert("state", state.as_str());
        }
        if let Some(mark) = &query.mark {
            filter.insert("marks", mark);
        }
        let newest_first = doc! { "number": -1 };
        let found = self.find_orders(filter, newest_first, query.limit).await?;
        found.iter().map(from_json).collect()
    }

    /// See [`super::super::Database::orders_due`].
    pub async fn orders_due(&self, at: Timestamp, limit: u32) -> Answer<Vec<String>> {
        let filter = doc! { "expires_at": { "$lte": at.as_microsecond() } };
        let found = self
            .find_orders(filter, doc! { "expires_at": 1 }, limit)
            .await?;
        let id = |order: &Document| order.get_str("_id").ok().map(str::to_owned);
        Ok(found.iter().filter_map(id).collect())
    }

    async fn find_orders(
        &self,
        filter: Document,
        order: Document,
        limit: u32,
    ) -> Answer<Vec<Document>> {
        self.read(move |this, session| {
            Box::pin(async move {
                let orders = this.collection("orders");
                let find = this.find(&orders, filter).sort(order);
                let find = find.limit(i64::from(limit));
                let mut found = find.session(&mut *session).await?;
                Ok(found.stream(session).try_collect().await?)
            })
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
        self.write(move |this, session| {
            let (id, step) = (id.clone(), step.clone());
            Box::pin(async move { take_step(this, session, &id, step, expected_version).await })
        })
        .await
    }

    /// See [`super::super::Database::forget_order_keys`].
    pub async fn forget_order_keys(&self, before: Timestamp, limit: u32) -> Answer<u64> {
        let filter = doc! { "at": { "$lt": before.as_microsecond() } };
        self.write(move |this, session| {
            let filter = filter.clone();
            Box::pin(async move {
                let keys = this.collection("order_keys");
                let find = this.find(&keys, filter).limit(i64::from(limit));
                let mut found = find.session(&mut *session).await?;
                let old: Vec<Document> = found.stream(&mut *session).try_collect().await?;
                let ids: Vec<_> = old
                    .iter()
                    .filter_map(|key| key.get_str("_id").ok())
                    .collect();
                let gone = keys.delete_many(doc! { "_id": { "$in": ids } });
                Ok(gone.session(session).await?.deleted_count)
            })
        })
        .await
    }
}

/// What was decided of a batch, before any of it is written.
#[derive(Default)]
struct Decided {
    answers: Vec<Option<Placed>>,
    /// Place in the batch, and the movements.
    accepted: Vec<(usize, Vec<Moved>)>,
    /// Same key as an earlier one of the batch: its place, and the earlier one's.
    doubles: Vec<(usize, usize)>,
}

pub(super) async fn place_all(
    this: &Mongo,
    session: &mut ClientSession,
    orders: &[NewOrder],
) -> Result<Vec<Placed>, Failure> {
    let wanted: Vec<_> = orders.iter().map(|o| o.idempotency_key.as_str()).collect();
    let known = keys(this, session, &wanted).await?;
    let products: BTreeSet<_> = orders
        .iter()
        .flat_map(|order| order.quote.pieces().into_keys())
        .collect();
    let mut shelf = stock::shelf(this, session, &products).await?;
    let versions = Versions::of_orders(this, session, orders).await?;
    let mut decided = Decided::default();
    let mut first_with: BTreeMap<&str, usize> = BTreeMap::new();
    for (place, order) in orders.iter().enumerate() {
        let key = order.idempotency_key.as_str();
        let answer = if let Some((body_hash, id)) = known.get(key) {
            Some(before(this, session, order, body_hash, id).await?)
        } else if let Some(earlier) = first_with.get(key) {
            decided.doubles.push((place, *earlier));
            None
        } else if !versions.are_those_of(&order.basis) {
            Some(Placed::Stale)
        } else {
            match shelf.take(&order.quote.pieces()) {
                Ok(moved) => {
                    first_with.insert(key, place);
                    decided.accepted.push((place, moved));
                    None
                }
                Err(short) => Some(Placed::Short(short)),
            }
        };
        decided.answers.push(answer);
    }
    let Some(first) = decided.accepted.first() else {
        return Ok(decided.answers.into_iter().flatten().collect());
    };
    let at = orders[first.0].at;
    let last = changes::count(this, session, "orders", decided.accepted.len()).await?;
    let mut number = last - i64::try_from(decided.accepted.len()).unwrap_or(0);
    let mut moved = Vec::new();
    let mut new = Vec::new();
    for (place, movements) in &decided.accepted {
        number += 1;
        let order = orders[*place].numbered(number);
        let reason = format!("order {}", order.number_text());
        moved.extend(movements.iter().map(|each| (each.clone(), reason.clone())));
        new.push((&orders[*place], order.clone()));
        decided.answers[*place] = Some(Placed::New(order));
    }
    let tags = stock::put_shelf(this, session, &shelf, &moved, at).await?;
    insert(this, session, &new, tags, at).await?;
    for (place, earlier) in decided.doubles {
        let is_same_body = orders[place].body_hash == orders[earlier].body_hash;
        if let Some(Placed::New(order)) = &decided.answers[earlier] {
            decided.answers[place] = Some(Placed::again(order.clone(), is_same_body));
        }
    }
    Ok(decided.answers.into_iter().flatten().collect())
}

/// The answer to an order whose key is known already.
async fn before(
    this: &Mongo,
    session: &mut ClientSession,
    order: &NewOrder,
    body_hash: &str,
    id: &str,
) -> Result<Placed, Failure> {
    let found = one(this, session, doc! { "_id": id }).await?;
    let missing = || DatabaseError::Corrupt(format!("order {id} is gone"));
    let found = found.ok_or_else(missing)?;
    Ok(Placed::again(found, order.body_hash == body_hash))
}

/// Writes orders, their keys and their traces. The first trace carries what the whole batch made stale.
async fn insert(
    this: &Mongo,
    session: &mut ClientSession,
    new: &[(&NewOrder, Order)],
    mut tags: Vec<String>,
    at: Timestamp,
) -> Result<(), Failure> {
    let stored: Vec<_> = new
        .iter()
        .map(|(_, order)| document(order))
        .collect::<Answer<_>>()?;
    let orders = this.collection("orders");
    orders.insert_many(stored).session(&mut *session).await?;
    let keys = new.iter().map(|(new, order)| {
        doc! {
            "_id": &new.idempotency_key,
            "body_hash": &new.body_hash,
            "order_id": &order.id,
            "at": at.as_microsecond(),
        }
    });
    let order_keys = this.collection("order_keys");
    order_keys.insert_many(keys).session(&mut *session).await?;
    let mut added = Tallies::new();
    for (tally, by) in new.iter().flat_map(|(_, order)| between(None, order)) {
        *added.entry(tally).or_default() += by;
    }
    tallies::add(this, session, &added).await?;
    let traces = new.iter().map(|(_, order)| NewChange {
        entity: "order",
        entity_id: order.id.clone(),
        tags: std::mem::take(&mut tags),
    });
    changes::append_all(this, session, traces.collect(), at).await
}

async fn take_step(
    this: &Mongo,
    session: &mut ClientSession,
    id: &str,
    step: OrderStep,
    expected_version: Option<i64>,
) -> Result<Order, Failure> {
    let found = one(this, session, doc! { "_id": id }).await?;
    let before = found.ok_or_else(|| DatabaseError::NotFound {
        entity: "order",
        id: id.to_owned(),
    })?;
    if let Some(expected) = expected_version.filter(|expected| *expected != before.version) {
        let actual = before.version;
        return Err(DatabaseError::VersionConflict { expected, actual }.into());
    }
    let at = step.at;
    let next = before.stepped(step).map_err(DatabaseError::from)?;
    let released = before.released_by(&next);
    let mut tags = Vec::new();
    if !released.is_empty() {
        let products = released.keys().cloned().collect();
        let mut shelf = stock::shelf(this, session, &products).await?;
        let reason = format!("order {} {}", next.number_text(), next.state.as_str());
        let moved = shelf.put_back(&released);
        let moved: Vec<_> = moved.into_iter().map(|m| (m, reason.clone())).collect();
        tags = stock::put_shelf(this, session, &shelf, &moved, at).await?;
    }
    this.collection("orders")
        .replace_one(doc! { "_id": id }, document(&next)?)
        .session(&mut *session)
        .await?;
    tallies::add(this, session, &between(Some(&before), &next)).await?;
    let trace = NewChange {
        entity: "order",
        entity_id: next.id.clone(),
        tags,
    };
    changes::append(this, session, trace, at).await?;
    Ok(next)
}

/// Body hash and order id of the keys that are known.
async fn keys(
    this: &Mongo,
    session: &mut ClientSession,
    keys: &[&str],
) -> Result<BTreeMap<String, (String, String)>, Failure> {
    let order_keys = this.collection("order_keys");
    let find = this.find(&order_keys, doc! { "_id": { "$in": keys } });
    let mut found = find.session(&mut *session).await?;
    let documents: Vec<Document> = found.stream(session).try_collect().await?;
    let known = documents.iter().filter_map(|key| {
        let text = |name| key.get_str(name).ok().map(str::to_owned);
        Some((text("_id")?, (text("body_hash")?, text("order_id")?)))
    });
    Ok(known.collect())
}

async fn one(
    this: &Mongo,
    session: &mut ClientSession,
    filter: Document,
) -> Result<Option<Order>, Failure> {
    let orders = this.collection("orders");
    let found = this.find_one(&orders, filter).session(session).await?;
    Ok(found.as_ref().map(from_json).transpose()?)
}

/// An order as it is stored: the whole of it as JSON, and beside it what questions look for.
pub(super) fn document(order: &Order) -> Answer<Document> {
    let mut stored = doc! {
        "_id": &order.id,
        "number": order.number,
        "tracking_token": &order.tracking_token,
        "state": order.state.as_str(),
        "marks": order.marks(),
        "placed_at": order.placed_at.as_microsecond(),
        "document": to_json(order)?,
    };
    if let Some(expires_at) = order.expires_at {
        stored.insert("expires_at", expires_at.as_microsecond());
    }
    Ok(stored)
}
