//! Promises about the whole: catalogue, settings, the sequence, the schema.

use crackers_origin::commerce::products::ProductFilter;
use crackers_origin::commerce::seed;
use crackers_origin::commerce::stock::StockAdjustment;
use crackers_origin::database::settings::Kind;
use crackers_origin::database::{Database, DatabaseError, Replace};

use crate::Opened;
use crate::promises::{NOW, sample};

pub(crate) async fn a_catalogue_is_replaced_only_when_told(opened: Opened) {
    assert!(
        opened
            .database
            .is_catalogue_empty()
            .await
            .expect("an answer")
    );
    let database = opened.seeded().await.database;
    let small = seed::catalogue(20, 2, || ()).batch;
    let refused = database
        .write_catalogue(&small, Replace::Nothing, NOW)
        .await;
    assert!(
        matches!(refused, Err(DatabaseError::AlreadyExists(_))),
        "{refused:?}"
    );
    assert_eq!(
        database
            .product_count(&ProductFilter::default())
            .await
            .expect("a count"),
        150
    );
    database
        .write_catalogue(&small, Replace::Existing, NOW)
        .await
        .expect("a catalogue");
    assert_eq!(
        database
            .product_count(&ProductFilter::default())
            .await
            .expect("a count"),
        20
    );
    let counts = database.category_counts().await.expect("counts");
    assert_eq!(counts.iter().map(|count| count.products).sum::<u64>(), 20);
    assert!(counts.is_sorted_by_key(|count| count.category.clone()));
    let sub: u64 = counts
        .iter()
        .flat_map(|count| &count.by_sub_category)
        .map(|(_, products)| products)
        .sum();
    assert_eq!(sub, 20);
    assert_eq!(
        database.categories().await.expect("categories"),
        small.categories
    );
}

pub(crate) async fn settings_are_kept_and_counted(opened: Opened) {
    let database = opened.database;
    assert_eq!(database.shop_settings().await.expect("an answer"), None);
    let first = database
        .put_shop_settings(&seed::shop_settings(), None, NOW)
        .await
        .expect("settings");
    let second = database
        .put_shop_settings(&first, Some(1), NOW)
        .await
        .expect("settings");
    let stale = database.put_shop_settings(&first, Some(1), NOW).await;
    assert!(matches!(
        stale,
        Err(DatabaseError::VersionConflict {
            expected: 1,
            actual: 2
        })
    ));
    assert_eq!((first.version, second.version), (1, 2));
    assert_eq!(
        database.shop_settings().await.expect("an answer"),
        Some(second)
    );
    assert_eq!(
        database.changes_after(0, 10).await.expect("changes").len(),
        2
    );
}

pub(crate) async fn the_sequence_has_no_gaps_under_concurrent_writers(opened: Opened) {
    let database = opened.seeded().await.database;
    let products = sample();
    let tasks: Vec<_> = (0..16)
        .map(|number| {
            let (database, id) = (database.clone(), products[number].id.clone());
            tokio::spawn(async move {
                database
                    .adjust_stock(&id, StockAdjustment::To(50), "test", NOW)
                    .await
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic").expect("an adjustment");
    }
    let last = database.last_sequence().await.expect("a number");
    let numbers: Vec<_> = database
        .changes_after(0, 100)
        .await
        .expect("changes")
        .iter()
        .map(|c| c.sequence)
        .collect();
    assert_eq!(numbers, (1..=last).collect::<Vec<_>>());
    assert_eq!(last, 17);
}

pub(crate) async fn a_database_of_a_newer_program_is_refused(opened: Opened) {
    let Opened {
        database,
        config,
        _folder,
    } = opened;
    drop(database);
    match config.kind {
        Kind::Sqlite => {
            let connection = rusqlite::Connection::open(&config.sqlite.file).expect("a file");
            connection
                .execute("UPDATE meta SET value = '99' WHERE key = 'schema'", [])
                .expect("an update");
        }
        Kind::Mongodb => {
            use mongodb::bson::{Document, doc};
            let client = mongodb::Client::with_uri_str(&config.mongodb.uri)
                .await
                .expect("a client");
            let meta = client
                .database(&config.mongodb.database)
                .collection::<Document>("meta");
            let newer = doc! { "$set": { "version": 99_i64 } };
            meta.update_one(doc! { "_id": "schema" }, newer)
                .await
                .expect("an update");
        }
    }
    let refused = Database::open(&config).await.err();
    assert!(
        matches!(refused, Some(DatabaseError::NewerSchema { found: 99, .. })),
        "{refused:?}"
    );
}

pub(crate) async fn two_programs_may_open_it_at_once(opened: Opened) {
    let (one, two) = tokio::join!(
        Database::open(&opened.config),
        Database::open(&opened.config)
    );
    let (one, two) = (
        one.expect("the first opens"),
        two.expect("the second opens"),
    );
    assert_eq!(
        one.database_id().await.expect("an id"),
        two.database_id().await.expect("an id")
    );
    one.put_shop_settings(&seed::shop_settings(), None, NOW)
        .await
        .expect("settings");
    assert_eq!(two.last_sequence().await.expect("a number"), 1);
}
