//! Customers' log-in with a mailed code, their sessions, themselves and their orders.

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::body;
use super::error::{ApiError, FieldError};
use super::permission::{self, Asker, csrf_token};
use super::response::Reply;
use super::routes::Call;
use super::sessions;
use super::tracking::TrackView;
use super::used_up::Limit;
use super::views::time;
use crate::commerce::accounts::{self, Customer, Ending, Session, Subject};
use crate::commerce::contact;
use crate::commerce::orders::{Order, OrderQuery};
use crate::database::DatabaseError;

/// Who wants a code.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CodeRequest {
    /// Mail address.
    pub email: String,
}

/// That a code is on its way, if the address can get one.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CodeSent {
    /// Seconds that a code is good for.
    pub good_for_seconds: u32,
}

/// A code that came by mail.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CodeGiven {
    /// The address that it came to.
    pub email: String,
    /// Six digits.
    pub code: String,
}

/// Nothing more needs to be said.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// What is changed of oneself.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MePatch {
    /// Name.
    #[serde(default)]
    pub name: Option<String>,
    /// Indian mobile number.
    #[serde(default)]
    pub phone: Option<String>,
}

/// Oneself.
#[derive(Debug, Serialize, JsonSchema)]
pub struct MeView {
    /// Mail address.
    pub email: String,
    /// Name; empty until told.
    pub name: String,
    /// Ten digits; empty until told.
    pub phone: String,
    /// What unsafe requests carry in `X-CSRF-Token`.
    pub csrf_token: String,
}

/// Where one is logged in.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SessionPage {
    /// The newest first.
    pub items: Vec<SessionView>,
}

/// One log-in.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SessionView {
    /// When it began: RFC 3339, UTC.
    pub created_at: String,
    /// When it is over: RFC 3339, UTC.
    pub expires_at: String,
    /// Whether it is the one that asks.
    pub is_this: bool,
}

/// One's orders.
#[derive(Debug, Serialize, JsonSchema)]
pub struct OwnOrderPage {
    /// The newest first.
    pub items: Vec<OwnOrderView>,
    /// What `cursor` the next page has; null on the last one.
    pub next_cursor: Option<String>,
}

/// One's order.
#[derive(Debug, Serialize, JsonSchema)]
pub struct OwnOrderView {
    /// Its id.
    pub id: String,
    /// What follows, pays and cancels it.
    pub tracking_token: String,
    /// How it stands.
    #[serde(flatten)]
    pub order: TrackView,
}

impl From<&Order> for OwnOrderView {
    fn from(order: &Order) -> Self {
        Self {
            id: order.id.clone(),
            tracking_token: order.tracking_token.clone(),
            order: TrackView::from(order),
        }
    }
}

/// A wrong field of a body.
pub(super) fn wrong_field(pointer: &str, detail: &str) -> ApiError {
    ApiError::BadBody(vec![FieldError::at(pointer, "invalid_field", detail)])
}

fn email_of(text: &str) -> Result<String, ApiError> {
    let expected = "expected a mail address such as meena@example.in";
    contact::email(text).ok_or_else(|| wrong_field("/email", expected))
}

pub(super) async fn send_code(call: Call) -> Result<Reply, ApiError> {
    let request: CodeRequest = body::json(&call)?;
    let email = email_of(&request.email)?;
    let (app, limit) = (&call.app, Limit::Codes(&email));
    if !limit.is_used_up(app).await? {
        let shop = app.shop_settings().await?;
        let name = shop.map_or_else(|| "the shop".to_owned(), |shop| shop.name.clone());
        let (database, keys, now) = (&app.database, &app.session_keys, app.clock.now());
        if let Some(until) = accounts::send_code(database, keys, &email, &name, now).await? {
            limit.used_up(app, until).await?;
        }
    }
    // Sent or not, the same is said.
    let good_for_seconds = 600;
    Reply::fresh(StatusCode::ACCEPTED, &CodeSent { good_for_seconds })
}

pub(super) async fn log_in(call: Call) -> Result<Reply, ApiError> {
    let request: CodeGiven = body::json(&call)?;
    let email = email_of(&request.email)?;
    let (app, code) = (&call.app, request.code.trim());
    let now = app.clock.now();
    let begun = accounts::log_in(&app.database, &app.session_keys, &email, code, now).await?;
    let (customer, session) = begun.ok_or(ApiError::Refused {
        status: StatusCode::UNAUTHORIZED,
        code: "wrong_code",
        detail: "This code is wrong, too old or used. Please ask for a new one.".to_owned(),
        fields: Vec::new(),
    })?;
    let mut reply = Reply::fresh(StatusCode::OK, &me_view(&call, customer, &session))?;
    reply.set_cookie = Some(permission::cookie_of(app, &session));
    Ok(reply)
}

fn me_view(call: &Call, customer: Customer, session: &Session) -> MeView {
    MeView {
        email: customer.email,
        name: customer.name,
        phone: customer.phone,
        csrf_token: csrf_token(&call.app, session),
    }
}

/// The session and the customer's id; the route lets nobody else through.
/// Who asks, on a route for customers: the session and the customer's id.
pub(super) fn asker(call: &Call) -> Result<(&Session, &str), ApiError> {
    match &call.asker {
        Asker::Customer(session) => match &session.subject {
            Subject::Customer(id) => Ok((session, id)),
            Subject::Staff(_) => Err(ApiError::NotLoggedIn),
        },
        Asker::Anybody | Asker::Staff(..) => Err(ApiError::NotLoggedIn),
    }
}

pub(super) async fn me(call: Call) -> Result<Reply, ApiError> {
    let (session, id) = asker(&call)?;
    let found = call.app.database.get::<Customer>(id).await?;
    let customer = found.ok_or(ApiError::NotLoggedIn)?.value;
    Reply::fresh(StatusCode::OK, &me_view(&call, customer, session))
}

pub(super) async fn patch_me(call: Call) -> Result<Reply, ApiError> {
    let patch: MePatch = body::json(&call)?;
    let (session, id) = asker(&call)?;
    let name = patch.name.map(|name| name.trim().to_owned());
    if name
        .as_deref()
        .is_some_and(|name| name.chars().count() > 100 || name.chars().any(char::is_control))
    {
        return Err(wrong_field(
            "/name",
            "expected at most 100 characters, no control characters",
        ));
    }
    let wrong_phone = || wrong_field("/phone", "expected an Indian mobile number of ten digits");
    let phone = patch
        .phone
        .map(|phone| contact::phone(&phone).ok_or_else(wrong_phone));
    let phone = phone.transpose()?;
    let now = call.app.clock.now();
    let changed = call
        .app
        .database
        .update::<Customer, DatabaseError>(id, now, |customer| {
            customer.name = name.clone().unwrap_or_else(|| customer.name.clone());
            customer.phone = phone.clone().unwrap_or_else(|| customer.phone.clone());
            Ok(())
        });
    let customer = changed.await?.ok_or(ApiError::NotLoggedIn)?.value;
    Reply::fresh(StatusCode::OK, &me_view(&call, customer, session))
}

pub(super) async fn sessions(call: Call) -> Result<Reply, ApiError> {
    let (session, _) = asker(&call)?;
    let key = session.subject.key();
    let all = call.app.database.list::<Session>(&key, None, 100).await?;
    let items = all.iter().map(|one| SessionView {
        created_at: time(one.value.created_at),
        expires_at: time(one.value.expires_at),
        is_this: one.value.id == session.id,
    });
    let items = items.collect();
    Reply::fresh(StatusCode::OK, &SessionPage { items })
}

pub(super) async fn log_out(call: Call) -> Result<Reply, ApiError> {
    let (session, _) = asker(&call)?;
    end(&call, session, Ending::One(&session.id)).await
}

pub(super) async fn log_out_everywhere(call: Call) -> Result<Reply, ApiError> {
    let (session, _) = asker(&call)?;
    end(&call, session, Ending::All).await
}

/// Ends this session or all of the account's, and takes the cookie away.
pub(super) async fn end(
    call: &Call,
    session: &Session,
    which: Ending<'_>,
) -> Result<Reply, ApiError> {
    let app = &call.app;
    sessions::end(app, &session.subject, which).await?;
    let mut reply = Reply::fresh(StatusCode::OK, &Nothing {})?;
    reply.set_cookie = Some(permission::cookie_of_none(app, &session.subject));
    Ok(reply)
}

pub(super) async fn orders(call: Call) -> Result<Reply, ApiError> {
    let (_, id) = asker(&call)?;
    let (_, limit) = call.page();
    let query = OrderQuery {
        mark: Some(Order::customer_mark(id)),
        before: call.query.number("cursor"),
        limit: limit + 1,
        ..OrderQuery::default()
    };
    let mut found = call.app.database.orders(&query).await?;
    let next_cursor = super::next_cursor(&mut found, limit, |order| order.number.to_string());
    let items = found.iter().map(OwnOrderView::from).collect();
    Reply::fresh(StatusCode::OK, &OwnOrderPage { items, next_cursor })
}

/// The order of the path, if it is the asker's own: another one's is not there.
pub(super) async fn own_order(call: &Call) -> Result<Order, ApiError> {
    let (_, id) = asker(call)?;
    let found = call.app.database.order_by_id(&call.segment).await?;
    let own = found.filter(|order| order.customer_id.as_deref() == Some(id));
    own.ok_or(ApiError::NotFound)
}

pub(super) async fn order(call: Call) -> Result<Reply, ApiError> {
    let own = own_order(&call).await?;
    Reply::fresh(StatusCode::OK, &OwnOrderView::from(&own))
}
