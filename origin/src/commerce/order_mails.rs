//! What a customer is told of each step of an order.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::gateway;
use super::mail::Mail;
use super::money::{Paise, rupees};
use super::orders::{Order, OrderEvent, OrderState, PaymentMethod};
use super::payments::GivenBack;
use super::records::Kept;

/// How many steps of an order its customer was told of, written together with the mails that tell of them: a step is told
/// once, whatever dies in between.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Told {
    /// The order's id.
    pub order_id: String,
    /// Entries of its history.
    pub steps: usize,
    /// Ids of the parts of its payments that went back; nothing in records from before there were mails of parts.
    #[serde(default)]
    pub given_back: Option<BTreeSet<String>>,
}

impl Told {
    /// An order whose customer was told nothing.
    pub fn nothing_of(order: &Order) -> Self {
        Self {
            order_id: order.id.clone(),
            steps: 0,
            given_back: Some(BTreeSet::new()),
        }
    }

    /// An order whose customer was told everything.
    pub fn all_of(order: &Order) -> Self {
        Self {
            order_id: order.id.clone(),
            steps: order.history.len(),
            given_back: Some(parts(order).map(|part| part.id.clone()).collect()),
        }
    }

    /// Whether a part was told. Where that was not written down, those are that are no younger than the last step that was.
    fn has(&self, order: &Order, part: &GivenBack) -> bool {
        match &self.given_back {
            Some(told) => told.contains(&part.id),
            None => {
                let last = order.history.iter().take(self.steps).next_back();
                last.is_some_and(|step| part.at <= step.at)
            }
        }
    }
}

/// What of an order's money went back. The id of a part begins with that of its payment, so no two have the same.
fn parts(order: &Order) -> impl Iterator<Item = &GivenBack> {
    order
        .payments
        .iter()
        .flat_map(|payment| &payment.given_back)
}

impl Kept for Told {
    const KIND: &'static str = "told";

    fn id(&self) -> &str {
        &self.order_id
    }
}

/// Up to where the `changes` sequence was looked at for steps of orders.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Looked {
    /// One for the whole shop.
    pub id: String,
    /// The last number that was looked at.
    pub sequence: i64,
}

impl Kept for Looked {
    const KIND: &'static str = "looked";

    fn id(&self) -> &str {
        &self.id
    }
}

impl Looked {
    /// The id of the only one.
    pub const ID: &'static str = "order_mails";
}

/// The mails for the steps, and the money sent back, that a customer was not told of yet; `link` shows the order.
pub fn untold(order: &Order, told: &Told, shop: &str, link: &str, at: Timestamp) -> Vec<Mail> {
    let steps = order.history.iter().skip(told.steps);
    let steps = steps.filter_map(|event| step(order, event));
    let parts = parts(order).filter(|part| !told.has(order, part));
    let parts = parts.map(|part| {
        let amount = rupees(part.amount.0);
        (
            "money sent back",
            format!("We have sent {amount} back to you."),
        )
    });
    let mail = |(what, text)| {
        let paragraphs = [
            format!("Dear {},", order.contact.name),
            text,
            format!("Your order {} at {shop}: {link}", order.number_text()),
        ];
        let subject = format!("{}: {what}", order.number_text());
        Mail::new(&order.contact.email, &subject, &paragraphs, at)
    };
    steps.chain(parts).map(mail).collect()
}

/// How much the shop had of an order's money when something happened to it.
fn held(order: &Order, at: Timestamp) -> Paise {
    let held = order.payments.iter().map(|payment| payment.held_at(at).0);
    Paise(held.fold(0, i64::saturating_add))
}

/// What is said of a step; nothing where a customer has nothing to know.
fn step(order: &Order, event: &OrderEvent) -> Option<(&'static str, String)> {
    let total = rupees(order.quote.total.0);
    let money_back = rupees(held(order, event.at).0);
    let was_refused = order.history.len() > 1;
    let (what, text) = match event.state {
        OrderState::AwaitingPayment if was_refused && event.at != order.placed_at => (
            "the payment was not found",
            format!("We could not find your payment of {total}. Please check the reference and send it again."),
        ),
        OrderState::AwaitingPayment if order.payment == PaymentMethod::Gateway => (
            "thank you for your order",
            format!("We hold everything for you. Please pay {total} on the page of your order."),
        ),
        OrderState::AwaitingPayment => (
            "thank you for your order",
            format!("We hold everything for you. Please pay {total} and tell us the reference on the page of your order."),
        ),
        OrderState::PaymentReview => (
            "we look for your payment",
            "Thank you. We look for your payment and write again when it is there.".to_owned(),
        ),
        OrderState::Confirmed => (
            "confirmed",
            format!("Your order over {total} is confirmed. We pack it next."),
        ),
        OrderState::Dispatched => ("on its way", "Your order is on its way.".to_owned()),
        OrderState::Delivered => (
            "delivered",
            "Your order has arrived. Please mind the safety notes on every box.".to_owned(),
        ),
        OrderState::Expired => (
            "not paid in time",
            "We did not hear of a payment in time, so what we held is free again. Nothing needs to be paid.".to_owned(),
        ),
        OrderState::Cancelled => ("cancelled", "Your order is cancelled.".to_owned()),
        OrderState::RefundDue if event.by == gateway::BY => (
            "your payment came too late",
            format!("Your payment came when your order was over. We send {money_back} back to you."),
        ),
        OrderState::RefundDue => (
            "cancelled, money comes back",
            format!("Your order is cancelled. We send {money_back} back to you."),
        ),
        // What was sent back is told part by part; of the others there is nothing that a customer has to know.
        OrderState::Refunded | OrderState::Packed | OrderState::Returned => return None,
    };
    Some((what, text))
}

#[cfg(test)]
mod tests {
    use super::super::gateway::tests::order;
    use super::super::orders::OrderStep;
    use super::super::payments::PaymentState;
    use super::super::payments::tests::approved;
    use super::super::refunds;
    use super::*;

    fn later(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(seconds)
    }

    fn give_back(order: &Order, amount: i64, at: Timestamp) -> Order {
        let part = refunds::Part {
            id: refunds::id_of(&order.payments[0]),
            amount: Paise(amount),
            by: "owner@example.in".to_owned(),
            note: "broken".to_owned(),
            at,
        };
        let step = refunds::step(order, "pay_1", &part, "owner@example.in").unwrap();
        order.stepped(step).unwrap()
    }

    fn said(order: &Order, told: &Told) -> Vec<String> {
        let mails = untold(
            order,
            told,
            "Shop",
            "https://shop.example.in/order/t",
            later(9),
        );
        mails.into_iter().map(|mail| mail.text).collect()
    }

    #[test]
    fn each_part_that_goes_back_is_told_once_with_its_amount() {
        let mut paid = order(OrderState::Confirmed);
        paid.payments = vec![approved("pay_1", Paise(120_000))];
        let broken = give_back(&paid, 30_000, later(1));
        let mails = said(&broken, &Told::all_of(&paid));
        assert_eq!(mails.len(), 1, "{mails:?}");
        assert!(
            mails[0].contains("We have sent ₹300.00 back to you."),
            "{mails:?}"
        );
        assert!(said(&broken, &Told::all_of(&broken)).is_empty());
        // A record from before parts were told knows those that are no younger than its last step.
        let old = |seconds| {
            let mut old = broken.clone();
            old.history[0].at = later(seconds);
            let record = serde_json::json!({ "order_id": old.id, "steps": 1 });
            said(&old, &serde_json::from_value(record).unwrap()).len()
        };
        assert_eq!((old(0), old(1)), (1, 0));

        // Called off, what is left is promised, though it went back before anybody was told.
        let off = OrderStep::to(OrderState::RefundDue, later(2), "customer", "");
        let over = give_back(&broken.stepped(off).unwrap(), 90_000, later(3));
        assert_eq!(over.state, OrderState::Refunded);
        let mails = said(&over, &Told::all_of(&broken));
        assert_eq!(mails.len(), 2, "{mails:?}");
        assert!(
            mails[0].contains("We send ₹900.00 back to you."),
            "{mails:?}"
        );
        assert!(
            mails[1].contains("We have sent ₹900.00 back to you."),
            "{mails:?}"
        );
    }

    #[test]
    fn what_went_back_before_there_were_parts_is_not_promised_again() {
        let mut paid = order(OrderState::Confirmed);
        let mut gone = approved("pay_0", Paise(120_000));
        gone.state = PaymentState::Refunded;
        paid.payments = vec![gone, approved("pay_1", Paise(120_000))];
        let off = OrderStep::to(OrderState::RefundDue, later(2), "customer", "");
        let mails = said(&paid.stepped(off).unwrap(), &Told::all_of(&paid));
        assert_eq!(mails.len(), 1, "{mails:?}");
        assert!(
            mails[0].contains("We send ₹1200.00 back to you."),
            "{mails:?}"
        );
    }
}
