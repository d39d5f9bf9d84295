//! What super_admins do with other members of staff.

use jiff::Timestamp;

use super::{StaffAccess, StaffMember};
use crate::commerce::accounts::{self, Ending, Subject};
use crate::commerce::ids;
use crate::commerce::records::{Stored, Writes};
use crate::database::{Answer, Database, DatabaseError};

/// Why a member stays as they are.
#[derive(Debug, thiserror::Error)]
pub enum MemberRefusal {
    /// There is no such member.
    #[error("there is no such member of staff")]
    NotThere,
    /// Nobody changes their own role or access.
    #[error("nobody changes their own role or access")]
    OwnAccount,
    /// Whoever asks is no super_admin any more.
    #[error("you are no super_admin any more")]
    NotPermitted,
    /// The database failed, or somebody else was faster.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Changes a member, who still has `expected_version` where that is given. Ends their sessions where they may no longer log in.
///
/// A super_admin is only ever taken away by another one, whose own record is written in the same step: of two who end each
/// other's access at the same moment one is refused, so that the shop is never left without one.
///
/// # Errors
/// [`MemberRefusal`]: see its variants.
pub async fn change_member(
    database: &Database,
    by: &str,
    id: &str,
    expected_version: Option<i64>,
    at: Timestamp,
    change: impl FnOnce(&mut StaffMember),
) -> Result<Stored<StaffMember>, MemberRefusal> {
    if by == id {
        return Err(MemberRefusal::OwnAccount);
    }
    let found = database.get::<StaffMember>(id).await?;
    let mut member = found.ok_or(MemberRefusal::NotThere)?;
    if let Some(expected) = expected_version.filter(|expected| *expected != member.version) {
        return Err(MemberRefusal::Database(DatabaseError::VersionConflict {
            expected,
            actual: member.version,
        }));
    }
    let was_super_admin = member.value.is_super_admin();
    change(&mut member.value);
    let mut writes = Writes::default().replace(&member)?;
    if was_super_admin && !member.value.is_super_admin() {
        writes = writes.replace(&witness(database, by).await?)?;
    }
    database.write_records(&writes, at).await?;
    member.version += 1;
    if !member.value.active {
        end_all(database, id, at).await?;
    }
    Ok(member)
}

/// The super_admin who takes another one away, as they are now.
async fn witness(database: &Database, by: &str) -> Result<Stored<StaffMember>, MemberRefusal> {
    let found = database.get::<StaffMember>(by).await?;
    let found = found.filter(|found| found.value.is_super_admin());
    found.ok_or(MemberRefusal::NotPermitted)
}

/// Gives a member a password for a day, which is shown to whoever asked and kept nowhere. Ends their sessions, lifts a lock,
/// and with `also_second_factor` asks for no code any more.
///
/// # Errors
/// [`MemberRefusal`]: see its variants.
pub async fn reset_member(
    database: &Database,
    by: &str,
    id: &str,
    also_second_factor: bool,
    at: Timestamp,
) -> Result<String, MemberRefusal> {
    if by == id {
        return Err(MemberRefusal::OwnAccount);
    }
    let found = database.get::<StaffMember>(id).await?;
    let mut member = found.ok_or(MemberRefusal::NotThere)?;
    let password = ids::unguessable();
    let given = password.clone();
    let hashing = tokio::task::spawn_blocking(move || {
        member.value.set_temporary_password(&given, at);
        member
    });
    let stopped = |error: tokio::task::JoinError| DatabaseError::Unavailable(error.to_string());
    let member = hashing.await.map_err(stopped)?;
    let mut access = super::log_in::access_of(database, id).await?;
    access.value.succeeded();
    if also_second_factor {
        access.value.switch_off();
    }
    let writes = Writes::default().replace(&member)?.put(&access)?;
    database.write_records(&writes, at).await?;
    end_all(database, id, at).await?;
    Ok(password)
}

async fn end_all(database: &Database, id: &str, at: Timestamp) -> Answer<()> {
    let subject = Subject::Staff(id.to_owned());
    accounts::end_sessions(database, &subject, Ending::All, at).await
}

impl StaffMember {
    /// How the log-ins of this member stand.
    ///
    /// # Errors
    /// What the database fails with.
    pub async fn access(&self, database: &Database) -> Answer<Stored<StaffAccess>> {
        super::log_in::access_of(database, &self.id).await
    }
}
