//! `admin`: the first member of staff is added here, since nobody who is not logged in may add one.

use anyhow::{Context, ensure};
use clap::{Subcommand, ValueEnum};
use jiff::Timestamp;

use crate::commerce::contact;
use crate::commerce::records::Writes;
use crate::commerce::staff::{PASSWORD_CHARACTERS_MIN, Role, StaffMember, is_acceptable};
use crate::config::Config;

/// What can be done with staff.
#[derive(Subcommand)]
pub(super) enum AdminVerb {
    /// Add a member of staff, or give one a new password, lift a lock and switch the second factor off. The password is read
    /// from standard input, one line.
    Create {
        /// Mail address to log in with.
        email: String,
        /// Name.
        #[arg(long, default_value = "Owner")]
        name: String,
        /// What they may do.
        #[arg(long, default_value = "super-admin")]
        role: RoleWord,
    },
}

/// What somebody may do.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum RoleWord {
    /// Everything.
    SuperAdmin,
    /// Everything but staff.
    Admin,
    /// Orders.
    Moderator,
}

impl From<RoleWord> for Role {
    fn from(word: RoleWord) -> Self {
        match word {
            RoleWord::SuperAdmin => Self::SuperAdmin,
            RoleWord::Admin => Self::Admin,
            RoleWord::Moderator => Self::Moderator,
        }
    }
}

pub(super) async fn run(config: &Config, verb: AdminVerb) -> anyhow::Result<()> {
    let AdminVerb::Create { email, name, role } = verb;
    let email = contact::email(&email).with_context(|| format!("{email:?} is no mail address"))?;
    let mut password = String::new();
    std::io::stdin().read_line(&mut password)?;
    let password = password.trim_end_matches(['\r', '\n']);
    ensure!(
        is_acceptable(password),
        "the password, one line on standard input, must have at least {PASSWORD_CHARACTERS_MIN} characters"
    );
    let database = super::open(config).await?;
    let at = Timestamp::now();
    let key = format!("email:{email}");
    let writes = match database.get_by::<StaffMember>(&key).await? {
        Some(mut found) => {
            found.value.set_password(password);
            found.value.active = true;
            found.value.role = role.into();
            let access = found.value.access(&database).await?;
            let writes = Writes::default().replace(&found)?;
            // Whoever has the machine is let in, whatever was guessed or lost before.
            match access.version {
                0 => writes,
                _ => writes.remove(&access),
            }
        }
        None => {
            Writes::default().with(&StaffMember::new(&email, &name, role.into(), password, at))?
        }
    };
    database.write_records(&writes, at).await?;
    println!("{email} may log in");
    Ok(())
}
