//! Bundles and gift boxes: several products sold as one, available as their scarcest component.

use serde::{Deserialize, Serialize};

use super::availability::Availability;
use super::money::Paise;
use super::products::Image;

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
