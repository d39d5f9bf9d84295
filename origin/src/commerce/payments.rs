//! What a customer says was paid, and what staff say to that.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::money::Paise;

/// More than any order is worth, in paise.
pub const AMOUNT_MAX: i64 = 100_000_000_000;

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
    /// All of the money went back.
    Refunded,
}

/// One payment of an order.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Payment {
    /// Unguessable.
    pub id: String,
    /// The bank's or UPI's reference; for a gateway, its own id of the payment.
    pub reference: String,
    /// How much: as its customer says, and once staff have approved it, as they say.
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
    /// What of it went back, the first part first.
    #[serde(default)]
    pub given_back: Vec<GivenBack>,
}

/// A part of a payment that went back: a row of the payment's ledger.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct GivenBack {
    /// Unique among those of its payment.
    pub id: String,
    /// How much.
    pub amount: Paise,
    /// Who of the staff said so.
    pub by: String,
    /// Why, for staff.
    pub note: String,
    /// When.
    pub at: Timestamp,
}

impl Payment {
    /// How much of it went back.
    pub fn refunded(&self) -> Paise {
        // Before there were parts, all of it went back at once and left no row.
        if self.state == PaymentState::Refunded {
            return self.amount;
        }
        let rows = self.given_back.iter().map(|row| row.amount.0);
        Paise(rows.fold(0, i64::saturating_add))
    }

    /// How much of it the shop had at a moment.
    pub fn held_at(&self, at: Timestamp) -> Paise {
        let came = matches!(self.state, PaymentState::Approved | PaymentState::Refunded);
        // Nobody wrote down when it went back whole: see `refunded`.
        let left_no_row = self.state == PaymentState::Refunded && self.given_back.is_empty();
        if !came || left_no_row || self.submitted_at > at {
            return Paise(0);
        }
        let gone = self.given_back.iter().filter(|row| row.at <= at);
        let gone = gone.map(|row| row.amount.0).fold(0, i64::saturating_add);
        Paise(self.amount.0.saturating_sub(gone))
    }

    /// How much of it did not.
    pub fn left(&self) -> Paise {
        Paise(self.amount.0.saturating_sub(self.refunded().0))
    }
}

/// A bank's or UPI's reference without the blanks around it; `None` for what is none: 6 to 35 letters and digits.
pub fn reference(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = (6..=35).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
    fits.then(|| text.to_ascii_uppercase())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A payment whose money is there.
    pub(in crate::commerce) fn approved(id: &str, amount: Paise) -> Payment {
        Payment {
            id: id.to_owned(),
            reference: "UTR123456".to_owned(),
            amount,
            proof: None,
            state: PaymentState::Approved,
            submitted_at: Timestamp::UNIX_EPOCH,
            decided_by: None,
            by_gateway: false,
            given_back: Vec::new(),
        }
    }
}
