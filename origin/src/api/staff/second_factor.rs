//! The second factor of a member of staff: switched on with a first code, and off with the password.

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::access::check_owner;
use super::asker;
use crate::api::auth::{Nothing, wrong_field};
use crate::api::body;
use crate::api::error::ApiError;
use crate::api::orders::conflict;
use crate::api::response::Reply;
use crate::api::routes::Call;
use crate::commerce::accounts::{self, Ending};
use crate::commerce::records::{Stored, Writes};
use crate::commerce::staff::StaffAccess;
use crate::commerce::totp;

/// That it is oneself who asks.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordGiven {
    /// One's password.
    pub password: String,
}

/// What an authenticator needs. Shown once.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SecretView {
    /// To be typed where nothing can be scanned: base32.
    pub secret: String,
    /// To be shown as a QR code.
    pub uri: String,
}

/// What the authenticator shows.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FirstCode {
    /// Six digits.
    pub code: String,
}

/// What can be used in place of an authenticator that is lost, each once. Shown once.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RecoveryView {
    /// Ten of them.
    pub recovery_codes: Vec<String>,
}

async fn put(call: &Call, access: &Stored<StaffAccess>) -> Result<(), ApiError> {
    let writes = Writes::default().put(access)?;
    let at = call.app.clock.now();
    Ok(call.app.database.write_records(&writes, at).await?)
}

pub(in crate::api) async fn begin(call: Call) -> Result<Reply, ApiError> {
    let given: PasswordGiven = body::json(&call)?;
    check_owner(&call, "/password", &given.password).await?;
    let (_, member) = asker(&call)?;
    let app = &call.app;
    let mut access = member.access(&app.database).await?;
    let secret = access.value.begin(&app.session_keys).ok_or_else(|| {
        let detail = "A second factor is on already. Switch it off first.".to_owned();
        conflict("second_factor_on", detail)
    })?;
    put(&call, &access).await?;
    let shop = app.shop_settings().await?;
    let issuer = shop.map_or_else(|| "Crackers".to_owned(), |shop| shop.name.clone());
    let view = SecretView {
        secret: totp::text_of(&secret),
        uri: totp::uri(&secret, &issuer, &member.email),
    };
    Reply::fresh(StatusCode::OK, &view)
}

pub(in crate::api) async fn confirm(call: Call) -> Result<Reply, ApiError> {
    let given: FirstCode = body::json(&call)?;
    let (session, member) = asker(&call)?;
    let app = &call.app;
    let (database, at) = (&app.database, app.clock.now());
    let mut access = member.access(database).await?;
    let code = given.code.trim();
    let recovery_codes = access.value.confirm(&app.session_keys, code, at);
    let recovery_codes = recovery_codes.ok_or_else(|| {
        let detail =
            "expected the code that the authenticator shows now, after its secret was asked for";
        wrong_field("/code", detail)
    })?;
    put(&call, &access).await?;
    // Other log-ins have not shown a code.
    let others = Ending::Others(&session.id);
    accounts::end_sessions(database, &session.subject, others, at).await?;
    Reply::fresh(StatusCode::OK, &RecoveryView { recovery_codes })
}

pub(in crate::api) async fn switch_off(call: Call) -> Result<Reply, ApiError> {
    let given: PasswordGiven = body::json(&call)?;
    check_owner(&call, "/password", &given.password).await?;
    let (_, member) = asker(&call)?;
    let mut access = member.access(&call.app.database).await?;
    access.value.switch_off();
    put(&call, &access).await?;
    Reply::fresh(StatusCode::OK, &Nothing {})
}
