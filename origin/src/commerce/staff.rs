//! Staff: who they are, how they log in, what their role lets them do.

use argon2::Argon2;
use crackers_shared::request_id::{hexadecimal, random};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::accounts::{Session, Subject};
use super::ids;
use super::records::{Kept, Writes};
use crate::database::{Answer, Database, DatabaseError};

/// The fewest characters of a password.
pub const PASSWORD_CHARACTERS_MIN: usize = 12;
/// The most bytes of a password: hashing is work, and strangers send what they like.
pub const PASSWORD_BYTES_MAX: usize = 1024;
/// Wrong passwords in a row after which an account is locked.
const FAILURES_MAX: u32 = 5;
/// How long it is locked then.
const LOCKED_FOR: SignedDuration = SignedDuration::from_mins(15);

/// Something that staff may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Change products, categories and combos, and see their stock.
    Catalogue,
    /// See orders and take them on.
    Orders,
    /// Say whether money is there, and send it back.
    Payments,
    /// Change how the shop sells.
    Settings,
    /// See the audit log, and mails that nobody took.
    Audit,
    /// Add staff and end their access.
    Staff,
}

/// What a member of staff is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// May do everything.
    SuperAdmin,
    /// May do everything but add staff.
    Admin,
    /// Packs and sends: sees orders and takes them on.
    Moderator,
}

impl Role {
    /// Whether this role has a right. What is not named here is denied.
    pub fn has(self, right: Right) -> bool {
        match self {
            Self::SuperAdmin => true,
            Self::Admin => matches!(
                right,
                Right::Catalogue | Right::Orders | Right::Payments | Right::Settings | Right::Audit
            ),
            Self::Moderator => matches!(right, Right::Orders),
        }
    }
}

/// A member of staff.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct StaffMember {
    /// Begins with the time.
    pub id: String,
    /// In lower case; what they log in with.
    pub email: String,
    /// For people.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Whether they may log in.
    pub active: bool,
    /// Salt and argon2id hash, hexadecimal digits each.
    password: (String, String),
    /// Wrong passwords since the last right one.
    failures: u32,
    /// Until when no password is looked at.
    locked_until: Option<Timestamp>,
}

impl Kept for StaffMember {
    const KIND: &'static str = "staff";

    fn id(&self) -> &str {
        &self.id
    }

    fn keys(&self) -> Vec<String> {
        vec!["all".to_owned()]
    }

    fn unique_keys(&self) -> Vec<String> {
        vec![format!("email:{}", self.email)]
    }
}

/// One thing that a member of staff did.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct AuditEntry {
    /// Begins with the time.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// Mail address of who did it.
    pub by: String,
    /// Method and path.
    pub action: String,
    /// `X-Request-Id`.
    pub request_id: String,
}

impl Kept for AuditEntry {
    const KIND: &'static str = "audit";

    fn id(&self) -> &str {
        &self.id
    }

    fn keys(&self) -> Vec<String> {
        vec!["all".to_owned()]
    }
}

impl StaffMember {
    /// A new member. Hashes the password, which takes tens of milliseconds of work.
    pub fn new(email: &str, name: &str, role: Role, password: &str, at: Timestamp) -> Self {
        Self {
            id: ids::in_order_of_time(at),
            email: email.to_owned(),
            name: name.to_owned(),
            role,
            active: true,
            password: hashed(password),
            failures: 0,
            locked_until: None,
        }
    }

    /// With another password; a lock is lifted.
    pub fn set_password(&mut self, password: &str) {
        self.password = hashed(password);
        self.failures = 0;
        self.locked_until = None;
    }

    fn is_password(&self, password: &str) -> bool {
        let (salt, hash) = &self.password;
        let found = hash_with(salt, password);
        subtle::ConstantTimeEq::ct_eq(found.as_bytes(), hash.as_bytes()).into()
    }
}

/// Whether a password is long enough, and not longer than is hashed.
pub fn is_acceptable(password: &str) -> bool {
    password.chars().count() >= PASSWORD_CHARACTERS_MIN && password.len() <= PASSWORD_BYTES_MAX
}

fn hashed(password: &str) -> (String, String) {
    let salt = hexadecimal(&random::<16>());
    let hash = hash_with(&salt, password);
    (salt, hash)
}

fn hash_with(salt: &str, password: &str) -> String {
    let mut out = [0; 32];
    Argon2::default()
        .hash_password_into(password.as_bytes(), salt.as_bytes(), &mut out)
        .expect("salt and length are those that argon2 takes");
    hexadecimal(&out)
}

/// Begins a session with a password. `None` when mail or password is wrong, or the account is locked or closed: the
/// same work and the same answer each time.
///
/// # Errors
/// What the database fails with.
pub async fn log_in(
    database: &Database,
    email: &str,
    password: &str,
    at: Timestamp,
) -> Answer<Option<(StaffMember, Session)>> {
    let found = database
        .get_by::<StaffMember>(&format!("email:{email}"))
        .await?;
    let judged = found.as_ref().map(|found| found.value.clone());
    let given = password.to_owned();
    let is_right = tokio::task::spawn_blocking(move || match judged {
        Some(member) => member.is_password(&given),
        None => {
            // Whether an account exists must not show in the time it takes.
            let _ = hashed(&given);
            false
        }
    });
    let is_right = is_right
        .await
        .map_err(|error| DatabaseError::Unavailable(error.to_string()))?;
    let Some(mut member) = found else {
        return Ok(None);
    };
    let is_locked = member.value.locked_until.is_some_and(|until| at < until);
    if is_locked || !member.value.active {
        return Ok(None);
    }
    let session = Session::begun(Subject::Staff(member.value.id.clone()), at);
    member.value.failures = if is_right {
        0
    } else {
        member.value.failures + 1
    };
    member.value.locked_until = None;
    if member.value.failures >= FAILURES_MAX {
        member.value.failures = 0;
        member.value.locked_until = Some(at + LOCKED_FOR);
    }
    let mut writes = Writes::default().replace(&member)?;
    if is_right {
        writes = writes.with(&session)?;
    }
    match database.write_records(&writes, at).await {
        // Tried at the same moment by somebody else: no try goes uncounted.
        Err(DatabaseError::VersionConflict { .. }) => Ok(None),
        done => done.map(|()| is_right.then_some((member.value, session))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_by_its_hash_only() {
        let member = StaffMember::new(
            "a@b.in",
            "A",
            Role::Admin,
            "correct horse",
            Timestamp::UNIX_EPOCH,
        );
        assert!(member.is_password("correct horse"));
        assert!(!member.is_password("correct horsf"));
        assert!(!serde_json::to_string(&member).unwrap().contains("horse"));
    }

    #[test]
    fn roles_have_the_rights_that_are_named_and_no_others() {
        assert!(Role::SuperAdmin.has(Right::Staff) && !Role::Admin.has(Right::Staff));
        assert!(Role::Moderator.has(Right::Orders) && !Role::Moderator.has(Right::Payments));
    }

    #[test]
    fn short_and_endless_passwords_are_refused() {
        assert!(is_acceptable("twelve chars"));
        assert!(!is_acceptable("eleven char"));
        assert!(!is_acceptable(&"x".repeat(PASSWORD_BYTES_MAX + 1)));
    }
}
