//! Pictures that show a payment: sent by whoever ordered, seen by staff who decide on payments, and by nobody else.

use super::auth;
use super::error::ApiError;
use super::orders::conflict;
use super::response::Reply;
use super::routes::Call;
use super::{tracking, uploads};
use crate::commerce::orders::{Order, OrderState, OrderStep};
use crate::commerce::payments::{Payment, PaymentState};
use crate::commerce::proofs::KeptProof;
use crate::commerce::records::Writes;
use crate::commerce::{ids, images};
use crate::services::objects::Room;

pub(super) async fn put_by_token(call: Call) -> Result<Reply, ApiError> {
    let order = tracking::of_token(&call).await?;
    let next = keep(&call, &order).await?;
    tracking::shown(&next)
}

pub(super) async fn put_own(call: Call) -> Result<Reply, ApiError> {
    let order = auth::own_order(&call).await?;
    let next = keep(&call, &order).await?;
    tracking::shown(&next)
}

/// The payment that staff look at now: only it takes a picture.
fn in_review(order: &Order) -> Result<&Payment, ApiError> {
    let latest = order.payments.last();
    let submitted = latest.filter(|payment| {
        order.state == OrderState::PaymentReview && payment.state == PaymentState::Submitted
    });
    submitted.ok_or_else(|| {
        let detail = "No payment of this order is being looked at.";
        conflict("not_in_review", detail.to_owned())
    })
}

/// Keeps the picture that was sent, in the place of one sent before.
async fn keep(call: &Call, order: &Order) -> Result<Order, ApiError> {
    let payment = in_review(order)?;
    let sent = uploads::sent(call).await?;
    let drawn = uploads::drawn(call, sent.picture, images::redraw).await?;
    let objects = &call.app.objects;
    let name = ids::unguessable();
    let at = call.app.clock.now();
    let kept = KeptProof {
        name: name.clone(),
        order_id: order.id.clone(),
        due_at: at + call.app.config.commerce.proofs_kept(),
    };
    let writes = Writes::default().with(&kept)?;
    call.app.database.write_records(&writes, at).await?;
    let put = objects.put(Room::Private, &name, drawn.into()).await;
    put.map_err(|error| uploads::no_storage(&error))?;
    let step = OrderStep {
        to: None,
        payment: Some(Payment {
            proof: Some(name.clone()),
            ..payment.clone()
        }),
        expires_at: None,
        at,
        by: "customer".to_owned(),
        note: String::new(),
    };
    let database = &call.app.database;
    match database
        .step_order(&order.id, &step, Some(order.version))
        .await
    {
        Ok(next) => {
            if let Some(before) = &payment.proof {
                objects.discard(Room::Private, before).await;
            }
            Ok(next)
        }
        Err(error) => {
            // Where nobody knows whether it was written, a picture that nothing names is better than a name without one.
            if !error.is_of_the_database() {
                objects.discard(Room::Private, &name).await;
            }
            Err(error.into())
        }
    }
}

/// The picture of the latest payment that has one, for staff.
pub(super) async fn show(call: Call) -> Result<Reply, ApiError> {
    let order = call.app.database.order_by_id(&call.segment).await?;
    let order = order.ok_or(ApiError::NotFound)?;
    let mut proofs = order.payments.iter().rev();
    let name = proofs.find_map(|payment| payment.proof.as_deref());
    let name = name.ok_or(ApiError::NotFound)?;
    let found = call.app.objects.get(Room::Private, name).await;
    let found = found.map_err(|error| uploads::no_storage(&error))?;
    let body = found.ok_or(ApiError::NotFound)?;
    let name = format!("payment-{}.jpg", order.number_text());
    Ok(Reply::file("image/jpeg", name, body))
}
