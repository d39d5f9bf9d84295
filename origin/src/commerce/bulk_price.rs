//! Other prices for many products at once: what would be done, to be looked at before it is done.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::money::Paise;
use super::product_rules::problems;
use super::products::Product;

/// The dearer or cheaper way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PriceChange {
    /// So many percent more, or less where negative: −99 to 1000.
    Percent(i32),
    /// So many paise more, or less where negative.
    AmountPaise(i64),
}

/// Which prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Priced {
    /// What the shop asks.
    Price,
    /// The maximum retail price.
    Mrp,
    /// Both.
    Both,
}

/// To what a new price is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rounding {
    /// A multiple of so many paise, 1 to 100000: 100 for whole rupees.
    pub to_paise: i64,
    /// Which way.
    pub way: RoundingWay,
}

/// Which way a new price is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RoundingWay {
    /// To the nearest, halves up.
    Nearest,
    /// Up.
    Up,
    /// Down.
    Down,
}

/// What is done to prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceTerms {
    /// Which prices.
    pub what: Priced,
    /// The dearer or cheaper way.
    pub change: PriceChange,
    /// To what they are rounded.
    pub rounding: Rounding,
}

/// What would be done to one product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceLine {
    /// As it is.
    pub before: Product,
    /// As it would be.
    pub after: Product,
    /// What is wrong with that: fields, and what is expected there.
    pub problems: Vec<(&'static str, &'static str)>,
}

impl PriceLine {
    /// Whether anything would change.
    pub fn changes(&self) -> bool {
        (self.before.price, self.before.mrp) != (self.after.price, self.after.mrp)
    }
}

impl PriceTerms {
    /// The first thing that is wrong with these terms: where, and what is expected.
    pub fn problem(&self) -> Option<(&'static str, &'static str)> {
        let is_change = match self.change {
            PriceChange::Percent(percent) => (-99..=1000).contains(&percent) && percent != 0,
            PriceChange::AmountPaise(amount) => {
                amount != 0 && amount.unsigned_abs() <= 1_000_000_000
            }
        };
        if !is_change {
            return Some(("change", "−99 to 1000 percent, or an amount; not 0"));
        }
        let is_rounding = (1..=100_000).contains(&self.rounding.to_paise);
        (!is_rounding).then_some(("rounding/to_paise", "1 to 100000"))
    }

    /// What these terms would do to a product.
    pub fn line(&self, before: Product) -> PriceLine {
        let mut after = before.clone();
        if matches!(self.what, Priced::Price | Priced::Both) {
            after.price = self.changed(before.price);
        }
        if matches!(self.what, Priced::Mrp | Priced::Both) {
            after.mrp = self.changed(before.mrp);
        }
        let of_prices = |(field, _): &(&str, &str)| field.ends_with("_paise");
        let problems = problems(&after).into_iter().filter(of_prices).collect();
        PriceLine {
            before,
            after,
            problems,
        }
    }

    /// In whole numbers: a hundredth part of a paisa is the smallest that a percentage makes.
    fn changed(&self, price: Paise) -> Paise {
        let price = i128::from(price.0);
        let hundredths = match self.change {
            PriceChange::Percent(percent) => price * (100 + i128::from(percent)),
            PriceChange::AmountPaise(amount) => (price + i128::from(amount)) * 100,
        };
        let to = i128::from(self.rounding.to_paise.max(1));
        let step = to * 100;
        let steps = match self.rounding.way {
            RoundingWay::Nearest => (hundredths * 2 + step).div_euclid(step * 2),
            RoundingWay::Down => hundredths.div_euclid(step),
            RoundingWay::Up => -(-hundredths).div_euclid(step),
        };
        Paise(i64::try_from(steps * to).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn terms(change: PriceChange, to_paise: i64, way: RoundingWay) -> PriceTerms {
        PriceTerms {
            what: Priced::Price,
            change,
            rounding: Rounding { to_paise, way },
        }
    }

    #[test]
    fn prices_are_rounded_as_asked() {
        use PriceChange::{AmountPaise, Percent};
        use RoundingWay::{Down, Nearest, Up};
        for (change, to, way, wanted) in [
            (Percent(10), 1, Nearest, 1359),
            (Percent(10), 1, Up, 1359),
            (Percent(10), 1, Down, 1358),
            (Percent(-10), 100, Nearest, 1100),
            (Percent(-10), 100, Up, 1200),
            (AmountPaise(50), 100, Nearest, 1300),
            (AmountPaise(-235), 500, Down, 1000),
        ] {
            let terms = terms(change, to, way);
            assert_eq!(terms.changed(Paise(1235)), Paise(wanted), "{terms:?}");
        }
    }

    #[test]
    fn terms_beyond_all_bounds_are_refused() {
        use PriceChange::{AmountPaise, Percent};
        for change in [
            AmountPaise(i64::MIN),
            AmountPaise(i64::MAX),
            AmountPaise(0),
            Percent(i32::MIN),
            Percent(1001),
        ] {
            let refused = terms(change, 100, RoundingWay::Up).problem();
            assert_eq!(refused.map(|(field, _)| field), Some("change"));
        }
        let step = terms(Percent(1), i64::MIN, RoundingWay::Up).problem();
        assert_eq!(step.map(|(field, _)| field), Some("rounding/to_paise"));
    }

    #[test]
    fn a_price_above_the_mrp_or_of_nothing_is_named() {
        let mut product = Product::blank(Timestamp::UNIX_EPOCH);
        (product.price, product.mrp) = (Paise(900), Paise(1000));
        let dearer = terms(PriceChange::Percent(20), 100, RoundingWay::Nearest);
        assert_eq!(dearer.line(product.clone()).problems.len(), 1);
        let both = PriceTerms {
            what: Priced::Both,
            ..dearer
        };
        assert!(both.line(product.clone()).problems.is_empty());
        let free = terms(PriceChange::Percent(-99), 100, RoundingWay::Down);
        assert_eq!(free.line(product).problems.len(), 1);
    }

    proptest! {
        #[test]
        fn a_rounded_price_is_a_multiple_and_less_than_one_step_away(
            price in 1_i64..1_000_000_000, percent in -99_i32..1000, to in 1_i64..100_000
        ) {
            let exact = i128::from(price) * i128::from(100 + percent);
            let of = |way| terms(PriceChange::Percent(percent), to, way).changed(Paise(price)).0;
            let (down, nearest, up) = (of(RoundingWay::Down), of(RoundingWay::Nearest), of(RoundingWay::Up));
            for rounded in [down, nearest, up] {
                prop_assert_eq!(rounded % to, 0);
                prop_assert!((i128::from(rounded) * 100 - exact).abs() < i128::from(to) * 100);
            }
            prop_assert!(down <= nearest && nearest <= up);
            prop_assert!(i128::from(down) * 100 <= exact && exact <= i128::from(up) * 100);
        }
    }
}
