//! Members of staff, as a super_admin sees and changes them. Nothing secret is ever listed.

use std::collections::BTreeMap;

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{asker, expected_version};
use crate::api::auth::{Nothing, wrong_field};
use crate::api::body;
use crate::api::error::ApiError;
use crate::api::orders::conflict;
use crate::api::response::Reply;
use crate::api::routes::Call;
use crate::commerce::contact;
use crate::commerce::records::{Stored, Writes};
use crate::commerce::staff::{
    self, MemberRefusal, Role, StaffAccess, StaffMember, change_member, reset_member,
};

/// Members that are listed: a shop has a handful.
const MEMBERS_MAX: u32 = 1000;

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

/// What is changed of a member; what is left out stays.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StaffChange {
    /// Name, 1 to 100 characters.
    #[serde(default)]
    pub name: Option<String>,
    /// What they may do.
    #[serde(default)]
    pub role: Option<Role>,
    /// Whether they may log in; ending it ends their sessions.
    #[serde(default)]
    pub active: Option<bool>,
}

/// What is reset.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetRequest {
    /// Whether log-ins ask for no code any more, because the authenticator is lost.
    #[serde(default)]
    pub also_second_factor: bool,
}

/// A password for a day. Shown once.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TemporaryPassword {
    /// Good for nothing but choosing another one.
    pub temporary_password: String,
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
    /// Whether they have to choose a password first.
    pub must_choose_password: bool,
    /// Whether their log-ins ask for a code.
    pub has_second_factor: bool,
    /// Whether too many wrong passwords keep them out for a while.
    pub locked: bool,
    /// What `If-Match` names.
    pub version: i64,
}

fn view(call: &Call, member: &Stored<StaffMember>, access: Option<&StaffAccess>) -> StaffView {
    let at = call.app.clock.now();
    let value = &member.value;
    StaffView {
        id: value.id.clone(),
        email: value.email.clone(),
        name: value.name.clone(),
        role: value.role,
        active: value.active,
        must_choose_password: value.must_choose_password(),
        has_second_factor: access.is_some_and(StaffAccess::has_second_factor),
        locked: access.is_some_and(|access| access.is_locked(at)),
        version: member.version,
    }
}

fn shown(
    call: &Call,
    member: &Stored<StaffMember>,
    access: &StaffAccess,
) -> Result<Reply, ApiError> {
    let mut reply = Reply::fresh(StatusCode::OK, &view(call, member, Some(access)))?;
    reply.etag = Some(format!("\"{}\"", member.version));
    Ok(reply)
}

fn name_of(name: &str) -> Result<String, ApiError> {
    let name = name.trim();
    if (1..=100).contains(&name.chars().count()) && !name.chars().any(char::is_control) {
        return Ok(name.to_owned());
    }
    Err(wrong_field("/name", "expected 1 to 100 characters"))
}

impl From<MemberRefusal> for ApiError {
    fn from(refusal: MemberRefusal) -> Self {
        match refusal {
            MemberRefusal::NotThere => Self::NotFound,
            MemberRefusal::OwnAccount => {
                let detail = "Nobody changes their own role or access.".to_owned();
                conflict("own_account", detail)
            }
            MemberRefusal::NotPermitted => Self::NotPermitted("you are no super_admin any more"),
            MemberRefusal::Database(error) => error.into(),
        }
    }
}

pub(in crate::api) async fn add(call: Call) -> Result<Reply, ApiError> {
    let new: NewStaff = body::json(&call)?;
    let email = contact::email(&new.email);
    let email = email.ok_or_else(|| wrong_field("/email", "expected a mail address"))?;
    let name = name_of(&new.name)?;
    if !staff::is_acceptable(&new.password) {
        return Err(wrong_field("/password", "expected at least 12 characters"));
    }
    let at = call.app.clock.now();
    let hashing = tokio::task::spawn_blocking(move || {
        StaffMember::new(&email, &name, new.role, &new.password, at)
    });
    let member = hashing
        .await
        .map_err(|error| ApiError::internal(error.to_string()))?;
    let writes = Writes::default().with(&member)?;
    call.app.database.write_records(&writes, at).await?;
    let access = StaffAccess::new(&member.id);
    let stored = Stored {
        version: 1,
        value: member,
    };
    shown(&call, &stored, &access)
}

pub(in crate::api) async fn list(call: Call) -> Result<Reply, ApiError> {
    let database = &call.app.database;
    let all = database.list::<StaffMember>("all", None, MEMBERS_MAX);
    let all = all.await?;
    let known = database.list::<StaffAccess>("all", None, MEMBERS_MAX);
    let known: BTreeMap<_, _> = known
        .await?
        .into_iter()
        .map(|one| (one.value.id.clone(), one.value))
        .collect();
    let items = all
        .iter()
        .map(|one| view(&call, one, known.get(&one.value.id)));
    let items = items.collect();
    Reply::fresh(StatusCode::OK, &StaffPage { items })
}

pub(in crate::api) async fn show(call: Call) -> Result<Reply, ApiError> {
    let database = &call.app.database;
    let found = database.get::<StaffMember>(&call.segment).await?;
    let found = found.ok_or(ApiError::NotFound)?;
    let access = found.value.access(database).await?;
    shown(&call, &found, &access.value)
}

pub(in crate::api) async fn change(call: Call) -> Result<Reply, ApiError> {
    let change: StaffChange = body::json(&call)?;
    let expected = expected_version(&call)?;
    let name = change.name.as_deref().map(name_of).transpose()?;
    let (_, by) = asker(&call)?;
    let (database, at) = (&call.app.database, call.app.clock.now());
    let apply = |member: &mut StaffMember| {
        if let Some(name) = name {
            member.name = name;
        }
        member.role = change.role.unwrap_or(member.role);
        member.active = change.active.unwrap_or(member.active);
    };
    let changed = change_member(database, &by.id, &call.segment, Some(expected), at, apply);
    let changed = changed.await?;
    let access = changed.value.access(database).await?;
    shown(&call, &changed, &access.value)
}

/// Ends somebody's access at once: their sessions are looked up with them.
pub(in crate::api) async fn remove(call: Call) -> Result<Reply, ApiError> {
    let expected = expected_version(&call)?;
    let (_, by) = asker(&call)?;
    let (database, at) = (&call.app.database, call.app.clock.now());
    let end = |member: &mut StaffMember| member.active = false;
    change_member(database, &by.id, &call.segment, Some(expected), at, end).await?;
    Reply::fresh(StatusCode::OK, &Nothing {})
}

pub(in crate::api) async fn reset(call: Call) -> Result<Reply, ApiError> {
    let request: ResetRequest = body::json(&call)?;
    let (_, by) = asker(&call)?;
    let (database, at) = (&call.app.database, call.app.clock.now());
    let also = request.also_second_factor;
    let temporary_password = reset_member(database, &by.id, &call.segment, also, at).await?;
    Reply::fresh(StatusCode::OK, &TemporaryPassword { temporary_password })
}
