//! The index itself: which word stands in which products, and how weightily.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use super::words::{self, skeleton, stem};
use crate::commerce::products::Product;

/// Where a word stands decides how much it counts.
const NAME: u32 = 8;
const CATEGORY: u32 = 4;
const TAG: u32 = 2;
const DESCRIPTION: u32 = 1;

/// How well a word fits decides even more.
const EXACT: u32 = 1000;
const BEGINNING: u32 = 400;
const TYPING_ERROR: u32 = 100;
const CONSONANTS: u32 = 50;

/// Products by number, words by text.
#[derive(Default)]
pub(super) struct Index {
    products: Vec<Option<Product>>,
    free: Vec<u32>,
    numbers: HashMap<String, u32>,
    postings: BTreeMap<String, HashMap<u32, u32>>,
    by_skeleton: BTreeMap<String, Vec<String>>,
}

impl Index {
    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    pub(super) fn product(&self, number: u32) -> Option<&Product> {
        self.products.get(number as usize).and_then(Option::as_ref)
    }

    /// Adds a product; one with the same id is replaced. Inactive ones are not found and so not kept.
    pub(super) fn put(&mut self, product: Product) {
        self.remove(&product.id);
        if !product.active {
            return;
        }
        let number = self.free.pop().unwrap_or_else(|| {
            self.products.push(None);
            u32::try_from(self.products.len() - 1).unwrap_or(u32::MAX)
        });
        for (word, weight) in weighted_words(&product) {
            if !self.postings.contains_key(&word) {
                self.by_skeleton
                    .entry(skeleton(&word))
                    .or_default()
                    .push(word.clone());
            }
            self.postings
                .entry(word)
                .or_default()
                .insert(number, weight);
        }
        self.numbers.insert(product.id.clone(), number);
        if let Some(place) = self.products.get_mut(number as usize) {
            *place = Some(product);
        }
    }

    /// Takes a product out.
    pub(super) fn remove(&mut self, id: &str) {
        let Some(number) = self.numbers.remove(id) else {
            return;
        };
        let Some(product) = self
            .products
            .get_mut(number as usize)
            .and_then(Option::take)
        else {
            return;
        };
        self.free.push(number);
        for word in weighted_words(&product).into_keys() {
            let Some(posting) = self.postings.get_mut(&word) else {
                continue;
            };
            posting.remove(&number);
            if posting.is_empty() {
                self.postings.remove(&word);
                let bones = skeleton(&word);
                if let Some(words) = self.by_skeleton.get_mut(&bones) {
                    words.retain(|known| *known != word);
                    if words.is_empty() {
                        self.by_skeleton.remove(&bones);
                    }
                }
            }
        }
    }

    /// The products that hold every word, with their scores.
    pub(super) fn matching(&self, words: &[String]) -> HashMap<u32, u32> {
        let mut words = words.iter();
        let mut scores = words
            .next()
            .map(|word| self.of_word(word))
            .unwrap_or_default();
        for word in words {
            let next = self.of_word(word);
            scores = scores
                .into_iter()
                .filter_map(|(number, score)| {
                    Some((number, score.saturating_add(*next.get(&number)?)))
                })
                .collect();
        }
        scores
    }

    /// The products that hold one word in any way; the best way counts.
    fn of_word(&self, word: &str) -> HashMap<u32, u32> {
        let word = stem(word);
        let mut scores = HashMap::new();
        let mut add = |known: &str, fit: u32| {
            for (number, weight) in self.postings.get(known).into_iter().flatten() {
                let score = scores.entry(*number).or_insert(0);
                *score = (*score).max(fit * weight);
            }
        };
        add(word, EXACT);
        for (known, _) in self
            .postings
            .range::<str, _>((Bound::Excluded(word), Bound::Unbounded))
        {
            if !known.starts_with(word) {
                break;
            }
            add(known, BEGINNING);
        }
        let errors = words::errors_allowed(word);
        if errors > 0 {
            self.postings
                .keys()
                .filter(|known| is_near(word, known, errors))
                .for_each(|known| add(known, TYPING_ERROR));
        }
        if word.len() >= 3 && word.bytes().any(|byte| byte.is_ascii_alphabetic()) {
            let bones = skeleton(word);
            for known in self.by_skeleton.get(&bones).into_iter().flatten() {
                add(known, CONSONANTS);
            }
        }
        scores
    }
}

/// Every word of a product with the weight of the best place where it stands.
fn weighted_words(product: &Product) -> BTreeMap<String, u32> {
    let mut weights = BTreeMap::new();
    let mut add = |text: &str, weight: u32| {
        for word in words::of(text) {
            let known = weights.entry(stem(&word).to_owned()).or_insert(0);
            *known = weight.max(*known);
        }
    };
    add(&product.name, NAME);
    add(&product.sku, NAME);
    add(&product.category, CATEGORY);
    product
        .sub_categories
        .iter()
        .for_each(|sub| add(sub, CATEGORY));
    product.tags.iter().for_each(|tag| add(tag, TAG));
    add(&product.description, DESCRIPTION);
    weights
}

/// Whether at most `errors` letters were added, left out, mistyped or swapped with the next one. The first letter
/// must be right: people get it right, and it keeps the comparison cheap.
fn is_near(word: &str, known: &str, errors: u32) -> bool {
    let (one, two) = (word.as_bytes(), known.as_bytes());
    if one.first() != two.first() || one.len().abs_diff(two.len()) > errors as usize {
        return false;
    }
    distance(one, two) <= errors
}

/// Optimal string alignment distance of two short words.
fn distance(one: &[u8], two: &[u8]) -> u32 {
    const WIDTH: usize = 34;
    let (one, two) = (
        &one[..one.len().min(WIDTH - 2)],
        &two[..two.len().min(WIDTH - 2)],
    );
    let mut rows = [[0_u32; WIDTH]; 3];
    for (place, cell) in rows[0].iter_mut().enumerate() {
        *cell = u32::try_from(place).unwrap_or(u32::MAX);
    }
    for i in 1..=one.len() {
        let (now, before, earlier) = (i % 3, (i - 1) % 3, (i + 1) % 3);
        rows[now][0] = u32::try_from(i).unwrap_or(u32::MAX);
        for j in 1..=two.len() {
            let differs = u32::from(one[i - 1] != two[j - 1]);
            let mut best = (rows[before][j] + 1)
                .min(rows[now][j - 1] + 1)
                .min(rows[before][j - 1] + differs);
            if i > 1 && j > 1 && one[i - 1] == two[j - 2] && one[i - 2] == two[j - 1] {
                best = best.min(rows[earlier][j - 2] + 1);
            }
            rows[now][j] = best;
        }
    }
    rows[one.len() % 3][two.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swapped_and_missing_letters_are_one_error_each() {
        assert_eq!(distance(b"rocket", b"rokcet"), 1);
        assert_eq!(distance(b"rocket", b"rockt"), 1);
        assert_eq!(distance(b"rocket", b"bucket"), 2);
        assert_eq!(distance(b"", b"abc"), 3);
    }
}
