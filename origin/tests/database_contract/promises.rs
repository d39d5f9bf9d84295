//! The promises.

use crackers_origin::commerce::availability::Availability;
use crackers_origin::commerce::combos::ComboKind;
use crackers_origin::commerce::money::Paise;
use crackers_origin::commerce::products::{
    Product, ProductFilter, ProductPatch, ProductQuery, ProductSort, StockFilter,
};
use crackers_origin::commerce::seed;
use crackers_origin::commerce::stock::StockAdjustment;
use crackers_origin::database::settings::Kind;
use crackers_origin::database::{Database, DatabaseError, Replace};
use jiff::Timestamp;

use crate::Opened;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn sample() -> Vec<Product> {
    seed::catalogue(150, 1, || ())
        .batch
        .products
        .into_iter()
        .map(|(product, _, _)| product)
        .collect()
}

/// Every page of a question, seven products at a time.
pub(crate) async fn walk(
    database: &Database,
    filter: &ProductFilter,
    sort: ProductSort,
) -> Vec<Product> {
    let mut all: Vec<Product> = Vec::new();
    loop {
        let after = all.last().map(|last| sort.position(last));
        let query = ProductQuery {
            filter: filter.clone(),
            sort,
            after,
            limit: 7,
        };
        let page = database.product_page(&query).await.expect("a page");
        let is_last = page.len() < 7;
        all.extend(page);
        if is_last {
            return all;
        }
    }
}

pub(crate) fn filters() -> Vec<ProductFilter> {
    let none = ProductFilter::default();
    vec![
        none.clone(),
        ProductFilter {
            category: Some("rockets".to_owned()),
            ..none.clone()
        },
        ProductFilter {
            sub_category: Some("paper-bombs".to_owned()),
            ..none.clone()
        },
        ProductFilter {
            price_min: Some(Paise(10_000)),
            price_max: Some(Paise(50_000)),
            ..none.clone()
        },
        ProductFilter {
            stock: Some(StockFilter::SoldOut),
            ..none.clone()
        },
        ProductFilter {
            stock: Some(StockFilter::Low),
            ..none.clone()
        },
        ProductFilter {
            stock: Some(StockFilter::Available),
            featured: Some(false),
            ..none.clone()
        },
        ProductFilter {
            featured: Some(true),
            ..none.clone()
        },
        ProductFilter {
            tags: vec!["kids".to_owned(), "light".to_owned()],
            ..none.clone()
        },
        ProductFilter {
            category: Some("nothing".to_owned()),
            ..none
        },
    ]
}

pub(crate) async fn pages_follow_filter_and_order_exactly(opened: Opened) {
    let database = opened.seeded().await.database;
    for filter in filters() {
        for sort in ProductSort::OF_DATABASE {
            let mut expected: Vec<_> = sample()
                .into_iter()
                .filter(|product| filter.admits(product))
                .collect();
            expected.sort_by_key(|product| (sort.key(product), product.id.clone()));
            let found = walk(&database, &filter, sort).await;
            assert_eq!(found, expected, "{filter:?} {sort:?}");
            assert_eq!(
                database.product_count(&filter).await.expect("a count"),
                expected.len() as u64
            );
        }
    }
}

pub(crate) async fn products_are_found_by_every_key(opened: Opened) {
    let database = opened.seeded().await.database;
    let product = sample().swap_remove(17);
    for key in [&product.id, &product.slug] {
        assert_eq!(
            database
                .product_by_id_or_slug(key)
                .await
                .expect("an answer"),
            Some(product.clone())
        );
    }
    assert_eq!(
        database
            .product_by_id_or_slug(&product.sku)
            .await
            .expect("an answer"),
        None
    );
    assert_eq!(
        database
            .product_by_any_key(&product.sku)
            .await
            .expect("an answer"),
        Some(product.clone())
    );
    let ids = ["none".to_owned(), product.id.clone()];
    assert_eq!(
        database.products_by_ids(&ids).await.expect("an answer"),
        std::slice::from_ref(&product)
    );
    let hidden = ProductPatch {
        active: Some(false),
        ..ProductPatch::default()
    };
    database
        .patch_product(&product.id, &hidden, None, NOW)
        .await
        .expect("a patch");
    assert_eq!(
        database
            .product_by_id_or_slug(&product.id)
            .await
            .expect("an answer"),
        None
    );
    assert!(
        database
            .product_by_any_key(&product.id)
            .await
            .expect("an answer")
            .is_some()
    );
    let all = database.products_after("", 1000).await.expect("all");
    assert!(all.len() == 150 && all.is_sorted_by_key(|product| product.id.clone()));
}

pub(crate) async fn a_patch_counts_the_version_and_leaves_its_tags(opened: Opened) {
    let database = opened.seeded().await.database;
    let (before, sequence) = (
        sample().swap_remove(3),
        database.last_sequence().await.expect("a number"),
    );
    let patch = ProductPatch {
        price: Some(Paise(777)),
        ..ProductPatch::default()
    };
    let after = database
        .patch_product(&before.id, &patch, Some(1), NOW)
        .await
        .expect("a patch");
    assert_eq!((after.version, after.price), (2, Paise(777)));
    assert_eq!(
        database
            .product_by_id_or_slug(&before.id)
            .await
            .expect("an answer"),
        Some(after)
    );
    let changes = database.changes_after(sequence, 10).await.expect("changes");
    assert_eq!(changes.len(), 1);
    assert_eq!(
        (changes[0].sequence, changes[0].entity.as_str()),
        (sequence + 1, "product")
    );
    for tag in [
        format!("product:{}", before.id),
        "products".to_owned(),
        format!("category:{}", before.category),
    ] {
        assert!(changes[0].tags.contains(&tag), "{tag}");
    }
}

pub(crate) async fn a_stale_version_is_refused_and_changes_nothing(opened: Opened) {
    let database = opened.seeded().await.database;
    let (product, sequence) = (
        sample().swap_remove(3),
        database.last_sequence().await.expect("a number"),
    );
    let patch = ProductPatch {
        price: Some(Paise(777)),
        ..ProductPatch::default()
    };
    let refused = database
        .patch_product(&product.id, &patch, Some(9), NOW)
        .await;
    assert!(
        matches!(
            refused,
            Err(DatabaseError::VersionConflict {
                expected: 9,
                actual: 1
            })
        ),
        "{refused:?}"
    );
    assert_eq!(
        database
            .product_by_id_or_slug(&product.id)
            .await
            .expect("an answer"),
        Some(product)
    );
    assert_eq!(database.last_sequence().await.expect("a number"), sequence);
    let missing = database.patch_product("none", &patch, None, NOW).await;
    assert!(
        matches!(
            missing,
            Err(DatabaseError::NotFound {
                entity: "product",
                ..
            })
        ),
        "{missing:?}"
    );
}

pub(crate) async fn stock_never_becomes_negative_and_is_the_sum_of_its_ledger(opened: Opened) {
    let database = opened.seeded().await.database;
    let id = sample().swap_remove(5).id;
    for adjustment in [
        StockAdjustment::To(20),
        StockAdjustment::By(-5),
        StockAdjustment::By(7),
    ] {
        database
            .adjust_stock(&id, adjustment, "test", NOW)
            .await
            .expect("an adjustment");
    }
    let refused = database
        .adjust_stock(&id, StockAdjustment::By(-23), "test", NOW)
        .await;
    assert!(
        matches!(&refused, Err(DatabaseError::StockTooLow(low)) if low.available == 22),
        "{refused:?}"
    );
    assert!(
        database
            .adjust_stock(&id, StockAdjustment::To(-1), "test", NOW)
            .await
            .is_err()
    );
    let stock = database
        .stock(&id)
        .await
        .expect("an answer")
        .expect("a stock");
    assert_eq!((stock.available, stock.version), (22, 3));
    let ledger = database.stock_movements(&id, 100).await.expect("a ledger");
    assert_eq!(
        ledger.iter().map(|movement| movement.delta).sum::<i64>(),
        22
    );
    assert_eq!(
        (ledger.len(), ledger[0].delta, ledger[3].reason.as_str()),
        (4, 7, "opening")
    );
}

pub(crate) async fn concurrent_adjustments_add_up(opened: Opened) {
    let database = opened.seeded().await.database;
    let id = sample().swap_remove(5).id;
    database
        .adjust_stock(&id, StockAdjustment::To(10), "test", NOW)
        .await
        .expect("an adjustment");
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (database, id) = (database.clone(), id.clone());
            tokio::spawn(async move {
                database
                    .adjust_stock(&id, StockAdjustment::By(-1), "test", NOW)
                    .await
            })
        })
        .collect();
    let mut taken = 0;
    for task in tasks {
        match task.await.expect("no panic") {
            Ok(_) => taken += 1,
            Err(DatabaseError::StockTooLow(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    let stock = database
        .stock(&id)
        .await
        .expect("an answer")
        .expect("a stock");
    assert_eq!((taken, stock.available), (10, 0));
}

pub(crate) async fn only_a_changed_word_leaves_tags(opened: Opened) {
    let database = opened.seeded().await.database;
    let product = sample()
        .into_iter()
        .find(|product| product.availability == Availability::InStock)
        .expect("one");
    let adjust = async |to: i64| {
        let sequence = database.last_sequence().await.expect("a number");
        let adjusted = database
            .adjust_stock(&product.id, StockAdjustment::To(to), "test", NOW)
            .await
            .expect("one");
        let changes = database.changes_after(sequence, 10).await.expect("changes");
        assert_eq!(changes.len(), 1);
        (
            adjusted.after,
            changes[0].tags.contains(&format!("product:{}", product.id)),
        )
    };
    assert_eq!(adjust(400).await, (Availability::InStock, false));
    assert_eq!(adjust(5).await, (Availability::Low, true));
    assert_eq!(adjust(4).await, (Availability::Low, false));
    assert_eq!(adjust(0).await, (Availability::SoldOut, true));
    let seen = database
        .product_by_id_or_slug(&product.id)
        .await
        .expect("an answer")
        .expect("a product");
    assert_eq!(
        (seen.availability, seen.version),
        (Availability::SoldOut, 1)
    );
}

pub(crate) async fn a_combo_is_as_available_as_its_scarcest_component(opened: Opened) {
    let database = opened.seeded().await.database;
    let combo = database
        .combos(ComboKind::Bundle)
        .await
        .expect("combos")
        .swap_remove(0)
        .combo;
    let now = async || {
        let found = database
            .combo_by_id_or_slug(ComboKind::Bundle, &combo.slug)
            .await
            .expect("an answer");
        found.expect("a combo").availability
    };
    for component in &combo.components {
        let adjusted =
            database.adjust_stock(&component.product_id, StockAdjustment::To(400), "test", NOW);
        adjusted.await.expect("an adjustment");
    }
    assert_eq!(now().await, Availability::InStock);
    let sequence = database.last_sequence().await.expect("a number");
    let scarce = &combo.components[0].product_id;
    database
        .adjust_stock(scarce, StockAdjustment::To(0), "test", NOW)
        .await
        .expect("an adjustment");
    assert_eq!(now().await, Availability::SoldOut);
    let tags = &database.changes_after(sequence, 10).await.expect("changes")[0].tags;
    assert!(
        tags.contains(&format!("combo:{}", combo.id)) && tags.contains(&"bundles".to_owned()),
        "{tags:?}"
    );
    assert!(
        database
            .combo_by_id_or_slug(ComboKind::GiftBox, &combo.slug)
            .await
            .expect("an answer")
            .is_none()
    );
}

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
        .put_shop_settings(&seed::shop_settings(), NOW)
        .await
        .expect("settings");
    let second = database
        .put_shop_settings(&first, NOW)
        .await
        .expect("settings");
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
        matches!(
            refused,
            Some(DatabaseError::NewerSchema {
                found: 99,
                known: 1
            })
        ),
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
    one.put_shop_settings(&seed::shop_settings(), NOW)
        .await
        .expect("settings");
    assert_eq!(two.last_sequence().await.expect("a number"), 1);
}
