//! Pictures that show a payment: sent by whoever ordered, seen by staff who decide on payments, and by nobody else.

use std::sync::Arc;

use http::{StatusCode, header};

use super::auth;
use super::error::{ApiError, FieldError};
use super::orders::conflict;
use super::response::{Caching, Reply};
use super::routes::Call;
use super::tracking;
use crate::commerce::images;
use crate::commerce::orders::{Order, OrderState, OrderStep};
use crate::commerce::payments::{Payment, PaymentState};

/// What is taken, as it says of itself; what it is, its content says.
pub(super) const TYPES: &[&str] = &["image/png", "image/jpeg", "image/webp"];

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
    let drawn = redrawn(call).await?;
    let objects = &call.app.objects;
    let failed = |error: std::io::Error| ApiError::internal(format!("a picture: {error}"));
    let name = objects.put(drawn.into()).await.map_err(failed)?;
    let step = OrderStep {
        to: None,
        payment: Some(Payment {
            proof: Some(name.clone()),
            ..payment.clone()
        }),
        expires_at: None,
        at: call.app.clock.now(),
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
                objects.remove(before).await;
            }
            Ok(next)
        }
        Err(error) => {
            // Where nobody knows whether it was written, a picture that nothing names is better than a name without one.
            if !error.is_of_the_database() {
                objects.remove(&name).await;
            }
            Err(error.into())
        }
    }
}

/// The picture of the body, drawn anew by one of the few threads that do.
async fn redrawn(call: &Call) -> Result<Vec<u8>, ApiError> {
    let said = call.headers.get(header::CONTENT_TYPE);
    let said = said.and_then(|value| value.to_str().ok()?.split(';').next());
    let is_ours = said.is_some_and(|said| {
        let said = said.trim();
        TYPES.iter().any(|kind| kind.eq_ignore_ascii_case(said))
    });
    if !is_ours || call.headers.contains_key(header::CONTENT_ENCODING) {
        return Err(ApiError::Refused {
            status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
            code: "unsupported_media_type",
            detail:
                "This address takes image/png, image/jpeg or image/webp, without Content-Encoding."
                    .to_owned(),
            fields: Vec::new(),
        });
    }
    let places = Arc::clone(&call.app.drawing);
    let place = places.acquire_owned().await;
    let place = place.map_err(|error| ApiError::internal(error.to_string()))?;
    let body = call.body.clone();
    let drawn = tokio::task::spawn_blocking(move || {
        let drawn = images::redraw(&body);
        // Held until it is done, even where nobody waits for it any more.
        drop(place);
        drawn
    });
    let drawn = drawn
        .await
        .map_err(|error| ApiError::internal(error.to_string()))?;
    drawn.map_err(|why| {
        let fields = vec![FieldError::at("", "invalid_picture", why.to_string())];
        ApiError::Refused {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            code: "invalid_picture",
            detail: why.to_string(),
            fields,
        }
    })
}

/// The picture of the latest payment that has one, for staff.
pub(super) async fn show(call: Call) -> Result<Reply, ApiError> {
    let order = call.app.database.order_by_id(&call.segment).await?;
    let order = order.ok_or(ApiError::NotFound)?;
    let mut proofs = order.payments.iter().rev();
    let name = proofs.find_map(|payment| payment.proof.as_deref());
    let found = call.app.objects.get(name.ok_or(ApiError::NotFound)?).await;
    let found = found.map_err(|error| ApiError::internal(format!("a picture: {error}")))?;
    let body = found.ok_or(ApiError::NotFound)?;
    let name = format!("payment-{}.jpg", order.number_text());
    Ok(Reply {
        status: StatusCode::OK,
        content_type: "image/jpeg",
        body,
        stream: None,
        caching: Caching::Never,
        tags: Arc::new([]),
        etag: None,
        set_cookie: None,
        file_name: Some(name),
        sequence: 0,
    })
}
