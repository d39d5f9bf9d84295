//! Stock and its ledger.

use std::collections::BTreeSet;

use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use mongodb::ClientSession;
use mongodb::bson::{Document, doc};

use super::super::DatabaseError;
use super::error::Failure;
use super::{Answer, Mongo, changes, combos};
use crate::commerce::availability::Availability;
use crate::commerce::changes::{NewChange, tags_of_combo_words, tags_of_stock_change};
use crate::commerce::combos::may_change_words;
use crate::commerce::reservation::{Moved, Shelf, StocksAdjusted};
use crate::commerce::stock::{
    StockAdjusted, StockAdjustment, StockMovement, StockRecord, is_of_product,
};

impl Mongo {
    /// See [`super::super::Database::stock`].
    pub async fn stock(&self, product_id: &str) -> Answer<Option<StockRecord>> {
        let id = product_id.to_owned();
        self.read(move |this, session| Box::pin(async move { record(this, session, &id).await }))
            .await
    }

    /// See [`super::super::Database::stocks`].
    pub async fn stocks(&self, ids: &[String]) -> Answer<Vec<StockRecord>> {
        let ids = ids.to_vec();
        self.read(move |this, session| Box::pin(async move { records(this, session, &ids).await }))
            .await
    }

    /// See [`super::super::Database::stock_movements`].
    pub async fn stock_movements(
        &self,
        product_id: &str,
        limit: u32,
    ) -> Answer<Vec<StockMovement>> {
        let id = product_id.to_owned();
        self.read(move |this, session| {
            Box::pin(async move {
                let movements = this.collection("stock_movements");
                let find = this
                    .find(&movements, doc! { "product_id": id })
                    .sort(doc! { "number": -1 });
                let mut found = find.limit(i64::from(limit)).session(&mut *session).await?;
                let documents: Vec<Document> = found.stream(session).try_collect().await?;
                Ok(documents.iter().map(movement).collect::<Answer<_>>()?)
            })
        })
        .await
    }

    /// See [`super::super::Database::create_stock`].
    pub async fn create_stock(&self, id: &str, available: i64, at: Timestamp) -> Answer<()> {
        let id = id.to_owned();
        self.write(move |this, session| {
            let id = id.clone();
            Box::pin(async move {
                match record(this, session, &id).await? {
                    Some(_) => Ok(()),
                    None => create(this, session, &id, available, 0, at).await,
                }
            })
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
        self.write(move |this, session| {
            let (id, reason) = (id.clone(), reason.clone());
            Box::pin(async move { adjust(this, session, &id, adjustment, &reason, at).await })
        })
        .await
    }
}

impl Mongo {
    /// See [`super::super::Database::adjust_stocks`].
    pub async fn adjust_stocks(
        &self,
        adjustments: &[(String, StockAdjustment)],
        reason: &str,
        at: Timestamp,
    ) -> Answer<StocksAdjusted> {
        let (adjustments, reason) = (adjustments.to_vec(), reason.to_owned());
        self.write(move |this, session| {
            let (adjustments, reason) = (adjustments.clone(), reason.clone());
            Box::pin(async move { adjust_all(this, session, &adjustments, &reason, at).await })
        })
        .await
    }
}

async fn adjust_all(
    this: &Mongo,
    session: &mut ClientSession,
    adjustments: &[(String, StockAdjustment)],
    reason: &str,
    at: Timestamp,
) -> Result<StocksAdjusted, Failure> {
    let ids = adjustments.iter().map(|(id, _)| id.clone()).collect();
    let mut shelf = shelf(this, session, &ids).await?;
    let missing = ids.iter().find(|id| shelf.stock(id).is_none());
    if let Some(id) = missing {
        let id = id.clone();
        return Err(DatabaseError::NotFound {
            entity: "stock",
            id,
        }
        .into());
    }
    let moved = match shelf.adjust_all(adjustments) {
        Ok(moved) => moved,
        Err(short) => return Ok(Err(short)),
    };
    let records = moved.iter().map(|moved| moved.after.clone()).collect();
    let moved: Vec<_> = moved.into_iter().map(|m| (m, reason.to_owned())).collect();
    let mut tags = put_shelf(this, session, &shelf, &moved, at).await?;
    let traces = adjustments.iter().map(|(id, _)| NewChange {
        entity: "stock",
        entity_id: id.clone(),
        // The first one carries what all of them made stale.
        tags: std::mem::take(&mut tags),
    });
    changes::append_all(this, session, traces.collect(), at).await?;
    Ok(Ok(records))
}

/// Makes a stock with its first ledger row.
pub(super) async fn create(
    this: &Mongo,
    session: &mut ClientSession,
    id: &str,
    available: i64,
    low_at: i64,
    at: Timestamp,
) -> Result<(), Failure> {
    let stock = this.collection("stock");
    let new = doc! { "_id": id, "available": available, "low_at": low_at, "version": 0_i64 };
    stock.insert_one(new).session(&mut *session).await?;
    let movements = this.collection("stock_movements");
    let row = movement_document(id, available, "opening", at, 0);
    movements.insert_one(row).session(session).await?;
    Ok(())
}

async fn adjust(
    this: &Mongo,
    session: &mut ClientSession,
    id: &str,
    adjustment: StockAdjustment,
    reason: &str,
    at: Timestamp,
) -> Result<StockAdjusted, Failure> {
    let missing = || DatabaseError::NotFound {
        entity: "stock",
        id: id.to_owned(),
    };
    let before = record(this, session, id).await?.ok_or_else(missing)?;
    let mut shelf = Shelf::new([before.clone()]);
    let adjusted = shelf.adjust(id, adjustment).map_err(DatabaseError::from)?;
    let moved = adjusted.ok_or_else(missing)?;
    let after = moved.after.clone();
    let tags = put_shelf(this, session, &shelf, &[(moved, reason.to_owned())], at).await?;
    let change = NewChange {
        entity: "stock",
        entity_id: id.to_owned(),
        tags,
    };
    changes::append(this, session, change, at).await?;
    Ok(StockAdjusted::between(&before, after))
}

/// The stock of a product.
pub(super) async fn record(
    this: &Mongo,
    session: &mut ClientSession,
    id: &str,
) -> Result<Option<StockRecord>, Failure> {
    let stock = this.collection("stock");
    let find = this.find_one(&stock, doc! { "_id": id });
    let found = find.session(session).await?;
    Ok(found.as_ref().map(of_document).transpose()?)
}

fn of_document(found: &Document) -> Answer<StockRecord> {
    let corrupt = |name: &str| DatabaseError::Corrupt(format!("stock.{name}"));
    let number = |name: &str| found.get_i64(name).map_err(|_| corrupt(name));
    Ok(StockRecord {
        product_id: found.get_str("_id").map_err(|_| corrupt("_id"))?.to_owned(),
        available: number("available")?,
        low_at: number("low_at")?,
        version: number("version")?,
    })
}

/// A ledger row; `number` is the stock's version after it, so rows of one product have an order.
pub(super) fn movement_document(
    id: &str,
    delta: i64,
    reason: &str,
    at: Timestamp,
    number: i64,
) -> Document {
    doc! { "product_id": id, "number": number, "delta": delta, "reason": reason, "at": at.as_microsecond() }
}

fn movement(document: &Document) -> Answer<StockMovement> {
    let corrupt = |what: &str| DatabaseError::Corrupt(format!("stock_movements.{what}"));
    let at = document.get_i64("at").map_err(|_| corrupt("at"))?;
    Ok(StockMovement {
        product_id: document
            .get_str("product_id")
            .map_err(|_| corrupt("product_id"))?
            .to_owned(),
        delta: document.get_i64("delta").map_err(|_| corrupt("delta"))?,
        reason: document
            .get_str("reason")
            .map_err(|_| corrupt("reason"))?
            .to_owned(),
        at: Timestamp::from_microsecond(at).map_err(|_| corrupt("at"))?,
    })
}

/// The stock of these products, to decide on.
pub(super) async fn shelf(
    this: &Mongo,
    session: &mut ClientSession,
    ids: &BTreeSet<String>,
) -> Result<Shelf, Failure> {
    let ids: Vec<_> = ids.iter().cloned().collect();
    Ok(Shelf::new(records(this, session, &ids).await?))
}

async fn records(
    this: &Mongo,
    session: &mut ClientSession,
    ids: &[String],
) -> Result<Vec<StockRecord>, Failure> {
    let stock = this.collection("stock");
    let find = this.find(&stock, doc! { "_id": { "$in": ids } });
    let mut found = find.session(&mut *session).await?;
    let documents: Vec<Document> = found.stream(session).try_collect().await?;
    Ok(documents.iter().map(of_document).collect::<Answer<_>>()?)
}

/// Writes what was decided, each movement with its reason: stock, ledger, public words. Answers with the tags of what
/// went stale.
pub(super) async fn put_shelf(
    this: &Mongo,
    session: &mut ClientSession,
    shelf: &Shelf,
    moved: &[(Moved, String)],
    at: Timestamp,
) -> Result<Vec<String>, Failure> {
    if shelf.changed().next().is_none() {
        return Ok(Vec::new());
    }
    let ids: Vec<_> = shelf
        .changed()
        .filter(|(before, now)| is_of_product(&now.product_id) && may_change_words(before, now))
        .map(|(_, now)| now.product_id.as_str())
        .collect();
    let combos_before = combos::words_with_products(this, session, &ids).await?;
    update_stock(this, session, shelf).await?;
    let rows = moved.iter().map(|(each, reason)| {
        let after = &each.after;
        movement_document(&after.product_id, each.delta, reason, at, after.version)
    });
    let movements = this.collection("stock_movements");
    movements.insert_many(rows).session(&mut *session).await?;
    let mut tags = Vec::new();
    for (before, now) in shelf.changed() {
        let word = Availability::of(now.available, now.low_at);
        if is_of_product(&now.product_id)
            && word != Availability::of(before.available, before.low_at)
        {
            let mut product = this.required_product(session, &now.product_id).await?;
            product.availability = word;
            this.put_product(session, &product).await?;
            tags.extend(tags_of_stock_change(&product, true, &[]));
        }
    }
    let combos_after = combos::words_with_products(this, session, &ids).await?;
    tags.extend(tags_of_combo_words(combos_before, combos_after));
    tags.sort();
    tags.dedup();
    Ok(tags)
}

/// All stocks in one command, each only where it still is what was read.
async fn update_stock(
    this: &Mongo,
    session: &mut ClientSession,
    shelf: &Shelf,
) -> Result<(), Failure> {
    let updates: Vec<_> = shelf
        .changed()
        .map(|(before, now)| {
            doc! {
                "q": { "_id": &now.product_id, "version": before.version },
                "u": { "$set": { "available": now.available, "version": now.version } },
            }
        })
        .collect();
    let wanted = updates.len();
    let command = doc! { "update": "stock", "updates": updates };
    let done = this
        .0
        .database
        .run_command(command)
        .session(session)
        .await?;
    let changed = done.get_i32("nModified").unwrap_or(0);
    if usize::try_from(changed).ok() != Some(wanted) {
        let text = format!("{changed} of {wanted} stocks were as they had been read: {done}");
        return Err(DatabaseError::Unavailable(text).into());
    }
    Ok(())
}
