//! What is counted of orders.

use futures_util::TryStreamExt as _;
use mongodb::ClientSession;
use mongodb::bson::{Document, doc};

use super::super::DatabaseError;
use super::error::Failure;
use super::{Answer, Mongo};
use crate::commerce::tallies::Tallies;

impl Mongo {
    /// See [`super::super::Database::tallies`].
    pub async fn tallies(&self, kind: &str, from: &str, limit: u32) -> Answer<Vec<(String, i64)>> {
        let filter = doc! { "kind": kind, "key": { "$gte": from } };
        self.find_tallies(filter, doc! { "key": 1 }, limit).await
    }

    /// See [`super::super::Database::largest_tallies`].
    pub async fn largest_tallies(&self, kind: &str, limit: u32) -> Answer<Vec<(String, i64)>> {
        let filter = doc! { "kind": kind, "value": { "$gt": 0_i64 } };
        let largest_first = doc! { "value": -1, "key": 1 };
        self.find_tallies(filter, largest_first, limit).await
    }

    async fn find_tallies(
        &self,
        filter: Document,
        order: Document,
        limit: u32,
    ) -> Answer<Vec<(String, i64)>> {
        self.read(move |this, session| {
            Box::pin(async move {
                let tallies = this.collection("tallies");
                let find = this.find(&tallies, filter).sort(order);
                let find = find.limit(i64::from(limit));
                let mut found = find.session(&mut *session).await?;
                let documents: Vec<Document> = found.stream(session).try_collect().await?;
                Ok(documents.iter().map(tally).collect::<Answer<_>>()?)
            })
        })
        .await
    }
}

fn tally(document: &Document) -> Answer<(String, i64)> {
    let corrupt = |name: &str| DatabaseError::Corrupt(format!("tallies.{name}"));
    let key = document.get_str("key").map_err(|_| corrupt("key"))?;
    let value = document.get_i64("value").map_err(|_| corrupt("value"))?;
    Ok((key.to_owned(), value))
}

/// Adds to what is there: all of it in one command.
pub(super) async fn add(
    this: &Mongo,
    session: &mut ClientSession,
    tallies: &Tallies,
) -> Result<(), Failure> {
    if tallies.is_empty() {
        return Ok(());
    }
    let updates: Vec<_> = tallies.iter().map(update).collect();
    let command = doc! { "update": "tallies", "updates": updates };
    let database = &this.0.database;
    database.run_command(command).session(session).await?;
    Ok(())
}

/// The update that adds one.
fn update(((kind, key), by): (&(String, String), &i64)) -> Document {
    doc! {
        "q": { "_id": format!("{kind}/{key}") },
        "u": { "$inc": { "value": by }, "$setOnInsert": { "kind": kind, "key": key } },
        "upsert": true,
    }
}

/// Writes all of them anew.
pub(super) async fn write_all(
    database: &mongodb::Database,
    session: &mut ClientSession,
    tallies: &Tallies,
) -> Result<(), Failure> {
    let collection = database.collection::<Document>("tallies");
    let removed = collection.delete_many(Document::new());
    removed.session(&mut *session).await?;
    let stored = tallies.iter().map(|((kind, key), value)| {
        doc! { "_id": format!("{kind}/{key}"), "kind": kind, "key": key, "value": value }
    });
    let stored: Vec<_> = stored.collect();
    if !stored.is_empty() {
        collection.insert_many(stored).session(session).await?;
    }
    Ok(())
}
