//! Parts of the origin: the price list, a search, and a page of products from both databases at three sizes.

use std::hint::black_box;

use crackers_benches::on_both_databases;
use crackers_origin::api::price_list::PriceList;
use crackers_origin::commerce::products::{Product, ProductFilter, ProductQuery, ProductSort};
use crackers_origin::commerce::search::{Search, Wanted};
use crackers_origin::commerce::{price_list, seed};
use crackers_origin::database::settings;
use crackers_origin::database::{Database, Replace};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use jiff::Timestamp;
use tokio::runtime::Runtime;

/// Numbers of products. `cargo test` runs everything once, to see that it works: there one size is enough.
fn sizes() -> &'static [u32] {
    let is_measuring = std::env::args().any(|argument| argument == "--bench");
    if is_measuring {
        &[150, 10_000, 100_000]
    } else {
        &[150]
    }
}

fn products(count: u32) -> Vec<Product> {
    seed::catalogue(count, 1, || ())
        .batch
        .products
        .into_iter()
        .map(|(product, _, _)| product)
        .collect()
}

fn lists(criterion: &mut Criterion) {
    let made = seed::catalogue(150, 1, || ()).batch;
    let products = made
        .products
        .iter()
        .map(|(product, _, _)| product.clone())
        .collect();
    let sections = price_list::sections(made.categories, products);
    criterion.bench_function("origin/price_list_json/150", |bench| {
        bench.iter(|| {
            let list = PriceList::of(black_box(&sections), Timestamp::UNIX_EPOCH);
            serde_json::to_vec(&list).expect("JSON").len()
        });
    });
    criterion.bench_function("origin/price_list_csv/150", |bench| {
        bench.iter(|| price_list::to_csv(black_box(&sections)).expect("CSV").len());
    });
}

fn searches(criterion: &mut Criterion) {
    let filter = ProductFilter::default();
    for &count in sizes() {
        let search = Search::default();
        search.rebuild(products(count));
        for words in ["rocket", "flwr pot"] {
            let wanted = Wanted {
                words,
                filter: &filter,
                sort: ProductSort::Relevance,
                after: None,
                limit: 25,
            };
            criterion.bench_function(&format!("origin/search/{words}/{count}"), |bench| {
                bench.iter(|| search.find(black_box(&wanted)).total);
            });
        }
    }
}

/// One page of a category by price: what a visitor asks for most.
fn queries(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    on_both_databases(sizes(), |config, count| {
        measure(criterion, &runtime, config, count);
    });
}

fn measure(criterion: &mut Criterion, runtime: &Runtime, config: &settings::Config, count: u32) {
    let database = runtime.block_on(async {
        let database = Box::pin(Database::open(config)).await.expect("it opens");
        let made = seed::catalogue(count, 1, || ()).batch;
        database
            .write_catalogue(&made, Replace::Nothing, Timestamp::UNIX_EPOCH)
            .await
            .expect("it is written");
        database
    });
    let filter = ProductFilter {
        category: Some("rockets".to_owned()),
        ..ProductFilter::default()
    };
    let query = ProductQuery {
        filter,
        sort: ProductSort::PriceAscending,
        after: None,
        limit: 25,
    };
    let name = BenchmarkId::new(format!("origin/product_page/{}", database.kind()), count);
    criterion.bench_with_input(name, &query, |bench, query| {
        bench
            .to_async(runtime)
            .iter(|| async { database.product_page(query).await.expect("a page").len() });
    });
}

criterion_group!(benches, lists, searches, queries);
criterion_main!(benches);
