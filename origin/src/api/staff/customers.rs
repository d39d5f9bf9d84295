//! Customers, as staff find them.

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::expected_version;
use super::orders::StaffOrderView;
use crate::api::error::{ApiError, FieldError, Place};
use crate::api::parameters::{CURSOR, Kind, LIMIT, Parameter};
use crate::api::response::Reply;
use crate::api::routes::Call;
use crate::api::sessions;
use crate::api::views::time;
use crate::api::{body, next_cursor};
use crate::commerce::accounts::{Customer, Ending, Subject};
use crate::commerce::customers::{page, set_blocked};
use crate::commerce::orders::{Order, OrderQuery};
use crate::commerce::records::Stored;

/// Orders that are shown with a customer; the list of orders has them all.
const ORDERS_SHOWN: u32 = 20;

/// What the list of customers takes.
pub(in crate::api) const LIST: &[Parameter] = &[
    Parameter {
        name: "q",
        kind: Kind::Text(254),
        description: "A mail address or a phone",
    },
    CURSOR,
    LIMIT,
];

/// A page of customers.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CustomerPage {
    /// The newest first.
    pub items: Vec<CustomerView>,
    /// What `cursor` the next page has; null on the last one.
    pub next_cursor: Option<String>,
}

/// A customer.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CustomerView {
    /// Their id.
    pub id: String,
    /// Mail address.
    pub email: String,
    /// Name; empty until told.
    pub name: String,
    /// Ten digits; empty until told.
    pub phone: String,
    /// Since when: RFC 3339, UTC.
    pub created_at: String,
    /// Whether the shop lets them in no more.
    pub blocked: bool,
    /// What `If-Match` names.
    pub version: i64,
}

/// A customer with what they ordered last.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CustomerWithOrders {
    /// The customer.
    #[serde(flatten)]
    pub customer: CustomerView,
    /// The latest 20 of their orders, the newest first.
    pub orders: Vec<StaffOrderView>,
}

/// Whether a customer is let in.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CustomerChange {
    /// true: they are logged out everywhere and cannot log in.
    pub blocked: bool,
}

impl From<&Stored<Customer>> for CustomerView {
    fn from(stored: &Stored<Customer>) -> Self {
        let customer = &stored.value;
        Self {
            id: customer.id.clone(),
            email: customer.email.clone(),
            name: customer.name.clone(),
            phone: customer.phone.clone(),
            created_at: time(customer.created_at),
            blocked: customer.blocked,
            version: stored.version,
        }
    }
}

pub(in crate::api) async fn list(call: Call) -> Result<Reply, ApiError> {
    let (before, limit) = call.page();
    let text = call.query.text("q");
    let found = page(&call.app.database, text, before, limit + 1).await?;
    let mut found = found.ok_or_else(|| {
        ApiError::BadParameters(vec![FieldError {
            place: Place::Parameter("q".to_owned()),
            detail: "expected a mail address or a phone".to_owned(),
            code: "invalid_parameter",
        }])
    })?;
    let next_cursor = next_cursor(&mut found, limit, |one| one.value.id.clone());
    let items = found.iter().map(CustomerView::from).collect();
    Reply::fresh(StatusCode::OK, &CustomerPage { items, next_cursor })
}

async fn required(call: &Call) -> Result<Stored<Customer>, ApiError> {
    let found = call.app.database.get::<Customer>(&call.segment).await?;
    found.ok_or(ApiError::NotFound)
}

async fn shown(call: &Call, customer: &Stored<Customer>) -> Result<Reply, ApiError> {
    let query = OrderQuery {
        mark: Some(Order::customer_mark(&customer.value.id)),
        limit: ORDERS_SHOWN,
        ..OrderQuery::default()
    };
    let orders = call.app.database.orders(&query).await?;
    let view = CustomerWithOrders {
        customer: customer.into(),
        orders: orders.iter().map(StaffOrderView::from).collect(),
    };
    let mut reply = Reply::fresh(StatusCode::OK, &view)?;
    reply.etag = Some(format!("\"{}\"", customer.version));
    Ok(reply)
}

pub(in crate::api) async fn show(call: Call) -> Result<Reply, ApiError> {
    shown(&call, &required(&call).await?).await
}

pub(in crate::api) async fn change(call: Call) -> Result<Reply, ApiError> {
    let change: CustomerChange = body::json(&call)?;
    let expected = expected_version(&call)?;
    let customer = required(&call).await?;
    let (database, at) = (&call.app.database, call.app.clock.now());
    if change.blocked {
        let subject = Subject::Customer(call.segment.clone());
        sessions::mark_ended(&call.app, &subject, Ending::All).await?;
    }
    let changed = set_blocked(database, customer, change.blocked, expected, at).await?;
    shown(&call, &changed).await
}
