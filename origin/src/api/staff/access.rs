//! Log-in and log-out of staff, themselves and their password.

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::asker;
use crate::api::auth::{self, Nothing, wrong_field};
use crate::api::body;
use crate::api::error::ApiError;
use crate::api::permission::{self, csrf_token};
use crate::api::response::Reply;
use crate::api::routes::Call;
use crate::api::used_up::Limit;
use crate::commerce::accounts::{self, Ending, Session};
use crate::commerce::contact;
use crate::commerce::records::Writes;
use crate::commerce::staff::{self, Attempt, LogIn, Role, StaffMember};

/// A log-in of staff.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// Mail address.
    pub email: String,
    /// Password.
    pub password: String,
    /// What the authenticator shows, or a recovery code; only where `second_factor_required` was answered.
    #[serde(default)]
    pub code: Option<String>,
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
    /// Whether nothing else goes before another password is chosen.
    pub must_choose_password: bool,
    /// Whether log-ins ask for a code.
    pub has_second_factor: bool,
    /// What unsafe requests carry in `X-CSRF-Token`.
    pub csrf_token: String,
}

/// Another password for oneself.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    /// The one that was good until now.
    pub old_password: String,
    /// At least 12 characters, and another one.
    pub new_password: String,
}

async fn me_view(
    call: &Call,
    member: &StaffMember,
    session: &Session,
) -> Result<StaffMeView, ApiError> {
    let access = member.access(&call.app.database).await?;
    Ok(StaffMeView {
        email: member.email.clone(),
        name: member.name.clone(),
        role: member.role,
        must_choose_password: member.must_choose_password(),
        has_second_factor: access.value.has_second_factor(),
        csrf_token: csrf_token(&call.app, session),
    })
}

fn unauthorized(code: &'static str, detail: &str) -> ApiError {
    ApiError::Refused {
        status: StatusCode::UNAUTHORIZED,
        code,
        detail: detail.to_owned(),
        fields: Vec::new(),
    }
}

pub(in crate::api) async fn log_in(call: Call) -> Result<Reply, ApiError> {
    let given: Credentials = body::json(&call)?;
    let app = &call.app;
    let wrong = || {
        let detail = "Mail address, password or code is wrong, or the account is locked.";
        unauthorized("wrong_credentials", detail)
    };
    let email = contact::email(&given.email).ok_or_else(wrong)?;
    if given.password.len() > staff::PASSWORD_BYTES_MAX {
        return Err(wrong());
    }
    let attempt = Attempt {
        email: &email,
        password: &given.password,
        code: given.code.as_deref(),
        address: call.client_address(),
        request_id: &call.request_id,
    };
    let come_of_it = tried(&call, attempt).await?;
    let outcome = match &come_of_it {
        LogIn::Begun(..) => "begun",
        LogIn::CodeNeeded => "code_needed",
        LogIn::Refused | LogIn::Closed(_) => "refused",
    };
    let counted = app.metrics.staff_log_ins.with_label_values(&[outcome]);
    counted.inc();
    let (member, session) = match come_of_it {
        LogIn::Begun(member, session) => (member, session),
        LogIn::CodeNeeded => {
            let detail = "Please send the code that your authenticator shows, too.";
            return Err(unauthorized("second_factor_required", detail));
        }
        LogIn::Refused | LogIn::Closed(_) => return Err(wrong()),
    };
    let mut reply = Reply::fresh(StatusCode::OK, &me_view(&call, &member, &session).await?)?;
    reply.set_cookie = Some(permission::cookie_of(app, &session));
    Ok(reply)
}

/// What comes of a try, unless its address is known to be closed.
async fn tried(call: &Call, attempt: Attempt<'_>) -> Result<LogIn, ApiError> {
    let (app, keys) = (&call.app, &call.app.session_keys);
    let slot = staff::slot_of(keys, attempt.address);
    let limit = Limit::LogIns(&slot);
    if limit.is_used_up(app).await? {
        return Ok(LogIn::Refused);
    }
    let come_of_it = staff::log_in(&app.database, keys, attempt, app.clock.now()).await?;
    if let LogIn::Closed(until) = come_of_it {
        limit.used_up(app, until).await?;
    }
    Ok(come_of_it)
}

pub(in crate::api) async fn log_out(call: Call) -> Result<Reply, ApiError> {
    let (session, _) = asker(&call)?;
    auth::end(&call, session, Ending::One(&session.id)).await
}

pub(in crate::api) async fn me(call: Call) -> Result<Reply, ApiError> {
    let (session, member) = asker(&call)?;
    Reply::fresh(StatusCode::OK, &me_view(&call, member, session).await?)
}

/// Refuses whoever does not know the password of the account that they are logged in to.
pub(super) async fn check_owner(
    call: &Call,
    pointer: &str,
    password: &str,
) -> Result<(), ApiError> {
    let (_, member) = asker(call)?;
    let app = &call.app;
    if staff::is_owner(&app.database, member, password, app.clock.now()).await? {
        return Ok(());
    }
    Err(wrong_field(
        pointer,
        "this is not your password, or the account is locked",
    ))
}

pub(in crate::api) async fn change_password(call: Call) -> Result<Reply, ApiError> {
    let change: PasswordChange = body::json(&call)?;
    let (session, member) = asker(&call)?;
    let new = change.new_password;
    if !staff::is_acceptable(&new) || new == change.old_password {
        let detail = "expected at least 12 characters, and another password than before";
        return Err(wrong_field("/new_password", detail));
    }
    check_owner(&call, "/old_password", &change.old_password).await?;
    let (database, at) = (&call.app.database, call.app.clock.now());
    let found = database.get::<StaffMember>(&member.id).await?;
    let mut found = found.ok_or(ApiError::NotLoggedIn)?;
    found.value = with_password(found.value, new).await?;
    let writes = Writes::default().replace(&found)?;
    database.write_records(&writes, at).await?;
    // Whoever else is logged in may be why it was changed.
    let others = Ending::Others(&session.id);
    accounts::end_sessions(database, &session.subject, others, at).await?;
    Reply::fresh(StatusCode::OK, &Nothing {})
}

/// Hashes away from the runtime's threads.
async fn with_password(mut member: StaffMember, password: String) -> Result<StaffMember, ApiError> {
    let hashing = tokio::task::spawn_blocking(move || {
        member.set_password(&password);
        member
    });
    hashing
        .await
        .map_err(|error| ApiError::internal(error.to_string()))
}
