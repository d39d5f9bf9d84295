//! Programs that start together bring MongoDB's schema up to date once, and what an older one wrote is there afterwards.

use std::collections::BTreeSet;
use std::time::Duration;

use ::mongodb::Collection;
use ::mongodb::bson::{Bson, Document, doc};
use crackers_origin::commerce::orders::OrderQuery;
use crackers_origin::database::settings::Config;
use crackers_origin::database::{Answer, Database, DatabaseError};
use crackers_tests::mongod::{self, Mongod};
use futures_util::TryStreamExt as _;
use futures_util::future::join_all;

use crate::on_server;

/// The newest schema.
const NEWEST: i64 = 5;

fn collection(client: &::mongodb::Client, config: &Config, name: &str) -> Collection<Document> {
    client.database(&config.mongodb.database).collection(name)
}

async fn client(config: &Config) -> ::mongodb::Client {
    let client = ::mongodb::Client::with_uri_str(&config.mongodb.uri).await;
    client.unwrap()
}

/// What is written of the schema, once this is in it.
async fn schema_with(meta: &Collection<Document>, field: &str) -> Document {
    loop {
        let found = meta
            .find_one(doc! { "_id": "schema", field: { "$exists": true } })
            .await;
        if let Some(schema) = found.unwrap() {
            return schema;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Numbers and owners of the steps that were taken, in order.
fn steps(schema: &Document) -> Vec<(i64, String)> {
    let step = |step: &Bson| {
        let step = step.as_document().unwrap();
        let owner = step.get_str("owner").unwrap().to_owned();
        (step.get_i64("number").unwrap(), owner)
    };
    schema
        .get_array("steps")
        .unwrap()
        .iter()
        .map(step)
        .collect()
}

/// Each step was taken once, all of them by one program, and nobody holds the lock.
async fn taken_once(client: &::mongodb::Client, config: &Config) {
    let schema = schema_with(&collection(client, config, "meta"), "steps").await;
    let taken = steps(&schema);
    let numbers: Vec<_> = taken.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=NEWEST).collect::<Vec<_>>());
    let owners: BTreeSet<_> = taken.iter().map(|(_, owner)| owner).collect();
    assert_eq!(owners.len(), 1, "{taken:?}");
    assert!(!schema.contains_key("lock"), "{schema}");
}

async fn open_together(config: &Config, programs: usize) -> Vec<Answer<Database>> {
    let open = |_| {
        let config = config.clone();
        tokio::spawn(async move { Database::open(&config).await })
    };
    let opened = join_all((0..programs).map(open)).await;
    opened.into_iter().map(|opened| opened.unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_eight_programs_that_start_together_one_takes_the_steps() {
    let Some(uri) = mongod::shared_uri() else {
        return;
    };
    for _ in 0..4 {
        let config = on_server(uri.clone());
        let mut ids = BTreeSet::new();
        for opened in open_together(&config, 8).await {
            ids.insert(opened.unwrap().database_id().await.unwrap());
        }
        assert_eq!(ids.len(), 1);
        taken_once(&client(&config).await, &config).await;
    }
}

/// A server of its own that takes its time to make an index.
async fn slow_server() -> Option<Mongod> {
    let server = tokio::task::spawn_blocking(Mongod::start).await.unwrap();
    let server = server.unwrap()?;
    server.delay(&["createIndexes"], 400).await.unwrap();
    Some(server)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_longer_than_the_lock_lasts_keeps_it() {
    let Some(server) = slow_server().await else {
        return;
    };
    let mut config = on_server(server.uri());
    // More than twenty indexes take several times as long.
    config.mongodb.migration_lease_ms = 4000;
    for opened in open_together(&config, 3).await {
        opened.unwrap();
    }
    taken_once(&client(&config).await, &config).await;
    tokio::task::spawn_blocking(move || drop(server))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_lost_the_lock_stops_and_says_so() {
    let Some(server) = slow_server().await else {
        return;
    };
    let mut config = on_server(server.uri());
    config.mongodb.migration_lease_ms = 500;
    let own = config.clone();
    let opening = tokio::spawn(async move { Database::open(&own).await });
    let client = client(&config).await;
    let meta = collection(&client, &config, "meta");
    schema_with(&meta, "lock.owner").await;
    let other = doc! { "$set": { "lock": { "owner": "another", "until": Bson::DateTime(::mongodb::bson::DateTime::MAX) } } };
    meta.update_one(doc! { "_id": "schema" }, other)
        .await
        .unwrap();
    let stopped = opening.await.unwrap();
    assert!(
        matches!(&stopped, Err(DatabaseError::Unavailable(why)) if why.contains("taken over")),
        "{:?}",
        stopped.err()
    );
    let schema = schema_with(&meta, "lock").await;
    assert!(schema.get_i64("version").unwrap() < NEWEST, "{schema}");
    let lock = schema.get_document("lock").unwrap();
    assert_eq!(lock.get_str("owner").unwrap(), "another");
    config.mongodb.migration_wait_ms = 100;
    let waited = Database::open(&config).await.err();
    assert!(
        matches!(waited, Some(DatabaseError::Unavailable(_))),
        "{waited:?}"
    );
    tokio::task::spawn_blocking(move || drop(server))
        .await
        .unwrap();
}

/// What a program of schema 2 left: an order as it wrote orders, the key it came with, and a stock with its ledger.
async fn write_schema_2(client: &::mongodb::Client, config: &Config) {
    let order = r#"{"id":"a","number":7,"tracking_token":"b","state":"confirmed",
        "contact":{"name":"Meena Kumari","phone":"9876543210","email":"m@example.in"},
        "address":{"line1":"1","line2":"","city":"c","state":"s","pincode":"626123"},"payment":"bank_transfer",
        "quote":{"lines":[],"goods":900,"saved":0,"packing":0,"rounding":0,"total":900},"history":[],
        "placed_at":"2026-11-08T18:30:00Z","expires_at":null,"version":1}"#;
    for (name, document) in [
        ("meta", doc! { "_id": "schema", "version": 2_i64 }),
        ("meta", doc! { "_id": "database_id", "value": "of-old" }),
        (
            "orders",
            doc! { "_id": "a", "number": 7_i64, "tracking_token": "b", "state": "confirmed", "document": order },
        ),
        (
            "order_keys",
            doc! { "_id": "k", "body_hash": "h", "order_id": "a" },
        ),
        (
            "stock",
            doc! { "_id": "p", "available": 5_i64, "low_at": 2_i64, "version": 1_i64 },
        ),
        (
            "stock_movements",
            doc! { "product_id": "p", "number": 1_i64, "delta": 5_i64, "reason": "opening", "at": 0_i64 },
        ),
    ] {
        let collection = collection(client, config, name);
        collection.insert_one(document).await.unwrap();
    }
}

async fn indexes(client: &::mongodb::Client, config: &Config, name: &str) -> Vec<String> {
    let listed = collection(client, config, name).list_indexes().await;
    let listed: Vec<_> = listed.unwrap().try_collect().await.unwrap();
    let name = |index: ::mongodb::IndexModel| index.options?.name;
    listed.into_iter().filter_map(name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_program_wrote_to_mongodb_is_there_after_the_next_steps() {
    let Some(uri) = mongod::shared_uri() else {
        return;
    };
    let config = on_server(uri);
    let client = client(&config).await;
    write_schema_2(&client, &config).await;
    let database = Database::open(&config).await.unwrap();
    assert_eq!(database.database_id().await.unwrap(), "of-old");
    let meta = collection(&client, &config, "meta");
    let numbers: Vec<_> = steps(&schema_with(&meta, "steps").await);
    let numbers: Vec<_> = numbers.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [3, 4, 5]);

    for mark in ["phone:9876543210", "email:m@example.in", "name:kumari"] {
        let query = OrderQuery {
            mark: Some(mark.to_owned()),
            from: Some("2026-11-08T18:30:00Z".parse().unwrap()),
            limit: 2,
            ..OrderQuery::default()
        };
        let found = database.orders(&query).await.unwrap();
        let numbers: Vec<_> = found.iter().map(|order| order.number).collect();
        assert_eq!(numbers, [7], "{mark}");
    }
    let (hash, order) = database.order_by_key("k").await.unwrap().unwrap();
    assert_eq!((hash.as_str(), order.id.as_str()), ("h", "a"));
    let revenue = database.tallies("revenue_by_day", "", 10).await.unwrap();
    assert_eq!(revenue, [("2026-11-09".to_owned(), 900)]);
    assert_eq!(database.stock("p").await.unwrap().unwrap().available, 5);
    for (name, index) in [
        ("orders", "marks"),
        ("orders", "placed"),
        ("orders", "state_placed"),
        ("order_keys", "at"),
        ("records", "unique_keys"),
        ("tallies", "largest"),
        ("products", "availability"),
    ] {
        let all = indexes(&client, &config, name).await;
        assert!(all.iter().any(|one| one == index), "{name}: {all:?}");
    }
}
