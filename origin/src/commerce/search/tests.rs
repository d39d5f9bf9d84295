use proptest::prelude::*;

use super::*;
use crate::commerce::seed;

fn sample() -> (Search, Vec<Product>) {
    let products: Vec<_> = seed::catalogue(150, 1, || ())
        .batch
        .products
        .into_iter()
        .map(|(p, _, _)| p)
        .collect();
    let search = Search::default();
    search.rebuild(products.clone());
    (search, products)
}

fn names(words: &str) -> Vec<String> {
    let (search, products) = sample();
    let filter = ProductFilter::default();
    let wanted = Wanted {
        words,
        filter: &filter,
        sort: ProductSort::Relevance,
        after: None,
        limit: 200,
    };
    let places = search.find(&wanted).places;
    places
        .iter()
        .map(|place| {
            products
                .iter()
                .find(|p| p.id == place.id)
                .unwrap()
                .name
                .clone()
        })
        .collect()
}

#[test]
fn hurried_typing_finds_what_was_meant() {
    for (typed, meant) in [
        ("flwr pot", "Flower Pots"),
        ("rockt", "Rocket"),
        ("spark", "Sparklers"),
        ("chakar", "Chakkar"),
        ("sparkelr", "Sparklers"),
    ] {
        let found = names(typed);
        assert!(!found.is_empty(), "{typed}");
        assert!(found[0].contains(meant), "{typed}: {found:?}");
    }
}

#[test]
fn every_word_must_fit() {
    assert!(names("rocket sparklers").is_empty());
    assert!(names("zzzz").is_empty());
    assert!(names("  ").is_empty());
}

#[test]
fn the_exact_name_comes_first() {
    assert_eq!(names("atom bomb")[0], "Atom Bomb");
}

#[test]
fn a_product_taken_out_is_found_no_more() {
    let (search, products) = sample();
    let rocket = products.iter().find(|p| p.name == "Baby Rocket").unwrap();
    search.update(std::slice::from_ref(&rocket.id), Vec::new());
    let filter = ProductFilter::default();
    let wanted = Wanted {
        words: "baby rocket",
        filter: &filter,
        sort: ProductSort::Name,
        after: None,
        limit: 9,
    };
    assert!(
        search
            .find(&wanted)
            .places
            .iter()
            .all(|place| place.id != rocket.id)
    );
    assert_eq!(search.len(), 149);
}

proptest! {
    #[test]
    fn pages_show_every_product_once_in_one_order(limit in 1_usize..30, which in 0_usize..7) {
        let (search, _) = sample();
        let sort = [ProductSort::Relevance].into_iter().chain(ProductSort::OF_DATABASE).nth(which).unwrap();
        let filter = ProductFilter::default();
        let find = |after: Option<&ProductPosition>, limit| {
            search.find(&Wanted { words: "deluxe", filter: &filter, sort, after, limit }).places
        };
        let whole = find(None, 1000);
        let mut paged: Vec<ProductPosition> = Vec::new();
        loop {
            let page = find(paged.last(), limit);
            if page.is_empty() { break }
            paged.extend(page);
        }
        prop_assert_eq!(paged, whole);
    }

    #[test]
    fn no_query_breaks_the_search(words in "\\PC{0,40}") {
        let (search, _) = sample();
        let filter = ProductFilter::default();
        search.find(&Wanted { words: &words, filter: &filter, sort: ProductSort::Relevance, after: None, limit: 10 });
    }
}
