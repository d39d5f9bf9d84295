//! Orders: what they hold, and what is done to them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::order_states::{NoSuchStep, OrderState};

use super::basis::Basis;
use super::contact::{self, Address, Contact};
use super::money::Paise;
use super::payments::{Payment, PaymentState};
use super::quote::Quote;
use super::reservation::Shortage;
use super::shop::{SalesMode, ShopSettings};

/// How the customer will pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaymentMethod {
    /// On delivery; such an order is confirmed at once.
    CashOnDelivery,
    /// By bank transfer or UPI, with a reference that staff check.
    BankTransfer,
    /// Through the payment gateway, which says itself when the money is there.
    Gateway,
}

/// An order that is to be placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOrder {
    /// Made by the origin, unguessable.
    pub id: String,
    /// What lets a stranger see how the order stands; unguessable.
    pub tracking_token: String,
    /// The client's key: the same key never makes a second order.
    pub idempotency_key: String,
    /// Of the request's body: the same key with another body is a mistake.
    pub body_hash: String,
    /// The account it was placed from, if any.
    pub customer_id: Option<String>,
    /// Who ordered.
    pub contact: Contact,
    /// Where it goes.
    pub address: Address,
    /// How it will be paid.
    pub payment: PaymentMethod,
    /// What it is made of, and what it costs.
    pub quote: Quote,
    /// What that was made from.
    pub basis: Basis,
    /// When.
    pub at: Timestamp,
    /// When its stock is free again unless it is paid.
    pub expires_at: Option<Timestamp>,
}

/// An order as the databases keep it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Order {
    /// Unguessable.
    pub id: String,
    /// From a sequence without doubles; for people.
    pub number: i64,
    /// What lets a stranger see how the order stands.
    pub tracking_token: String,
    /// Where it stands.
    pub state: OrderState,
    /// The account it was placed from, if any.
    #[serde(default)]
    pub customer_id: Option<String>,
    /// Who ordered.
    pub contact: Contact,
    /// Where it goes.
    pub address: Address,
    /// How it will be paid.
    pub payment: PaymentMethod,
    /// What it is made of, and what it cost when it was placed.
    pub quote: Quote,
    /// What its customer says was paid, and what staff say to that; the first one first.
    #[serde(default)]
    pub payments: Vec<Payment>,
    /// Every state it was in, the first one first.
    pub history: Vec<OrderEvent>,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// When its stock is free again unless it is paid.
    pub expires_at: Option<Timestamp>,
    /// Counts changes, from 1.
    pub version: i64,
}

/// One step of an order.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct OrderEvent {
    /// The state it came into.
    pub state: OrderState,
    /// When.
    pub at: Timestamp,
    /// Who did it: `customer`, `shop` (by itself), or a member of staff.
    pub by: String,
    /// Why, for staff.
    pub note: String,
}

/// What is done to an order at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderStep {
    /// The state it goes to; `None` where only a payment is written down.
    pub to: Option<OrderState>,
    /// A payment that is added, or takes the place of the one with its id.
    pub payment: Option<Payment>,
    /// When its stock is free again, where it goes (back) to [`OrderState::AwaitingPayment`].
    pub expires_at: Option<Timestamp>,
    /// When.
    pub at: Timestamp,
    /// Who does it: `customer`, `shop` (by itself), or a member of staff.
    pub by: String,
    /// Why, for staff.
    pub note: String,
}

impl OrderStep {
    /// A step into a state.
    pub fn to(
        state: OrderState,
        at: Timestamp,
        by: impl Into<String>,
        note: impl Into<String>,
    ) -> Self {
        Self {
            to: Some(state),
            payment: None,
            expires_at: None,
            at,
            by: by.into(),
            note: note.into(),
        }
    }
}

/// Which orders, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderQuery {
    /// Only those in this state.
    pub state: Option<OrderState>,
    /// Only those with this mark ([`Order::marks`]).
    pub mark: Option<String>,
    /// Only the one with this number.
    pub number: Option<i64>,
    /// Only those that were placed at or after it.
    pub from: Option<Timestamp>,
    /// Only those that were placed before it.
    pub to: Option<Timestamp>,
    /// Only those that come after the order with this number: those with numbers below it, but for lists by time.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: u32,
}

impl OrderQuery {
    /// The least number that is asked for, and the one that all are below.
    pub fn numbers(&self) -> (i64, i64) {
        let before = self.before.unwrap_or(i64::MAX);
        match self.number {
            Some(number) => (number, before.min(number.saturating_add(1))),
            None => (i64::MIN, before),
        }
    }

    /// The first microsecond that is asked for, and the one that all are before.
    pub fn microseconds(&self) -> (i64, i64) {
        (
            self.from.map_or(i64::MIN, Timestamp::as_microsecond),
            self.to.map_or(i64::MAX, Timestamp::as_microsecond),
        )
    }
}

/// Words of a name that an order is found by.
const NAME_WORDS_MAX: usize = 8;

/// What came of placing an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placed {
    /// It is placed, its stock is held.
    New(Order),
    /// The same request placed it before.
    Before(Order),
    /// The key was used with another body.
    OtherBody,
    /// There is too little of these; nothing was held.
    Short(Vec<Shortage>),
    /// Something that its price was made from is another by now; nothing was held.
    Stale,
}

impl Placed {
    /// What a key gets that has placed this order before.
    pub fn again(order: Order, is_same_body: bool) -> Self {
        if is_same_body {
            Self::Before(order)
        } else {
            Self::OtherBody
        }
    }
}

/// Why the shop takes no orders now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSelling {
    /// It sells by enquiry only.
    #[error(
        "the shop takes enquiries, not orders: send the list and it will be confirmed with you"
    )]
    EnquiriesOnly,
    /// It is closed, or the season has not begun or is over.
    #[error("the shop is closed now")]
    Closed,
}

/// Whether the shop takes orders at a time.
///
/// # Errors
/// Why not.
pub fn may_order(shop: &ShopSettings, at: Timestamp) -> Result<(), NotSelling> {
    let in_season = shop.opens_at.is_none_or(|opens| opens <= at)
        && shop.closes_at.is_none_or(|closes| at < closes);
    match shop.mode {
        SalesMode::Order if in_season => Ok(()),
        SalesMode::Enquiry => Err(NotSelling::EnquiriesOnly),
        SalesMode::Order | SalesMode::Closed => Err(NotSelling::Closed),
    }
}

impl NewOrder {
    /// The order as it begins, with its number.
    pub fn numbered(&self, number: i64) -> Order {
        let state = match self.payment {
            PaymentMethod::CashOnDelivery => OrderState::Confirmed,
            // Nothing is left to pay: a coupon took all of it.
            _ if self.quote.total == Paise(0) => OrderState::Confirmed,
            PaymentMethod::BankTransfer | PaymentMethod::Gateway => OrderState::AwaitingPayment,
        };
        let begun = OrderEvent {
            state,
            at: self.at,
            by: "customer".to_owned(),
            note: String::new(),
        };
        Order {
            id: self.id.clone(),
            number,
            tracking_token: self.tracking_token.clone(),
            state,
            customer_id: self.customer_id.clone(),
            payments: Vec::new(),
            contact: self.contact.clone(),
            address: self.address.clone(),
            payment: self.payment,
            quote: self.quote.clone(),
            history: vec![begun],
            placed_at: self.at,
            expires_at: self
                .expires_at
                .filter(|_| state == OrderState::AwaitingPayment),
            version: 1,
        }
    }
}

impl Order {
    /// The order one step on.
    ///
    /// # Errors
    /// [`NoSuchStep`] when that state does not follow.
    pub fn stepped(&self, step: OrderStep) -> Result<Self, NoSuchStep> {
        let mut next = self.clone();
        next.version += 1;
        if let Some(payment) = step.payment {
            match next.payments.iter_mut().find(|one| one.id == payment.id) {
                Some(one) => *one = payment,
                None => next.payments.push(payment),
            }
        }
        let Some(to) = step.to else {
            return Ok(next);
        };
        let from = self.state;
        if !from.followers().contains(&to) {
            return Err(NoSuchStep { from, to });
        }
        next.state = to;
        // Whoever says that he has paid is not thrown out while staff look.
        next.expires_at = step
            .expires_at
            .filter(|_| to == OrderState::AwaitingPayment);
        next.history.push(OrderEvent {
            state: to,
            at: step.at,
            by: step.by,
            note: step.note,
        });
        Ok(next)
    }

    /// Whether staff have said that its money is there, and it has not gone back.
    pub fn is_paid(&self) -> bool {
        let is_approved = |payment: &Payment| payment.state == PaymentState::Approved;
        self.payments.iter().any(is_approved)
    }

    /// Whether it was ever certain that it would be sent.
    pub fn was_confirmed(&self) -> bool {
        let mut events = self.history.iter();
        events.any(|event| event.state == OrderState::Confirmed)
    }

    /// Pieces that go back to the shelf when this order becomes `next`. What was sent and returned does not: staff look at
    /// it first, and adjust the stock by hand.
    pub fn released_by(&self, next: &Self) -> BTreeMap<String, u32> {
        let was_sent = self.state == OrderState::Delivered;
        if self.state.holds_stock() && !next.state.holds_stock() && !was_sent {
            self.quote.pieces()
        } else {
            BTreeMap::new()
        }
    }

    /// Whether its customer may call it off without asking: nothing is packed, and no money can be on its way.
    pub fn customer_may_cancel(&self) -> bool {
        match self.payment {
            PaymentMethod::CashOnDelivery => self.state == OrderState::Confirmed,
            // Money that comes through the gateway all the same is owed back.
            PaymentMethod::BankTransfer | PaymentMethod::Gateway => {
                self.state == OrderState::AwaitingPayment
            }
        }
    }

    /// What it can be looked for by.
    pub fn marks(&self) -> Vec<String> {
        let customer = self.customer_id.as_deref().map(Self::customer_mark);
        let contact = [
            format!("phone:{}", self.contact.phone),
            format!("email:{}", self.contact.email),
        ];
        let name = self.contact.name.to_lowercase();
        let words = name.split_whitespace().take(NAME_WORDS_MAX);
        let names = words.map(|word| format!("name:{word}"));
        let whole = std::iter::once(Self::name_mark(&name));
        contact
            .into_iter()
            .chain(customer)
            .chain(names)
            .chain(whole)
            .collect()
    }

    /// The mark of a name, or of one word of it.
    pub fn name_mark(name: &str) -> String {
        let name = name.to_lowercase();
        let words: Vec<_> = name.split_whitespace().collect();
        format!("name:{}", words.join(" "))
    }

    /// The mark of an account's orders.
    pub fn customer_mark(customer_id: &str) -> String {
        format!("customer:{customer_id}")
    }

    /// Whether this phone or mail is the one it was placed with.
    pub fn is_of(&self, contact: &str) -> bool {
        let phone = contact::phone(contact);
        let email = contact::email(contact);
        phone.is_some_and(|phone| phone == self.contact.phone)
            || email.is_some_and(|email| email == self.contact.email)
    }

    /// The number of what people write; `None` when it is none.
    pub fn number_of(text: &str) -> Option<i64> {
        let text = text.trim().to_ascii_uppercase();
        let digits = text.strip_prefix("CR").unwrap_or(&text);
        digits.parse().ok().filter(|number| *number > 0)
    }

    /// The number as people write it.
    pub fn number_text(&self) -> String {
        format!("CR{:06}", self.number)
    }
}

#[cfg(test)]
mod tests;
