//! How an order stands, for whoever has its token, or its number and contact. Tells no name, no address and no note.

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth::wrong_field;
use super::body;
use super::error::ApiError;
use super::orders::conflict;
use super::quotes::QuotedLineView;
use super::response::Reply;
use super::routes::Call;
use super::views::{Money, time};
use crate::app::App;
use crate::commerce::ids;
use crate::commerce::money::Paise;
use crate::commerce::orders::{Order, OrderState, OrderStep, PaymentMethod};
use crate::commerce::payments::{self, Payment, PaymentState};

/// How an order stands.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TrackView {
    /// For people, for example CR000042.
    pub number: String,
    /// Where it stands.
    pub state: OrderState,
    /// Every state it was in, the first one first.
    pub history: Vec<TrackStep>,
    /// How it is paid.
    pub payment: PaymentMethod,
    /// What was ordered.
    pub lines: Vec<QuotedLineView>,
    /// What is paid.
    pub total: Money,
    /// When its stock is free again unless it is paid: RFC 3339, UTC; null when it need not be.
    pub expires_at: Option<String>,
    /// Whether its customer may call it off.
    pub can_cancel: bool,
}

/// One step of an order.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TrackStep {
    /// The state it came into.
    pub state: OrderState,
    /// When: RFC 3339, UTC.
    pub at: String,
}

/// A number and what proves that it is one's own.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrackRequest {
    /// The order's number, for example CR000042.
    pub number: String,
    /// The phone number or mail address it was placed with.
    pub contact: String,
}

/// That it is paid.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PaymentRequest {
    /// The bank's or UPI's reference, 6 to 35 letters and digits.
    pub reference: String,
}

/// That it is not wanted any more.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelRequest {}

impl From<&Order> for TrackView {
    fn from(order: &Order) -> Self {
        let steps = order.history.iter().map(|event| TrackStep {
            state: event.state,
            at: time(event.at),
        });
        Self {
            number: order.number_text(),
            state: order.state,
            history: steps.collect(),
            payment: order.payment,
            lines: order.quote.lines.iter().map(QuotedLineView::from).collect(),
            total: order.quote.total.into(),
            expires_at: order.expires_at.map(time),
            can_cancel: order.customer_may_cancel(),
        }
    }
}

pub(super) async fn of_token(call: &Call) -> Result<Order, ApiError> {
    let found = call.app.database.order_by_tracking_token(&call.segment);
    found.await?.ok_or(ApiError::NotFound)
}

pub(super) fn shown(order: &Order) -> Result<Reply, ApiError> {
    Reply::fresh(StatusCode::OK, &TrackView::from(order))
}

pub(super) async fn by_token(call: Call) -> Result<Reply, ApiError> {
    shown(&of_token(&call).await?)
}

pub(super) async fn by_number(call: Call) -> Result<Reply, ApiError> {
    let request: TrackRequest = body::json(&call)?;
    let number = Order::number_of(&request.number).ok_or(ApiError::NotFound)?;
    let found = call.app.database.order_by_number(number).await?;
    // The same answer whether the number or the contact is wrong.
    let own = found.filter(|order| order.is_of(&request.contact));
    shown(&own.ok_or(ApiError::NotFound)?)
}

pub(super) async fn pay(call: Call) -> Result<Reply, ApiError> {
    let request: PaymentRequest = body::json(&call)?;
    let reference = reference_of(&request.reference)?;
    let order = of_token(&call).await?;
    let amount = order.quote.total;
    shown(&paid(&call.app, &order, reference, amount).await?)
}

/// A reference in its one spelling.
pub(super) fn reference_of(text: &str) -> Result<String, ApiError> {
    let wrong = || wrong_field("/reference", "expected 6 to 35 letters and digits");
    payments::reference(text).ok_or_else(wrong)
}

/// The order with a payment that staff look for.
pub(super) async fn paid(
    app: &App,
    order: &Order,
    reference: String,
    amount: Paise,
) -> Result<Order, ApiError> {
    // Whoever says it again, because the answer was lost, is told the same.
    let is_known = |one: &Payment| {
        let is_looked_at = matches!(one.state, PaymentState::Submitted | PaymentState::Approved);
        // What came is what staff have found.
        let is_same = one.amount == amount || one.state == PaymentState::Approved;
        one.reference == reference && is_same && is_looked_at && !one.by_gateway
    };
    if order.payments.iter().any(is_known) {
        return Ok(order.clone());
    }
    // What the gateway takes it says itself: no reference of anybody's holds the stock longer.
    let is_by_reference = order.payment != PaymentMethod::Gateway;
    if order.state != OrderState::AwaitingPayment || !is_by_reference {
        return Err(conflict(
            "not_awaiting_payment",
            "No payment is awaited for this order.".to_owned(),
        ));
    }
    let now = app.clock.now();
    let mut step = OrderStep::to(OrderState::PaymentReview, now, "customer", "");
    step.payment = Some(Payment {
        id: ids::unguessable(),
        reference,
        amount,
        proof: None,
        state: PaymentState::Submitted,
        submitted_at: now,
        decided_by: None,
        by_gateway: false,
        given_back: Vec::new(),
    });
    take(app, order, &step).await
}

pub(super) async fn cancel(call: Call) -> Result<Reply, ApiError> {
    let _: CancelRequest = body::json(&call)?;
    let order = of_token(&call).await?;
    shown(&called_off(&call.app, &order).await?)
}

/// The order, called off by its customer.
pub(super) async fn called_off(app: &App, order: &Order) -> Result<Order, ApiError> {
    if !order.customer_may_cancel() {
        let detail = "This order cannot be called off here any more; please call the shop.";
        return Err(conflict("cannot_cancel", detail.to_owned()));
    }
    let step = OrderStep::to(OrderState::Cancelled, app.clock.now(), "customer", "");
    take(app, order, &step).await
}

async fn take(app: &App, order: &Order, step: &OrderStep) -> Result<Order, ApiError> {
    let stepped = app
        .database
        .step_order(&order.id, step, Some(order.version));
    Ok(stepped.await?)
}
