//! Stock and its ledger.

use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use mongodb::ClientSession;
use mongodb::bson::{Document, doc};

use super::super::DatabaseError;
use super::error::Failure;
use super::{Answer, Mongo, changes, combos};
use crate::commerce::availability::Availability;
use crate::commerce::changes::{NewChange, tags_of_stock_change};
use crate::commerce::stock::{StockAdjusted, StockAdjustment, StockMovement, StockRecord};

impl Mongo {
    /// See [`super::super::Database::stock`].
    pub async fn stock(&self, product_id: &str) -> Answer<Option<StockRecord>> {
        let id = product_id.to_owned();
        self.read(move |this, session| Box::pin(async move { record(this, session, &id).await }))
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
                let find = movements
                    .find(doc! { "product_id": id })
                    .sort(doc! { "number": -1 });
                let mut found = find.limit(i64::from(limit)).session(&mut *session).await?;
                let documents: Vec<Document> = found.stream(session).try_collect().await?;
                Ok(documents.iter().map(movement).collect::<Answer<_>>()?)
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

async fn adjust(
    this: &Mongo,
    session: &mut ClientSession,
    id: &str,
    adjustment: StockAdjustment,
    reason: &str,
    at: Timestamp,
) -> Result<StockAdjusted, Failure> {
    let mut product = this.required_product(session, id).await?;
    let missing = || DatabaseError::NotFound {
        entity: "stock",
        id: id.to_owned(),
    };
    let before = record(this, session, id).await?.ok_or_else(missing)?;
    let record = adjustment
        .applied_to(&before)
        .map_err(DatabaseError::from)?;
    let combos_before = combos::words_with_product(this, session, id).await?;
    let update = doc! { "$set": { "available": record.available, "version": record.version } };
    this.collection("stock")
        .update_one(doc! { "_id": id }, update)
        .session(&mut *session)
        .await?;
    let delta = record.available - before.available;
    let row = movement_document(id, delta, reason, at, record.version);
    this.collection("stock_movements")
        .insert_one(row)
        .session(&mut *session)
        .await?;
    let (word_before, word_after) = (
        product.availability,
        Availability::of(record.available, record.low_at),
    );
    if word_before != word_after {
        product.availability = word_after;
        this.put_product(session, &product).await?;
    }
    let combos_after = combos::words_with_product(this, session, id).await?;
    let pairs = combos_before.into_iter().zip(combos_after);
    let changed: Vec<_> = pairs
        .filter(|(before, after)| before.1 != after.1)
        .map(|(_, after)| after.0)
        .collect();
    let tags = tags_of_stock_change(&product, word_before != word_after, &changed);
    let change = NewChange {
        entity: "stock",
        entity_id: id.to_owned(),
        tags,
    };
    changes::append(this, session, change, at).await?;
    Ok(StockAdjusted {
        record,
        before: word_before,
        after: word_after,
    })
}

/// The stock of a product.
pub(super) async fn record(
    this: &Mongo,
    session: &mut ClientSession,
    id: &str,
) -> Result<Option<StockRecord>, Failure> {
    let found = this
        .collection("stock")
        .find_one(doc! { "_id": id })
        .session(session)
        .await?;
    let number = |found: &Document, name: &str| {
        found
            .get_i64(name)
            .map_err(|_| DatabaseError::Corrupt(format!("stock.{name}")))
    };
    let Some(found) = found else { return Ok(None) };
    Ok(Some(StockRecord {
        product_id: id.to_owned(),
        available: number(&found, "available")?,
        low_at: number(&found, "low_at")?,
        version: number(&found, "version")?,
    }))
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
