//! What customers do to their own orders while they are logged in.

use http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;

use super::auth::{OwnOrderView, own_order, wrong_field};
use super::body;
use super::error::ApiError;
use super::response::Reply;
use super::routes::Call;
use super::tracking::{self, CancelRequest};
use crate::commerce::money::Paise;
use crate::commerce::orders::PaymentMethod;
use crate::commerce::payments::AMOUNT_MAX;

/// That one's order is paid.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnPaymentRequest {
    /// How: as the order says.
    pub method: PaymentMethod,
    /// The bank's or UPI's reference, 6 to 35 letters and digits.
    pub reference: String,
    /// How much, in paise: at least 1.
    pub amount_paise: i64,
}

pub(super) async fn cancel(call: Call) -> Result<Reply, ApiError> {
    let _: CancelRequest = body::json(&call)?;
    let order = own_order(&call).await?;
    let order = tracking::called_off(&call.app, &order).await?;
    Reply::fresh(StatusCode::OK, &OwnOrderView::from(&order))
}

pub(super) async fn pay(call: Call) -> Result<Reply, ApiError> {
    let request: OwnPaymentRequest = body::json(&call)?;
    let reference = tracking::reference_of(&request.reference)?;
    if !(1..=AMOUNT_MAX).contains(&request.amount_paise) {
        let detail = "expected 1 to 100000000000";
        return Err(wrong_field("/amount_paise", detail));
    }
    let order = own_order(&call).await?;
    if request.method != order.payment {
        return Err(wrong_field("/method", "expected what the order says"));
    }
    let amount = Paise(request.amount_paise);
    let order = tracking::paid(&call.app, &order, reference, amount).await?;
    Reply::fresh(StatusCode::OK, &OwnOrderView::from(&order))
}
