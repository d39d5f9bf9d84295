//! Money that goes back through the gateway: asked for by staff, sent by the outbox.

use http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use super::expected_version;
use crate::api::auth::{Nothing, wrong_field};
use crate::api::error::ApiError;
use crate::api::next_cursor;
use crate::api::orders::conflict;
use crate::api::response::Reply;
use crate::api::routes::Call;
use crate::api::views::{Money, time};
use crate::commerce::gateway::Refund;
use crate::commerce::orders::Order;
use crate::commerce::payments::Payment;
use crate::commerce::records::{Kept as _, Writes};
use crate::commerce::refunds::{Part, RefundRefusal};
use crate::database::DatabaseError;

impl From<RefundRefusal> for ApiError {
    fn from(refusal: RefundRefusal) -> Self {
        let said = refusal.to_string();
        match refusal {
            RefundRefusal::NoPayment => wrong_field("/payment_id", &said),
            RefundRefusal::NoAmount => wrong_field("/amount_paise", &said),
            RefundRefusal::NothingLeft => conflict("already_decided", said),
            RefundRefusal::MoreThanIsLeft(_) => conflict("more_than_is_left", said),
            RefundRefusal::StillWanted(step) => DatabaseError::NoSuchStep(step).into(),
        }
    }
}

/// Refunds.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RefundPage {
    /// In descending order of their ids.
    pub items: Vec<RefundView>,
    /// What `cursor` the next page has; null on the last one.
    pub next_cursor: Option<String>,
}

/// One refund.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RefundView {
    /// Its id.
    pub id: String,
    /// The gateway's id of the payment.
    pub payment_id: String,
    /// Which order.
    pub order_id: String,
    /// How much.
    pub amount: Money,
    /// Who said so.
    pub by: String,
    /// When: RFC 3339, UTC.
    pub asked_at: String,
    /// When it was sent; null until then.
    pub done_at: Option<String>,
    /// When it is tried next; null when it is done or was given up.
    pub next_try_at: Option<String>,
    /// Tries that failed.
    pub failures: u32,
    /// What the last one failed with.
    pub last_error: Option<String>,
}

impl From<Refund> for RefundView {
    fn from(refund: Refund) -> Self {
        Self {
            id: refund.id().to_owned(),
            payment_id: refund.payment_id,
            order_id: refund.order_id,
            amount: refund.amount.into(),
            by: refund.by,
            asked_at: time(refund.asked_at),
            done_at: refund.done_at.map(time),
            next_try_at: refund.send_at.map(time),
            failures: refund.failures,
            last_error: refund.last_error,
        }
    }
}

/// Writes down that money of a payment is owed back. The order goes on once it is sent.
pub(super) async fn ask(
    call: &Call,
    order: &Order,
    payment: &Payment,
    part: Part,
) -> Result<(), ApiError> {
    let (expected, actual) = (expected_version(call)?, order.version);
    if expected != actual {
        return Err(DatabaseError::VersionConflict { expected, actual }.into());
    }
    let at = part.at;
    let refund = Refund::new(order, payment, part);
    let writes = Writes::default().with(&refund)?;
    match call.app.database.write_records(&writes, at).await {
        Err(DatabaseError::AlreadyExists(_)) => {
            let detail = "Money of this order is on its way back already.".to_owned();
            Err(conflict("refund_under_way", detail))
        }
        done => Ok(done?),
    }
}

pub(in crate::api) async fn list(call: Call) -> Result<Reply, ApiError> {
    let (cursor, limit) = call.page();
    let database = &call.app.database;
    let mut found = database.list::<Refund>("all", cursor, limit + 1).await?;
    let next_cursor = next_cursor(&mut found, limit, |one| one.value.id().to_owned());
    let items = found.into_iter().map(|one| one.value.into()).collect();
    Reply::fresh(StatusCode::OK, &RefundPage { items, next_cursor })
}

pub(in crate::api) async fn again(call: Call) -> Result<Reply, ApiError> {
    let at = call.app.clock.now();
    let database = &call.app.database;
    let changed = database.update::<Refund, ApiError>(&call.segment, at, |refund| {
        *refund = refund.clone().again(at);
        Ok(())
    });
    changed.await?.ok_or(ApiError::NotFound)?;
    Reply::fresh(StatusCode::OK, &Nothing {})
}
