//! What an order would cost, from the shop's own prices and in whole paise only.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::lines::{Goods, LINES_MAX, LineKey, WantedLine};
use super::money::Paise;
use super::shop::ShopSettings;

/// A priced list of goods with every charge as a line of its own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Quote {
    /// In the order they were asked for.
    pub lines: Vec<QuotedLine>,
    /// The lines' sum.
    pub goods: Paise,
    /// What the goods would cost at their MRP, less `goods`.
    pub saved: Paise,
    /// For packing: a percentage of the goods, rounded up to a paisa.
    pub packing: Paise,
    /// What makes the total a whole rupee, to the nearest: −0.49 to +0.50 rupees.
    pub rounding: Paise,
    /// What the customer pays.
    pub total: Paise,
}

/// A line with its price.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct QuotedLine {
    /// Of what.
    pub key: LineKey,
    /// Article number.
    pub sku: String,
    /// Name for people, as it was then.
    pub name: String,
    /// Price of one.
    pub price: Paise,
    /// How many.
    pub quantity: u32,
    /// Both multiplied.
    pub total: Paise,
    /// Pieces of each product in all of them.
    pub pieces: BTreeMap<String, u32>,
}

/// Why a list cannot be quoted: `line` is its place in the list, counted from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuoteRefused {
    /// Nothing is wanted.
    #[error("the list is empty")]
    Empty,
    /// More lines than an order may have.
    #[error("a list has at most {LINES_MAX} lines")]
    TooLong,
    /// The same thing stands on two lines.
    #[error("line {line} repeats an earlier one")]
    Repeated {
        /// Which line.
        line: usize,
    },
    /// The thing does not exist, or not any more.
    #[error("line {line}: there is no such thing")]
    Unknown {
        /// Which line.
        line: usize,
    },
    /// The thing is shown, not sold.
    #[error("line {line}: {name} is not for sale")]
    NotForSale {
        /// Which line.
        line: usize,
        /// Its name.
        name: String,
    },
    /// Fewer or more than one order may have.
    #[error("line {line}: {name} is sold in {least} to {most}")]
    Quantity {
        /// Which line.
        line: usize,
        /// Its name.
        name: String,
        /// The least.
        least: u32,
        /// The most.
        most: u32,
    },
    /// An amount beyond what can be counted.
    #[error("the amount is too large")]
    TooLarge,
}

/// Prices a list. `goods` has, for each line, what the catalogue says of it now.
///
/// # Errors
/// The first line that cannot be sold, and why.
pub fn quote(
    shop: &ShopSettings,
    wanted: &[WantedLine],
    goods: &[Option<Goods>],
) -> Result<Quote, QuoteRefused> {
    if wanted.is_empty() {
        return Err(QuoteRefused::Empty);
    }
    if wanted.len() > LINES_MAX {
        return Err(QuoteRefused::TooLong);
    }
    let mut seen = BTreeSet::new();
    let mut lines = Vec::with_capacity(wanted.len());
    let (mut sum, mut at_mrp) = (Paise(0), Paise(0));
    for (place, (line, found)) in wanted.iter().zip(goods).enumerate() {
        if !seen.insert(&line.key) {
            return Err(QuoteRefused::Repeated { line: place });
        }
        let found = found
            .as_ref()
            .ok_or(QuoteRefused::Unknown { line: place })?;
        let quoted = quoted(place, line, found)?;
        let full = found.mrp.checked_times(line.quantity);
        sum = sum
            .checked_add(quoted.total)
            .ok_or(QuoteRefused::TooLarge)?;
        at_mrp = full
            .and_then(|full| at_mrp.checked_add(full))
            .ok_or(QuoteRefused::TooLarge)?;
        lines.push(quoted);
    }
    let packing = percent_up(sum, shop.packing_percent).ok_or(QuoteRefused::TooLarge)?;
    let exact = sum.checked_add(packing).ok_or(QuoteRefused::TooLarge)?;
    let total = nearest_rupee(exact).ok_or(QuoteRefused::TooLarge)?;
    Ok(Quote {
        lines,
        goods: sum,
        saved: Paise((at_mrp.0 - sum.0).max(0)),
        packing,
        rounding: Paise(total.0 - exact.0),
        total,
    })
}

fn quoted(place: usize, line: &WantedLine, found: &Goods) -> Result<QuotedLine, QuoteRefused> {
    let name = found.name.clone();
    if !found.is_sellable {
        return Err(QuoteRefused::NotForSale { line: place, name });
    }
    let (least, most) = (found.order_min.max(1), found.order_max);
    if !(least..=most).contains(&line.quantity) {
        return Err(QuoteRefused::Quantity {
            line: place,
            name,
            least,
            most,
        });
    }
    let pieces = found.pieces.iter().map(|(product, count)| {
        let all = count.checked_mul(line.quantity)?;
        Some((product.clone(), all))
    });
    Ok(QuotedLine {
        key: found.key.clone(),
        sku: found.sku.clone(),
        name,
        price: found.price,
        quantity: line.quantity,
        total: found
            .price
            .checked_times(line.quantity)
            .ok_or(QuoteRefused::TooLarge)?,
        pieces: pieces
            .collect::<Option<_>>()
            .ok_or(QuoteRefused::TooLarge)?,
    })
}

impl Quote {
    /// Pieces of each product in the whole list.
    pub fn pieces(&self) -> BTreeMap<String, u32> {
        let mut all: BTreeMap<String, u32> = BTreeMap::new();
        for (product, count) in self.lines.iter().flat_map(|line| &line.pieces) {
            let sum = all.entry(product.clone()).or_default();
            *sum = sum.saturating_add(*count);
        }
        all
    }
}

/// So many percent, rounded up to a paisa; `None` when it does not fit.
fn percent_up(amount: Paise, percent: u8) -> Option<Paise> {
    let hundredths = amount.0.checked_mul(i64::from(percent))?;
    Some(Paise(hundredths.checked_add(99)?.div_euclid(100)))
}

/// The nearest whole rupee, half up; `None` when it does not fit.
fn nearest_rupee(amount: Paise) -> Option<Paise> {
    Some(Paise(amount.0.checked_add(50)?.div_euclid(100) * 100))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::lines::LineKind;
    use super::super::seed;
    use super::*;

    fn key(id: &str) -> LineKey {
        LineKey {
            kind: LineKind::Product,
            id: id.to_owned(),
        }
    }

    fn goods(id: &str, price: i64) -> Goods {
        Goods {
            key: key(id),
            sku: id.to_uppercase(),
            name: id.to_owned(),
            mrp: Paise(price * 4),
            price: Paise(price),
            order_min: 1,
            order_max: 50,
            is_sellable: true,
            pieces: BTreeMap::from([(id.to_owned(), 1)]),
        }
    }

    fn wanted(id: &str, quantity: u32) -> WantedLine {
        WantedLine {
            key: key(id),
            quantity,
        }
    }

    fn shop(packing_percent: u8) -> ShopSettings {
        ShopSettings {
            packing_percent,
            ..seed::shop_settings()
        }
    }

    #[test]
    fn every_charge_is_a_line_and_the_total_a_whole_rupee() {
        let found = [Some(goods("a", 3333)), Some(goods("b", 150))];
        let quote = quote(&shop(3), &[wanted("a", 1), wanted("b", 2)], &found).unwrap();
        assert_eq!(
            [quote.goods, quote.packing, quote.rounding, quote.total].map(|paise| paise.0),
            [3633, 109, -42, 3700]
        );
        assert_eq!(quote.saved, Paise(3633 * 3));
    }

    #[test]
    fn what_cannot_be_sold_is_named_with_its_line() {
        let unsellable = Goods {
            is_sellable: false,
            ..goods("b", 1)
        };
        let ask = |lines: &[WantedLine], found: &[Option<Goods>]| quote(&shop(0), lines, found);
        let (a, b) = (Some(goods("a", 1)), Some(unsellable));
        let twice = [wanted("a", 1), wanted("a", 2)];
        assert_eq!(
            ask(&twice, &[a.clone(), a.clone()]),
            Err(QuoteRefused::Repeated { line: 1 })
        );
        let two = [wanted("a", 1), wanted("b", 1)];
        assert_eq!(
            ask(&two, &[a.clone(), None]),
            Err(QuoteRefused::Unknown { line: 1 })
        );
        assert!(matches!(
            ask(&two, &[a.clone(), b]),
            Err(QuoteRefused::NotForSale { line: 1, .. })
        ));
        for quantity in [0, 51] {
            let refused = ask(&[wanted("a", quantity)], std::slice::from_ref(&a));
            assert!(matches!(
                refused,
                Err(QuoteRefused::Quantity {
                    line: 0,
                    least: 1,
                    most: 50,
                    ..
                })
            ));
        }
        assert_eq!(ask(&[], &[]), Err(QuoteRefused::Empty));
    }

    proptest! {
        #[test]
        fn the_total_is_the_sum_of_what_stands_on_it(
            prices in prop::collection::vec((1_i64..10_000_000, 1_u32..50), 1..40), percent in 0_u8..=100
        ) {
            let lines: Vec<_> = prices.iter().enumerate().map(|(n, (_, q))| wanted(&n.to_string(), *q)).collect();
            let found: Vec<_> = prices.iter().enumerate().map(|(n, (p, _))| Some(goods(&n.to_string(), *p))).collect();
            let quote = quote(&shop(percent), &lines, &found).unwrap();
            let sum: i64 = quote.lines.iter().map(|line| line.total.0).sum();
            prop_assert_eq!(sum, quote.goods.0);
            prop_assert_eq!(quote.goods.0 + quote.packing.0 + quote.rounding.0, quote.total.0);
            prop_assert_eq!(quote.total.0 % 100, 0);
            prop_assert!((-49..=50).contains(&quote.rounding.0));
        }
    }
}
