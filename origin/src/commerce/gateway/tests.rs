use proptest::prelude::*;

use super::super::orders::{NewOrder, PaymentMethod};
use super::super::quote::Quote;
use super::super::seed::orders::order_of;
use super::*;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

pub(in crate::commerce) fn order(state: OrderState) -> Order {
    let quote = Quote {
        lines: Vec::new(),
        goods: Paise(120_000),
        saved: Paise(0),
        coupon: None,
        packing: Paise(0),
        delivery: None,
        minimum: Paise(0),
        rounding: Paise(0),
        total: Paise(120_000),
    };
    let new = NewOrder {
        id: "order".to_owned(),
        tracking_token: "token".to_owned(),
        payment: PaymentMethod::Gateway,
        quote,
        ..order_of(&[], NOW)
    };
    Order {
        state,
        ..new.numbered(1)
    }
}

fn asked() -> GatewayOrder {
    GatewayOrder {
        order_id: "order".to_owned(),
        gateway_id: "order_1".to_owned(),
        amount: Paise(120_000),
        at: NOW,
    }
}

fn payment(id: &str) -> GatewayPayment {
    GatewayPayment {
        id: id.to_owned(),
        gateway_order: "order_1".to_owned(),
        amount: Paise(120_000),
        currency: CURRENCY.to_owned(),
        is_captured: true,
        refunded: Paise(0),
    }
}

/// The order after a payment, and where that led it.
fn paid(order: &Order, id: &str) -> Order {
    match received(order, &asked(), &payment(id), NOW) {
        Received::Step(step) => order.stepped(*step).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn money_leads_every_state_to_one_that_follows_it() {
    for state in OrderState::ALL {
        let next = paid(&order(state), "pay_1");
        let expected = match state {
            OrderState::AwaitingPayment | OrderState::PaymentReview => OrderState::Confirmed,
            OrderState::Expired | OrderState::Cancelled => OrderState::RefundDue,
            same => same,
        };
        assert_eq!(next.state, expected, "{state:?}");
        assert_eq!(next.payments[0].state, PaymentState::Approved);
        assert!(next.released_by(&next).is_empty());
        let again = received(&next, &asked(), &payment("pay_1"), NOW);
        assert_eq!(again, Received::Known, "{state:?}");
    }
}

#[test]
fn nothing_but_what_was_asked_for_counts() {
    let order = order(OrderState::AwaitingPayment);
    let other = |change: fn(&mut GatewayPayment)| {
        let mut payment = payment("pay_1");
        change(&mut payment);
        received(&order, &asked(), &payment, NOW)
    };
    assert_eq!(
        other(|one| one.amount = Paise(119_999)),
        Received::OtherAmount
    );
    assert_eq!(
        other(|one| one.amount = Paise(120_001)),
        Received::OtherAmount
    );
    assert_eq!(
        other(|one| one.currency = "USD".to_owned()),
        Received::OtherAmount
    );
    assert_eq!(
        other(|one| one.gateway_order.clear()),
        Received::OtherAmount
    );
    assert_eq!(other(|one| one.is_captured = false), Received::NotYet);
    let changed = GatewayOrder {
        amount: Paise(1),
        ..asked()
    };
    let mut cheap = payment("pay_1");
    cheap.amount = Paise(1);
    assert_eq!(
        received(&order, &changed, &cheap, NOW),
        Received::OtherAmount
    );
}

#[test]
fn what_pays_a_wanted_order_does_not_go_back_and_what_came_twice_does() {
    let once = paid(&order(OrderState::AwaitingPayment), "pay_1");
    assert!(refunded_to(&once, "pay_1").is_err());
    let twice = paid(&once, "pay_2");
    assert_eq!(refunded_to(&twice, "pay_2"), Ok(None));
    let late = paid(&order(OrderState::Expired), "pay_1");
    assert_eq!(refunded_to(&late, "pay_1"), Ok(Some(OrderState::Refunded)));
}

/// The order after the money of a payment went back; `None` where it is not owed.
fn sent_back(order: &Order, id: &str) -> Option<Order> {
    let mut payments = order.payments.iter();
    let payment = payments.find(|one| one.id == id && one.state == PaymentState::Approved)?;
    let step = OrderStep {
        to: refunded_to(order, id).ok()?,
        payment: Some(Payment {
            state: PaymentState::Refunded,
            ..payment.clone()
        }),
        ..OrderStep::to(OrderState::Refunded, NOW, "test", "")
    };
    Some(order.stepped(step).unwrap())
}

proptest! {
    /// Three payments, told of any number of times, while the order expires, is called off by its customer or by staff, and
    /// money goes back: in the end the shop has the money of one payment where the order is wanted, and of none where not.
    #[test]
    fn in_whatever_order_it_all_comes_money_counts_once(
        events in proptest::collection::vec((0..6_u8, 0..3_u8), 0..40)
    ) {
        let mut order = order(OrderState::AwaitingPayment);
        for (event, which) in events {
            let id = format!("pay_{which}");
            let calls_off = |to| order.stepped(OrderStep::to(to, NOW, "test", "")).ok();
            let next = match event {
                0..=2 => match received(&order, &asked(), &payment(&id), NOW) {
                    Received::Step(step) => Some(order.stepped(*step).unwrap()),
                    _ => None,
                },
                3 => calls_off(OrderState::Expired),
                4 if order.is_paid() => calls_off(OrderState::RefundDue),
                4 => calls_off(OrderState::Cancelled),
                _ => sent_back(&order, &id),
            };
            order = next.unwrap_or(order);
        }
        for which in 0..3 {
            order = sent_back(&order, &format!("pay_{which}")).unwrap_or(order);
        }
        let ids: std::collections::BTreeSet<_> = order.payments.iter().map(|one| &one.id).collect();
        prop_assert_eq!(ids.len(), order.payments.len());
        let kept = order.payments.iter().filter(|one| one.state == PaymentState::Approved);
        let is_confirmed = order.state == OrderState::Confirmed;
        prop_assert_eq!(kept.count(), usize::from(is_confirmed), "{:?}", order);
        let confirmed = order.history.iter().filter(|event| event.state == OrderState::Confirmed);
        prop_assert!(confirmed.count() <= 1);
    }
}

#[test]
fn a_refund_is_tried_under_one_key_until_it_is_done_or_given_up() {
    let late = paid(&order(OrderState::Expired), "pay_1");
    let part = Part {
        id: "pay_1".to_owned(),
        amount: Paise(120_000),
        by: "owner".to_owned(),
        note: String::new(),
        at: NOW,
    };
    let refund = Refund::new(&late, &late.payments[0], part);
    let mut tried = refund.clone();
    for _ in 0..retry::TRIES_MAX {
        assert!(tried.send_at.is_some());
        tried = tried.failed("no".to_owned(), NOW);
        assert_eq!(tried.key(), refund.key());
    }
    assert_eq!(tried.send_at, None);
    assert_eq!(tried.unique_keys(), ["order"]);
    assert_eq!(tried.again(NOW).send_at, Some(NOW));
    let done = refund.done(NOW);
    assert_eq!((done.send_at, done.unique_keys().len()), (None, 0));
    assert_eq!(done.clone().again(NOW), done);
}

#[test]
fn no_more_is_sent_than_is_missing() {
    let late = paid(&order(OrderState::Expired), "pay_1");
    let part = Part {
        id: "pay_1.1".to_owned(),
        amount: Paise(40_000),
        by: "owner".to_owned(),
        note: String::new(),
        at: NOW,
    };
    let refund = Refund {
        before: Paise(30_000),
        ..Refund::new(&late, &late.payments[0], part)
    };
    assert_eq!(refund.key(), "refund-pay_1.1");
    for (went_back, missing) in [
        (0, 40_000),
        (30_000, 40_000),
        // Somebody has sent a part of it by hand.
        (50_000, 20_000),
        (70_000, 0),
    ] {
        assert_eq!(
            refund.missing(Paise(went_back)),
            Paise(missing),
            "{went_back}"
        );
    }
}
