//! Money is a whole number of paise. There is no floating point in the shop.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An amount in paise (1 rupee = 100 paise).
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Deserialize,
    Serialize,
    JsonSchema,
)]
#[serde(transparent)]
pub struct Paise(pub i64);

impl Paise {
    /// An amount of whole rupees; `None` when it does not fit.
    pub fn from_rupees(rupees: i64) -> Option<Self> {
        rupees.checked_mul(100).map(Self)
    }

    /// The sum; `None` when it does not fit.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// This amount `quantity` times; `None` when it does not fit.
    pub fn checked_times(self, quantity: u32) -> Option<Self> {
        self.0.checked_mul(i64::from(quantity)).map(Self)
    }

    /// By how many whole percent `price` is below this MRP, rounded half up; 0 when it is not below.
    ///
    /// ```
    /// use crackers_origin::commerce::money::Paise;
    /// assert_eq!(Paise(4000).discount_percent(Paise(800)), 80);
    /// assert_eq!(Paise(0).discount_percent(Paise(0)), 0);
    /// ```
    pub fn discount_percent(self, price: Self) -> u8 {
        if self.0 <= 0 || price.0 >= self.0 || price.0 < 0 {
            return 0;
        }
        let hundredths = (i128::from(self.0) - i128::from(price.0)) * 200 / i128::from(self.0);
        u8::try_from((hundredths + 1) / 2).unwrap_or(100)
    }
}

/// An amount as people read it.
pub fn rupees(paise: i64) -> String {
    let sign = if paise < 0 { "-" } else { "" };
    let amount = paise.unsigned_abs();
    format!("{sign}₹{}.{:02}", amount / 100, amount % 100)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_amount_is_read_back_from_what_people_read(paise in any::<i64>()) {
            let text = rupees(paise);
            let digits: String = text.chars().filter(|one| one.is_ascii_digit() || *one == '-').collect();
            prop_assert_eq!(digits.parse::<i64>().unwrap(), paise);
            prop_assert_eq!(text.rsplit('.').next().unwrap().len(), 2);
        }

        #[test]
        fn a_discount_is_the_nearest_percent(mrp in 1_i64..1_000_000_000_000, part in 0.0_f64..=1.0) {
            #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "only chooses a price")]
            let price = (mrp as f64 * part) as i64;
            let percent = i128::from(Paise(mrp).discount_percent(Paise(price)));
            let (off, whole) = (i128::from(mrp - price) * 100, i128::from(mrp));
            // Half a percent away at the most.
            prop_assert!((off - percent * whole).abs() * 2 <= whole);
        }

        #[test]
        fn sums_and_multiples_are_exact_or_refused(one in any::<i64>(), other in any::<i64>(), times in any::<u32>()) {
            let exact = |sum: i128| i64::try_from(sum).ok().map(Paise);
            prop_assert_eq!(Paise(one).checked_add(Paise(other)), exact(i128::from(one) + i128::from(other)));
            prop_assert_eq!(Paise(one).checked_times(times), exact(i128::from(one) * i128::from(times)));
        }
    }

    #[test]
    fn discount_is_rounded_half_up_to_whole_percent() {
        assert_eq!(Paise(1000).discount_percent(Paise(335)), 67);
        assert_eq!(Paise(1000).discount_percent(Paise(334)), 67);
        assert_eq!(Paise(1000).discount_percent(Paise(1000)), 0);
        assert_eq!(Paise(1000).discount_percent(Paise(0)), 100);
    }

    #[test]
    fn amounts_that_do_not_fit_are_refused() {
        assert_eq!(Paise(i64::MAX).checked_add(Paise(1)), None);
        assert_eq!(Paise(i64::MAX).checked_times(2), None);
        assert_eq!(Paise::from_rupees(i64::MAX), None);
    }
}
