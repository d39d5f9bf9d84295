//! Questions about products.

use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use mongodb::ClientSession;
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::Hint;
use serde::de::DeserializeOwned;

use super::super::error::{DatabaseError, next_version};
use super::super::order_name;
use super::error::Failure;
use super::{Answer, Mongo, changes, combos, stock};
use crate::commerce::availability::Availability;
use crate::commerce::changes::{NewChange, tags_of_new_product, tags_of_product_change};
use crate::commerce::products::{
    Product, ProductFilter, ProductPatch, ProductQuery, ProductSort, SortKey, StockFilter,
};

impl Mongo {
    /// See [`super::super::Database::product_page`].
    pub async fn product_page(&self, query: &ProductQuery) -> Answer<Vec<Product>> {
        let field = order_name(query.sort);
        let mut filter = filter_document(&query.filter);
        if let Some(after) = &query.after {
            let key = match &after.key {
                SortKey::Number(number) => Bson::from(*number),
                SortKey::Text(text) => Bson::from(text.clone()),
            };
            let same = doc! { field: key.clone(), "_id": { "$gt": &after.id } };
            filter.insert("$or", vec![doc! { field: { "$gt": key } }, same]);
        }
        let scope = if query.filter.category.is_some() {
            "category"
        } else {
            "all"
        };
        let asked = Asked {
            filter,
            order: doc! { field: 1, "_id": 1 },
            limit: i64::from(query.limit),
            hint: Some(format!("{scope}_{field}")),
        };
        self.products(asked).await
    }

    pub(super) async fn products(&self, asked: Asked) -> Answer<Vec<Product>> {
        self.read(move |this, session| {
            Box::pin(async move { this.find_products(session, asked).await })
        })
        .await
    }

    async fn find_products(
        &self,
        session: &mut ClientSession,
        asked: Asked,
    ) -> Result<Vec<Product>, Failure> {
        let products = self.collection("products");
        let mut find = self
            .find(&products, asked.filter)
            .sort(asked.order)
            .limit(asked.limit);
        if let Some(hint) = asked.hint {
            find = find.hint(Hint::Name(hint));
        }
        let fields = doc! { "document": 1, "availability": 1 };
        let find = find.projection(fields);
        let mut found = find.session(&mut *session).await?;
        let documents: Vec<Document> = found.stream(session).try_collect().await?;
        Ok(documents.iter().map(product).collect::<Answer<_>>()?)
    }

    /// See [`super::super::Database::product_count`].
    pub async fn product_count(&self, filter: &ProductFilter) -> Answer<u64> {
        let filter = filter_document(filter);
        self.read(move |this, session| {
            Box::pin(async move {
                let products = this.collection("products");
                let count = this.count(&products, filter);
                Ok(count.session(session).await?)
            })
        })
        .await
    }

    async fn one_product(&self, filter: Document) -> Answer<Option<Product>> {
        let asked = Asked {
            filter,
            order: doc! { "_id": 1 },
            limit: 1,
            hint: None,
        };
        Ok(self.products(asked).await?.into_iter().next())
    }

    /// See [`super::super::Database::product_by_id_or_slug`].
    pub async fn product_by_id_or_slug(&self, id_or_slug: &str) -> Answer<Option<Product>> {
        let keys = vec![doc! { "_id": id_or_slug }, doc! { "slug": id_or_slug }];
        self.one_product(doc! { "$or": keys, "active": true }).await
    }

    /// See [`super::super::Database::product_by_any_key`].
    pub async fn product_by_any_key(&self, key: &str) -> Answer<Option<Product>> {
        self.one_product(doc! { "$or": [{ "_id": key }, { "slug": key }, { "sku": key }] })
            .await
    }

    /// See [`super::super::Database::products_by_ids`].
    pub async fn products_by_ids(&self, ids: &[String]) -> Answer<Vec<Product>> {
        let filter = doc! { "_id": { "$in": ids }, "active": true };
        let limit = i64::try_from(ids.len().max(1)).unwrap_or(i64::MAX);
        let asked = Asked {
            filter,
            order: doc! { "_id": 1 },
            limit,
            hint: None,
        };
        let mut found = self.products(asked).await?;
        let place = |product: &Product| ids.iter().position(|id| *id == product.id);
        found.sort_by_key(place);
        Ok(found)
    }

    /// See [`super::super::Database::products_after`].
    pub async fn products_after(&self, after_id: &str, limit: u32) -> Answer<Vec<Product>> {
        let filter = doc! { "_id": { "$gt": after_id } };
        let asked = Asked {
            filter,
            order: doc! { "_id": 1 },
            limit: i64::from(limit),
            hint: None,
        };
        self.products(asked).await
    }

    /// See [`super::super::Database::patch_product`].
    pub async fn patch_product(
        &self,
        id: &str,
        patch: &ProductPatch,
        expected_version: Option<i64>,
        at: Timestamp,
    ) -> Answer<Product> {
        let (id, patch) = (id.to_owned(), patch.clone());
        self.write(move |this, session| {
            let (id, patch) = (id.clone(), patch.clone());
            Box::pin(async move {
                let before = this.required_product(session, &id).await?;
                let expected = expected_version.or(Some(before.version));
                next_version(Some(before.version), expected)?;
                let after = patch.applied_to(&before, at);
                this.put_changed(session, &before, &after, at).await?;
                Ok(after)
            })
        })
        .await
    }

    /// See [`super::super::Database::create_product`].
    pub async fn create_product(
        &self,
        product: &Product,
        available: i64,
        low_at: i64,
        at: Timestamp,
    ) -> Answer<Product> {
        let mut product = product.clone();
        product.version = 1;
        product.availability = Availability::of(available, low_at);
        self.write(move |this, session| {
            let product = product.clone();
            Box::pin(async move {
                let products = this.collection("products");
                products
                    .insert_one(stored(&product)?)
                    .session(&mut *session)
                    .await?;
                stock::create(this, session, &product.id, available, low_at, at).await?;
                append(
                    this,
                    session,
                    &product.id,
                    tags_of_new_product(&product),
                    at,
                )
                .await?;
                Ok(product)
            })
        })
        .await
    }

    /// See [`super::super::Database::replace_product`].
    pub async fn replace_product(
        &self,
        product: &Product,
        expected_version: i64,
        at: Timestamp,
    ) -> Answer<Product> {
        let product = product.clone();
        self.write(move |this, session| {
            let mut product = product.clone();
            Box::pin(async move {
                let before = this.required_product(session, &product.id).await?;
                product.version = next_version(Some(before.version), Some(expected_version))?;
                product.availability = before.availability;
                product.rating = before.rating;
                this.put_changed(session, &before, &product, at).await?;
                Ok(product)
            })
        })
        .await
    }

    /// Writes a product that takes the place of another, with the change that this is.
    async fn put_changed(
        &self,
        session: &mut ClientSession,
        before: &Product,
        after: &Product,
        at: Timestamp,
    ) -> Result<(), Failure> {
        self.put_product(session, after).await?;
        let combos = combos::with_product(self, session, &after.id).await?;
        let combos: Vec<_> = combos.into_iter().map(|one| (one.id, one.kind)).collect();
        let tags = tags_of_product_change(before, after, &combos);
        append(self, session, &after.id, tags, at).await
    }

    /// The product with an id, active or not.
    pub(super) async fn required_product(
        &self,
        session: &mut ClientSession,
        id: &str,
    ) -> Result<Product, Failure> {
        let products = self.collection("products");
        let find = self.find_one(&products, doc! { "_id": id });
        let found = find.session(session).await?;
        let missing = || DatabaseError::NotFound {
            entity: "product",
            id: id.to_owned(),
        };
        Ok(product(&found.ok_or_else(missing)?)?)
    }

    /// Writes a product and all that is derived from it.
    pub(super) async fn put_product(
        &self,
        session: &mut ClientSession,
        product: &Product,
    ) -> Result<(), Failure> {
        let stored = stored(product)?;
        let products = self.collection("products");
        let replaced = products.replace_one(doc! { "_id": &product.id }, stored);
        replaced.upsert(true).session(session).await?;
        Ok(())
    }
}

/// Leaves the change of a product whose rating alone has changed: combos do not show it.
pub(super) async fn append_rated(
    this: &Mongo,
    session: &mut ClientSession,
    before: &Product,
    after: &Product,
    at: Timestamp,
) -> Result<(), Failure> {
    let tags = tags_of_product_change(before, after, &[]);
    append(this, session, &after.id, tags, at).await
}

async fn append(
    this: &Mongo,
    session: &mut ClientSession,
    id: &str,
    tags: Vec<String>,
    at: Timestamp,
) -> Result<(), Failure> {
    let change = NewChange {
        entity: "product",
        entity_id: id.to_owned(),
        tags,
    };
    changes::append(this, session, change, at).await
}

pub(super) struct Asked {
    pub(super) filter: Document,
    pub(super) order: Document,
    pub(super) limit: i64,
    pub(super) hint: Option<String>,
}

fn filter_document(filter: &ProductFilter) -> Document {
    let mut document = doc! { "active": true };
    if let Some(category) = &filter.category {
        document.insert("category", category);
    }
    if let Some(sub) = &filter.sub_category {
        document.insert("sub_categories", sub);
    }
    let mut price = Document::new();
    if let Some(least) = filter.price_min {
        price.insert("$gte", least.0);
    }
    if let Some(most) = filter.price_max {
        price.insert("$lte", most.0);
    }
    if !price.is_empty() {
        document.insert("price", price);
    }
    match filter.stock {
        Some(StockFilter::InStock) => drop(document.insert("availability", "in_stock")),
        Some(StockFilter::Low) => drop(document.insert("availability", "low")),
        Some(StockFilter::SoldOut) => drop(document.insert("availability", "sold_out")),
        Some(StockFilter::Available) => {
            drop(document.insert("availability", doc! { "$ne": "sold_out" }))
        }
        None => {}
    }
    if let Some(featured) = filter.featured {
        document.insert("featured", featured);
    }
    if !filter.tags.is_empty() {
        document.insert("tags", doc! { "$all": &filter.tags });
    }
    document
}

/// A product as it is stored: the whole of it as JSON, and beside it what questions filter and sort by.
pub(super) fn stored(product: &Product) -> Answer<Document> {
    let number = |sort: ProductSort| match sort.key(product) {
        SortKey::Number(number) => number,
        SortKey::Text(_) => 0,
    };
    Ok(doc! {
        "_id": &product.id,
        "slug": &product.slug,
        "sku": &product.sku,
        "category": &product.category,
        "sub_categories": &product.sub_categories,
        "tags": &product.tags,
        "price": product.price.0,
        "featured": product.featured,
        "active": product.active,
        "availability": product.availability.as_str(),
        "order_new": number(ProductSort::New),
        "order_price": number(ProductSort::PriceAscending),
        "order_price_descending": number(ProductSort::PriceDescending),
        "order_name": product.name.to_lowercase(),
        "order_rating": number(ProductSort::Rating),
        "order_popular": number(ProductSort::Popular),
        "version": product.version,
        "document": to_json(product)?,
    })
}

fn product(document: &Document) -> Answer<Product> {
    let mut product: Product = from_json(document)?;
    let word = document.get_str("availability").unwrap_or_default();
    product.availability = Availability::parse(word)
        .ok_or_else(|| DatabaseError::Corrupt(format!("availability {word:?}")))?;
    Ok(product)
}

/// Any of our structs from the JSON in a stored document.
pub(super) fn from_json<T: DeserializeOwned>(document: &Document) -> Answer<T> {
    let text = document
        .get_str("document")
        .map_err(|error| DatabaseError::Corrupt(error.to_string()))?;
    serde_json::from_str(text).map_err(|error| DatabaseError::Corrupt(error.to_string()))
}

/// The JSON of any of our structs.
pub(super) fn to_json(value: &impl serde::Serialize) -> Answer<String> {
    serde_json::to_string(value).map_err(|error| DatabaseError::Corrupt(error.to_string()))
}
