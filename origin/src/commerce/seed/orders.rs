//! Orders to try the shop with.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::commerce::basis::Basis;
use crate::commerce::contact::{Address, Contact};
use crate::commerce::ids;
use crate::commerce::lines::{LineKey, LineKind};
use crate::commerce::money::Paise;
use crate::commerce::orders::{NewOrder, PaymentMethod};
use crate::commerce::quote::{Quote, QuotedLine};

/// An order of so many pieces of these products, by id, each at one rupee; it waits for its payment without end.
pub fn order_of(pieces: &[(&str, u32)], at: Timestamp) -> NewOrder {
    let lines = pieces.iter().map(|(id, quantity)| QuotedLine {
        key: LineKey {
            kind: LineKind::Product,
            id: (*id).to_owned(),
        },
        sku: (*id).to_owned(),
        name: (*id).to_owned(),
        price: Paise(100),
        quantity: *quantity,
        total: Paise(100 * i64::from(*quantity)),
        pieces: BTreeMap::from([((*id).to_owned(), *quantity)]),
    });
    let lines: Vec<_> = lines.collect();
    let goods = Paise(lines.iter().map(|line| line.total.0).sum());
    NewOrder {
        id: ids::in_order_of_time(at),
        tracking_token: ids::unguessable(),
        idempotency_key: ids::unguessable(),
        body_hash: "body".to_owned(),
        customer_id: None,
        contact: Contact {
            name: "Meena".to_owned(),
            phone: "9876543210".to_owned(),
            email: "meena@example.in".to_owned(),
        },
        address: Address {
            line1: "1, Main Street".to_owned(),
            line2: String::new(),
            city: "Sivakasi".to_owned(),
            state: "Tamil Nadu".to_owned(),
            pincode: "626123".to_owned(),
        },
        payment: PaymentMethod::BankTransfer,
        quote: Quote {
            lines,
            goods,
            saved: Paise(0),
            coupon: None,
            packing: Paise(0),
            delivery: Some(Paise(0)),
            minimum: Paise(0),
            rounding: Paise(0),
            total: goods,
        },
        basis: Basis::default(),
        at,
        expires_at: None,
    }
}
