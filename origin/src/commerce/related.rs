//! What else somebody may like who looks at a product.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::availability::Availability;
use super::products::{Product, ProductFilter, ProductQuery, ProductSort, StockFilter};
use crate::database::{Answer, Database};

/// The most products that are shown beside another.
pub const RELATED_MAX: usize = 8;
/// The most popular products that are compared with it.
const COMPARED_MAX: u32 = 48;

/// What is shown beside a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    /// The best first, at most [`RELATED_MAX`].
    pub products: Vec<Product>,
    /// Whether its category alone had too few, so that products of others were looked at.
    pub is_of_all: bool,
}

/// The products beside `product`: of its category, and where that holds too few, of others with its first tag. Three short
/// questions at most, whatever the catalogue holds.
///
/// # Errors
/// What the database fails with.
pub async fn related(database: &Database, product: &Product) -> Answer<Related> {
    let of_category = ProductFilter {
        category: Some(product.category.clone()),
        ..ProductFilter::default()
    };
    let available = ProductFilter {
        stock: Some(StockFilter::Available),
        ..of_category.clone()
    };
    let mut found = most_popular(database, available).await?;
    if found.len() <= RELATED_MAX {
        found.extend(most_popular(database, of_category).await?);
    }
    let tag = product
        .tags
        .first()
        .filter(|_| count(product, &found) < RELATED_MAX);
    if let Some(tag) = tag {
        let tagged = ProductFilter {
            tags: vec![tag.clone()],
            stock: Some(StockFilter::Available),
            ..ProductFilter::default()
        };
        found.extend(most_popular(database, tagged).await?);
    }
    Ok(Related {
        is_of_all: tag.is_some(),
        products: ranked(product, found),
    })
}

async fn most_popular(database: &Database, filter: ProductFilter) -> Answer<Vec<Product>> {
    let query = ProductQuery {
        filter,
        sort: ProductSort::Popular,
        after: None,
        limit: COMPARED_MAX,
    };
    database.product_page(&query).await
}

/// How many others there are, each counted once.
fn count(product: &Product, found: &[Product]) -> usize {
    let ids: BTreeSet<_> = found.iter().map(|one| &one.id).collect();
    ids.iter().filter(|id| ***id != product.id).count()
}

/// The best of those found: what can be bought goes first, then its own category, then what shares most with it, then
/// what is most popular.
fn ranked(product: &Product, mut found: Vec<Product>) -> Vec<Product> {
    let shares = |one: &Product| {
        let tags = one.tags.iter().filter(|tag| product.tags.contains(tag));
        let parts = one.sub_categories.iter();
        tags.count()
            + parts
                .filter(|part| product.sub_categories.contains(part))
                .count()
    };
    found.retain(|one| one.active && one.id != product.id);
    found.sort_by_cached_key(|one| {
        (
            one.availability == Availability::SoldOut,
            one.category != product.category,
            Reverse(shares(one)),
            Reverse(one.popularity),
            one.id.clone(),
        )
    });
    found.dedup_by(|one, other| one.id == other.id);
    found.truncate(RELATED_MAX);
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::commerce::seed;

    fn sample() -> Vec<Product> {
        let batch = seed::catalogue(60, 1, || {}).batch;
        batch.products.into_iter().map(|(one, _, _)| one).collect()
    }

    #[test]
    fn what_can_be_bought_goes_before_what_is_nearer() {
        let mut all = sample();
        let product = all[0].clone();
        let mut near = product.clone();
        near.id = "near".to_owned();
        near.availability = Availability::SoldOut;
        let mut far = product.clone();
        far.id = "far".to_owned();
        far.category = "elsewhere".to_owned();
        far.tags.clear();
        far.availability = Availability::Low;
        all = vec![near, far, product.clone()];
        let ids: Vec<_> = ranked(&product, all)
            .into_iter()
            .map(|one| one.id)
            .collect();
        assert_eq!(ids, ["far", "near"]);
    }

    proptest! {
        #[test]
        fn each_is_another_active_one_once_and_never_too_many(picks in prop::collection::vec(0_usize..60, 0..120), own in 0_usize..60) {
            let all = sample();
            let product = &all[own];
            let found: Vec<_> = picks.iter().map(|place| all[*place].clone()).collect();
            let shown = ranked(product, found);
            let ids: BTreeSet<_> = shown.iter().map(|one| &one.id).collect();
            prop_assert!(shown.len() <= RELATED_MAX && ids.len() == shown.len());
            prop_assert!(!ids.contains(&product.id) && shown.iter().all(|one| one.active));
            let first_gone = shown.iter().position(|one| one.availability == Availability::SoldOut);
            let last_there = shown.iter().rposition(|one| one.availability != Availability::SoldOut);
            prop_assert!(first_gone.is_none() || last_there.is_none() || last_there < first_gone);
        }
    }
}
