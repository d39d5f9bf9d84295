//! Who may use a route: looked at before its handler runs, the same for every route.

use crackers_shared::session_cookie::{self, CUSTOMER_COOKIE, STAFF_COOKIE};
use http::HeaderMap;
use schemars::JsonSchema;
use serde::Serialize;

use super::error::ApiError;
use super::sessions;
use crate::app::App;
use crate::commerce::accounts::{self, Session, Subject};
use crate::commerce::staff::{Right, StaffMember};

/// What unsafe requests with a session must carry, so that no other site can send them.
pub(super) const CSRF_HEADER: &str = "x-csrf-token";

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Everybody.
    Public,
    /// Whoever is logged in as a customer.
    Customer,
    /// Any member of staff, even one who has to choose a password first.
    Newcomer,
    /// Any member of staff.
    AnyStaff,
    /// Members of staff whose role has this right.
    Staff(Right),
}

/// Who asks.
#[derive(Clone, Debug)]
pub enum Asker {
    /// Nobody that we know, or nobody who needs to be known here.
    Anybody,
    /// A customer.
    Customer(Session),
    /// A member of staff who may do this.
    Staff(Session, Box<StaffMember>),
}

/// What lets a page send unsafe requests.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CsrfView {
    /// The value for the header field `X-CSRF-Token`.
    pub csrf_token: String,
}

/// Lets a request through to its handler.
///
/// # Errors
/// [`ApiError::NotLoggedIn`], [`ApiError::NotPermitted`], or what the database fails with.
pub(super) async fn check(
    app: &App,
    permission: Permission,
    headers: &HeaderMap,
    is_safe: bool,
) -> Result<Asker, ApiError> {
    let right = match permission {
        Permission::Public => return Ok(Asker::Anybody),
        Permission::Customer => {
            let session = of_cookie(app, headers, CUSTOMER_COOKIE).await?;
            let session = session.ok_or(ApiError::NotLoggedIn)?;
            check_csrf(app, headers, &session, is_safe)?;
            return Ok(Asker::Customer(session));
        }
        Permission::Newcomer | Permission::AnyStaff => None,
        Permission::Staff(right) => Some(right),
    };
    let session = of_cookie(app, headers, STAFF_COOKIE).await?;
    let session = session.ok_or(ApiError::NotLoggedIn)?;
    let Subject::Staff(id) = &session.subject else {
        return Err(ApiError::NotLoggedIn);
    };
    let member = app.database.get::<StaffMember>(id).await?;
    let member = member
        .map(|found| found.value)
        .filter(|member| member.active);
    let member = member.ok_or(ApiError::NotLoggedIn)?;
    check_csrf(app, headers, &session, is_safe)?;
    if member.must_choose_password() && permission != Permission::Newcomer {
        return Err(ApiError::NotPermitted(
            "choose a password of your own first",
        ));
    }
    if right.is_some_and(|right| !member.role.has(right)) {
        return Err(ApiError::NotPermitted("your role does not have this right"));
    }
    Ok(Asker::Staff(session, Box::new(member)))
}

/// The customer who asks on a route for everybody, if any.
pub(super) async fn customer(app: &App, headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let session = of_cookie(app, headers, CUSTOMER_COOKIE).await?;
    Ok(session.and_then(|session| match session.subject {
        Subject::Customer(id) => Some(id),
        Subject::Staff(_) => None,
    }))
}

async fn of_cookie(
    app: &App,
    headers: &HeaderMap,
    name: &str,
) -> Result<Option<Session>, ApiError> {
    let Some(value) = session_cookie::value_of(headers, name) else {
        return Ok(None);
    };
    let is_customers = name == CUSTOMER_COOKIE;
    let session = if is_customers {
        sessions::of_customer(app, value).await?
    } else {
        let now = app.clock.now();
        accounts::session(&app.database, &app.session_keys, value, now).await?
    };
    // A staff session in a customer's cookie is nobody's.
    Ok(session.filter(|one| matches!(one.subject, Subject::Customer(_)) == is_customers))
}

fn check_csrf(
    app: &App,
    headers: &HeaderMap,
    session: &Session,
    is_safe: bool,
) -> Result<(), ApiError> {
    let given = headers
        .get(CSRF_HEADER)
        .and_then(|value| value.to_str().ok());
    let is_ours = |token| app.session_keys.is_hash("csrf", &session.id, token);
    if is_safe || given.is_some_and(is_ours) {
        return Ok(());
    }
    Err(ApiError::NotPermitted(
        "X-CSRF-Token must be the csrf_token that came with the log-in",
    ))
}

/// What the pages of a session send with unsafe requests.
pub(super) fn csrf_token(app: &App, session: &Session) -> String {
    app.session_keys.hash("csrf", &session.id)
}

/// The `Set-Cookie` that begins a session.
pub(super) fn cookie_of(app: &App, session: &Session) -> String {
    let lasts = session.expires_at.as_second() - app.clock.now().as_second();
    set_cookie(
        app,
        &session.subject,
        &session.cookie(&app.session_keys),
        lasts,
    )
}

/// The `Set-Cookie` that ends a session.
pub(super) fn cookie_of_none(app: &App, subject: &Subject) -> String {
    set_cookie(app, subject, "", 0)
}

fn set_cookie(app: &App, subject: &Subject, value: &str, seconds: i64) -> String {
    let (name, path) = match subject {
        Subject::Customer(_) => (CUSTOMER_COOKIE, "/"),
        Subject::Staff(_) => (STAFF_COOKIE, "/api/admin"),
    };
    let is_https = app.config.api.public_url.starts_with("https://");
    let secure = if is_https { "; Secure" } else { "" };
    format!("{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
}
