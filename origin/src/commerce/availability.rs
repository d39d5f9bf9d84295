//! What the public is told of the stock: a word, never a count.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The public word for a product's stock.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    /// Nothing can be sold.
    SoldOut,
    /// At or below the low-stock mark.
    Low,
    /// Enough.
    InStock,
}

impl Availability {
    /// The word for `available` pieces with the low-stock mark at `low_at`.
    pub fn of(available: i64, low_at: i64) -> Self {
        if available <= 0 {
            Self::SoldOut
        } else if available <= low_at {
            Self::Low
        } else {
            Self::InStock
        }
    }

    /// The word as it stands in JSON and in both databases.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SoldOut => "sold_out",
            Self::Low => "low",
            Self::InStock => "in_stock",
        }
    }

    /// The word from its text; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::SoldOut, Self::Low, Self::InStock]
            .into_iter()
            .find(|word| word.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_follows_the_stock() {
        assert_eq!(Availability::of(0, 10), Availability::SoldOut);
        assert_eq!(Availability::of(10, 10), Availability::Low);
        assert_eq!(Availability::of(11, 10), Availability::InStock);
    }

    #[test]
    fn every_word_parses_back() {
        for word in [
            Availability::SoldOut,
            Availability::Low,
            Availability::InStock,
        ] {
            assert_eq!(Availability::parse(word.as_str()), Some(word));
        }
        assert_eq!(Availability::parse("plenty"), None);
    }
}
