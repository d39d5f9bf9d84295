//! Bundles and gift boxes: several products sold as one, available as their scarcest component.

use serde::{Deserialize, Serialize};

use super::availability::Availability;
use super::money::Paise;
use super::products::Image;
use super::stock::StockRecord;

/// Which of the two kinds a combo is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ComboKind {
    /// A bundle put together by the shop.
    Bundle,
    /// A gift box.
    GiftBox,
}

impl ComboKind {
    /// The word in both databases and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bundle => "bundle",
            Self::GiftBox => "gift_box",
        }
    }

    /// The tag that every list of this kind carries.
    pub fn tag(self) -> &'static str {
        match self {
            Self::Bundle => "bundles",
            Self::GiftBox => "giftboxes",
        }
    }
}

/// A combo as the databases keep it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Combo {
    /// Made by the origin.
    pub id: String,
    /// The id in the shop this was imported from.
    pub legacy_id: Option<String>,
    /// Bundle or gift box.
    pub kind: ComboKind,
    /// The shop's own article number; unique.
    pub sku: String,
    /// The name in URLs; unique within its kind.
    pub slug: String,
    /// The name for people.
    pub name: String,
    /// Plain text.
    pub description: String,
    /// Maximum retail price.
    pub mrp: Paise,
    /// What the shop asks.
    pub price: Paise,
    /// Its picture.
    pub image: Option<Image>,
    /// What is in it; never empty.
    pub components: Vec<Component>,
    /// Inactive combos do not exist for the public.
    pub active: bool,
    /// Lists are in ascending order of it, then of slug.
    pub position: i32,
    /// Counts changes, from 1.
    pub version: i64,
}

/// One product in a combo.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Component {
    /// Which product.
    pub product_id: String,
    /// How many of it, at least 1.
    pub quantity: u32,
}

/// A combo with what the databases know of its components now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComboWithParts {
    /// The combo.
    pub combo: Combo,
    /// Its components, in its order; a product that is gone is left out and makes the combo sold out.
    pub parts: Vec<ComboPart>,
    /// The scarcest component's word, by how many whole combos its stock makes.
    pub availability: Availability,
}

/// What a combo shows of one component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComboPart {
    /// Which product.
    pub product_id: String,
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// What is in one of it.
    pub pack: String,
    /// How many of it.
    pub quantity: u32,
}

/// What decides a combo's availability: the stock of one component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ComponentStock {
    /// Pieces that can be sold now.
    pub available: i64,
    /// The component's low-stock mark.
    pub low_at: i64,
    /// Pieces in one combo, at least 1.
    pub quantity: u32,
    /// Whether the product is active and may be sold at all.
    pub sellable: bool,
}

/// The public word of a combo: that of its scarcest component, counted in whole combos. A combo without components, or
/// with one that is gone, is sold out.
pub fn availability(components: &[Option<ComponentStock>]) -> Availability {
    let words = components.iter().map(|component| match component {
        Some(stock) if stock.sellable => {
            let quantity = i64::from(stock.quantity.max(1));
            Availability::of(stock.available / quantity, stock.low_at / quantity)
        }
        _ => Availability::SoldOut,
    });
    words.min().unwrap_or(Availability::SoldOut)
}

/// The most pieces of one product in a combo.
pub const COMPONENT_QUANTITY_MAX: u32 = 1000;

/// Whether the word of any combo can differ because a component's stock was this and is now that. A combo's word is the
/// least of its components' words, so it stays when none of them changes, whatever the quantity. Asked for every order:
/// looking at the combos themselves costs far more.
pub fn may_change_words(before: &StockRecord, now: &StockRecord) -> bool {
    // Enough even for the largest combo: available / quantity > low_at / quantity for every quantity.
    let is_plenty = |stock: &StockRecord| {
        stock.available - stock.low_at.max(0) >= i64::from(COMPONENT_QUANTITY_MAX)
    };
    if is_plenty(before) && is_plenty(now) {
        return false;
    }
    (1..=i64::from(COMPONENT_QUANTITY_MAX)).any(|quantity| {
        let word = |stock: &StockRecord| {
            Availability::of(stock.available / quantity, stock.low_at / quantity)
        };
        word(before) != word(now)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stock(available: i64, low_at: i64, quantity: u32) -> Option<ComponentStock> {
        Some(ComponentStock {
            available,
            low_at,
            quantity,
            sellable: true,
        })
    }

    #[test]
    fn a_combo_is_as_available_as_its_scarcest_component() {
        assert_eq!(
            availability(&[stock(100, 10, 1), stock(100, 10, 2)]),
            Availability::InStock
        );
        assert_eq!(
            availability(&[stock(100, 10, 1), stock(8, 10, 2)]),
            Availability::Low
        );
        assert_eq!(
            availability(&[stock(100, 10, 1), stock(1, 10, 2)]),
            Availability::SoldOut
        );
    }

    #[test]
    fn a_missing_or_unsellable_component_sells_a_combo_out() {
        let unsellable = stock(50, 5, 1).map(|stock| ComponentStock {
            sellable: false,
            ..stock
        });
        assert_eq!(
            availability(&[stock(50, 5, 1), None]),
            Availability::SoldOut
        );
        assert_eq!(availability(&[unsellable]), Availability::SoldOut);
        assert_eq!(availability(&[]), Availability::SoldOut);
    }

    fn record(available: i64, low_at: i64) -> StockRecord {
        StockRecord {
            product_id: "a".to_owned(),
            available,
            low_at,
            version: 1,
        }
    }

    #[test]
    fn plenty_less_a_little_changes_no_word() {
        assert!(!may_change_words(&record(100_000, 10), &record(99_990, 10)));
        assert!(may_change_words(&record(11, 10), &record(10, 10)));
        assert!(may_change_words(&record(500, 10), &record(499, 10)));
    }

    proptest! {
        #[test]
        fn a_word_that_changes_was_foreseen(
            before in 0_i64..5000, now in 0_i64..5000, low_at in 0_i64..50, quantity in 1..=COMPONENT_QUANTITY_MAX,
            other in 0_i64..5000
        ) {
            let word = |available| availability(&[stock(available, low_at, quantity), stock(other, 10, 1)]);
            if word(before) != word(now) {
                prop_assert!(may_change_words(&record(before, low_at), &record(now, low_at)));
            }
        }
    }
}
