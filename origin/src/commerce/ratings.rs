//! What buyers' stars add up to: whole numbers that are counted on, so that nobody has to read every review for them.

use serde::{Deserialize, Serialize};

/// What buyers thought of a product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Rating {
    /// The average in tenths of a star (0–50); 0 when nobody rated.
    pub average_tenths: u16,
    /// How many rated.
    pub count: u32,
    /// The sum of all stars; `None` where only the average is known, from a catalogue that came with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stars: Option<u32>,
}

/// What a step of a review adds to its product's rating, or takes from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RatingChange {
    /// Stars.
    pub stars: i32,
    /// Ratings.
    pub count: i32,
}

impl RatingChange {
    /// One rating more, or (`-1`) one less.
    pub fn of(times: i32, stars: u8) -> Self {
        Self {
            stars: times * i32::from(stars),
            count: times,
        }
    }
}

impl Rating {
    /// The rating after a change. What was counted never becomes less than nothing, nor more than five stars each.
    #[must_use]
    pub fn changed(self, change: RatingChange) -> Self {
        let known = u32::from(self.average_tenths).saturating_mul(self.count);
        let stars = self.stars.unwrap_or(known.saturating_add(5) / 10);
        let count = self.count.saturating_add_signed(change.count);
        let stars = stars
            .saturating_add_signed(change.stars)
            .clamp(count, count.saturating_mul(5));
        let tenths = (u64::from(stars) * 10 + u64::from(count) / 2)
            .checked_div(u64::from(count))
            .unwrap_or(0);
        Self {
            average_tenths: u16::try_from(tenths).unwrap_or(50),
            count,
            stars: Some(stars),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_rating_that_came_without_its_stars_is_counted_on() {
        let seeded = Rating {
            average_tenths: 43,
            count: 10,
            stars: None,
        };
        let after = seeded.changed(RatingChange::of(1, 1));
        assert_eq!(
            (after.average_tenths, after.count, after.stars),
            (40, 11, Some(44))
        );
    }

    proptest! {
        #[test]
        fn it_is_the_average_of_what_was_counted(all in prop::collection::vec(1_u8..=5, 0..200), gone in 0_usize..200) {
            let mut rating = Rating::default();
            for stars in &all {
                rating = rating.changed(RatingChange::of(1, *stars));
            }
            let gone = gone.min(all.len());
            for stars in &all[..gone] {
                rating = rating.changed(RatingChange::of(-1, *stars));
            }
            let left = &all[gone..];
            let sum: u32 = left.iter().map(|stars| u32::from(*stars)).sum();
            prop_assert_eq!((rating.count as usize, rating.stars.unwrap_or(0)), (left.len(), sum));
            let exact = if left.is_empty() { 0.0 } else { f64::from(sum) * 10.0 / left.len() as f64 };
            prop_assert!((f64::from(rating.average_tenths) - exact).abs() <= 0.5);
        }
    }
}
