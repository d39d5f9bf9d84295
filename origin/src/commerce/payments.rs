//! What a customer says was paid, and what staff say to that.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::money::Paise;

/// Where a payment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaymentState {
    /// Its customer says that it is on its way; staff have not looked yet.
    Submitted,
    /// The money is there.
    Approved,
    /// The money is not there.
    Rejected,
    /// The money went back.
    Refunded,
}

/// One payment of an order.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Payment {
    /// Unguessable.
    pub id: String,
    /// The bank's or UPI's reference; for a gateway, its own id of the payment.
    pub reference: String,
    /// How much, as its customer says.
    pub amount: Paise,
    /// The private file that shows it, if one was sent.
    pub proof: Option<String>,
    /// Where it stands.
    pub state: PaymentState,
    /// When it was submitted.
    pub submitted_at: Timestamp,
    /// Who of the staff decided, if anybody has.
    pub decided_by: Option<String>,
    /// Whether it went through the gateway, which then also sends it back.
    #[serde(default)]
    pub by_gateway: bool,
}

/// A bank's or UPI's reference without the blanks around it; `None` for what is none: 6 to 35 letters and digits.
pub fn reference(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = (6..=35).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
    fits.then(|| text.to_ascii_uppercase())
}
