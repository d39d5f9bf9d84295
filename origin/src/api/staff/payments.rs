//! What staff say to payments: that the money is there, that it is not, and that it goes back.

use schemars::JsonSchema;
use serde::Deserialize;

use super::orders::{changed, note_of, shown, to_be_changed};
use super::{refunds, write_down};
use crate::api::auth::wrong_field;
use crate::api::body;
use crate::api::error::ApiError;
use crate::api::orders::conflict;
use crate::api::response::Reply;
use crate::api::routes::Call;
use crate::commerce::money::{Paise, rupees};
use crate::commerce::orders::{Order, OrderState, OrderStep};
use crate::commerce::payments::{AMOUNT_MAX, Payment, PaymentState};
use crate::commerce::refunds::{Part, RefundRefusal, amount_of, id_of, step};

/// What staff say to a payment.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PaymentDecision {
    /// Which payment.
    pub payment_id: String,
    /// What is said.
    pub decision: Decision,
    /// With `approve`: how much came, from 1 to 100000000000; needed where that is not what the order costs, or the customer says
    /// something else. With `refund`: how much goes back, from 1 to what is left of the payment; all that is left where it is absent. A part leaves
    /// the order where it stands, and may go back at any time; what leaves nothing, only of an order that is called off or came back.
    #[serde(default)]
    pub amount_paise: Option<i64>,
    /// Why; at most 500 characters.
    #[serde(default)]
    pub note: String,
}

/// What is said to a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The money is there.
    Approve,
    /// It is not.
    Reject,
    /// It went back, all or a part; where it came through the gateway: it is sent back, and the order goes on when it is.
    Refund,
}

/// What staff said beside their decision, and who said it.
struct Said {
    amount: Option<Paise>,
    note: String,
    by: String,
}

pub(in crate::api) async fn decide(call: Call) -> Result<Reply, ApiError> {
    let request: PaymentDecision = body::json(&call)?;
    if request.amount_paise.is_some() && request.decision == Decision::Reject {
        let detail = "expected with approve and refund only";
        return Err(wrong_field("/amount_paise", detail));
    }
    let note = note_of(&request.note)?;
    let (order, by) = to_be_changed(&call).await?;
    let mut payments = order.payments.iter();
    let payment = payments.find(|one| one.id == request.payment_id);
    let payment = payment.ok_or(RefundRefusal::NoPayment)?;
    let amount = request.amount_paise.map(Paise);
    let said = Said { amount, note, by };
    match request.decision {
        Decision::Approve => {
            let to = match order.state {
                // Money that came for what was called off is owed back.
                OrderState::Cancelled => OrderState::RefundDue,
                _ => OrderState::Confirmed,
            };
            let payment = came(&call, &order, payment, said.amount).await?;
            let after = (PaymentState::Approved, Some(to));
            judge(&call, &order, &payment, after, said).await
        }
        Decision::Reject => {
            let to = (order.state != OrderState::Cancelled).then_some(OrderState::AwaitingPayment);
            let after = (PaymentState::Rejected, to);
            judge(&call, &order, payment, after, said).await
        }
        Decision::Refund => send_back(&call, &order, payment, said).await,
    }
}

/// The payment with the amount that staff have found: what they say is written to the audit log, too. Where they say none, it is
/// what the order costs, if that is also what the customer says.
async fn came(
    call: &Call,
    order: &Order,
    payment: &Payment,
    found: Option<Paise>,
) -> Result<Payment, ApiError> {
    if payment.state != PaymentState::Submitted {
        return Ok(payment.clone());
    }
    let Some(amount) = found else {
        if payment.amount != order.quote.total {
            let (said, total) = (rupees(payment.amount.0), rupees(order.quote.total.0));
            let detail = format!("{said} were said to be paid of {total}; say how much came");
            return Err(wrong_field("/amount_paise", &detail));
        }
        return Ok(payment.clone());
    };
    if !(1..=AMOUNT_MAX).contains(&amount.0) {
        let detail = "expected 1 to 100000000000";
        return Err(wrong_field("/amount_paise", detail));
    }
    let (came, number) = (rupees(amount.0), order.number_text());
    write_down(call, format!("{came} came for order {number}")).await?;
    Ok(Payment {
        amount,
        ..payment.clone()
    })
}

/// The money is there, or it is not.
async fn judge(
    call: &Call,
    order: &Order,
    payment: &Payment,
    (state, to): (PaymentState, Option<OrderState>),
    said: Said,
) -> Result<Reply, ApiError> {
    if payment.state != PaymentState::Submitted {
        let detail = "This payment was decided on already.".to_owned();
        return Err(conflict("already_decided", detail));
    }
    let now = call.app.clock.now();
    let step = OrderStep {
        to,
        payment: Some(Payment {
            state,
            decided_by: Some(said.by.clone()),
            ..payment.clone()
        }),
        // Whoever was refused gets the whole window again.
        expires_at: Some(now + call.app.config.commerce.payment_window()),
        at: now,
        by: said.by,
        note: said.note,
    };
    changed(call, order, &step).await
}

/// Money went back, or goes back through the gateway. How much is written to the audit log, too.
async fn send_back(
    call: &Call,
    order: &Order,
    payment: &Payment,
    said: Said,
) -> Result<Reply, ApiError> {
    let part = Part {
        id: id_of(payment),
        amount: amount_of(payment, said.amount)?,
        by: said.by.clone(),
        note: said.note,
        at: call.app.clock.now(),
    };
    let step = step(order, &payment.id, &part, &said.by)?;
    let amount = rupees(part.amount.0);
    let entry = format!("refund of {amount} of order {}", order.number_text());
    write_down(call, entry).await?;
    if payment.by_gateway {
        refunds::ask(call, order, payment, part).await?;
        return shown(order);
    }
    changed(call, order, &step).await
}
