//! What the shop says of itself: sales mode, licence, contact, charges, notices.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::money::Paise;
use super::zones::Zone;

/// How the shop sells now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SalesMode {
    /// Orders are taken.
    Order,
    /// A visitor gets a numbered estimate; the shop confirms offline.
    Enquiry,
    /// Nothing is sold; the catalogue can be read.
    Closed,
}

/// The settings that staff can change, one record in the database.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct ShopSettings {
    /// The shop's name.
    pub name: String,
    /// One line under it.
    pub tagline: String,
    /// How it sells.
    pub mode: SalesMode,
    /// Explosives licence number (Form LE-5) shown to buyers.
    pub licence_number: String,
    /// Whose licence it is.
    pub licence_holder: String,
    /// Phone number in international form.
    pub phone: String,
    /// WhatsApp number in international form.
    pub whatsapp: String,
    /// Mail address.
    pub email: String,
    /// Postal address.
    pub address: String,
    /// Shown on every page.
    pub notices: Vec<Notice>,
    /// Percent of the goods' value charged for packing.
    pub packing_percent: u8,
    /// The least an order may be worth.
    pub minimum_order: Paise,
    /// Whether customers can look and nothing else, while staff work on.
    #[serde(default)]
    pub read_only: bool,
    /// Where it delivers; everywhere and free when empty.
    #[serde(default)]
    pub zones: Vec<Zone>,
    /// When orders open this season.
    pub opens_at: Option<Timestamp>,
    /// When orders close this season.
    pub closes_at: Option<Timestamp>,
    /// Counts changes, from 1.
    pub version: i64,
}

/// A line for every page.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// `info` or `warning`.
    pub level: NoticeLevel,
    /// Plain text.
    pub text: String,
}

/// How loud a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoticeLevel {
    /// Good to know.
    Info,
    /// Must be seen.
    Warning,
}
