//! Orders, as staff see and take them on.

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{asker, expected_version};
use crate::api::auth::wrong_field;
use crate::api::error::ApiError;
use crate::api::orders::conflict;
use crate::api::parameters::{FROM, Kind, LIMIT, NUMBER_CURSOR, Parameter, TO};
use crate::api::quotes::QuotedLineView;
use crate::api::response::Reply;
use crate::api::routes::Call;
use crate::api::views::{Money, time};
use crate::api::{body, next_cursor};
use crate::commerce::contact::{self, Address, Contact};
use crate::commerce::orders::{Order, OrderQuery, OrderState, OrderStep, PaymentMethod};
use crate::commerce::payments::{GivenBack, Payment, PaymentState};

/// The words of all states.
const STATES: &[&str] = &[
    "awaiting_payment",
    "payment_review",
    "confirmed",
    "packed",
    "dispatched",
    "delivered",
    "expired",
    "cancelled",
    "refund_due",
    "refunded",
    "returned",
];

const STATE: Parameter = Parameter {
    name: "state",
    kind: Kind::Choice(STATES),
    description: "Only those in this state",
};
const Q: Parameter = Parameter {
    name: "q",
    kind: Kind::Text(254),
    description: "An order's number, or the phone, the mail address, the name or a word of the name it was placed with",
};

/// What the export of orders takes.
pub(in crate::api) const WHICH: &[Parameter] = &[STATE, Q, FROM, TO];
/// What the list of orders takes.
pub(in crate::api) const LIST: &[Parameter] = &[STATE, Q, FROM, TO, NUMBER_CURSOR, LIMIT];

/// Orders.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StaffOrderPage {
    /// The newest first.
    pub items: Vec<StaffOrderView>,
    /// What `cursor` the next page has; null on the last one.
    pub next_cursor: Option<String>,
}

/// All that there is to an order.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StaffOrderView {
    /// Its id.
    pub id: String,
    /// For people.
    pub number: String,
    /// Where it stands.
    pub state: OrderState,
    /// The states that it may come into from here.
    pub next_states: Vec<OrderState>,
    /// Who ordered.
    pub contact: ContactOut,
    /// Where it goes.
    pub address: AddressOut,
    /// How it is paid.
    pub payment: PaymentMethod,
    /// What was said to be paid.
    pub payments: Vec<PaymentView>,
    /// What was ordered.
    pub lines: Vec<QuotedLineView>,
    /// What is paid.
    pub total: Money,
    /// Every step, the first one first.
    pub history: Vec<StepView>,
    /// When its stock is free again unless it is paid: RFC 3339, UTC.
    pub expires_at: Option<String>,
    /// What `If-Match` names.
    pub version: i64,
}

/// Who ordered.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ContactOut {
    /// Name.
    pub name: String,
    /// Ten digits.
    pub phone: String,
    /// Mail address.
    pub email: String,
}

/// Where it goes.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AddressOut {
    /// House and street.
    pub line1: String,
    /// Anything more.
    pub line2: String,
    /// City, town or village.
    pub city: String,
    /// State.
    pub state: String,
    /// Six digits.
    pub pincode: String,
}

/// One payment.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PaymentView {
    /// Its id.
    pub id: String,
    /// The bank's or UPI's reference.
    pub reference: String,
    /// How much, as its customer says.
    pub amount: Money,
    /// Where it stands.
    pub state: PaymentState,
    /// Whether a picture shows it.
    pub has_proof: bool,
    /// When it was submitted: RFC 3339, UTC.
    pub submitted_at: String,
    /// Who decided.
    pub decided_by: Option<String>,
    /// Whether it went through the gateway, which then also sends it back.
    pub by_gateway: bool,
    /// How much of it went back.
    pub refunded: Money,
    /// The parts that went back, the first one first.
    pub given_back: Vec<GivenBackView>,
}

/// A part of a payment that went back.
#[derive(Debug, Serialize, JsonSchema)]
pub struct GivenBackView {
    /// Its id.
    pub id: String,
    /// How much.
    pub amount: Money,
    /// Who said so.
    pub by: String,
    /// Why.
    pub note: String,
    /// When: RFC 3339, UTC.
    pub at: String,
}

/// One step.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StepView {
    /// The state it came into.
    pub state: OrderState,
    /// When: RFC 3339, UTC.
    pub at: String,
    /// Who.
    pub by: String,
    /// Why.
    pub note: String,
}

/// A step that staff take.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepRequest {
    /// `packed`, `dispatched`, `delivered`, `cancelled` or `returned`.
    pub state: OrderState,
    /// Why; at most 500 characters.
    #[serde(default)]
    pub note: String,
}

impl From<&Contact> for ContactOut {
    fn from(contact: &Contact) -> Self {
        Self {
            name: contact.name.clone(),
            phone: contact.phone.clone(),
            email: contact.email.clone(),
        }
    }
}

impl From<&Address> for AddressOut {
    fn from(address: &Address) -> Self {
        Self {
            line1: address.line1.clone(),
            line2: address.line2.clone(),
            city: address.city.clone(),
            state: address.state.clone(),
            pincode: address.pincode.clone(),
        }
    }
}

impl From<&Payment> for PaymentView {
    fn from(payment: &Payment) -> Self {
        Self {
            id: payment.id.clone(),
            reference: payment.reference.clone(),
            amount: payment.amount.into(),
            state: payment.state,
            has_proof: payment.proof.is_some(),
            submitted_at: time(payment.submitted_at),
            decided_by: payment.decided_by.clone(),
            by_gateway: payment.by_gateway,
            refunded: payment.refunded().into(),
            given_back: payment.given_back.iter().map(GivenBackView::from).collect(),
        }
    }
}

impl From<&GivenBack> for GivenBackView {
    fn from(part: &GivenBack) -> Self {
        Self {
            id: part.id.clone(),
            amount: part.amount.into(),
            by: part.by.clone(),
            note: part.note.clone(),
            at: time(part.at),
        }
    }
}

impl From<&Order> for StaffOrderView {
    fn from(order: &Order) -> Self {
        let history = order.history.iter().map(|event| StepView {
            state: event.state,
            at: time(event.at),
            by: event.by.clone(),
            note: event.note.clone(),
        });
        Self {
            id: order.id.clone(),
            number: order.number_text(),
            state: order.state,
            next_states: order.state.followers().to_vec(),
            contact: (&order.contact).into(),
            address: (&order.address).into(),
            payment: order.payment,
            payments: order.payments.iter().map(PaymentView::from).collect(),
            lines: order.quote.lines.iter().map(QuotedLineView::from).collect(),
            total: order.quote.total.into(),
            history: history.collect(),
            expires_at: order.expires_at.map(time),
            version: order.version,
        }
    }
}

pub(super) fn shown(order: &Order) -> Result<Reply, ApiError> {
    let mut reply = Reply::fresh(StatusCode::OK, &StaffOrderView::from(order))?;
    reply.etag = Some(format!("\"{}\"", order.version));
    Ok(reply)
}

async fn required(call: &Call) -> Result<Order, ApiError> {
    let found = call.app.database.order_by_id(&call.segment).await?;
    found.ok_or(ApiError::NotFound)
}

/// Which orders a query asks for.
///
/// # Errors
/// [`ApiError::BadParameters`] for times that are none.
pub(super) fn query_of(call: &Call) -> Result<OrderQuery, ApiError> {
    let text = call.query.text("q");
    let phone = text.and_then(contact::phone);
    let email = text.and_then(contact::email);
    let number = text.and_then(Order::number_of);
    let mark = match (text, phone, email, number) {
        (_, Some(phone), ..) => Some(format!("phone:{phone}")),
        (_, _, Some(email), _) => Some(format!("email:{email}")),
        (Some(name), None, None, None) => Some(Order::name_mark(name)),
        _ => None,
    };
    Ok(OrderQuery {
        state: call.query.text("state").and_then(OrderState::parse),
        number: number.filter(|_| mark.is_none()),
        mark,
        from: call.query.time("from")?,
        to: call.query.time("to")?,
        ..OrderQuery::default()
    })
}

pub(in crate::api) async fn list(call: Call) -> Result<Reply, ApiError> {
    let (_, limit) = call.page();
    let query = OrderQuery {
        before: call.query.number("cursor"),
        limit: limit + 1,
        ..query_of(&call)?
    };
    let mut found = call.app.database.orders(&query).await?;
    let next_cursor = next_cursor(&mut found, limit, |order| order.number.to_string());
    let items = found.iter().map(StaffOrderView::from).collect();
    Reply::fresh(StatusCode::OK, &StaffOrderPage { items, next_cursor })
}

pub(in crate::api) async fn show(call: Call) -> Result<Reply, ApiError> {
    shown(&required(&call).await?)
}

pub(super) fn note_of(note: &str) -> Result<String, ApiError> {
    if note.chars().count() > 500 {
        return Err(wrong_field("/note", "expected at most 500 characters"));
    }
    Ok(note.trim().to_owned())
}

/// The order that staff change, and who does it. Refused without the version that they saw.
pub(super) async fn to_be_changed(call: &Call) -> Result<(Order, String), ApiError> {
    let (_, member) = asker(call)?;
    expected_version(call)?;
    Ok((required(call).await?, member.email.clone()))
}

pub(super) async fn changed(
    call: &Call,
    order: &Order,
    step: &OrderStep,
) -> Result<Reply, ApiError> {
    let expected = expected_version(call)?;
    let database = &call.app.database;
    shown(&database.step_order(&order.id, step, Some(expected)).await?)
}

pub(in crate::api) async fn step(call: Call) -> Result<Reply, ApiError> {
    use OrderState as S;
    let request: StepRequest = body::json(&call)?;
    let note = note_of(&request.note)?;
    let (order, by) = to_be_changed(&call).await?;
    let to = match request.state {
        // Money that is there is owed back.
        S::Cancelled if order.is_paid() => S::RefundDue,
        S::Packed | S::Dispatched | S::Delivered | S::Cancelled | S::Returned => request.state,
        _ => {
            let detail = "expected packed, dispatched, delivered, cancelled or returned";
            return Err(wrong_field("/state", detail));
        }
    };
    let now = call.app.clock.now();
    let checked = order.check_return(to, now);
    checked.map_err(|why| conflict("too_late_to_return", why.to_string()))?;
    let step = OrderStep::to(to, now, by, note);
    changed(&call, &order, &step).await
}
