//! Payments through a gateway: what was asked for, what came of it, and what goes back. Knows no gateway's protocol.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::money::Paise;
use super::orders::{NoSuchStep, Order, OrderState, OrderStep};
use super::payments::{Payment, PaymentState};
use super::records::Kept;
use super::refunds::Part;
use super::retry;

/// What the shop is paid in.
pub const CURRENCY: &str = "INR";

/// Who takes the steps that the gateway's word leads to.
pub const BY: &str = "gateway";

/// Whether this can be an id that a gateway has made: 1 to 64 letters, digits, `_` and `-`.
pub fn is_id(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=64).contains(&text.len()) && text.bytes().all(fits)
}

/// What the gateway was asked to take for an order: one for each order, made when its customer first wants to pay.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct GatewayOrder {
    /// Our order's id.
    pub order_id: String,
    /// The gateway's own id of it.
    pub gateway_id: String,
    /// How much.
    pub amount: Paise,
    /// When.
    pub at: Timestamp,
}

impl Kept for GatewayOrder {
    const KIND: &'static str = "gateway_order";

    fn id(&self) -> &str {
        &self.order_id
    }

    fn unique_keys(&self) -> Vec<String> {
        vec![self.gateway_id.clone()]
    }
}

/// A payment as the gateway tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayPayment {
    /// The gateway's id.
    pub id: String,
    /// The gateway's order that it is for; empty where it is for none.
    pub gateway_order: String,
    /// How much.
    pub amount: Paise,
    /// In what.
    pub currency: String,
    /// Whether the money is there.
    pub is_captured: bool,
    /// How much of it went back.
    pub refunded: Paise,
}

/// What a payment means for its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// This is to be done.
    Step(Box<OrderStep>),
    /// It was written down before.
    Known,
    /// The money is not there yet.
    NotYet,
    /// It is not what was asked for: nothing is done, and somebody has to look.
    OtherAmount,
}

/// What a payment means for its order, as it stands now. Money that comes for an order that is over is owed back; money that
/// comes twice is written down, so that it can be sent back.
pub fn received(
    order: &Order,
    asked: &GatewayOrder,
    payment: &GatewayPayment,
    at: Timestamp,
) -> Received {
    let is_asked_for = payment.gateway_order == asked.gateway_id
        && payment.amount == asked.amount
        && asked.amount == order.quote.total
        && payment.currency == CURRENCY;
    if !is_asked_for {
        return Received::OtherAmount;
    }
    if order.payments.iter().any(|one| one.id == payment.id) {
        return Received::Known;
    }
    if !payment.is_captured {
        return Received::NotYet;
    }
    let (to, note) = match order.state {
        OrderState::AwaitingPayment | OrderState::PaymentReview => {
            (Some(OrderState::Confirmed), "")
        }
        OrderState::Expired | OrderState::Cancelled => {
            (Some(OrderState::RefundDue), "paid when it was over")
        }
        _ => (None, ""),
    };
    Received::Step(Box::new(OrderStep {
        to,
        payment: Some(Payment {
            id: payment.id.clone(),
            reference: payment.id.clone(),
            amount: payment.amount,
            proof: None,
            state: PaymentState::Approved,
            submitted_at: at,
            decided_by: Some(BY.to_owned()),
            by_gateway: true,
            given_back: Vec::new(),
        }),
        expires_at: None,
        at,
        by: BY.to_owned(),
        note: note.to_owned(),
    }))
}

/// Where an order goes when the money of one of its payments went back; `None` where other money for it is there still.
///
/// # Errors
/// [`NoSuchStep`] where nothing is owed.
pub fn refunded_to(order: &Order, payment_id: &str) -> Result<Option<OrderState>, NoSuchStep> {
    let is_other = |one: &&Payment| one.id != payment_id && one.state == PaymentState::Approved;
    if order.payments.iter().any(|one| is_other(&one)) {
        return Ok(None);
    }
    let (from, to) = (order.state, OrderState::Refunded);
    match from {
        // It came when everything was settled.
        OrderState::Refunded => Ok(None),
        _ if from.followers().contains(&to) => Ok(Some(to)),
        _ => Err(NoSuchStep { from, to }),
    }
}

/// Money that is owed back through the gateway: written down when staff say so, sent later, and again until it is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Refund {
    /// Its own id; empty where it was written down before a payment could go back in parts, and has that of the payment.
    #[serde(default)]
    pub id: String,
    /// The gateway's id of the payment.
    pub payment_id: String,
    /// How much of the payment went back before it.
    #[serde(default)]
    pub before: Paise,
    /// Our order's id.
    pub order_id: String,
    /// How much.
    pub amount: Paise,
    /// Who of the staff said so.
    pub by: String,
    /// Why, for staff.
    pub note: String,
    /// When it was said.
    pub asked_at: Timestamp,
    /// Tries that failed.
    pub failures: u32,
    /// What the last one failed with.
    pub last_error: Option<String>,
    /// When it is to be sent; `None` when it is done or was given up.
    pub send_at: Option<Timestamp>,
    /// When it was sent.
    pub done_at: Option<Timestamp>,
}

impl Kept for Refund {
    const KIND: &'static str = "refund";

    fn id(&self) -> &str {
        if self.id.is_empty() {
            &self.payment_id
        } else {
            &self.id
        }
    }

    fn keys(&self) -> Vec<String> {
        vec!["all".to_owned()]
    }

    /// One at a time for each order: what is left is decided by what went back before.
    fn unique_keys(&self) -> Vec<String> {
        let is_open = self.done_at.is_none();
        is_open.then(|| self.order_id.clone()).into_iter().collect()
    }

    fn due_at(&self) -> Option<Timestamp> {
        self.send_at
    }
}

impl Refund {
    /// Money of a payment, owed back from now on.
    pub fn new(order: &Order, payment: &Payment, part: Part) -> Self {
        Self {
            id: part.id,
            payment_id: payment.id.clone(),
            before: payment.refunded(),
            order_id: order.id.clone(),
            amount: part.amount,
            by: part.by,
            note: part.note,
            asked_at: part.at,
            failures: 0,
            last_error: None,
            send_at: Some(part.at),
            done_at: None,
        }
    }

    /// What the gateway knows it by: the same each time that it is tried.
    pub fn key(&self) -> String {
        format!("refund-{}", self.id())
    }

    /// What is to be sent, where the gateway says that so much of the payment went back: never more than was said, and nothing
    /// where it went already. Zero or less where nothing is missing.
    pub fn missing(&self, went_back: Paise) -> Paise {
        let wanted = self.before.0.saturating_add(self.amount.0);
        Paise(self.amount.0.min(wanted.saturating_sub(went_back.0)))
    }

    /// What is written into the payment's ledger when it was sent.
    pub fn part(&self, at: Timestamp) -> Part {
        Part {
            id: self.id().to_owned(),
            amount: self.amount,
            by: self.by.clone(),
            note: self.note.clone(),
            at,
        }
    }

    /// Held by whoever sends it now, so that nobody else does at the same time; due again when that one died.
    #[must_use]
    pub fn held(mut self, at: Timestamp) -> Self {
        self.send_at = Some(retry::held_until(at));
        self
    }

    /// After a try that failed: due again later, or given up.
    #[must_use]
    pub fn failed(mut self, error: String, at: Timestamp) -> Self {
        self.failures += 1;
        self.last_error = Some(error);
        self.send_at = retry::next_try(self.failures, at);
        self
    }

    /// The money is on its way.
    #[must_use]
    pub fn done(mut self, at: Timestamp) -> Self {
        self.last_error = None;
        self.send_at = None;
        self.done_at = Some(at);
        self
    }

    /// Due again at once, as staff ask for it; what is done stays done.
    #[must_use]
    pub fn again(mut self, at: Timestamp) -> Self {
        if self.done_at.is_none() {
            self.failures = 0;
            self.send_at = Some(at);
        }
        self
    }
}

#[cfg(test)]
pub(super) mod tests;
