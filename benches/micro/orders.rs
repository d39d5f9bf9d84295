//! What orders cost when there is one and when there are a million: a quote, an order, lists. No answer's cost may grow with
//! what it does not show. `CRACKERS_BENCH_ORDERS` names another number.

use std::hint::black_box;
use std::sync::Arc;

use crackers_benches::on_both_databases;
use crackers_origin::commerce::basis::Basis;
use crackers_origin::commerce::known::Catalogue;
use crackers_origin::commerce::lines::{LineKey, LineKind, WantedLine};
use crackers_origin::commerce::orders::{Order, OrderQuery, OrderState, Placed};
use crackers_origin::commerce::quote::{self, Terms};
use crackers_origin::commerce::stock::StockAdjustment;
use crackers_origin::commerce::{goods, seed};
use crackers_origin::database::settings;
use crackers_origin::database::{Database, Replace};
use criterion::{Criterion, criterion_group, criterion_main};
use jiff::{SignedDuration, Timestamp};
use tokio::runtime::Runtime;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Orders that are placed at once while the database is filled.
const AT_ONCE: u32 = 128;

/// Numbers of orders. `cargo test` runs everything once, to see that it works: there one is enough.
fn sizes() -> Vec<u32> {
    if !std::env::args().any(|argument| argument == "--bench") {
        return vec![1];
    }
    let named = std::env::var("CRACKERS_BENCH_ORDERS");
    let many = named.ok().and_then(|text| text.parse().ok());
    vec![1, many.unwrap_or(1_000_000)]
}

/// A database with so many orders, and the three products that each of them is of.
async fn filled(config: &settings::Config, count: u32) -> (Database, Vec<String>) {
    let database = Box::pin(Database::open(config)).await.expect("it opens");
    let made = seed::catalogue(150, 1, || ()).batch;
    let sellable = made.products.iter().filter(|(one, _, _)| !one.restricted);
    let ids: Vec<_> = sellable.take(3).map(|(one, _, _)| one.id.clone()).collect();
    let written = database.write_catalogue(&made, Replace::Nothing, NOW);
    written.await.expect("it is written");
    for id in &ids {
        let much = StockAdjustment::To(1_000_000_000);
        let adjusted = database.adjust_stock(id, much, "bench", NOW);
        adjusted.await.expect("it is adjusted");
    }
    // All but the first two are placed today.
    for days in [10, 5] {
        place_one(&database, &ids, NOW - days * DAY).await;
    }
    let products = Arc::new(ids.clone());
    let placing = (0..AT_ONCE.min(count)).map(|place| {
        let (database, products) = (database.clone(), Arc::clone(&products));
        let share = count / AT_ONCE + u32::from(place < count % AT_ONCE);
        tokio::spawn(async move {
            for _ in 0..share {
                place_one(&database, &products, NOW).await;
            }
        })
    });
    for placed in placing.collect::<Vec<_>>() {
        placed.await.expect("orders are placed");
    }
    (database, ids)
}

async fn place_one(database: &Database, products: &[String], at: Timestamp) -> Order {
    let pieces: Vec<_> = products.iter().map(|id| (id.as_str(), 1)).collect();
    let order = seed::orders::order_of(&pieces, at);
    match database.place_order(&order).await.expect("an answer") {
        Placed::New(order) => order,
        other => unreachable!("{other:?}"),
    }
}

/// What the list of three products costs.
async fn price(database: &Database, products: &[String]) -> i64 {
    let lines: Vec<_> = products
        .iter()
        .map(|id| WantedLine {
            key: LineKey {
                kind: LineKind::Product,
                id: id.clone(),
            },
            quantity: 10,
        })
        .collect();
    let shop = seed::shop_settings();
    let catalogue = Catalogue {
        database,
        known: None,
    };
    let mut basis = Basis::default();
    let goods = goods::of(&catalogue, &lines, &mut basis);
    let goods = goods.await.expect("goods");
    let terms = Terms {
        shop: &shop,
        coupon: None,
        to: None,
        at: NOW,
    };
    quote::quote(&terms, &lines, &goods).map_or(0, |quote| quote.total.0)
}

fn orders(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    on_both_databases(&sizes(), |config, count| {
        measure(criterion, &runtime, config, count);
    });
}

fn measure(criterion: &mut Criterion, runtime: &Runtime, config: &settings::Config, count: u32) {
    let (database, products) = runtime.block_on(Box::pin(filled(config, count)));
    let kind = database.kind();
    let (database, products) = (&database, &products);
    let name = |what: &str| format!("origin/{what}/{kind}/{count}");
    criterion.bench_function(&name("quote"), |bench| {
        bench.to_async(runtime).iter(|| price(database, products));
    });
    let lists = [
        ("orders_newest", OrderQuery::default()),
        (
            "orders_of_nobody",
            OrderQuery {
                mark: Some("phone:9000000000".to_owned()),
                ..OrderQuery::default()
            },
        ),
    ];
    let day = |before| OrderQuery {
        from: Some(NOW - before * DAY),
        to: Some(NOW - before * DAY + DAY),
        ..OrderQuery::default()
    };
    let old = [
        ("orders_of_an_old_day", day(10)),
        ("orders_of_an_empty_day", day(8)),
        (
            "orders_of_an_old_day_in_a_state",
            OrderQuery {
                state: Some(OrderState::AwaitingPayment),
                ..day(10)
            },
        ),
    ];
    for (what, query) in lists.into_iter().chain(old) {
        let query = OrderQuery { limit: 25, ..query };
        criterion.bench_function(&name(what), |bench| {
            bench
                .to_async(runtime)
                .iter(|| async { database.orders(&query).await.expect("a page").len() });
        });
    }
    criterion.bench_function(&name("order_by_number"), |bench| {
        bench.to_async(runtime).iter(|| async {
            let found = database.order_by_number(black_box(1)).await;
            found.expect("an answer").map(|order| order.version)
        });
    });
    criterion.bench_function(&name("place_order"), |bench| {
        bench
            .to_async(runtime)
            .iter(|| async { place_one(database, products, NOW).await.number });
    });
}

criterion_group! {
    name = benches;
    // An order waits for its disk, however often it is asked.
    config = Criterion::default().sample_size(30);
    targets = orders
}
criterion_main!(benches);
