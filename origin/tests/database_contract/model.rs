//! Random operations on all databases and on a model in memory: every answer must be the same, item by item.

use std::collections::BTreeMap;

use crackers_origin::commerce::availability::Availability;
use crackers_origin::commerce::money::Paise;
use crackers_origin::commerce::products::{Product, ProductPatch, ProductSort};
use crackers_origin::commerce::seed;
use crackers_origin::commerce::stock::StockAdjustment;
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::Opened;
use crate::promises::{filters, walk};

#[derive(Clone, Debug)]
enum Operation {
    Price { product: usize, rupees: i64 },
    Active { product: usize, active: bool },
    Rename { product: usize, name: String },
    Stock { product: usize, by: i64 },
    List { filter: usize, sort: usize },
}

fn operation() -> impl Strategy<Value = Operation> {
    let product = 0..150_usize;
    prop_oneof![
        (product.clone(), 1..500_i64)
            .prop_map(|(product, rupees)| Operation::Price { product, rupees }),
        (product.clone(), any::<bool>())
            .prop_map(|(product, active)| Operation::Active { product, active }),
        (product.clone(), "[A-Za-zÄé ]{1,8}")
            .prop_map(|(product, name)| Operation::Rename { product, name }),
        (product, -300..300_i64).prop_map(|(product, by)| Operation::Stock { product, by }),
        (0..10_usize, 0..6_usize).prop_map(|(filter, sort)| Operation::List { filter, sort }),
    ]
}

/// The shop as it must be: products by number, and the pieces of each.
struct Model {
    products: BTreeMap<usize, Product>,
    pieces: BTreeMap<usize, i64>,
}

pub(crate) async fn run(seed: u8, opened: Vec<Opened>) {
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    let operations = prop::collection::vec(operation(), 40)
        .new_tree(&mut runner)
        .expect("operations")
        .current();
    let made = seed::catalogue(150, 1, || ()).batch.products;
    let mut model = Model {
        products: made
            .iter()
            .map(|(product, _, _)| product.clone())
            .enumerate()
            .collect(),
        pieces: made
            .iter()
            .map(|(_, pieces, _)| *pieces)
            .enumerate()
            .collect(),
    };
    let mut databases = Vec::new();
    for one in opened {
        databases.push(one.seeded().await);
    }
    for operation in operations {
        apply(&mut model, &databases, operation).await;
    }
}

async fn apply(model: &mut Model, databases: &[Opened], operation: Operation) {
    let none = ProductPatch::default();
    match operation {
        Operation::Price { product, rupees } => {
            let price = Some(Paise(rupees * 100));
            patch(model, databases, product, ProductPatch { price, ..none }).await;
        }
        Operation::Active { product, active } => {
            let active = Some(active);
            patch(model, databases, product, ProductPatch { active, ..none }).await;
        }
        Operation::Rename { product, name } => {
            let name = Some(name);
            patch(model, databases, product, ProductPatch { name, ..none }).await;
        }
        Operation::Stock { product, by } => adjust(model, databases, product, by).await,
        Operation::List { filter, sort } => list(model, databases, filter, sort).await,
    }
}

async fn adjust(model: &mut Model, databases: &[Opened], product: usize, by: i64) {
    let (known, pieces) = (&model.products[&product], model.pieces[&product] + by);
    for one in databases {
        let adjustment = StockAdjustment::By(by);
        let done = one
            .database
            .adjust_stock(&known.id, adjustment, "model", Timestamp::UNIX_EPOCH)
            .await;
        assert_eq!(done.is_ok(), pieces >= 0, "{} {by}: {done:?}", known.id);
    }
    if pieces >= 0 {
        model.pieces.insert(product, pieces);
        let known = model.products.get_mut(&product).expect("it is there");
        known.availability = Availability::of(pieces, 10);
    }
}

async fn list(model: &Model, databases: &[Opened], filter: usize, sort: usize) {
    let (filter, sort) = (
        filters().swap_remove(filter),
        ProductSort::OF_DATABASE[sort],
    );
    let admitted = model
        .products
        .values()
        .filter(|product| filter.admits(product));
    let mut expected: Vec<_> = admitted.cloned().collect();
    expected.sort_by_key(|product| (sort.key(product), product.id.clone()));
    for one in databases {
        let found = walk(&one.database, &filter, sort).await;
        assert_eq!(
            found,
            expected,
            "{} {filter:?} {sort:?}",
            one.database.kind()
        );
    }
}

async fn patch(model: &mut Model, databases: &[Opened], product: usize, patch: ProductPatch) {
    let at = Timestamp::UNIX_EPOCH;
    let after = patch.applied_to(&model.products[&product], at);
    for one in databases {
        let done = one
            .database
            .patch_product(&after.id, &patch, None, at)
            .await
            .expect("a patch");
        assert_eq!(done, after, "{}", one.database.kind());
    }
    model.products.insert(product, after);
}
