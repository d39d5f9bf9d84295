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
    format!("₹{}.{:02}", paise / 100, paise % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

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
