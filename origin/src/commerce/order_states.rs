//! Where an order may stand, and which state follows which.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where an order stands.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// Stock is held; the payment is not there yet.
    AwaitingPayment,
    /// The customer says it is paid; staff look.
    PaymentReview,
    /// It will be sent.
    Confirmed,
    /// It is packed.
    Packed,
    /// It is on its way.
    Dispatched,
    /// It has arrived.
    Delivered,
    /// It was not paid in time; its stock is free again.
    Expired,
    /// It was called off before it was sent; its stock is free again.
    Cancelled,
    /// It was called off after it was paid: money is owed.
    RefundDue,
    /// The money went back.
    Refunded,
    /// It came back after delivery.
    Returned,
}

impl OrderState {
    /// Every state.
    pub const ALL: [Self; 11] = [
        Self::AwaitingPayment,
        Self::PaymentReview,
        Self::Confirmed,
        Self::Packed,
        Self::Dispatched,
        Self::Delivered,
        Self::Expired,
        Self::Cancelled,
        Self::RefundDue,
        Self::Refunded,
        Self::Returned,
    ];

    /// The word in both databases and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AwaitingPayment => "awaiting_payment",
            Self::PaymentReview => "payment_review",
            Self::Confirmed => "confirmed",
            Self::Packed => "packed",
            Self::Dispatched => "dispatched",
            Self::Delivered => "delivered",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::RefundDue => "refund_due",
            Self::Refunded => "refunded",
            Self::Returned => "returned",
        }
    }

    /// The state of a word; `None` for any other word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// The states that may follow.
    pub fn followers(self) -> &'static [Self] {
        use OrderState as S;
        match self {
            S::AwaitingPayment => &[S::PaymentReview, S::Confirmed, S::Expired, S::Cancelled],
            S::PaymentReview => &[S::AwaitingPayment, S::Confirmed, S::Cancelled, S::RefundDue],
            S::Confirmed => &[S::Packed, S::Cancelled, S::RefundDue],
            S::Packed => &[S::Dispatched, S::Cancelled, S::RefundDue],
            S::Dispatched => &[S::Delivered],
            S::Delivered => &[S::Returned],
            S::RefundDue => &[S::Refunded],
            S::Returned => &[S::RefundDue, S::Refunded],
            // Money that came too late.
            S::Expired | S::Cancelled => &[S::RefundDue],
            S::Refunded => &[],
        }
    }

    /// Whether an order in this state holds stock that a customer may still get, or has got.
    pub fn holds_stock(self) -> bool {
        !matches!(
            self,
            Self::Expired | Self::Cancelled | Self::RefundDue | Self::Refunded | Self::Returned
        )
    }
}

/// A step that does not follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an order that is {} cannot become {}", from.as_str(), to.as_str())]
pub struct NoSuchStep {
    /// Where it stands.
    pub from: OrderState,
    /// Where it should go.
    pub to: OrderState,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_one_word_and_can_be_reached() {
        for state in OrderState::ALL {
            assert_eq!(OrderState::parse(state.as_str()), Some(state));
            let is_first = matches!(state, OrderState::AwaitingPayment | OrderState::Confirmed);
            let is_reached = OrderState::ALL
                .iter()
                .any(|before| before.followers().contains(&state));
            assert!(is_first || is_reached, "{state:?}");
        }
        assert_eq!(OrderState::parse("lost"), None);
    }

    #[test]
    fn no_way_leads_stock_back_twice() {
        // From a state that holds nothing, none is reached that holds something again.
        for state in OrderState::ALL
            .into_iter()
            .filter(|state| !state.holds_stock())
        {
            for next in state.followers() {
                assert!(!next.holds_stock(), "{state:?} → {next:?}");
            }
        }
    }

    #[test]
    fn the_whole_graph_is_that_of_the_snapshot() {
        let lines: Vec<_> = OrderState::ALL
            .into_iter()
            .map(|state| {
                let next: Vec<_> = state.followers().iter().map(|next| next.as_str()).collect();
                format!("{} -> {}", state.as_str(), next.join(", "))
            })
            .collect();
        insta::assert_yaml_snapshot!(lines);
    }
}
