//! Log-in of staff, staff itself, the audit log, and mails that nobody took.

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::asker;
use crate::api::auth::{self, Nothing, wrong_field};
use crate::api::error::ApiError;
use crate::api::permission::{self, csrf_token};
use crate::api::response::Reply;
use crate::api::routes::Call;
use crate::api::views::time;
use crate::api::{body, next_cursor};
use crate::commerce::accounts::Session;
use crate::commerce::contact;
use crate::commerce::mail::Mail;
use crate::commerce::records::Writes;
use crate::commerce::staff::{self, AuditEntry, Role, StaffMember};

/// A log-in of staff.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// Mail address.
    pub email: String,
    /// Password.
    pub password: String,
}

/// Oneself, as staff.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StaffMeView {
    /// Mail address.
    pub email: String,
    /// Name.
    pub name: String,
    /// What one may do.
    pub role: Role,
    /// What unsafe requests carry in `X-CSRF-Token`.
    pub csrf_token: String,
}

/// A new member of staff.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewStaff {
    /// Mail address.
    pub email: String,
    /// Name, 1 to 100 characters.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// At least 12 characters; to be changed by its owner.
    pub password: String,
}

/// Staff.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StaffPage {
    /// The newest first.
    pub items: Vec<StaffView>,
}

/// A member of staff, without anything secret.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StaffView {
    /// Their id.
    pub id: String,
    /// Mail address.
    pub email: String,
    /// Name.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Whether they may log in.
    pub active: bool,
}

/// The audit log.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AuditPage {
    /// The newest first.
    pub items: Vec<AuditView>,
    /// What `cursor` the next page has; null on the last one.
    pub next_cursor: Option<String>,
}

/// What somebody did.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AuditView {
    /// When: RFC 3339, UTC.
    pub at: String,
    /// Who.
    pub by: String,
    /// Method and path.
    pub action: String,
    /// The request, as the logs name it.
    pub request_id: String,
}

/// Mails that were given up.
#[derive(Debug, Serialize, JsonSchema)]
pub struct MailPage {
    /// The newest first.
    pub items: Vec<MailView>,
    /// What `cursor` the next page has; null on the last one.
    pub next_cursor: Option<String>,
}

/// A mail that nobody took. Its text stays secret: it may hold a code.
#[derive(Debug, Serialize, JsonSchema)]
pub struct MailView {
    /// Its id.
    pub id: String,
    /// Whom it is for.
    pub to: String,
    /// How often it was tried.
    pub failures: u32,
    /// Why it was not taken.
    pub last_error: Option<String>,
}

impl From<StaffMember> for StaffView {
    fn from(member: StaffMember) -> Self {
        Self {
            id: member.id,
            email: member.email,
            name: member.name,
            role: member.role,
            active: member.active,
        }
    }
}

fn me_view(call: &Call, member: &StaffMember, session: &Session) -> StaffMeView {
    StaffMeView {
        email: member.email.clone(),
        name: member.name.clone(),
        role: member.role,
        csrf_token: csrf_token(&call.app, session),
    }
}

pub(in crate::api) async fn log_in(call: Call) -> Result<Reply, ApiError> {
    let given: Credentials = body::json(&call)?;
    let app = &call.app;
    let wrong = || ApiError::Refused {
        status: StatusCode::UNAUTHORIZED,
        code: "wrong_credentials",
        detail: "Mail address or password is wrong, or the account is locked.".to_owned(),
        fields: Vec::new(),
    };
    let email = contact::email(&given.email).ok_or_else(wrong)?;
    if given.password.len() > staff::PASSWORD_BYTES_MAX {
        return Err(wrong());
    }
    let begun = staff::log_in(&app.database, &email, &given.password, app.clock.now()).await?;
    let (member, session) = begun.ok_or_else(wrong)?;
    let mut reply = Reply::fresh(StatusCode::OK, &me_view(&call, &member, &session))?;
    reply.set_cookie = Some(permission::cookie_of(app, &session));
    Ok(reply)
}

pub(in crate::api) async fn log_out(call: Call) -> Result<Reply, ApiError> {
    let (session, _) = asker(&call)?;
    auth::end(&call, session, Some(&session.id)).await
}

pub(in crate::api) async fn me(call: Call) -> Result<Reply, ApiError> {
    let (session, member) = asker(&call)?;
    Reply::fresh(StatusCode::OK, &me_view(&call, member, session))
}

pub(in crate::api) async fn add(call: Call) -> Result<Reply, ApiError> {
    let new: NewStaff = body::json(&call)?;
    let email = contact::email(&new.email);
    let email = email.ok_or_else(|| wrong_field("/email", "expected a mail address"))?;
    let name = new.name.trim();
    if !(1..=100).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(wrong_field("/name", "expected 1 to 100 characters"));
    }
    if !staff::is_acceptable(&new.password) {
        return Err(wrong_field("/password", "expected at least 12 characters"));
    }
    let at = call.app.clock.now();
    let member = StaffMember::new(&email, name, new.role, &new.password, at);
    let writes = Writes::default().with(&member)?;
    call.app.database.write_records(&writes, at).await?;
    Reply::fresh(StatusCode::OK, &StaffView::from(member))
}

pub(in crate::api) async fn list(call: Call) -> Result<Reply, ApiError> {
    let all = call
        .app
        .database
        .list::<StaffMember>("all", None, 1000)
        .await?;
    let items = all.into_iter().map(|one| one.value.into()).collect();
    Reply::fresh(StatusCode::OK, &StaffPage { items })
}

/// Ends somebody's access at once: their sessions are looked up with them.
pub(in crate::api) async fn remove(call: Call) -> Result<Reply, ApiError> {
    let (_, member) = asker(&call)?;
    if member.id == call.segment {
        let detail = "Nobody ends their own access.".to_owned();
        return Err(crate::api::orders::conflict("own_account", detail));
    }
    let at = call.app.clock.now();
    let changed = call
        .app
        .database
        .update::<StaffMember, ApiError>(&call.segment, at, |member| {
            member.active = false;
            Ok(())
        });
    changed.await?.ok_or(ApiError::NotFound)?;
    Reply::fresh(StatusCode::OK, &Nothing {})
}

pub(in crate::api) async fn audit(call: Call) -> Result<Reply, ApiError> {
    let (cursor, limit) = call.page();
    let mut found = call
        .app
        .database
        .list::<AuditEntry>("all", cursor, limit + 1)
        .await?;
    let next_cursor = next_cursor(&mut found, limit, |entry| entry.value.id.clone());
    let items = found.into_iter().map(|entry| AuditView {
        at: time(entry.value.at),
        by: entry.value.by,
        action: entry.value.action,
        request_id: entry.value.request_id,
    });
    let items = items.collect();
    Reply::fresh(StatusCode::OK, &AuditPage { items, next_cursor })
}

pub(in crate::api) async fn mails(call: Call) -> Result<Reply, ApiError> {
    let (cursor, limit) = call.page();
    let mut found = call
        .app
        .database
        .list::<Mail>("given_up", cursor, limit + 1)
        .await?;
    let next_cursor = next_cursor(&mut found, limit, |mail| mail.value.id.clone());
    let items = found.into_iter().map(|mail| MailView {
        id: mail.value.id,
        to: mail.value.to,
        failures: mail.value.failures,
        last_error: mail.value.last_error,
    });
    let items = items.collect();
    Reply::fresh(StatusCode::OK, &MailPage { items, next_cursor })
}

pub(in crate::api) async fn send_again(call: Call) -> Result<Reply, ApiError> {
    let at = call.app.clock.now();
    let changed = call
        .app
        .database
        .update::<Mail, ApiError>(&call.segment, at, |mail| {
            *mail = mail.clone().again(at);
            Ok(())
        });
    changed.await?.ok_or(ApiError::NotFound)?;
    Reply::fresh(StatusCode::OK, &Nothing {})
}
