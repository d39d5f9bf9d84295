//! Staff: who they are, how they log in, what their role lets them do.

mod access;
mod audit;
mod log_in;
mod members;

use argon2::Argon2;
use crackers_shared::request_id::{hexadecimal, random};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids;
use super::records::Kept;
use crate::database::{Answer, DatabaseError};

pub use access::{SecondFactor, StaffAccess};
pub use audit::{AuditEntry, AuditQuery, entries};
pub use log_in::{AddressTries, Attempt, LogIn, is_owner, log_in, slot_of};
pub use members::{MemberRefusal, change_member, reset_member};

/// The fewest characters of a password.
pub const PASSWORD_CHARACTERS_MIN: usize = 12;
/// The most bytes of a password: hashing is work, and strangers send what they like.
pub const PASSWORD_BYTES_MAX: usize = 1024;
/// How long a password that a super_admin gave is good for.
const TEMPORARY_LASTS: SignedDuration = SignedDuration::from_hours(24);

/// Something that staff may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Change products, categories and combos, and see their stock.
    Catalogue,
    /// See orders and take them on.
    Orders,
    /// Say whether money is there, and send it back.
    Payments,
    /// Say which reviews everybody sees.
    Reviews,
    /// Change how the shop sells.
    Settings,
    /// See the audit log, and mails that nobody took.
    Audit,
    /// Take orders and products out of the shop as files.
    Export,
    /// See customers, and let them in no more.
    Customers,
    /// See what was sold.
    Dashboard,
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
    /// Packs and sends: sees orders and takes them on, and says which reviews everybody sees.
    Moderator,
}

impl Role {
    /// Whether this role has a right. What is not named here is denied.
    pub fn has(self, right: Right) -> bool {
        match self {
            Self::SuperAdmin => true,
            Self::Admin => matches!(
                right,
                Right::Catalogue
                    | Right::Orders
                    | Right::Payments
                    | Right::Reviews
                    | Right::Settings
                    | Right::Audit
                    | Right::Export
                    | Right::Customers
                    | Right::Dashboard
            ),
            Self::Moderator => matches!(right, Right::Orders | Right::Reviews),
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
    /// Until when a password is good that somebody else gave; none once its owner has chosen one.
    #[serde(default)]
    temporary_until: Option<Timestamp>,
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
            temporary_until: None,
        }
    }

    /// With a password that its owner has chosen.
    pub fn set_password(&mut self, password: &str) {
        self.password = hashed(password);
        self.temporary_until = None;
    }

    /// With a password that somebody else has made, good for a day, and for nothing but choosing another one.
    pub fn set_temporary_password(&mut self, password: &str, at: Timestamp) {
        self.password = hashed(password);
        self.temporary_until = Some(at + TEMPORARY_LASTS);
    }

    /// Whether its owner has to choose a password before anything else.
    pub fn must_choose_password(&self) -> bool {
        self.temporary_until.is_some()
    }

    /// Whether nobody may end their access without another one who may do the same.
    pub fn is_super_admin(&self) -> bool {
        self.active && self.role == Role::SuperAdmin
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

/// Hashes and compares away from the runtime's threads. Without a member the work is the same: whether an account
/// exists must not show in the time it takes.
async fn is_password_of(member: Option<StaffMember>, password: &str) -> Answer<bool> {
    let given = password.to_owned();
    let compared = tokio::task::spawn_blocking(move || match member {
        Some(member) => member.is_password(&given),
        None => {
            let _ = hashed(&given);
            false
        }
    });
    let failed = |error: tokio::task::JoinError| DatabaseError::Unavailable(error.to_string());
    compared.await.map_err(failed)
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
        assert!(Role::Admin.has(Right::Export) && !Role::Moderator.has(Right::Export));
    }

    #[test]
    fn short_and_endless_passwords_are_refused() {
        assert!(is_acceptable("twelve chars"));
        assert!(!is_acceptable("eleven char"));
        assert!(!is_acceptable(&"x".repeat(PASSWORD_BYTES_MAX + 1)));
    }
}
