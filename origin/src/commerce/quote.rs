//! What an order would cost, from the shop's own prices and in whole paise only.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::coupons::{Coupon, CouponRefused};
use super::lines::{Goods, LINES_MAX, LineKey, WantedLine};
use super::money::Paise;
use super::shop::ShopSettings;
use super::stock;
use super::zones::{Destination, NotServed, zone_of};

/// A priced list of goods with every charge as a line of its own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Quote {
    /// In the order they were asked for.
    pub lines: Vec<QuotedLine>,
    /// The lines' sum.
    pub goods: Paise,
    /// What the goods would cost at their MRP, less `goods`.
    pub saved: Paise,
    /// The coupon that made it cheaper.
    #[serde(default)]
    pub coupon: Option<QuotedCoupon>,
    /// For packing: a percentage of what the goods cost after the coupon, rounded up to a paisa.
    pub packing: Paise,
    /// For delivery; `None` while nobody said where to.
    #[serde(default)]
    pub delivery: Option<Paise>,
    /// The least that goods may be worth, there.
    #[serde(default)]
    pub minimum: Paise,
    /// What makes the total a whole rupee, to the nearest: −0.49 to +0.50 rupees.
    pub rounding: Paise,
    /// What the customer pays.
    pub total: Paise,
}

/// A coupon with what it took off.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct QuotedCoupon {
    /// Its code.
    pub code: String,
    /// What it took off.
    pub discount: Paise,
    /// Whether its uses are counted.
    pub is_counted: bool,
}

/// What a list is priced by, beside the goods.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// The shop's charges and zones.
    pub shop: &'a ShopSettings,
    /// The coupon that the customer has.
    pub coupon: Option<&'a Coupon>,
    /// Where it goes, when that is known.
    pub to: Option<Destination<'a>>,
    /// When.
    pub at: Timestamp,
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
    /// The coupon does not help.
    #[error(transparent)]
    Coupon(#[from] CouponRefused),
    /// The shop does not deliver there.
    #[error(transparent)]
    NotServed(#[from] NotServed),
    /// An amount beyond what can be counted.
    #[error("the amount is too large")]
    TooLarge,
}

/// Prices a list. `goods` has, for each line, what the catalogue says of it now.
///
/// # Errors
/// The first line that cannot be sold, and why.
pub fn quote(
    terms: &Terms<'_>,
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
    let saved = Paise((at_mrp.0 - sum.0).max(0));
    charged(terms, lines, sum, saved)
}

/// Adds the charges to goods worth `sum`.
fn charged(
    terms: &Terms<'_>,
    lines: Vec<QuotedLine>,
    sum: Paise,
    saved: Paise,
) -> Result<Quote, QuoteRefused> {
    let coupon = terms.coupon.map(|coupon| {
        coupon.on(sum, terms.at).map(|discount| QuotedCoupon {
            code: coupon.code.clone(),
            discount,
            is_counted: coupon.is_counted,
        })
    });
    let coupon = coupon.transpose()?;
    let after = Paise(sum.0 - coupon.as_ref().map_or(0, |coupon| coupon.discount.0));
    let shop = terms.shop;
    let zone = terms.to.map(|to| zone_of(&shop.zones, &to)).transpose()?;
    let delivery = match zone {
        Some(zone) => Some(zone.map_or(Paise(0), |zone| zone.delivery_of(after))),
        None => shop.zones.is_empty().then_some(Paise(0)),
    };
    let minimum = zone.flatten().and_then(|zone| zone.minimum_order_paise);
    let packing = percent_up(after, shop.packing_percent).ok_or(QuoteRefused::TooLarge)?;
    let exact = after
        .checked_add(packing)
        .and_then(|sum| sum.checked_add(delivery.unwrap_or_default()))
        .ok_or(QuoteRefused::TooLarge)?;
    let total = nearest_rupee(exact).ok_or(QuoteRefused::TooLarge)?;
    Ok(Quote {
        lines,
        goods: sum,
        saved,
        coupon,
        packing,
        delivery,
        minimum: minimum.unwrap_or(shop.minimum_order),
        rounding: Paise(total.0 - exact.0),
        total,
    })
}

/// Prices one line, which stands at `place` of its list.
///
/// # Errors
/// Why it cannot be sold so.
pub fn quoted(place: usize, line: &WantedLine, found: &Goods) -> Result<QuotedLine, QuoteRefused> {
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
    /// Whether the goods are worth enough to be ordered.
    pub fn meets_minimum(&self) -> bool {
        self.goods >= self.minimum
    }

    /// What the coupon took off.
    pub fn discount(&self) -> Paise {
        self.coupon
            .as_ref()
            .map_or(Paise(0), |coupon| coupon.discount)
    }

    /// What is taken from which stock: pieces of each product in the whole list, and one use of a counted coupon.
    pub fn pieces(&self) -> BTreeMap<String, u32> {
        let coupon = self.coupon.iter().filter(|coupon| coupon.is_counted);
        let mut all: BTreeMap<String, u32> = coupon
            .map(|coupon| (stock::coupon_stock(&coupon.code), 1))
            .collect();
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
mod tests;
