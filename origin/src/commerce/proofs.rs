//! How long pictures of payments are kept: until a stated time after nobody needs them any more.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::orders::{Order, OrderState};
use super::payments::{Payment, PaymentState};
use super::records::Kept;

/// How soon a picture that staff still look at is thought of again, at most.
const LATER: SignedDuration = SignedDuration::from_hours(24);

/// A picture that is kept. Written down before the file is there and its order names it: whatever dies in between, no picture is forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct KeptProof {
    /// The private file.
    pub name: String,
    /// The order whose payment it shows.
    pub order_id: String,
    /// When it is thought of next.
    pub due_at: Timestamp,
}

impl Kept for KeptProof {
    const KIND: &'static str = "proof";

    fn id(&self) -> &str {
        &self.name
    }

    fn due_at(&self) -> Option<Timestamp> {
        Some(self.due_at)
    }
}

/// What is to be done with a picture that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// It is thought of again then.
    Later(Timestamp),
    /// It goes, and this payment names it no more.
    Over(Box<Payment>),
    /// It goes; nothing names it.
    Unnamed,
}

/// What is to be done with a picture that is due now.
pub fn due(order: Option<&Order>, name: &str, kept_for: SignedDuration, now: Timestamp) -> Due {
    let named = order.and_then(|order| {
        let mut payments = order.payments.iter();
        let payment = payments.find(|one| one.proof.as_deref() == Some(name));
        payment.map(|payment| (order, payment))
    });
    let Some((order, payment)) = named else {
        return Due::Unnamed;
    };
    let Some(settled_at) = settled_at(order, payment) else {
        return Due::Later(now + kept_for.min(LATER));
    };
    let over_at = settled_at + kept_for;
    if over_at > now {
        return Due::Later(over_at);
    }
    Due::Over(Box::new(Payment {
        proof: None,
        ..payment.clone()
    }))
}

/// Since when nobody looks at a payment's picture any more; `None` while somebody does.
fn settled_at(order: &Order, payment: &Payment) -> Option<Timestamp> {
    let is_open =
        payment.state == PaymentState::Submitted && order.state == OrderState::PaymentReview;
    let last = order.history.last().map(|event| event.at);
    last.filter(|_| !is_open)
}

#[cfg(test)]
mod tests {
    use super::super::gateway::tests::order;
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;
    const KEPT_FOR: SignedDuration = SignedDuration::from_hours(100);

    fn with_proof(state: OrderState, payment: PaymentState) -> Order {
        let mut order = order(state);
        order.payments.push(Payment {
            id: "payment".to_owned(),
            reference: "UTR123456".to_owned(),
            amount: order.quote.total,
            proof: Some("file".to_owned()),
            state: payment,
            submitted_at: NOW,
            decided_by: None,
            by_gateway: false,
            given_back: Vec::new(),
        });
        order
    }

    #[test]
    fn what_staff_look_at_stays_and_what_is_settled_goes_after_its_time() {
        let open = with_proof(OrderState::PaymentReview, PaymentState::Submitted);
        let far = NOW + KEPT_FOR * 10;
        assert_eq!(
            due(Some(&open), "file", KEPT_FOR, far),
            Due::Later(far + LATER)
        );
        for order in [
            with_proof(OrderState::Confirmed, PaymentState::Approved),
            with_proof(OrderState::AwaitingPayment, PaymentState::Rejected),
            with_proof(OrderState::Cancelled, PaymentState::Submitted),
        ] {
            let over_at = NOW + KEPT_FOR;
            let early = due(Some(&order), "file", KEPT_FOR, NOW);
            assert_eq!(early, Due::Later(over_at));
            let Due::Over(payment) = due(Some(&order), "file", KEPT_FOR, over_at) else {
                panic!("{order:?}");
            };
            assert_eq!((payment.proof, payment.id.as_str()), (None, "payment"));
        }
    }

    #[test]
    fn what_nothing_names_goes_at_once() {
        let order = with_proof(OrderState::PaymentReview, PaymentState::Submitted);
        assert_eq!(
            due(Some(&order), "another file", KEPT_FOR, NOW),
            Due::Unnamed
        );
        assert_eq!(due(None, "file", KEPT_FOR, NOW), Due::Unnamed);
    }
}
