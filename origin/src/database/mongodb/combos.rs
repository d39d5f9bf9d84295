//! Questions about bundles and gift boxes.

use std::collections::HashMap;

use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use mongodb::ClientSession;
use mongodb::bson::{Document, doc};

use super::super::error::next_version;
use super::error::Failure;
use super::products::{from_json, to_json};
use super::{Answer, Mongo, changes};
use crate::commerce::availability::Availability;
use crate::commerce::changes::{NewChange, tags_of_combo_change};
use crate::commerce::combos::{
    Combo, ComboKind, ComboPart, ComboWithParts, ComponentStock, availability,
};
use crate::commerce::products::Product;

impl Mongo {
    /// See [`super::super::Database::combos`].
    pub async fn combos(&self, kind: ComboKind) -> Answer<Vec<ComboWithParts>> {
        let filter = doc! { "kind": kind.as_str(), "active": true };
        self.read(move |this, session| {
            Box::pin(async move {
                let combos = find(this, session, filter, doc! { "position": 1, "slug": 1 }).await?;
                with_parts(this, session, combos).await
            })
        })
        .await
    }

    /// See [`super::super::Database::combo_by_id_or_slug`].
    pub async fn combo_by_id_or_slug(
        &self,
        kind: ComboKind,
        id_or_slug: &str,
    ) -> Answer<Option<ComboWithParts>> {
        let keys = vec![doc! { "_id": id_or_slug }, doc! { "slug": id_or_slug }];
        let filter = doc! { "kind": kind.as_str(), "active": true, "$or": keys };
        self.read(move |this, session| {
            Box::pin(async move {
                let combos = find(this, session, filter, doc! { "_id": 1 }).await?;
                Ok(with_parts(this, session, combos).await?.into_iter().next())
            })
        })
        .await
    }
}

impl Mongo {
    /// See [`super::super::Database::combo_by_id`].
    pub async fn combo_by_id(&self, id: &str) -> Answer<Option<Combo>> {
        let filter = doc! { "_id": id };
        self.read(move |this, session| {
            Box::pin(async move { Ok(find(this, session, filter, doc! {}).await?.pop()) })
        })
        .await
    }

    /// See [`super::super::Database::combos_after`].
    pub async fn combos_after(
        &self,
        kind: ComboKind,
        after_id: &str,
        limit: u32,
    ) -> Answer<Vec<Combo>> {
        let filter = doc! { "kind": kind.as_str(), "_id": { "$gt": after_id } };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        self.read(move |this, session| {
            Box::pin(async move {
                // A shop has dozens of combos, not thousands.
                let mut found = find(this, session, filter, doc! { "_id": 1 }).await?;
                found.truncate(limit);
                Ok(found)
            })
        })
        .await
    }

    /// See [`super::super::Database::put_combo`].
    pub async fn put_combo(
        &self,
        combo: &Combo,
        expected_version: Option<i64>,
        at: Timestamp,
    ) -> Answer<Combo> {
        let combo = combo.clone();
        self.write(move |this, session| {
            let mut combo = combo.clone();
            Box::pin(async move {
                let id = doc! { "_id": &combo.id };
                let before = find(this, session, id.clone(), doc! {}).await?.pop();
                combo.version = next_version(before.map(|one| one.version), expected_version)?;
                let combos = this.collection("combos");
                let replaced = combos.replace_one(id, stored(&combo)?);
                replaced.upsert(true).session(&mut *session).await?;
                let change = NewChange {
                    entity: "combo",
                    entity_id: combo.id.clone(),
                    tags: tags_of_combo_change(&combo.id, combo.kind),
                };
                changes::append(this, session, change, at).await?;
                Ok(combo)
            })
        })
        .await
    }
}

async fn find(
    this: &Mongo,
    session: &mut ClientSession,
    filter: Document,
    order: Document,
) -> Result<Vec<Combo>, Failure> {
    let combos = this.collection("combos");
    let find = this.find(&combos, filter).sort(order);
    let mut found = find.session(&mut *session).await?;
    let documents: Vec<Document> = found.stream(session).try_collect().await?;
    Ok(documents.iter().map(from_json).collect::<Answer<_>>()?)
}

/// Combos with the names and stock of their components: two questions for all of them together.
async fn with_parts(
    this: &Mongo,
    session: &mut ClientSession,
    combos: Vec<Combo>,
) -> Result<Vec<ComboWithParts>, Failure> {
    let ids: Vec<_> = combos
        .iter()
        .flat_map(|combo| &combo.components)
        .map(|part| part.product_id.as_str())
        .collect();
    let filter = doc! { "_id": { "$in": &ids } };
    let fields = doc! { "document": 1 };
    let products = this.collection("products");
    let find = this.find(&products, filter.clone()).projection(fields);
    let mut found = find.session(&mut *session).await?;
    let products: Vec<Document> = found.stream(&mut *session).try_collect().await?;
    let products: Vec<Product> = products.iter().map(from_json).collect::<Answer<_>>()?;
    let stock = this.collection("stock");
    let mut found = this.find(&stock, filter).session(&mut *session).await?;
    let stocks: Vec<Document> = found.stream(session).try_collect().await?;
    let products: HashMap<_, _> = products
        .into_iter()
        .map(|product| (product.id.clone(), product))
        .collect();
    let stock = |stock: &Document| {
        let number = |name| stock.get_i64(name).unwrap_or(0);
        Some((
            stock.get_str("_id").ok()?.to_owned(),
            (number("available"), number("low_at")),
        ))
    };
    let stocks: HashMap<_, _> = stocks.iter().filter_map(stock).collect();
    Ok(combos
        .into_iter()
        .map(|combo| one_with_parts(combo, &products, &stocks))
        .collect())
}

fn one_with_parts(
    combo: Combo,
    products: &HashMap<String, Product>,
    stocks: &HashMap<String, (i64, i64)>,
) -> ComboWithParts {
    let mut parts = Vec::with_capacity(combo.components.len());
    let mut known = Vec::with_capacity(combo.components.len());
    for component in &combo.components {
        let found = products
            .get(&component.product_id)
            .zip(stocks.get(&component.product_id));
        let Some((product, (available, low_at))) = found else {
            known.push(None);
            continue;
        };
        known.push(Some(ComponentStock {
            available: *available,
            low_at: *low_at,
            quantity: component.quantity,
            sellable: product.active && !product.restricted,
        }));
        parts.push(ComboPart {
            product_id: product.id.clone(),
            slug: product.slug.clone(),
            name: product.name.clone(),
            pack: product.pack.clone(),
            quantity: component.quantity,
        });
    }
    ComboWithParts {
        availability: availability(&known),
        combo,
        parts,
    }
}

/// The active combos that contain a product, in order of id.
pub(super) async fn with_product(
    this: &Mongo,
    session: &mut ClientSession,
    id: &str,
) -> Result<Vec<Combo>, Failure> {
    find(
        this,
        session,
        doc! { "components": id, "active": true },
        doc! { "_id": 1 },
    )
    .await
}

/// The active combos that contain any of these products, in order of id, each with its public word.
pub(super) async fn words_with_products(
    this: &Mongo,
    session: &mut ClientSession,
    ids: &[&str],
) -> Result<Vec<((String, ComboKind), Availability)>, Failure> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let filter = doc! { "components": { "$in": ids }, "active": true };
    let combos = find(this, session, filter, doc! { "_id": 1 }).await?;
    if combos.is_empty() {
        return Ok(Vec::new());
    }
    let with_parts = with_parts(this, session, combos).await?;
    Ok(with_parts
        .into_iter()
        .map(|with| ((with.combo.id, with.combo.kind), with.availability))
        .collect())
}

/// A combo as it is stored.
pub(super) fn stored(combo: &Combo) -> Answer<Document> {
    let components: Vec<_> = combo
        .components
        .iter()
        .map(|component| component.product_id.as_str())
        .collect();
    Ok(doc! {
        "_id": &combo.id,
        "kind": combo.kind.as_str(),
        "slug": &combo.slug,
        "sku": &combo.sku,
        "active": combo.active,
        "position": combo.position,
        "components": components,
        "document": to_json(combo)?,
    })
}
