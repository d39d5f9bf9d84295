//! Taking stock for orders: all lines of an order or none, in the order in which the orders came. Both databases read
//! the stock of a whole batch, let this decide, and write what it decided in the same transaction.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::stock::{StockAdjustment, StockRecord, StockTooLow};

/// A product that an order wants more of than there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Shortage {
    /// Which product.
    pub product_id: String,
    /// Pieces wanted.
    pub wanted: u32,
    /// Pieces there.
    pub available: i64,
}

/// What many adjustments did: the stocks afterwards, or every one that there is too little of, and nothing was done.
pub type StocksAdjusted = Result<Vec<StockRecord>, Vec<Shortage>>;

/// The stock of the products that a batch touches.
#[derive(Clone, Debug, Default)]
pub struct Shelf {
    before: BTreeMap<String, StockRecord>,
    now: BTreeMap<String, StockRecord>,
}

/// One movement that was decided, with the record after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Pieces added (positive) or taken (negative).
    pub delta: i64,
    /// The stock afterwards.
    pub after: StockRecord,
}

impl Shelf {
    /// The stock as it was read.
    pub fn new(records: impl IntoIterator<Item = StockRecord>) -> Self {
        let before: BTreeMap<_, _> = records
            .into_iter()
            .map(|record| (record.product_id.clone(), record))
            .collect();
        Self {
            now: before.clone(),
            before,
        }
    }

    /// Takes every piece of an order, or none.
    ///
    /// # Errors
    /// Every product that there is too little of; nothing was taken.
    pub fn take(&mut self, pieces: &BTreeMap<String, u32>) -> Result<Vec<Moved>, Vec<Shortage>> {
        let short: Vec<_> = pieces
            .iter()
            .filter_map(|(product_id, wanted)| {
                let available = self.now.get(product_id).map_or(0, |stock| stock.available);
                (available < i64::from(*wanted)).then(|| Shortage {
                    product_id: product_id.clone(),
                    wanted: *wanted,
                    available,
                })
            })
            .collect();
        if !short.is_empty() {
            return Err(short);
        }
        Ok(self.apply(pieces, -1))
    }

    /// Puts back every piece of an order that is given up. A product that is gone gets nothing back.
    pub fn put_back(&mut self, pieces: &BTreeMap<String, u32>) -> Vec<Moved> {
        self.apply(pieces, 1)
    }

    /// Adjusts one stock; `None` when it was not read.
    ///
    /// # Errors
    /// [`StockTooLow`] when it would become negative.
    pub fn adjust(
        &mut self,
        product_id: &str,
        adjustment: StockAdjustment,
    ) -> Result<Option<Moved>, StockTooLow> {
        let Some(stock) = self.now.get_mut(product_id) else {
            return Ok(None);
        };
        let after = adjustment.applied_to(stock)?;
        let delta = after.available - stock.available;
        stock.clone_from(&after);
        Ok(Some(Moved { delta, after }))
    }

    /// Adjusts every stock, each of them read, or none.
    ///
    /// # Errors
    /// Every stock that there is too little of.
    pub fn adjust_all(
        &mut self,
        adjustments: &[(String, StockAdjustment)],
    ) -> Result<Vec<Moved>, Vec<Shortage>> {
        let before = self.now.clone();
        let mut moved = Vec::with_capacity(adjustments.len());
        let mut short = Vec::new();
        for (product_id, adjustment) in adjustments {
            match self.adjust(product_id, *adjustment) {
                Ok(one) => moved.extend(one),
                Err(too_low) => short.push(Shortage {
                    product_id: product_id.clone(),
                    wanted: u32::try_from(too_low.wanted).unwrap_or(u32::MAX),
                    available: too_low.available,
                }),
            }
        }
        if short.is_empty() {
            return Ok(moved);
        }
        self.now = before;
        Err(short)
    }

    fn apply(&mut self, pieces: &BTreeMap<String, u32>, sign: i64) -> Vec<Moved> {
        let mut moved = Vec::with_capacity(pieces.len());
        for (product_id, count) in pieces {
            if let Some(stock) = self.now.get_mut(product_id) {
                let delta = sign * i64::from(*count);
                stock.available += delta;
                stock.version += 1;
                moved.push(Moved {
                    delta,
                    after: stock.clone(),
                });
            }
        }
        moved
    }

    /// The stock of a product before and after everything that was decided; `None` for one that was not read.
    pub fn stock(&self, product_id: &str) -> Option<(&StockRecord, &StockRecord)> {
        Some((self.before.get(product_id)?, self.now.get(product_id)?))
    }

    /// Every stock that changed, before and after.
    pub fn changed(&self) -> impl Iterator<Item = (&StockRecord, &StockRecord)> {
        self.before
            .values()
            .zip(self.now.values())
            .filter(|(before, now)| before.version != now.version)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(id: usize, available: i64) -> StockRecord {
        StockRecord {
            product_id: id.to_string(),
            available,
            low_at: 5,
            version: 0,
        }
    }

    #[test]
    fn an_order_that_is_short_takes_nothing_and_names_everything_that_is_missing() {
        let mut shelf = Shelf::new([record(0, 5), record(1, 1)]);
        let wanted = BTreeMap::from([
            ("0".to_owned(), 3),
            ("1".to_owned(), 2),
            ("2".to_owned(), 1),
        ]);
        let short = shelf.take(&wanted).unwrap_err();
        let named: Vec<_> = short
            .iter()
            .map(|one| (one.product_id.as_str(), one.wanted, one.available))
            .collect();
        assert_eq!(named, [("1", 2, 1), ("2", 1, 0)]);
        assert_eq!(shelf.changed().count(), 0);
    }

    proptest! {
        #[test]
        fn stock_is_never_negative_and_what_is_taken_and_given_back_adds_up(
            stocks in prop::collection::vec(0_i64..50, 1..5),
            orders in prop::collection::vec((prop::collection::btree_map(0_usize..5, 1_u32..10, 1..4), any::<bool>()), 0..60)
        ) {
            let mut shelf = Shelf::new(stocks.iter().enumerate().map(|(id, count)| record(id, *count)));
            let mut held: Vec<BTreeMap<String, u32>> = Vec::new();
            for (wanted, give_back) in orders {
                let wanted: BTreeMap<_, _> = wanted.into_iter().map(|(id, n)| (id.to_string(), n)).collect();
                if give_back && let Some(last) = held.pop() {
                    shelf.put_back(&last);
                } else if shelf.take(&wanted).is_ok() {
                    held.push(wanted);
                }
                for (id, opening) in stocks.iter().enumerate() {
                    let out: u32 = held.iter().filter_map(|order| order.get(&id.to_string())).sum();
                    let (_, now) = shelf.stock(&id.to_string()).unwrap();
                    prop_assert!(now.available >= 0);
                    prop_assert_eq!(now.available + i64::from(out), *opening);
                }
            }
        }
    }
}
