//! Records: everything that is kept as one document with a version and keys.

use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use mongodb::ClientSession;
use mongodb::bson::{Document, doc};

use super::super::DatabaseError;
use super::error::Failure;
use super::{Answer, Mongo, changes};
use crate::commerce::records::{Record, Write, Writes};

impl Mongo {
    /// See [`super::super::Database::record`].
    pub async fn record(&self, kind: &str, id: &str) -> Answer<Option<Record>> {
        let filter = doc! { "_id": full(kind, id) };
        Ok(self.find_records(filter, Document::new(), 1).await?.pop())
    }

    /// See [`super::super::Database::records_by_ids`].
    pub async fn records_by_ids(&self, kind: &str, ids: &[String]) -> Answer<Vec<Record>> {
        let limit = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        let ids: Vec<_> = ids.iter().map(|id| full(kind, id)).collect();
        let filter = doc! { "_id": { "$in": ids } };
        self.find_records(filter, Document::new(), limit).await
    }

    /// See [`super::super::Database::record_by_unique_key`].
    pub async fn record_by_unique_key(&self, kind: &str, key: &str) -> Answer<Option<Record>> {
        let filter = doc! { "unique_keys": full(kind, key) };
        Ok(self.find_records(filter, Document::new(), 1).await?.pop())
    }

    /// See [`super::super::Database::records_by_key`].
    pub async fn records_by_key(
        &self,
        kind: &str,
        key: &str,
        before: Option<&str>,
        limit: u32,
    ) -> Answer<Vec<Record>> {
        let mut filter = doc! { "keys": full(kind, key) };
        if let Some(before) = before {
            filter.insert("id", doc! { "$lt": before });
        }
        self.find_records(filter, doc! { "id": -1 }, limit).await
    }

    /// See [`super::super::Database::records_due`].
    pub async fn records_due(&self, kind: &str, at: Timestamp, limit: u32) -> Answer<Vec<Record>> {
        let filter = doc! { "kind": kind, "due_at": { "$lte": at.as_microsecond() } };
        self.find_records(filter, doc! { "due_at": 1 }, limit).await
    }

    async fn find_records(
        &self,
        filter: Document,
        order: Document,
        limit: u32,
    ) -> Answer<Vec<Record>> {
        self.read(move |this, session| {
            Box::pin(async move {
                let records = this.collection("records");
                let find = this.find(&records, filter).sort(order);
                let find = find.limit(i64::from(limit));
                let mut found = find.session(&mut *session).await?;
                let documents: Vec<Document> = found.stream(session).try_collect().await?;
                Ok(documents.iter().map(record).collect::<Answer<_>>()?)
            })
        })
        .await
    }

    /// See [`super::super::Database::records_counted`].
    pub async fn records_counted(&self, kind: &str, key: &str, most: u32) -> Answer<u32> {
        let filter = doc! { "keys": full(kind, key) };
        self.read(move |this, session| {
            Box::pin(async move {
                let records = this.collection("records");
                let count = this.count(&records, filter).limit(u64::from(most));
                let count = count.session(session).await?;
                Ok(u32::try_from(count).unwrap_or(most))
            })
        })
        .await
    }

    /// See [`super::super::Database::next_number`]. Counted without a transaction: many at once wait for each other there
    /// for milliseconds, and not through rounds of conflicts.
    pub async fn next_number(&self, sequence: &str) -> Answer<i64> {
        let name = format!("number:{sequence}");
        self.read(move |this, session| {
            Box::pin(async move { changes::count(this, session, &name, 1).await })
        })
        .await
    }

    /// See [`super::super::Database::write_records`].
    pub async fn write_records(&self, writes: &Writes, at: Timestamp) -> Answer<()> {
        let writes = writes.clone();
        self.write(move |this, session| {
            let writes = writes.clone();
            Box::pin(async move { write(this, session, writes, at).await })
        })
        .await
    }
}

/// All steps of a write, inside the transaction of whoever calls.
pub(super) async fn write(
    this: &Mongo,
    session: &mut ClientSession,
    writes: Writes,
    at: Timestamp,
) -> Result<(), Failure> {
    let records = this.collection("records");
    let mut steps = writes.steps.iter().peekable();
    while let Some(step) = steps.next() {
        match step {
            // What is added together goes in one command: the mails of a rush of orders are hundreds.
            Write::Add(record) => {
                let mut added = vec![document(record)];
                while let Some(Write::Add(next)) =
                    steps.next_if(|next| matches!(next, Write::Add(_)))
                {
                    added.push(document(next));
                }
                records.insert_many(added).session(&mut *session).await?;
            }
            Write::Replace(record) => {
                let version = record.version - 1;
                let before = doc! { "_id": full(&record.kind, &record.id), "version": version };
                let replaced = records.replace_one(before, document(record));
                let done = replaced.session(&mut *session).await?;
                if done.matched_count == 0 {
                    return Err(conflict(this, session, &record.kind, &record.id, version).await?);
                }
            }
            Write::Remove { kind, id, version } => {
                let before = doc! { "_id": full(kind, id), "version": version };
                let done = records.delete_one(before).session(&mut *session).await?;
                if done.deleted_count == 0 {
                    return Err(conflict(this, session, kind, id, *version).await?);
                }
            }
        }
    }
    if writes.changes.is_empty() {
        return Ok(());
    }
    changes::append_all(this, session, writes.changes, at).await
}

async fn conflict(
    this: &Mongo,
    session: &mut ClientSession,
    kind: &str,
    id: &str,
    expected: i64,
) -> Result<Failure, Failure> {
    let records = this.collection("records");
    let found = this.find_one(&records, doc! { "_id": full(kind, id) });
    let found = found.session(session).await?;
    let actual = found.and_then(|found| found.get_i64("version").ok());
    let actual = actual.unwrap_or(0);
    Ok(DatabaseError::VersionConflict { expected, actual }.into())
}

/// Ids and keys of all kinds live in one collection, so each begins with its kind.
pub(super) fn full(kind: &str, value: &str) -> String {
    format!("{kind}/{value}")
}

fn document(record: &Record) -> Document {
    let all = |keys: &[String]| -> Vec<String> {
        keys.iter().map(|key| full(&record.kind, key)).collect()
    };
    let mut stored = doc! {
        "_id": full(&record.kind, &record.id),
        "kind": &record.kind,
        "id": &record.id,
        "version": record.version,
        "keys": all(&record.keys),
        "document": &record.document,
    };
    // An empty list would count as a value in the unique index.
    if !record.unique_keys.is_empty() {
        stored.insert("unique_keys", all(&record.unique_keys));
    }
    if let Some(due_at) = record.due_at {
        stored.insert("due_at", due_at.as_microsecond());
    }
    stored
}

/// A record without its keys: those are for finding it.
fn record(document: &Document) -> Answer<Record> {
    let corrupt = |name: &str| DatabaseError::Corrupt(format!("records.{name}"));
    let text = |name: &str| {
        let found = document.get_str(name).map(str::to_owned);
        found.map_err(|_| corrupt(name))
    };
    let due_at = document.get_i64("due_at").ok();
    Ok(Record {
        kind: text("kind")?,
        id: text("id")?,
        version: document
            .get_i64("version")
            .map_err(|_| corrupt("version"))?,
        keys: Vec::new(),
        unique_keys: Vec::new(),
        due_at: due_at
            .map(Timestamp::from_microsecond)
            .transpose()
            .map_err(|_| corrupt("due_at"))?,
        document: text("document")?,
    })
}
