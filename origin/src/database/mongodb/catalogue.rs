//! Categories, and a whole catalogue at once.

use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use mongodb::ClientSession;
use mongodb::bson::{Document, doc};

use super::super::error::next_version;
use super::super::{CatalogueBatch, DatabaseError, Replace};
use super::error::Failure;
use super::products::{from_json, stored, to_json};
use super::stock::movement_document;
use super::{Answer, Mongo, changes, combos};
use crate::commerce::categories::{Category, CategoryCount};
use crate::commerce::changes::{NewChange, tags_of_catalogue, tags_of_category_change};

/// Documents written at once.
const AT_ONCE: usize = 1000;

/// In `meta` while a catalogue is being written: larger than one transaction may be, so a run that breaks must show.
const MARKER: &str = "catalogue_is_being_written";

impl Mongo {
    /// See [`super::super::Database::categories`].
    pub async fn categories(&self) -> Answer<Vec<Category>> {
        self.read(|this, session| {
            Box::pin(async move {
                let categories = this.collection("categories");
                let find = this
                    .find(&categories, doc! {})
                    .sort(doc! { "position": 1, "_id": 1 });
                let mut found = find.session(&mut *session).await?;
                let documents: Vec<Document> = found.stream(session).try_collect().await?;
                Ok(documents.iter().map(from_json).collect::<Answer<_>>()?)
            })
        })
        .await
    }

    /// See [`super::super::Database::put_category`].
    pub async fn put_category(
        &self,
        category: &Category,
        expected_version: Option<i64>,
        at: Timestamp,
    ) -> Answer<Category> {
        let category = category.clone();
        self.write(move |this, session| {
            let mut category = category.clone();
            Box::pin(async move {
                let categories = this.collection("categories");
                let id = doc! { "_id": &category.slug };
                let found = this
                    .find_one(&categories, id.clone())
                    .session(&mut *session)
                    .await?;
                let before: Option<Category> = found.as_ref().map(from_json).transpose()?;
                category.version = next_version(before.map(|one| one.version), expected_version)?;
                let replaced = categories.replace_one(id, stored_category(&category)?);
                replaced.upsert(true).session(&mut *session).await?;
                let change = NewChange {
                    entity: "category",
                    entity_id: category.slug.clone(),
                    tags: tags_of_category_change(&category.slug),
                };
                changes::append(this, session, change, at).await?;
                Ok(category)
            })
        })
        .await
    }

    /// See [`super::super::Database::category_counts`].
    pub async fn category_counts(&self) -> Answer<Vec<CategoryCount>> {
        self.read(|this, session| Box::pin(async move { counts(this, session).await }))
            .await
    }

    /// See [`super::super::Database::is_catalogue_empty`].
    pub async fn is_catalogue_empty(&self) -> Answer<bool> {
        self.read(|this, session| Box::pin(async move { is_empty(this, session).await }))
            .await
    }

    /// See [`super::super::Database::write_catalogue`].
    pub async fn write_catalogue(
        &self,
        batch: &CatalogueBatch,
        replace: Replace,
        at: Timestamp,
    ) -> Answer<()> {
        if replace == Replace::Nothing && !self.is_catalogue_empty().await? {
            return Err(DatabaseError::AlreadyExists("a catalogue".to_owned()));
        }
        self.fill(batch, at).await.map_err(DatabaseError::from)?;
        self.write(move |this, session| {
            Box::pin(async move {
                this.collection("meta")
                    .delete_one(doc! { "_id": MARKER })
                    .session(&mut *session)
                    .await?;
                let change = NewChange {
                    entity: "catalogue",
                    entity_id: "all".to_owned(),
                    tags: tags_of_catalogue(),
                };
                changes::append(this, session, change, at).await
            })
        })
        .await
    }

    /// Removes what is there and writes the batch, between marker and marker.
    async fn fill(&self, batch: &CatalogueBatch, at: Timestamp) -> Result<(), Failure> {
        let marker = doc! { "$set": { "at": at.as_microsecond() } };
        self.collection("meta")
            .update_one(doc! { "_id": MARKER }, marker)
            .upsert(true)
            .await?;
        // The uses of coupons are no part of the catalogue.
        let of_product = |field: &str| doc! { field: { "$not": { "$regex": "^coupon:" } } };
        for (name, filter) in [
            ("combos", doc! {}),
            ("stock_movements", of_product("product_id")),
            ("stock", of_product("_id")),
            ("products", doc! {}),
            ("categories", doc! {}),
        ] {
            self.collection(name).delete_many(filter).await?;
        }
        let categories = batch
            .categories
            .iter()
            .map(stored_category)
            .collect::<Answer<Vec<_>>>()?;
        self.insert("categories", categories).await?;
        for products in batch.products.chunks(AT_ONCE) {
            let documents = products
                .iter()
                .map(|(product, _, _)| stored(product))
                .collect::<Answer<Vec<_>>>()?;
            self.insert("products", documents).await?;
            let stock = products.iter().map(|(product, available, low_at)| {
                doc! { "_id": &product.id, "available": *available, "low_at": *low_at, "version": 0_i64 }
            });
            self.insert("stock", stock.collect()).await?;
            let opening = products.iter().map(|(product, available, _)| {
                movement_document(&product.id, *available, "opening", at, 0)
            });
            self.insert("stock_movements", opening.collect()).await?;
        }
        let combos = batch
            .combos
            .iter()
            .map(combos::stored)
            .collect::<Answer<Vec<_>>>()?;
        self.insert("combos", combos).await
    }

    async fn insert(&self, name: &str, documents: Vec<Document>) -> Result<(), Failure> {
        if !documents.is_empty() {
            self.collection(name).insert_many(documents).await?;
        }
        Ok(())
    }
}

/// Whether there is no catalogue, or only the beginning of one.
async fn is_empty(this: &Mongo, session: &mut ClientSession) -> Result<bool, Failure> {
    let meta = this.collection("meta");
    let marker = this.find_one(&meta, doc! { "_id": MARKER });
    if marker.session(&mut *session).await?.is_some() {
        return Ok(true);
    }
    for name in ["products", "categories", "combos"] {
        let collection = this.collection(name);
        let first = this.find_one(&collection, doc! {});
        if first.session(&mut *session).await?.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn counts(this: &Mongo, session: &mut ClientSession) -> Result<Vec<CategoryCount>, Failure> {
    let products = this.collection("products");
    let active = doc! { "$match": { "active": true } };
    let whole = [
        active.clone(),
        doc! { "$group": { "_id": "$category", "count": { "$sum": 1_i64 } } },
        doc! { "$sort": { "_id": 1 } },
    ];
    let whole = this.aggregate(&products, whole);
    let mut found = whole.session(&mut *session).await?;
    let rows: Vec<Document> = found.stream(&mut *session).try_collect().await?;
    let number = |row: &Document| u64::try_from(row.get_i64("count").unwrap_or(0)).unwrap_or(0);
    let mut counts: Vec<_> = rows
        .iter()
        .map(|row| CategoryCount {
            category: row.get_str("_id").unwrap_or_default().to_owned(),
            products: number(row),
            by_sub_category: Vec::new(),
        })
        .collect();
    let group = doc! { "$group": { "_id": { "category": "$category", "sub": "$sub_categories" }, "count": { "$sum": 1_i64 } } };
    let parts = [
        active,
        doc! { "$unwind": "$sub_categories" },
        group,
        doc! { "$sort": { "_id.category": 1, "_id.sub": 1 } },
    ];
    let parts = this.aggregate(&products, parts);
    let mut found = parts.session(&mut *session).await?;
    let rows: Vec<Document> = found.stream(session).try_collect().await?;
    for row in &rows {
        let Ok(key) = row.get_document("_id") else {
            continue;
        };
        let (category, sub) = (
            key.get_str("category").unwrap_or_default(),
            key.get_str("sub").unwrap_or_default(),
        );
        if let Some(count) = counts.iter_mut().find(|count| count.category == category) {
            count.by_sub_category.push((sub.to_owned(), number(row)));
        }
    }
    Ok(counts)
}

fn stored_category(category: &Category) -> Answer<Document> {
    let document = to_json(category)?;
    Ok(doc! { "_id": &category.slug, "position": category.position, "document": document })
}
