//! Paying through the gateway: begun by whoever ordered, confirmed by what the browser brings back or by the gateway's own
//! message, whichever comes first, and once.

use std::sync::Arc;

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth::{self, wrong_field};
use super::error::ApiError;
use super::orders::conflict;
use super::response::Reply;
use super::routes::Call;
use super::views::Money;
use super::{body, tracking};
use crate::app::App;
use crate::commerce::gateway::{GatewayOrder, GatewayPayment, Received, is_id, received};
use crate::commerce::orders::{Order, OrderState, PaymentMethod};
use crate::commerce::records::Writes;
use crate::database::DatabaseError;
use crate::services::payments::{Gateway, GatewayError};

/// How often a step is decided anew when somebody else was faster.
const TRIES_MAX: u32 = 8;

/// That one wants to pay now.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BeginPayment {}

/// What the gateway's checkout is opened with.
#[derive(Debug, Serialize, JsonSchema)]
pub struct GatewayCheckout {
    /// Which gateway: `razorpay`.
    pub gateway: &'static str,
    /// The public half of the shop's key.
    pub key_id: String,
    /// The gateway's own id of what is to be paid.
    pub gateway_order_id: String,
    /// How much.
    pub amount: Money,
}

/// What the browser brings back from the gateway's checkout.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GatewayReturn {
    /// As it was given out.
    pub gateway_order_id: String,
    /// The gateway's id of the payment.
    pub payment_id: String,
    /// Hexadecimal digits of the gateway's signature.
    pub signature: String,
}

/// A message of the gateway; what else is in it is not looked at.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct GatewayMessage {
    /// What it tells of.
    #[allow(
        dead_code,
        reason = "for the description; the message is read by the gateway's own code"
    )]
    pub event: String,
}

/// What a message led to.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Heard {
    /// `confirmed`, `refund_due`, `noted`, `known`, `not_yet`, `other_amount`, `unknown` or `ignored`.
    pub outcome: &'static str,
}

fn gateway(app: &App) -> Result<&Gateway, ApiError> {
    let off = || {
        conflict(
            "gateway_off",
            "This shop takes no payments here.".to_owned(),
        )
    };
    app.gateway.as_ref().ok_or_else(off)
}

impl From<GatewayError> for ApiError {
    fn from(error: GatewayError) -> Self {
        match error {
            GatewayError::Unavailable(_) | GatewayError::Unreadable(_) => Self::Refused {
                status: StatusCode::SERVICE_UNAVAILABLE,
                code: "gateway_unavailable",
                detail: error.to_string(),
                fields: Vec::new(),
            },
            GatewayError::Refused { .. } => conflict("gateway_refused", error.to_string()),
        }
    }
}

pub(super) async fn begin_by_token(call: Call) -> Result<Reply, ApiError> {
    let _: BeginPayment = body::json(&call)?;
    let order = tracking::of_token(&call).await?;
    begun(&call.app, &order).await
}

pub(super) async fn begin_own(call: Call) -> Result<Reply, ApiError> {
    let _: BeginPayment = body::json(&call)?;
    let order = auth::own_order(&call).await?;
    begun(&call.app, &order).await
}

async fn begun(app: &App, order: &Order) -> Result<Reply, ApiError> {
    let gateway = gateway(app)?;
    if order.payment != PaymentMethod::Gateway || order.state != OrderState::AwaitingPayment {
        let detail = "No payment is awaited here for this order.".to_owned();
        return Err(conflict("not_awaiting_payment", detail));
    }
    let known = app.database.get::<GatewayOrder>(&order.id).await?;
    let asked = match known {
        Some(known) => known.value,
        None => asked_for(app, gateway, order).await?,
    };
    let (name, key_id) = gateway.name_and_key();
    let checkout = GatewayCheckout {
        gateway: name,
        key_id: key_id.to_owned(),
        gateway_order_id: asked.gateway_id,
        amount: asked.amount.into(),
    };
    Reply::fresh(StatusCode::OK, &checkout)
}

/// Asks the gateway for an order over the exact total. Of two that are made at the same moment the first one kept counts; nobody
/// hears of the other.
async fn asked_for(app: &App, gateway: &Gateway, order: &Order) -> Result<GatewayOrder, ApiError> {
    let amount = order.quote.total;
    let asked = GatewayOrder {
        order_id: order.id.clone(),
        gateway_id: gateway.create(amount, &order.number_text()).await?,
        amount,
        at: app.clock.now(),
    };
    let writes = Writes::default().with(&asked)?;
    match app.database.write_records(&writes, asked.at).await {
        Ok(()) => Ok(asked),
        Err(DatabaseError::AlreadyExists(_)) => {
            let first = app.database.get::<GatewayOrder>(&order.id).await?;
            Ok(first.ok_or(ApiError::NotFound)?.value)
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn confirm_by_token(call: Call) -> Result<Reply, ApiError> {
    let given = body::json(&call)?;
    let order = tracking::of_token(&call).await?;
    confirmed(&call.app, &order, given).await?;
    tracking::shown(&tracking::of_token(&call).await?)
}

pub(super) async fn confirm_own(call: Call) -> Result<Reply, ApiError> {
    let given = body::json(&call)?;
    let order = auth::own_order(&call).await?;
    confirmed(&call.app, &order, given).await?;
    tracking::shown(&auth::own_order(&call).await?)
}

/// Takes the order on, where the gateway has signed what the browser brings back, and says itself that the money is there.
async fn confirmed(app: &App, order: &Order, given: GatewayReturn) -> Result<(), ApiError> {
    let gateway = gateway(app)?;
    if !is_id(&given.payment_id) {
        return Err(wrong_field("/payment_id", "expected an id of the gateway"));
    }
    let asked = app.database.get::<GatewayOrder>(&order.id).await?;
    let asked = asked.filter(|asked| asked.value.gateway_id == given.gateway_order_id);
    let asked = asked
        .ok_or_else(|| wrong_field("/gateway_order_id", "expected what this order is paid by"))?;
    let asked = asked.value;
    gateway
        .verify_checkout(&asked.gateway_id, &given.payment_id, &given.signature)
        .map_err(|_| wrong_signature())?;
    // The signature says nothing of the amount, so the gateway is asked.
    let payment = gateway.fetch(&given.payment_id).await?;
    match heard(app, &asked, &payment).await? {
        "other_amount" => Err(conflict(
            "other_amount",
            "This payment is not over what the order costs.".to_owned(),
        )),
        _ => Ok(()),
    }
}

fn wrong_signature() -> ApiError {
    ApiError::Refused {
        status: StatusCode::BAD_REQUEST,
        code: "wrong_signature",
        detail: "The signature is not the gateway's.".to_owned(),
        fields: Vec::new(),
    }
}

/// The gateway's own message. It is sent until it is answered well, in any order, and more than once: what it leads to is
/// decided by what is written, not by what has come before.
pub(super) async fn webhook(call: Call) -> Result<Reply, ApiError> {
    let app = Arc::clone(&call.app);
    let gateway = gateway(&app)?;
    let signature = call.headers.get("x-razorpay-signature");
    let signature = signature.and_then(|value| value.to_str().ok());
    let told = gateway
        .verify_webhook(&call.body, signature.unwrap_or_default())
        .map_err(|_| wrong_signature())?;
    let outcome = match told {
        None => counted(&app, "ignored"),
        Some(payment) => {
            let asked = app.database.get_by::<GatewayOrder>(&payment.gateway_order);
            match asked.await? {
                Some(asked) => heard(&app, &asked.value, &payment).await?,
                // Another shop's on the same account.
                None => counted(&app, "unknown"),
            }
        }
    };
    Reply::fresh(StatusCode::OK, &Heard { outcome })
}

fn counted(app: &App, outcome: &'static str) -> &'static str {
    let payments = &app.metrics.gateway_payments;
    payments.with_label_values(&[outcome]).inc();
    outcome
}

/// Takes an order on by a payment, in one step that nobody else takes at the same time.
async fn heard(
    app: &App,
    asked: &GatewayOrder,
    payment: &GatewayPayment,
) -> Result<&'static str, ApiError> {
    for _ in 0..TRIES_MAX {
        let found = app.database.order_by_id(&asked.order_id).await?;
        let order = found.ok_or(ApiError::NotFound)?;
        let step = match received(&order, asked, payment, app.clock.now()) {
            Received::Known => return Ok(counted(app, "known")),
            Received::NotYet => return Ok(counted(app, "not_yet")),
            Received::OtherAmount => {
                tracing::error!(
                    order = order.number_text(),
                    payment = payment.id,
                    "a payment is not over what was asked for"
                );
                return Ok(counted(app, "other_amount"));
            }
            Received::Step(step) => step,
        };
        let outcome = match step.to {
            Some(OrderState::Confirmed) => "confirmed",
            Some(_) => "refund_due",
            None => "noted",
        };
        let taken = app
            .database
            .step_order(&order.id, &step, Some(order.version));
        match taken.await {
            Ok(_) => return Ok(counted(app, outcome)),
            // It expired, was called off or paid in between: what the payment means is decided anew.
            Err(DatabaseError::VersionConflict { .. } | DatabaseError::NoSuchStep(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(ApiError::TimedOut)
}
