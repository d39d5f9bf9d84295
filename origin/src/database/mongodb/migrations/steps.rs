//! What each step does. Steps are never edited once released, only followed by others.

use futures_util::TryStreamExt as _;
use mongodb::bson::{Document, doc};
use mongodb::error::TRANSIENT_TRANSACTION_ERROR;
use mongodb::options::IndexOptions;
use mongodb::{ClientSession, Database, IndexModel};

use super::super::super::order_name;
use super::super::products::from_json;
use super::super::{Answer, Failure, commit};
use super::lock::Lock;
use crate::commerce::orders::Order;
use crate::commerce::products::ProductSort;
use crate::commerce::tallies::{Tallies, between};

/// A transaction that meets a renewal of the lock is tried so often.
const WRITES_MAX: u32 = 20;

/// Takes a step. Taken again after it broke off, it comes to the same.
pub(super) async fn take(number: i64, database: &Database, lock: &Lock) -> Answer<()> {
    let taken = match number {
        1 => catalogue(database).await,
        2 => orders(database).await,
        3 => records(database).await,
        4 => tallies(database, lock).await,
        _ => orders_by_time(database).await,
    };
    Ok(taken?)
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
        let field = order_name(sort);
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
        let order: Order = from_json(&found)?;
        let marks = doc! { "$set": { "marks": order.marks() } };
        orders.update_one(doc! { "_id": &order.id }, marks).await?;
    }
    Ok(())
}

/// Step 4: what is counted of orders, when and by whom they were placed, and which products are low or sold out.
async fn tallies(database: &Database, lock: &Lock) -> Result<(), Failure> {
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
        let order: Order = from_json(&found)?;
        let placed_at = order.placed_at.as_microsecond();
        let beside = doc! { "$set": { "marks": order.marks(), "placed_at": placed_at } };
        orders.update_one(doc! { "_id": &order.id }, beside).await?;
        for (tally, by) in between(None, &order) {
            *counted.entry(tally).or_default() += by;
        }
    }
    write_all(database, &counted, lock).await
}

/// Step 5: lists of a time walk from its newest order on, of all orders and of those in a state.
async fn orders_by_time(database: &Database) -> Result<(), Failure> {
    let orders = database.collection::<Document>("orders");
    for (keys, name) in [
        (doc! { "placed_at": -1, "number": -1 }, "placed"),
        (
            doc! { "state": 1, "placed_at": -1, "number": -1 },
            "state_placed",
        ),
    ] {
        orders.create_index(index(keys, name, false)).await?;
    }
    Ok(())
}

/// Writes what was counted in place of what is there, unless another program has taken over.
async fn write_all(database: &Database, counted: &Tallies, lock: &Lock) -> Result<(), Failure> {
    let mut session = database.client().start_session().await?;
    for attempt in 1.. {
        session.start_transaction().await?;
        let written = write_in(&mut session, database, counted, lock).await;
        let Err(failed) = written else { break };
        // It may be aborted already; what counts is the first failure.
        let _ = session.abort_transaction().await;
        // The lock may have been renewed at the same moment.
        if attempt >= WRITES_MAX || !failed.has_label(TRANSIENT_TRANSACTION_ERROR) {
            return Err(failed);
        }
    }
    commit(&mut session).await
}

async fn write_in(
    session: &mut ClientSession,
    database: &Database,
    counted: &Tallies,
    lock: &Lock,
) -> Result<(), Failure> {
    super::super::tallies::write_all(database, session, counted).await?;
    lock.guard(session).await
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
