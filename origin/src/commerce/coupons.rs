//! Coupons: a word that makes an order cheaper. How often one may still be used is a stock, taken with the order's goods in
//! the same step, so that it cannot be used too often and comes back when the order is called off.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::money::Paise;
use super::records::Kept;

/// What a coupon takes off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Discount {
    /// A part of the goods' value.
    Percent {
        /// 1 to 100.
        percent: u8,
        /// At most this much, in paise.
        #[serde(default)]
        most_paise: Option<Paise>,
    },
    /// An amount, in paise; never more than the goods are worth.
    Amount {
        /// In paise.
        amount_paise: Paise,
    },
}

/// A coupon as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Coupon {
    /// 3 to 30 of A–Z, 0–9 and `-`; what customers type, in any case.
    pub code: String,
    /// What it takes off.
    pub discount: Discount,
    /// The least that goods must be worth.
    pub minimum_goods: Paise,
    /// Not before.
    pub starts_at: Option<Timestamp>,
    /// Not from then on.
    pub ends_at: Option<Timestamp>,
    /// Whether it can be used a counted number of times; the rest of them is its stock.
    pub is_counted: bool,
    /// Switched off, it is refused like one that does not exist.
    pub active: bool,
}

impl Kept for Coupon {
    const KIND: &'static str = "coupon";

    fn id(&self) -> &str {
        &self.code
    }

    fn keys(&self) -> Vec<String> {
        vec!["all".to_owned()]
    }
}

/// Why a coupon does not help. Whether a code exists is told to nobody who cannot use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CouponRefused {
    /// No such code now.
    #[error("this coupon is not valid now")]
    NotValid,
    /// The goods are worth too little.
    #[error("this coupon needs goods worth at least {} paise", .0.0)]
    GoodsTooLow(Paise),
}

impl Coupon {
    /// The code in its one spelling; `None` for what is none.
    pub fn code_of(text: &str) -> Option<String> {
        let code = text.trim().to_ascii_uppercase();
        let is_character =
            |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-';
        ((3..=30).contains(&code.len()) && code.bytes().all(is_character)).then_some(code)
    }

    /// What it takes off goods of this value.
    ///
    /// # Errors
    /// Why nothing.
    pub fn on(&self, goods: Paise, at: Timestamp) -> Result<Paise, CouponRefused> {
        let is_time = self.starts_at.is_none_or(|starts| starts <= at)
            && self.ends_at.is_none_or(|ends| at < ends);
        if !self.active || !is_time {
            return Err(CouponRefused::NotValid);
        }
        if goods < self.minimum_goods {
            return Err(CouponRefused::GoodsTooLow(self.minimum_goods));
        }
        let off = match self.discount {
            Discount::Amount { amount_paise } => amount_paise,
            Discount::Percent {
                percent,
                most_paise,
            } => {
                let exact = i128::from(goods.0) * i128::from(percent) / 100;
                let off = Paise(i64::try_from(exact).unwrap_or(i64::MAX));
                most_paise.map_or(off, |most| off.min(most))
            }
        };
        Ok(off.clamp(Paise(0), goods))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn coupon(discount: Discount) -> Coupon {
        Coupon {
            code: "DIWALI-10".to_owned(),
            discount,
            minimum_goods: Paise(100_000),
            starts_at: Some(Timestamp::from_second(100).unwrap()),
            ends_at: Some(Timestamp::from_second(200).unwrap()),
            is_counted: false,
            active: true,
        }
    }

    #[test]
    fn a_coupon_holds_in_its_time_for_goods_worth_enough() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let tenth = coupon(Discount::Percent {
            percent: 10,
            most_paise: Some(Paise(20_000)),
        });
        assert_eq!(tenth.on(Paise(100_009), at(100)), Ok(Paise(10_000)));
        assert_eq!(tenth.on(Paise(900_000), at(199)), Ok(Paise(20_000)));
        assert_eq!(
            tenth.on(Paise(900_000), at(99)),
            Err(CouponRefused::NotValid)
        );
        assert_eq!(
            tenth.on(Paise(900_000), at(200)),
            Err(CouponRefused::NotValid)
        );
        let too_low = CouponRefused::GoodsTooLow(Paise(100_000));
        assert_eq!(tenth.on(Paise(99_999), at(150)), Err(too_low));
        let off = Coupon {
            active: false,
            ..tenth
        };
        assert_eq!(
            off.on(Paise(900_000), at(150)),
            Err(CouponRefused::NotValid)
        );
    }

    #[test]
    fn a_code_has_one_spelling() {
        assert_eq!(Coupon::code_of(" diwali-10 ").as_deref(), Some("DIWALI-10"));
        for wrong in ["ab", "a b c", "$ne", "ÄÖÜ", &"A".repeat(31)] {
            assert_eq!(Coupon::code_of(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn nothing_becomes_cheaper_than_free(goods in 100_000_i64..=i64::MAX, percent in 1_u8..=100, amount in 0_i64..=i64::MAX) {
            let at = Timestamp::from_second(150).unwrap();
            for discount in [
                Discount::Percent { percent, most_paise: None },
                Discount::Amount { amount_paise: Paise(amount) },
            ] {
                let off = coupon(discount).on(Paise(goods), at).unwrap();
                prop_assert!((0..=goods).contains(&off.0));
            }
        }
    }
}
