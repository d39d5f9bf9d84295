//! Full-text search: one tokeniser and one ranker, in memory, for both databases, so that both find the same products
//! in the same order. The index is built from the database at start and follows the `changes` sequence.

mod index;
mod words;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use super::products::{Product, ProductFilter, ProductPosition, ProductSort, SortKey};
use index::Index;

/// Longer queries are refused.
pub const QUERY_CHARACTERS_MAX: usize = 100;

/// Words of a query beyond these are ignored.
const QUERY_WORDS_MAX: usize = 8;

/// What is looked for.
pub struct Wanted<'a> {
    /// As a person typed it.
    pub words: &'a str,
    /// Conditions beside the words.
    pub filter: &'a ProductFilter,
    /// In what order.
    pub sort: ProductSort,
    /// After which place; `None` for the first page.
    pub after: Option<&'a ProductPosition>,
    /// How many at most.
    pub limit: usize,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// In the order asked for; ties are broken by id.
    pub places: Vec<ProductPosition>,
    /// How many there are on all pages.
    pub total: u64,
}

/// The index, shared by all requests.
#[derive(Default)]
pub struct Search {
    index: RwLock<Index>,
    is_built: AtomicBool,
}

impl Search {
    /// Replaces everything that is indexed.
    pub fn rebuild(&self, products: impl IntoIterator<Item = Product>) {
        let mut fresh = Index::default();
        products.into_iter().for_each(|product| fresh.put(product));
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        self.is_built.store(true, Ordering::Release);
    }

    /// Brings single products up to date; ids without a product are taken out.
    pub fn update(&self, ids: &[String], products: Vec<Product>) {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        ids.iter().for_each(|id| index.remove(id));
        products.into_iter().for_each(|product| index.put(product));
    }

    /// Products that hold every word of the query: exactly, as a beginning, with a typing error, or by their consonants.
    pub fn find(&self, wanted: &Wanted<'_>) -> Found {
        let words = words::of(wanted.words);
        let words = &words[..words.len().min(QUERY_WORDS_MAX)];
        if words.is_empty() {
            return Found::default();
        }
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let scores = index.matching(words);
        let mut places = places(&index, &scores, wanted);
        let total = places.len() as u64;
        if let Some(after) = wanted.after {
            places.retain(|place| (&place.key, &place.id) > (&after.key, &after.id));
        }
        places.sort_unstable_by(|one, two| (&one.key, &one.id).cmp(&(&two.key, &two.id)));
        places.truncate(wanted.limit);
        Found { places, total }
    }

    /// Whether the index was built at least once; before, nothing can be found.
    pub fn is_built(&self) -> bool {
        self.is_built.load(Ordering::Acquire)
    }

    /// How many products are indexed.
    pub fn len(&self) -> usize {
        self.index
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn places(index: &Index, scores: &HashMap<u32, u32>, wanted: &Wanted<'_>) -> Vec<ProductPosition> {
    let found = scores
        .iter()
        .filter_map(|(number, score)| Some((index.product(*number)?, *score)));
    let admitted = found.filter(|(product, _)| wanted.filter.admits(product));
    let placed = admitted.map(|(product, score)| ProductPosition {
        key: match wanted.sort {
            ProductSort::Relevance => relevance(product, score),
            sort => sort.key(product),
        },
        id: product.id.clone(),
    });
    placed.collect()
}

/// Better matches first; among equal ones, what sells more.
fn relevance(product: &Product, score: u32) -> SortKey {
    const STEP: i64 = 1 << 32;
    SortKey::Number(-(i64::from(score) * STEP + product.popularity.clamp(0, STEP - 1)))
}

#[cfg(test)]
mod tests;
