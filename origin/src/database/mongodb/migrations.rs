//! The schema, in numbered steps that are never edited once released, only followed by others; one program at a time.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use mongodb::bson::{Document, doc};
use mongodb::options::{IndexOptions, ReturnDocument};
use mongodb::{Database, IndexModel};

use super::super::DatabaseError;
use super::{Answer, Failure};
use crate::commerce::ids;
use crate::commerce::orders::Order;
use crate::commerce::products::ProductSort;
use crate::commerce::tallies::{Tallies, between};

/// The newest schema this program knows.
const KNOWN: i64 = 4;
/// A lock older than this belongs to a program that died.
const LOCK_SECONDS: i64 = 60;
/// How often a lock that another program holds is asked for again.
const LOCK_TRIES: u32 = 120;

/// Brings the schema up to date, and answers with the database's id.
pub(super) async fn run(database: &Database) -> Answer<String> {
    lock(database).await?;
    let done = steps(database).await;
    let unlocked = database
        .collection::<Document>("meta")
        .delete_one(doc! { "_id": "lock" })
        .await;
    let id = done?;
    unlocked.map_err(Failure::from)?;
    Ok(id)
}

/// Takes the lock: the document that only one program can insert.
async fn lock(database: &Database) -> Answer<()> {
    let meta = database.collection::<Document>("meta");
    for _ in 0..LOCK_TRIES {
        let now = jiff::Timestamp::now().as_second();
        let old = doc! { "_id": "lock", "at": { "$lt": now - LOCK_SECONDS } };
        meta.delete_one(old).await.map_err(Failure::from)?;
        match meta
            .insert_one(doc! { "_id": "lock", "at": now })
            .await
            .map_err(|e| DatabaseError::from(Failure::from(e)))
        {
            Ok(_) => return Ok(()),
            Err(DatabaseError::AlreadyExists(_)) => {
                tokio::time::sleep(Duration::from_millis(500)).await
            }
            Err(error) => return Err(error),
        }
    }
    Err(DatabaseError::Unavailable(
        "another program has held the lock of the schema for a minute".to_owned(),
    ))
}

async fn steps(database: &Database) -> Answer<String> {
    let meta = database.collection::<Document>("meta");
    let found = meta
        .find_one(doc! { "_id": "schema" })
        .await
        .map_err(Failure::from)?;
    let found = found.map_or(0, |found| found.get_i64("version").unwrap_or(0));
    if found > KNOWN {
        return Err(DatabaseError::NewerSchema {
            found,
            known: KNOWN,
        });
    }
    if found < 1 {
        catalogue(database).await.map_err(DatabaseError::from)?;
    }
    if found < 2 {
        orders(database).await.map_err(DatabaseError::from)?;
    }
    if found < 3 {
        records(database).await.map_err(DatabaseError::from)?;
    }
    if found < 4 {
        tallies(database).await.map_err(DatabaseError::from)?;
    }
    let version = doc! { "$set": { "version": KNOWN } };
    meta.update_one(doc! { "_id": "schema" }, version)
        .upsert(true)
        .await
        .map_err(Failure::from)?;
    let id = doc! { "$setOnInsert": { "value": ids::unguessable() } };
    let made = meta
        .find_one_and_update(doc! { "_id": "database_id" }, id)
        .upsert(true);
    let made = made
        .return_document(ReturnDocument::After)
        .await
        .map_err(Failure::from)?;
    let id = made.and_then(|made| made.get_str("value").ok().map(str::to_owned));
    id.ok_or_else(|| DatabaseError::Corrupt("meta.database_id".to_owned()))
}

/// The field that a sort ascends by.
pub(super) fn order_field(sort: ProductSort) -> &'static str {
    match sort {
        ProductSort::New => "order_new",
        ProductSort::PriceAscending => "order_price",
        ProductSort::PriceDescending => "order_price_descending",
        ProductSort::Name => "order_name",
        ProductSort::Rating => "order_rating",
        ProductSort::Popular | ProductSort::Relevance => "order_popular",
    }
}

/// Step 1: collections and indexes of the catalogue. Collections are made here: a transaction cannot always make one.
async fn catalogue(database: &Database) -> Result<(), Failure> {
    let names = [
        "products",
        "stock",
        "stock_movements",
        "categories",
        "combos",
        "shop",
        "changes",
        "counters",
        "meta",
    ];
    make(database, &names).await?;
    let products = database.collection::<Document>("products");
    for sort in ProductSort::OF_DATABASE {
        let field = order_field(sort);
        let all = doc! { "active": 1, field: 1, "_id": 1 };
        let of_category = doc! { "category": 1, "active": 1, field: 1, "_id": 1 };
        products
            .create_index(index(all, &format!("all_{field}"), false))
            .await?;
        products
            .create_index(index(of_category, &format!("category_{field}"), false))
            .await?;
    }
    products
        .create_index(index(doc! { "slug": 1 }, "slug", true))
        .await?;
    products
        .create_index(index(doc! { "sku": 1 }, "sku", true))
        .await?;
    let combos = database.collection::<Document>("combos");
    combos
        .create_index(index(doc! { "kind": 1, "slug": 1 }, "kind_slug", true))
        .await?;
    combos
        .create_index(index(doc! { "sku": 1 }, "sku", true))
        .await?;
    combos
        .create_index(index(doc! { "components": 1 }, "components", false))
        .await?;
    let movements = database.collection::<Document>("stock_movements");
    movements
        .create_index(index(
            doc! { "product_id": 1, "number": -1 },
            "product",
            false,
        ))
        .await?;
    Ok(())
}

/// Step 2: orders, and the keys of the requests that placed them.
async fn orders(database: &Database) -> Result<(), Failure> {
    make(database, &["orders", "order_keys"]).await?;
    let orders = database.collection::<Document>("orders");
    for (keys, name, unique) in [
        (doc! { "number": -1 }, "number", true),
        (doc! { "tracking_token": 1 }, "tracking_token", true),
        (doc! { "state": 1, "number": -1 }, "state", false),
    ] {
        orders.create_index(index(keys, name, unique)).await?;
    }
    let mut due = index(doc! { "expires_at": 1 }, "due", false);
    if let Some(options) = &mut due.options {
        options.sparse = Some(true);
    }
    orders.create_index(due).await?;
    Ok(())
}

/// Step 3: records, what orders are looked for by, and when their keys may be forgotten.
async fn records(database: &Database) -> Result<(), Failure> {
    make(database, &["records"]).await?;
    let records = database.collection::<Document>("records");
    for (keys, name) in [
        (doc! { "keys": 1, "id": -1 }, "keys"),
        (doc! { "kind": 1, "due_at": 1 }, "due"),
    ] {
        records.create_index(index(keys, name, false)).await?;
    }
    let mut unique = index(doc! { "unique_keys": 1 }, "unique_keys", true);
    if let Some(options) = &mut unique.options {
        options.sparse = Some(true);
    }
    records.create_index(unique).await?;
    let order_keys = database.collection::<Document>("order_keys");
    order_keys
        .create_index(index(doc! { "at": 1 }, "at", false))
        .await?;
    let orders = database.collection::<Document>("orders");
    let marks = doc! { "marks": 1, "number": -1 };
    orders.create_index(index(marks, "marks", false)).await?;
    let mut unmarked = orders.find(doc! { "marks": { "$exists": false } }).await?;
    while let Some(found) = unmarked.try_next().await? {
        let order: Order = super::products::from_json(&found)?;
        let marks = doc! { "$set": { "marks": order.marks() } };
        orders.update_one(doc! { "_id": &order.id }, marks).await?;
    }
    Ok(())
}

/// Step 4: what is counted of orders, when and by whom they were placed, and which products are low or sold out.
async fn tallies(database: &Database) -> Result<(), Failure> {
    make(database, &["tallies"]).await?;
    let collection = database.collection::<Document>("tallies");
    for (keys, name) in [
        (doc! { "kind": 1, "key": 1 }, "key"),
        (doc! { "kind": 1, "value": -1, "key": 1 }, "largest"),
    ] {
        collection.create_index(index(keys, name, false)).await?;
    }
    let products = database.collection::<Document>("products");
    let availability = doc! { "availability": 1, "active": 1 };
    products
        .create_index(index(availability, "availability", false))
        .await?;
    let orders = database.collection::<Document>("orders");
    let mut all = orders.find(Document::new()).await?;
    let mut counted = Tallies::new();
    while let Some(found) = all.try_next().await? {
        let order: Order = super::products::from_json(&found)?;
        let placed_at = order.placed_at.as_microsecond();
        let beside = doc! { "$set": { "marks": order.marks(), "placed_at": placed_at } };
        orders.update_one(doc! { "_id": &order.id }, beside).await?;
        for (tally, by) in between(None, &order) {
            *counted.entry(tally).or_default() += by;
        }
    }
    super::tallies::write_all(database, &counted).await
}

/// Makes collections that are not there yet.
async fn make(database: &Database, names: &[&str]) -> Result<(), Failure> {
    for name in names {
        match database.create_collection(*name).await {
            Err(error) if !error.to_string().contains("NamespaceExists") => {
                return Err(error.into());
            }
            _ => {}
        }
    }
    Ok(())
}

fn index(keys: Document, name: &str, unique: bool) -> IndexModel {
    let options = IndexOptions::builder()
        .name(name.to_owned())
        .unique(unique)
        .build();
    IndexModel::builder().keys(keys).options(options).build()
}
