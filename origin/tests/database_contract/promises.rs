//! Promises about products, and what all promises use.

pub(crate) use crate::basis::*;
pub(crate) use crate::catalogue::*;
pub(crate) use crate::codes::*;
pub(crate) use crate::interleaving::*;
pub(crate) use crate::many::*;
pub(crate) use crate::orders::*;
pub(crate) use crate::ratings::*;
pub(crate) use crate::records::*;
pub(crate) use crate::refunds::*;
pub(crate) use crate::staff::*;
pub(crate) use crate::stock::*;
pub(crate) use crate::windows::*;

use crackers_origin::commerce::money::Paise;
use crackers_origin::commerce::products::{
    Product, ProductFilter, ProductPatch, ProductQuery, ProductSort, StockFilter,
};
use crackers_origin::commerce::seed;
use crackers_origin::database::{Database, DatabaseError};
use jiff::Timestamp;

use crate::Opened;

pub(crate) const NOW: Timestamp = Timestamp::UNIX_EPOCH;

pub(crate) fn sample() -> Vec<Product> {
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
