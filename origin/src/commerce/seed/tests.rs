use std::collections::HashSet;

use super::*;
use crate::commerce::products::Product;

fn products(count: u32) -> Vec<Product> {
    catalogue(count, 1, || ())
        .batch
        .products
        .into_iter()
        .map(|(product, _, _)| product)
        .collect()
}

#[test]
fn the_same_seed_makes_the_same_catalogue_and_another_another() {
    let made = |seed| {
        let made = catalogue(150, seed, || ());
        (made.batch.products, made.batch.combos, made.pictures)
    };
    assert_eq!(made(7), made(7));
    assert_ne!(made(7).0, made(8).0);
}

#[test]
fn the_first_rows_are_those_of_the_snapshot() {
    let lines: Vec<_> = products(150)
        .iter()
        .map(|p| {
            format!(
                "{} {} | {} | {}/{} | {}",
                p.sku,
                p.slug,
                p.name,
                p.mrp.0 / 100,
                p.price.0 / 100,
                p.sub_categories[0]
            )
        })
        .collect();
    insta::assert_yaml_snapshot!(lines);
}

#[test]
fn a_hundred_thousand_products_have_names_skus_slugs_and_ids_of_their_own() {
    let products = products(100_000);
    for key in [
        |p: &Product| p.sku.clone(),
        |p: &Product| p.slug.clone(),
        |p: &Product| p.id.clone(),
        |p: &Product| p.name.clone(),
    ] {
        let keys: HashSet<_> = products.iter().map(key).collect();
        assert_eq!(keys.len(), products.len());
    }
}

#[test]
fn a_price_is_a_fifth_of_its_mrp_but_for_gift_boxes_and_never_above_it() {
    for product in products(10_000) {
        let (mrp, price) = (product.mrp.0 / 100, product.price.0 / 100);
        assert!(price > 0 && price < mrp, "{}", product.name);
        if product.category != "gift-boxes" {
            assert_eq!(price, (mrp * 2 + 5) / 10, "{}", product.name);
        }
    }
}

#[test]
fn stock_is_spread_as_the_sample_says() {
    let made = catalogue(10_000, 1, || ()).batch.products;
    let share = |from: i64, to: i64| {
        made.iter()
            .filter(|(_, stock, _)| (from..=to).contains(stock))
            .count()
    };
    assert!((900..1100).contains(&share(0, 0)), "{}", share(0, 0));
    assert!((1350..1650).contains(&share(1, 10)), "{}", share(1, 10));
    assert_eq!(share(0, 500), 10_000);
}

#[test]
fn combos_hold_products_of_the_catalogue_and_no_restricted_one() {
    let made = catalogue(150, 1, || ()).batch;
    assert_eq!(made.combos.len(), 22);
    for combo in &made.combos {
        assert!(!combo.components.is_empty());
        for component in &combo.components {
            let found = made
                .products
                .iter()
                .find(|(product, _, _)| product.id == component.product_id);
            assert!(
                found.is_some_and(|(product, _, _)| !product.restricted),
                "{}",
                combo.name
            );
        }
    }
}

#[test]
fn pictures_are_small_and_run_nothing() {
    for (name, svg) in catalogue(150, 1, || ()).pictures {
        assert!(svg.len() <= 12 * 1024, "{name}: {}", svg.len());
        assert!(!svg.contains("<script") && !svg.contains("href"), "{name}");
    }
}
