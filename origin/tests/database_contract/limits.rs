//! How long anything may take, and what is said of what takes longer.

use ::mongodb::Client;
use ::mongodb::bson::{Document, doc};
use crackers_origin::commerce::combos::ComboKind;
use crackers_origin::commerce::orders::{OrderQuery, OrderState};
use crackers_origin::commerce::products::{ProductFilter, ProductPatch, ProductQuery, ProductSort};
use crackers_origin::commerce::stock::StockAdjustment;
use crackers_origin::database::settings::Config;
use crackers_origin::database::{Database, DatabaseError};
use crackers_tests::mongod::Mongod;
use futures_util::TryStreamExt as _;
use jiff::Timestamp;

use crate::orders::order_of;
use crate::{Opened, mongodb as on_mongodb, on_server};

/// A server of the test's own, for whoever makes it slow, and a seeded database on it with settings of its own.
pub(crate) async fn on_own_server(change: impl FnOnce(&mut Config)) -> Option<(Mongod, Opened)> {
    let started = tokio::task::spawn_blocking(Mongod::start).await.unwrap();
    let server = started.unwrap()?;
    let mut config = on_server(server.uri());
    let open = async |config: &Config| Opened {
        database: Database::open(config).await.unwrap(),
        config: config.clone(),
        _folder: None,
    };
    // Those settings are for what is tried, not for what it takes to begin.
    drop(open(&config).await.seeded().await);
    change(&mut config);
    Some((server, open(&config).await))
}

pub(crate) async fn end(server: Mongod) {
    tokio::task::spawn_blocking(move || drop(server))
        .await
        .unwrap();
}

/// Asks each question, and wants each to be ended by the server for its time, and that time named.
macro_rules! each_takes_too_long {
    ($($question:expr;)*) => {
        $(
            let answer = $question.await;
            assert!(
                matches!(answer, Err(DatabaseError::QueryTimeout(4_321))),
                "{}: {answer:?}",
                stringify!($question)
            );
        )*
    };
}

fn page(filter: ProductFilter, sort: ProductSort) -> ProductQuery {
    ProductQuery {
        filter,
        sort,
        after: None,
        limit: 5,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_question_names_its_longest_time_to_the_server() {
    let longest = |config: &mut Config| config.query_timeout_ms = 4_321;
    let Some((server, opened)) = on_own_server(longest).await else {
        return;
    };
    server.exceed_times().await.unwrap();
    let (database, now) = (&opened.database, Timestamp::now());
    let (filter, ids) = (ProductFilter::default(), ["a".to_owned()]);
    let orders = OrderQuery {
        limit: 5,
        ..OrderQuery::default()
    };
    each_takes_too_long! {
        database.product_page(&page(filter.clone(), ProductSort::Name));
        database.product_count(&filter);
        database.product_by_id_or_slug("a");
        database.product_by_any_key("a");
        database.products_by_ids(&ids);
        database.products_after("", 5);
        database.products_by_keys(&ids, &ids);
        database.stock("a");
        database.stocks(&ids);
        database.stock_movements("a", 5);
        database.categories();
        database.category_counts();
        database.combos(ComboKind::Bundle);
        database.combo_by_id_or_slug(ComboKind::Bundle, "a");
        database.combo_by_id("a");
        database.combos_after(ComboKind::Bundle, "", 5);
        database.shop_settings();
        database.order_by_key("a");
        database.order_by_id("a");
        database.orders_by_ids(&ids);
        database.order_by_tracking_token("a");
        database.order_by_number(1);
        database.orders(&orders);
        database.orders_due(now, 5);
        database.tallies("a", "", 5);
        database.largest_tallies("a", 5);
        database.record("a", "a");
        database.records_by_ids("a", &ids);
        database.record_by_unique_key("a", "a");
        database.records_by_key("a", "a", None, 5);
        database.records_due("a", now, 5);
        database.records_counted("a", "a", 5);
        database.last_sequence();
        database.changes_after(0, 5);
        database.is_catalogue_empty();
        // Writes look before they change.
        database.adjust_stock("a", StockAdjustment::By(1), "a", now);
        database.patch_product("a", &ProductPatch::default(), None, now);
        database.forget_order_keys(now, 5);
    }
    end(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_limit_of_the_uri_ends_what_the_server_does_not() {
    let limited = |config: &mut Config| config.mongodb.uri.push_str("&socketTimeoutMS=2000");
    let Some((server, opened)) = on_own_server(limited).await else {
        return;
    };
    let (database, now) = (&opened.database, Timestamp::now());
    server.delay(&["find"], 6_000).await.unwrap();
    let read = database.categories().await;
    assert!(
        matches!(read, Err(DatabaseError::QueryTimeout(2000))),
        "{read:?}"
    );
    let change = StockAdjustment::By(1);
    let written = database.adjust_stock("a", change, "a", now).await;
    assert!(
        matches!(written, Err(DatabaseError::QueryTimeout(2000))),
        "{written:?}"
    );
    server.hurry().await.unwrap();
    assert!(!database.categories().await.unwrap().is_empty());
    end(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_finds_every_session_in_use_waits_so_long_and_no_longer() {
    let one = |config: &mut Config| {
        (config.pool.size_max, config.pool.size_min) = (1, 0);
        config.pool.wait_timeout_ms = 200;
        config.mongodb.uri.push_str("&socketTimeoutMS=20000");
    };
    let Some((server, opened)) = on_own_server(one).await else {
        return;
    };
    let database = opened.database.clone();
    server.delay(&["find"], 4_000).await.unwrap();
    let slow = tokio::spawn(async move { database.categories().await });
    let database = &opened.database;
    while database.pool_use().in_use == 0 {
        tokio::task::yield_now().await;
    }
    let refused = database.last_sequence().await;
    assert!(
        matches!(refused, Err(DatabaseError::PoolTimeout)),
        "{refused:?}"
    );
    assert_eq!(database.pool_use().timed_out, 1);
    server.hurry().await.unwrap();
    assert!(!slow.await.unwrap().unwrap().is_empty());
    assert!(database.last_sequence().await.unwrap() > 0);
    end(server).await;
}

/// The server's own account of what it did.
#[tokio::test(flavor = "multi_thread")]
async fn lists_of_products_walk_the_index_that_they_name_and_look_at_no_more_than_a_page() {
    let Some(opened) = on_mongodb().await else {
        return;
    };
    let opened = opened.seeded().await;
    let settings = &opened.config.mongodb;
    let client = Client::with_uri_str(&settings.uri).await.unwrap();
    let server = client.database(&settings.database);
    server.run_command(doc! { "profile": 2 }).await.unwrap();
    let rockets = ProductFilter {
        category: Some("rockets".to_owned()),
        ..ProductFilter::default()
    };
    let sorts = [
        ProductSort::New,
        ProductSort::PriceAscending,
        ProductSort::PriceDescending,
        ProductSort::Name,
        ProductSort::Rating,
        ProductSort::Popular,
    ];
    let mut asked = 0;
    for sort in sorts {
        for filter in [ProductFilter::default(), rockets.clone()] {
            let found = opened.database.product_page(&page(filter, sort)).await;
            assert_eq!(found.unwrap().len(), 5);
            asked += 1;
        }
    }
    server.run_command(doc! { "profile": 0 }).await.unwrap();
    let seen = server.collection::<Document>("system.profile");
    let seen = seen.find(doc! { "command.find": "products" }).await;
    let seen: Vec<_> = seen.unwrap().try_collect().await.unwrap();
    assert_eq!(seen.len(), asked);
    for each in seen {
        let hint = each.get_document("command").unwrap().get_str("hint");
        let (scope, field) = hint.unwrap().split_once('_').unwrap();
        assert!(["all", "category"].contains(&scope), "{each}");
        let walked = each.get_str("planSummary").unwrap();
        assert!(
            walked.starts_with("IXSCAN") && walked.contains(field),
            "{each}"
        );
        assert_eq!(each.get_i32("docsExamined").unwrap(), 5, "{each}");
        assert!(!each.contains_key("hasSortStage"), "{each}");
    }
}

/// So many orders that whoever walks them all shows.
const ORDERS: i64 = 60;

/// The questions that lists of staff and of customers ask, and those of the outbox, for at most five things each.
async fn five_of_each(database: &Database, now: Timestamp, (mark, product): (&str, &str)) {
    let asked = OrderQuery {
        limit: 5,
        ..OrderQuery::default()
    };
    let day = jiff::SignedDuration::from_hours(24);
    for query in [
        asked.clone(),
        OrderQuery {
            before: Some(ORDERS / 2),
            ..asked.clone()
        },
        OrderQuery {
            state: Some(OrderState::AwaitingPayment),
            ..asked.clone()
        },
        OrderQuery {
            mark: Some(mark.to_owned()),
            ..asked.clone()
        },
        OrderQuery {
            from: Some(now - day),
            to: Some(now + day),
            ..asked.clone()
        },
        OrderQuery {
            state: Some(OrderState::AwaitingPayment),
            from: Some(now - day),
            ..asked.clone()
        },
    ] {
        assert_eq!(database.orders(&query).await.unwrap().len(), 5, "{query:?}");
    }
    assert_eq!(database.orders_due(now + day, 5).await.unwrap().len(), 5);
    let order = database.order_by_number(ORDERS / 2).await.unwrap().unwrap();
    let found = database.order_by_tracking_token(&order.tracking_token);
    assert_eq!(found.await.unwrap().unwrap().id, order.id);
    database.tallies("orders_by_state", "", 5).await.unwrap();
    database.largest_tallies("a", 5).await.unwrap();
    database
        .records_by_key("mail", "waiting", None, 5)
        .await
        .unwrap();
    database.records_due("mail", now, 5).await.unwrap();
    database
        .records_counted("mail", "waiting", 5)
        .await
        .unwrap();
    database.record_by_unique_key("staff", "a").await.unwrap();
    database.changes_after(0, 5).await.unwrap();
    database.stock_movements(product, 5).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_list_looks_at_more_than_it_shows() {
    let Some(opened) = on_mongodb().await else {
        return;
    };
    let opened = opened.seeded().await;
    let (database, now) = (&opened.database, Timestamp::now());
    let products = database.products_after("", 150).await.unwrap();
    let product = &products[0].id;
    let plenty = StockAdjustment::By(10_000);
    database
        .adjust_stock(product, plenty, "plenty", now)
        .await
        .unwrap();
    let mut mark = String::new();
    for _ in 0..ORDERS {
        let mut order = order_of(&[(product, 1)]);
        (order.at, order.expires_at) = (now, Some(now));
        mark = order.numbered(1).marks().remove(0);
        database.place_order(&order).await.unwrap();
    }
    let settings = &opened.config.mongodb;
    let client = Client::with_uri_str(&settings.uri).await.unwrap();
    let server = client.database(&settings.database);
    server.run_command(doc! { "profile": 2 }).await.unwrap();
    five_of_each(database, now, (&mark, product)).await;
    server.run_command(doc! { "profile": 0 }).await.unwrap();
    let seen = server.collection::<Document>("system.profile");
    let reads = doc! { "command.find": { "$exists": true } };
    let seen: Vec<_> = seen.find(reads).await.unwrap().try_collect().await.unwrap();
    assert!(seen.len() > 12, "{}", seen.len());
    for each in seen {
        let walked = each.get_str("planSummary").unwrap_or_default();
        assert!(!walked.contains("COLLSCAN"), "{each}");
        let examined = each.get_i32("docsExamined").unwrap_or_default();
        assert!(examined <= 6, "{examined}: {each}");
        assert!(!each.contains_key("hasSortStage"), "{each}");
    }
}
