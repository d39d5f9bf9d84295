//! Products, bundles and gift boxes in memory, for pricing lists. What is here may be a moment old: the follower of
//! `changes` takes out what somebody has changed, and an order is placed only while its [`super::basis::Basis`] stands.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use moka::sync::Cache;
use parking_lot::Mutex;

use super::combos::{Combo, ComboKind};
use super::products::Product;
use crate::database::{Answer, Database};

/// What was read of the catalogue not long ago. Bounded: what was used least goes first.
pub struct Known {
    products: Cache<String, Arc<Product>>,
    combos: Cache<String, Arc<Combo>>,
    /// Counts what was taken out: what was read before that may be old, and is not kept.
    forgotten: AtomicU64,
    keeping: Mutex<()>,
}

impl Known {
    /// An empty memory for so many products, and as many combos.
    pub fn new(things_max: u64) -> Self {
        Self {
            products: Cache::new(things_max),
            combos: Cache::new(things_max),
            forgotten: AtomicU64::new(0),
            keeping: Mutex::new(()),
        }
    }

    /// Takes out products.
    pub fn forget_products<'a>(&self, ids: impl Iterator<Item = &'a str>) {
        let _keeping = self.keeping.lock();
        self.forgotten.fetch_add(1, Ordering::Relaxed);
        for id in ids {
            self.products.invalidate(id);
        }
    }

    /// Takes out a combo.
    pub fn forget_combo(&self, id: &str) {
        let _keeping = self.keeping.lock();
        self.forgotten.fetch_add(1, Ordering::Relaxed);
        self.combos.invalidate(id);
    }

    /// Takes out everything.
    pub fn forget_all(&self) {
        let _keeping = self.keeping.lock();
        self.forgotten.fetch_add(1, Ordering::Relaxed);
        self.products.invalidate_all();
        self.combos.invalidate_all();
    }

    /// How many things are in memory.
    pub fn len(&self) -> u64 {
        self.products.entry_count() + self.combos.entry_count()
    }

    /// Whether nothing is in memory.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps what was read, unless something was taken out since.
    fn keep(&self, forgotten: u64, keep: impl FnOnce(&Self)) {
        let _keeping = self.keeping.lock();
        if self.forgotten.load(Ordering::Relaxed) == forgotten {
            keep(self);
        }
    }
}

/// Where the catalogue is read from: the database, or memory before it.
#[derive(Clone, Copy)]
pub struct Catalogue<'a> {
    /// The truth.
    pub database: &'a Database,
    /// What is known of it; `None` to read everything now.
    pub known: Option<&'a Known>,
}

impl Catalogue<'_> {
    /// Active products by id; those that do not exist are left out.
    ///
    /// # Errors
    /// What the database fails with.
    pub async fn products(&self, ids: &[String]) -> Answer<BTreeMap<String, Arc<Product>>> {
        let mut found = BTreeMap::new();
        let mut missing = Vec::new();
        let forgotten = self
            .known
            .map_or(0, |known| known.forgotten.load(Ordering::Relaxed));
        for id in ids {
            match self.known.and_then(|known| known.products.get(id)) {
                Some(product) => {
                    found.insert(id.clone(), product);
                }
                None => missing.push(id.clone()),
            }
        }
        for ids in missing.chunks(500) {
            let read = self.database.products_by_ids(ids).await?;
            let read: Vec<_> = read.into_iter().map(Arc::new).collect();
            if let Some(known) = self.known {
                known.keep(forgotten, |known| {
                    for product in &read {
                        known
                            .products
                            .insert(product.id.clone(), Arc::clone(product));
                    }
                });
            }
            found.extend(read.into_iter().map(|one| (one.id.clone(), one)));
        }
        Ok(found)
    }

    /// An active combo of this kind by its id.
    ///
    /// # Errors
    /// What the database fails with.
    pub async fn combo(&self, kind: ComboKind, id: &str) -> Answer<Option<Arc<Combo>>> {
        let is_it = |combo: &Arc<Combo>| combo.kind == kind && combo.active;
        let Some(known) = self.known else {
            let found = self.database.combo_by_id(id).await?;
            return Ok(found.map(Arc::new).filter(is_it));
        };
        if let Some(combo) = known.combos.get(id) {
            return Ok(Some(combo).filter(is_it));
        }
        let forgotten = known.forgotten.load(Ordering::Relaxed);
        let found = self.database.combo_by_id(id).await?.map(Arc::new);
        if let Some(combo) = &found {
            known.keep(forgotten, |known| {
                known.combos.insert(id.to_owned(), Arc::clone(combo));
            });
        }
        Ok(found.filter(is_it))
    }
}
