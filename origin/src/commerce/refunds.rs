//! Money of a payment that goes back, in parts or whole. Each part is a row of the payment's ledger, written by the same
//! compare-and-set step that everything else of an order is: the parts never add up to more than what was paid, and the order is
//! `refunded` only when nothing of it is left with the shop. Until then it stands where it stood.
//!
//! A part may go back whatever becomes of the order, for example for a piece that was broken. The last part, which leaves
//! nothing, goes back only where the order is called off or came back (or another payment pays for it).

use jiff::Timestamp;

use super::gateway::refunded_to;
use super::money::Paise;
use super::orders::{NoSuchStep, Order, OrderStep};
use super::payments::{GivenBack, Payment, PaymentState};

/// Why money does not go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefundRefusal {
    /// The order has no such payment.
    #[error("this order has no such payment")]
    NoPayment,
    /// Its money is not there: nobody has said so, or all of it went back.
    #[error("this payment was decided on already")]
    NothingLeft,
    /// Less than one paisa.
    #[error("expected at least 1 paisa")]
    NoAmount,
    /// More than what is left of it.
    #[error("only {0} paise of this payment are left")]
    MoreThanIsLeft(i64),
    /// All that is left, of an order that is still to be sent or was not sent back.
    #[error(transparent)]
    StillWanted(#[from] NoSuchStep),
}

/// What goes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The ledger's id of it ([`id_of`]).
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

/// The id of the next part of a payment: that of the payment for the first one, then with a number. Two who saw the same ledger
/// mean the same part by it, and only one of them can write it.
pub fn id_of(payment: &Payment) -> String {
    match payment.given_back.len() {
        0 => payment.id.clone(),
        before => format!("{}.{before}", payment.id),
    }
}

/// The amount that goes back of a payment: what was asked for, or all that is left.
///
/// # Errors
/// Why none does.
pub fn amount_of(payment: &Payment, asked: Option<Paise>) -> Result<Paise, RefundRefusal> {
    let left = payment.left();
    if payment.state != PaymentState::Approved || left.0 < 1 {
        return Err(RefundRefusal::NothingLeft);
    }
    match asked {
        None => Ok(left),
        Some(Paise(..1)) => Err(RefundRefusal::NoAmount),
        Some(amount) if amount > left => Err(RefundRefusal::MoreThanIsLeft(left.0)),
        Some(amount) => Ok(amount),
    }
}

/// The step that writes down that a part of a payment went back.
///
/// # Errors
/// Why it does not.
pub fn step(
    order: &Order,
    payment_id: &str,
    part: &Part,
    taken_by: &str,
) -> Result<OrderStep, RefundRefusal> {
    let mut payments = order.payments.iter();
    let payment = payments.find(|one| one.id == payment_id);
    let payment = payment.ok_or(RefundRefusal::NoPayment)?;
    let amount = amount_of(payment, Some(part.amount))?;
    let mut next = payment.clone();
    next.given_back.push(GivenBack {
        id: part.id.clone(),
        amount,
        by: part.by.clone(),
        note: part.note.clone(),
        at: part.at,
    });
    let mut to = None;
    if next.left() == Paise(0) {
        to = refunded_to(order, payment_id)?;
        next.state = PaymentState::Refunded;
        next.decided_by = Some(part.by.clone());
    }
    Ok(OrderStep {
        to,
        payment: Some(next),
        expires_at: None,
        at: part.at,
        by: taken_by.to_owned(),
        note: part.note.clone(),
    })
}

/// What went back of the money that an order costs: what was paid beyond that went back first.
pub fn given_back_of_total(order: &Order) -> Paise {
    let there = order.payments.iter();
    let there = there.filter(|one| one.state == PaymentState::Approved);
    let (mut paid, mut back) = (0_i64, 0_i64);
    for payment in there {
        paid = paid.saturating_add(payment.amount.0);
        back = back.saturating_add(payment.refunded().0);
    }
    let surplus = paid.saturating_sub(order.quote.total.0).max(0);
    Paise(back.saturating_sub(surplus).max(0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::gateway::tests::order;
    use super::super::orders::OrderState;
    use super::super::payments::tests::approved;
    use super::super::tallies::{self, REVENUE};
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn part(payment: &Payment, amount: i64) -> Part {
        Part {
            id: id_of(payment),
            amount: Paise(amount),
            by: "owner@example.in".to_owned(),
            note: "broken".to_owned(),
            at: NOW,
        }
    }

    /// An order over 1,200 rupees, paid.
    fn paid(state: OrderState) -> Order {
        let mut order = order(state);
        order.payments.push(approved("pay_1", order.quote.total));
        order
    }

    fn sent_back(order: &Order, amount: i64) -> Result<Order, RefundRefusal> {
        let part = part(&order.payments[0], amount);
        let step = step(order, "pay_1", &part, "owner@example.in")?;
        Ok(order.stepped(step).unwrap())
    }

    #[test]
    fn an_order_is_refunded_when_the_last_paisa_is_back_and_not_before() {
        let due = paid(OrderState::RefundDue);
        let once = sent_back(&due, 50_000).unwrap();
        assert_eq!(
            (once.state, once.payments[0].left()),
            (due.state, Paise(70_000))
        );
        assert_eq!(once.history, due.history);
        let more = sent_back(&once, 70_001);
        assert_eq!(more, Err(RefundRefusal::MoreThanIsLeft(70_000)));
        let twice = sent_back(&once, 70_000).unwrap();
        assert_eq!(twice.state, OrderState::Refunded);
        assert_eq!(twice.payments[0].state, PaymentState::Refunded);
        let ledger = twice.payments[0].given_back.iter();
        let ids: Vec<_> = ledger.map(|row| row.id.as_str()).collect();
        assert_eq!(ids, ["pay_1", "pay_1.1"]);
        assert_eq!(sent_back(&twice, 1), Err(RefundRefusal::NothingLeft));
    }

    #[test]
    fn a_part_goes_back_of_what_is_wanted_and_the_rest_only_when_it_is_called_off() {
        let wanted = paid(OrderState::Delivered);
        let less = sent_back(&wanted, 20_000).unwrap();
        assert_eq!(less.state, OrderState::Delivered);
        let all = sent_back(&less, 100_000);
        assert!(matches!(all, Err(RefundRefusal::StillWanted(_))), "{all:?}");
        // What was sold is less by it.
        let revenue = |order: &Order| {
            let all = tallies::of(order);
            let mut found = all.iter().filter(|((kind, _), _)| kind == REVENUE);
            found.next().map(|(_, value)| *value)
        };
        assert_eq!(
            (revenue(&wanted), revenue(&less)),
            (Some(120_000), Some(100_000))
        );
    }

    #[test]
    fn what_came_twice_goes_back_in_parts_before_anything_that_was_sold() {
        let mut twice = paid(OrderState::Confirmed);
        twice.payments.push(approved("pay_2", twice.quote.total));
        let less = sent_back(&twice, 20_000).unwrap();
        assert_eq!(given_back_of_total(&less), Paise(0));
        let all = sent_back(&less, 100_000).unwrap();
        assert_eq!(
            (all.state, given_back_of_total(&all)),
            (OrderState::Confirmed, Paise(0))
        );
    }

    #[test]
    fn a_payment_that_went_back_before_there_were_parts_has_nothing_left() {
        let mut old = approved("pay_1", Paise(500));
        old.state = PaymentState::Refunded;
        assert_eq!((old.refunded(), old.left()), (Paise(500), Paise(0)));
        assert_eq!(amount_of(&old, None), Err(RefundRefusal::NothingLeft));
    }

    proptest! {
        #[test]
        fn parts_never_add_up_to_more_than_was_paid(
            amounts in proptest::collection::vec(-10_000..90_000_i64, 0..30),
            delivered in any::<bool>(),
        ) {
            let state = if delivered { OrderState::Delivered } else { OrderState::RefundDue };
            let mut order = paid(state);
            let mut sum = 0;
            for amount in amounts {
                if let Ok(next) = sent_back(&order, amount) {
                    sum += amount;
                    order = next;
                }
                let payment = &order.payments[0];
                prop_assert_eq!(payment.refunded().0, sum);
                prop_assert!(sum <= payment.amount.0);
                prop_assert_eq!(order.state == OrderState::Refunded, sum == payment.amount.0);
            }
        }
    }
}
