//! How staff log in, and what is done against whoever guesses: an account is locked after a few wrong tries, and so is an
//! address, so that nobody tries one password on every account.

use std::net::IpAddr;

use crackers_shared::session_cookie::Keys;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{AuditEntry, PASSWORD_BYTES_MAX, StaffAccess, StaffMember, is_password_of};
use crate::commerce::accounts::{Session, Subject};
use crate::commerce::records::{Kept, Stored, Writes};
use crate::database::{Answer, Database, DatabaseError};

/// Wrong tries of one address in [`WINDOW`]; several people may sit behind one.
const TRIES_MAX: u32 = 20;
/// In which [`TRIES_MAX`] are counted.
const WINDOW: SignedDuration = SignedDuration::from_mins(15);
/// Addresses are counted in so many slots, chosen by a keyed hash that nobody outside knows. Records are bounded by that,
/// whatever the number of addresses; that a stranger who guesses shares a slot with staff is as likely as one in so many.
const SLOTS: u32 = 16_384;

/// Somebody who wants in.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// Mail address, in lower case.
    pub email: &'a str,
    /// Password.
    pub password: &'a str,
    /// What is asked for beside it, where that was given.
    pub code: Option<&'a str>,
    /// Where from, where that is known.
    pub address: Option<IpAddr>,
    /// `X-Request-Id`.
    pub request_id: &'a str,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogIn {
    /// A session.
    Begun(Box<StaffMember>, Session),
    /// The password is right; a code is asked for.
    CodeNeeded,
    /// No more is said than that.
    Refused,
    /// The same, and from this address so will every other try be until then.
    Closed(Timestamp),
}

/// Wrong tries from the addresses of one slot.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct AddressTries {
    slot: String,
    failures: u32,
    window_ends: Timestamp,
}

impl Kept for AddressTries {
    const KIND: &'static str = "log_in_tries";

    fn id(&self) -> &str {
        &self.slot
    }

    fn due_at(&self) -> Option<Timestamp> {
        Some(self.window_ends)
    }
}

impl AddressTries {
    /// Until when the address is closed, where it is.
    fn closed_until(&self, at: Timestamp) -> Option<Timestamp> {
        let is_closed = at < self.window_ends && self.failures >= TRIES_MAX;
        is_closed.then_some(self.window_ends)
    }

    /// With one more, in the window that is open or a new one.
    fn and_one(before: Option<&Self>, slot: &str, at: Timestamp) -> Self {
        let open = before.filter(|tries| at < tries.window_ends);
        Self {
            slot: slot.to_owned(),
            failures: open.map_or(0, |tries| tries.failures) + 1,
            window_ends: open.map_or(at + WINDOW, |tries| tries.window_ends),
        }
    }
}

/// Where the tries of an address are counted. Of IPv6 the /64 that one customer has.
pub fn slot_of(keys: &Keys, address: Option<IpAddr>) -> String {
    let network = match address {
        None => "unknown".to_owned(),
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => format!("{:x}", u128::from(address) >> 64),
    };
    let hash = keys.hash("log_in_tries", &network);
    let number = u32::from_str_radix(hash.get(..8).unwrap_or("0"), 16).unwrap_or(0);
    (number % SLOTS).to_string()
}

/// What is said of a try.
enum Judged {
    Right,
    CodeNeeded,
    /// Counted and written down, with these words.
    Wrong(&'static str),
    /// Counted for its address alone: the account is locked or closed, and says so in the log already.
    Ignored,
}

/// Begins a session. Whether mail, password or code is wrong, or the account locked or closed, nobody learns, except that
/// whoever has the right password is asked for the code.
///
/// # Errors
/// What the database fails with.
pub async fn log_in(
    database: &Database,
    keys: &Keys,
    attempt: Attempt<'_>,
    at: Timestamp,
) -> Answer<LogIn> {
    let slot = slot_of(keys, attempt.address);
    let tries = database.get::<AddressTries>(&slot).await?;
    let closed = tries
        .as_ref()
        .and_then(|tries| tries.value.closed_until(at));
    if let Some(until) = closed {
        return Ok(LogIn::Closed(until));
    }
    let key = format!("email:{}", attempt.email);
    let member = database.get_by::<StaffMember>(&key).await?;
    let member = member.map(|found| found.value);
    let is_right = is_password_of(member.clone(), attempt.password).await?;
    let mut access = match &member {
        Some(member) => Some(access_of(database, &member.id).await?),
        None => None,
    };
    let judged = match (&member, &mut access) {
        (Some(member), Some(access)) => {
            judge(keys, member, &mut access.value, is_right, attempt.code, at)
        }
        _ => Judged::Wrong("log-in failed"),
    };
    if let (Judged::CodeNeeded, Some(access)) = (&judged, &access) {
        return match is_latest(database, access, at).await? {
            true => Ok(LogIn::CodeNeeded),
            false => Ok(LogIn::Refused),
        };
    }
    let begun = member
        .filter(|_| matches!(judged, Judged::Right))
        .map(|member| {
            let session = Session::begun(Subject::Staff(member.id.clone()), at);
            (Box::new(member), session)
        });
    let now = AddressTries::and_one(tries.as_ref().map(|tries| &tries.value), &slot, at);
    let closed = now.closed_until(at);
    let mut writes = counted(&attempt, &judged, access.as_ref(), at)?;
    writes = match &begun {
        Some((_, session)) => writes.with(session)?,
        None => writes.put(&Stored {
            version: tries.as_ref().map_or(0, |tries| tries.version),
            value: now,
        })?,
    };
    match database.write_records(&writes, at).await {
        // Tried at the same moment by somebody else: no try goes uncounted.
        Err(DatabaseError::VersionConflict { .. } | DatabaseError::AlreadyExists(_)) => {
            Ok(LogIn::Refused)
        }
        done => done.map(|()| match begun {
            Some((member, session)) => LogIn::Begun(member, session),
            None => closed.map_or(LogIn::Refused, LogIn::Closed),
        }),
    }
}

/// What a try leaves: how the account stands now, and a line of the audit log.
fn counted(
    attempt: &Attempt<'_>,
    judged: &Judged,
    access: Option<&Stored<StaffAccess>>,
    at: Timestamp,
) -> Answer<Writes> {
    let said = match judged {
        Judged::Right => "log-in",
        Judged::Wrong(said) => said,
        Judged::CodeNeeded | Judged::Ignored => return Ok(Writes::default()),
    };
    let mut entry = AuditEntry::new(attempt.email, said.to_owned(), attempt.request_id, at);
    entry.address = attempt.address.map(|address| address.to_string());
    let writes = Writes::default().with(&entry)?;
    match access {
        Some(access) => writes.put(access),
        None => Ok(writes),
    }
}

fn judge(
    keys: &Keys,
    member: &StaffMember,
    access: &mut StaffAccess,
    is_right: bool,
    code: Option<&str>,
    at: Timestamp,
) -> Judged {
    let is_over = member.temporary_until.is_some_and(|until| until <= at);
    if access.is_locked(at) || !member.active {
        return Judged::Ignored;
    }
    if is_right && !is_over {
        match code {
            None if access.has_second_factor() => return Judged::CodeNeeded,
            code if access.takes(keys, code.unwrap_or_default(), at) => {
                access.succeeded();
                return Judged::Right;
            }
            _ => {}
        }
    }
    Judged::Wrong(if access.failed(at) {
        "log-in failed, account locked"
    } else {
        "log-in failed"
    })
}

/// How the log-ins of an account stand; version 0 where nothing is kept of it yet.
pub(super) async fn access_of(database: &Database, id: &str) -> Answer<Stored<StaffAccess>> {
    let found = database.get::<StaffAccess>(id).await?;
    Ok(found.unwrap_or_else(|| Stored {
        version: 0,
        value: StaffAccess::new(id),
    }))
}

/// Whether whoever is logged in knows the password too, before something about the account itself is changed: a stolen
/// session must not be enough. Wrong ones count as at the log-in; a locked account knows none.
///
/// # Errors
/// What the database fails with.
pub async fn is_owner(
    database: &Database,
    member: &StaffMember,
    password: &str,
    at: Timestamp,
) -> Answer<bool> {
    let mut access = access_of(database, &member.id).await?;
    if access.value.is_locked(at) || password.len() > PASSWORD_BYTES_MAX {
        return Ok(false);
    }
    let is_right = is_password_of(Some(member.clone()), password).await?;
    if !is_right {
        access.value.failed(at);
    }
    Ok(is_latest(database, &access, at).await? && is_right)
}

/// Writes down how an account stands after a try, right or wrong: false where another try was looked at meanwhile. Of many
/// at one moment none is told anything that was not counted.
async fn is_latest(
    database: &Database,
    access: &Stored<StaffAccess>,
    at: Timestamp,
) -> Answer<bool> {
    let counted = Writes::default().put(access)?;
    match database.write_records(&counted, at).await {
        Err(DatabaseError::VersionConflict { .. } | DatabaseError::AlreadyExists(_)) => Ok(false),
        done => done.map(|()| true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_closed_after_twenty_wrong_tries_until_its_window_ends() {
        let at = |minute: i64| Timestamp::from_second(minute * 60).unwrap();
        let mut tries = AddressTries::and_one(None, "1", at(0));
        for minute in 1..20 {
            assert_eq!(tries.closed_until(at(minute / 2)), None);
            tries = AddressTries::and_one(Some(&tries), "1", at(minute / 2));
        }
        assert_eq!(tries.closed_until(at(14)), Some(at(15)));
        assert_eq!(tries.closed_until(at(15)), None);
        let anew = AddressTries::and_one(Some(&tries), "1", at(15));
        assert_eq!((anew.failures, anew.window_ends), (1, at(30)));
    }

    #[test]
    fn slots_are_few_and_one_for_all_addresses_of_a_customer() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::read_or_make(&folder.path().join("keys")).unwrap();
        let slot = |text: &str| slot_of(&keys, Some(text.parse().unwrap()));
        assert_eq!(slot("2001:db8::1"), slot("2001:db8::ffff:2"));
        for last in 0..=255_u8 {
            let number: u32 = slot(&format!("10.0.0.{last}")).parse().unwrap();
            assert!(number < SLOTS);
        }
    }
}
