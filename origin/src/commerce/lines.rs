//! What a customer asks for: how many of which product, bundle or gift box.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::money::Paise;

/// The most lines in a cart or order.
pub const LINES_MAX: usize = 200;

/// What kind of thing a line is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum LineKind {
    /// A product.
    Product,
    /// A bundle.
    Bundle,
    /// A gift box.
    GiftBox,
}

/// Which thing a line is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
pub struct LineKey {
    /// What kind of thing.
    pub kind: LineKind,
    /// Its id.
    pub id: String,
}

/// How many of it are wanted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct WantedLine {
    /// Of what.
    pub key: LineKey,
    /// At least 1.
    pub quantity: u32,
}

/// What the catalogue says now of a thing that can be a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goods {
    /// Which thing.
    pub key: LineKey,
    /// Article number.
    pub sku: String,
    /// Name for people.
    pub name: String,
    /// Maximum retail price of one.
    pub mrp: Paise,
    /// Price of one.
    pub price: Paise,
    /// The least of one order.
    pub order_min: u32,
    /// The most of one order.
    pub order_max: u32,
    /// Whether it may be sold at all: active, and nothing in it is restricted.
    pub is_sellable: bool,
    /// Pieces of each product in one.
    pub pieces: BTreeMap<String, u32>,
}

/// Bundles and gift boxes have no limits of their own.
pub const COMBO_ORDER_MAX: u32 = 100;
