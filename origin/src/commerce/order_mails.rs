//! What a customer is told of each step of an order.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::gateway;
use super::mail::Mail;
use super::money::rupees;
use super::orders::{Order, OrderEvent, OrderState, PaymentMethod};
use super::records::Kept;

/// How many steps of an order its customer was told of, written together with the mails that tell of them: a step is told
/// once, whatever dies in between.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Told {
    /// The order's id.
    pub order_id: String,
    /// Entries of its history.
    pub steps: usize,
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

/// The mails for the steps that a customer was not told of yet; `link` shows the order.
pub fn untold(order: &Order, told: usize, shop: &str, link: &str, at: Timestamp) -> Vec<Mail> {
    let new = order.history.iter().skip(told);
    new.filter_map(|event| mail(order, event, shop, link, at))
        .collect()
}

fn mail(order: &Order, event: &OrderEvent, shop: &str, link: &str, at: Timestamp) -> Option<Mail> {
    let total = rupees(order.quote.total.0);
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
            format!("Your payment came when your order was over. We send {total} back to you."),
        ),
        OrderState::RefundDue => (
            "cancelled, money comes back",
            format!("Your order is cancelled. We send {total} back to you."),
        ),
        OrderState::Refunded => (
            "money sent back",
            format!("We have sent {total} back to you."),
        ),
        // Nothing that a customer has to know.
        OrderState::Packed | OrderState::Returned => return None,
    };
    let paragraphs = [
        format!("Dear {},", order.contact.name),
        text,
        format!("Your order {} at {shop}: {link}", order.number_text()),
    ];
    let subject = format!("{}: {what}", order.number_text());
    Some(Mail::new(&order.contact.email, &subject, &paragraphs, at))
}
