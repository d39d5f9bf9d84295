//! The `changes` sequence, and the shop's settings.

use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use mongodb::ClientSession;
use mongodb::bson::{Document, doc};
use mongodb::options::ReturnDocument;

use super::super::DatabaseError;
use super::error::Failure;
use super::products::{from_json, to_json};
use super::{Answer, Mongo};
use crate::commerce::changes::{Change, NewChange};
use crate::commerce::shop::ShopSettings;
use crate::database::error::version_after;

impl Mongo {
    /// See [`super::super::Database::last_sequence`].
    pub async fn last_sequence(&self) -> Answer<i64> {
        self.read(|this, session| {
            Box::pin(async move {
                let counters = this.collection("counters");
                let find = this.find_one(&counters, doc! { "_id": "changes" });
                let found = find.session(session).await?;
                Ok(found.map_or(0, |found| found.get_i64("last").unwrap_or(0)))
            })
        })
        .await
    }

    /// See [`super::super::Database::changes_after`].
    pub async fn changes_after(&self, sequence: i64, limit: u32) -> Answer<Vec<Change>> {
        self.read(move |this, session| {
            Box::pin(async move {
                let changes = this.collection("changes");
                let find = this
                    .find(&changes, doc! { "_id": { "$gt": sequence } })
                    .sort(doc! { "_id": 1 });
                let mut found = find.limit(i64::from(limit)).session(&mut *session).await?;
                let documents: Vec<Document> = found.stream(session).try_collect().await?;
                Ok(documents.iter().map(change).collect::<Answer<_>>()?)
            })
        })
        .await
    }

    /// See [`super::super::Database::shop_settings`].
    pub async fn shop_settings(&self) -> Answer<Option<ShopSettings>> {
        self.read(|this, session| Box::pin(async move { this.settings(session).await }))
            .await
    }

    async fn settings(&self, session: &mut ClientSession) -> Result<Option<ShopSettings>, Failure> {
        let shop = self.collection("shop");
        let find = self.find_one(&shop, doc! { "_id": "shop" });
        let found = find.session(session).await?;
        Ok(found.map(|found| from_json(&found)).transpose()?)
    }

    /// See [`super::super::Database::put_shop_settings`].
    pub async fn put_shop_settings(
        &self,
        settings: &ShopSettings,
        expected_version: Option<i64>,
        at: Timestamp,
    ) -> Answer<ShopSettings> {
        let settings = settings.clone();
        self.write(move |this, session| {
            let mut new = settings.clone();
            Box::pin(async move {
                let before = this.settings(session).await?;
                let actual = before.map_or(0, |before| before.version);
                new.version = version_after(actual, expected_version)?;
                let stored = doc! { "_id": "shop", "document": to_json(&new)? };
                let shop = this.collection("shop");
                shop.replace_one(doc! { "_id": "shop" }, stored)
                    .upsert(true)
                    .session(&mut *session)
                    .await?;
                let tags = vec!["shop".to_owned()];
                let change = NewChange {
                    entity: "shop",
                    entity_id: "shop".to_owned(),
                    tags,
                };
                append(this, session, change, at).await?;
                Ok(new)
            })
        })
        .await
    }
}

/// Appends to the sequence, inside the transaction of the write that it tells of.
pub(super) async fn append(
    this: &Mongo,
    session: &mut ClientSession,
    change: NewChange,
    at: Timestamp,
) -> Result<(), Failure> {
    append_all(this, session, vec![change], at).await
}

/// Appends several, one after the other. The counter's document makes writers wait for each other, so the numbers come
/// to light in their order.
pub(super) async fn append_all(
    this: &Mongo,
    session: &mut ClientSession,
    new: Vec<NewChange>,
    at: Timestamp,
) -> Result<(), Failure> {
    let last = count(this, session, "changes", new.len()).await?;
    let first = last - i64::try_from(new.len()).unwrap_or(0) + 1;
    let stored = new.into_iter().zip(first..).map(|(change, sequence)| {
        doc! {
            "_id": sequence,
            "at": at.as_microsecond(),
            "entity": change.entity,
            "entity_id": change.entity_id,
            "tags": change.tags,
        }
    });
    let changes = this.collection("changes");
    changes.insert_many(stored).session(&mut *session).await?;
    let too_old = last - i64::from(this.0.changes_kept);
    if too_old > 0 {
        changes
            .delete_many(doc! { "_id": { "$lte": too_old } })
            .session(session)
            .await?;
    }
    Ok(())
}

/// Counts a counter on by `by`, and answers with its last number.
pub(super) async fn count(
    this: &Mongo,
    session: &mut ClientSession,
    counter: &str,
    by: usize,
) -> Result<i64, Failure> {
    let by = i64::try_from(by).unwrap_or(i64::MAX);
    let counters = this.collection("counters");
    let update = doc! { "$inc": { "last": by } };
    let counted = counters.find_one_and_update(doc! { "_id": counter }, update);
    let counted = counted
        .upsert(true)
        .return_document(ReturnDocument::After)
        .session(session)
        .await?;
    let last = counted.and_then(|counted| counted.get_i64("last").ok());
    Ok(last.ok_or_else(|| DatabaseError::Corrupt(format!("counters.{counter}")))?)
}

fn change(document: &Document) -> Answer<Change> {
    let corrupt = |what: &str| DatabaseError::Corrupt(format!("changes.{what}"));
    let text = |name: &str| {
        document
            .get_str(name)
            .map(str::to_owned)
            .map_err(|_| corrupt(name))
    };
    let tags = document.get_array("tags").map_err(|_| corrupt("tags"))?;
    let at = document.get_i64("at").map_err(|_| corrupt("at"))?;
    Ok(Change {
        sequence: document.get_i64("_id").map_err(|_| corrupt("_id"))?,
        at: Timestamp::from_microsecond(at).map_err(|_| corrupt("at"))?,
        entity: text("entity")?,
        entity_id: text("entity_id")?,
        tags: tags
            .iter()
            .filter_map(|tag| tag.as_str().map(str::to_owned))
            .collect(),
    })
}
