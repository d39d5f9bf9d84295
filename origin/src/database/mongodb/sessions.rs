//! Leases of the one client's sessions.

use bb8::{ManageConnection, Pool};
use mongodb::{Client, ClientSession};

use super::super::settings;
use super::{Answer, Failure};

/// A session, and whether it may be leased again: one whose user was given up in the midst of a transaction may not.
pub(super) struct Lease {
    pub(super) session: ClientSession,
    is_clean: bool,
}

impl Lease {
    /// Says that nothing was left open.
    pub(super) fn mark_clean(&mut self) {
        self.is_clean = true;
    }
}

/// Makes sessions.
pub(super) struct Sessions(Client);

impl ManageConnection for Sessions {
    type Connection = Lease;
    type Error = mongodb::error::Error;

    async fn connect(&self) -> Result<Lease, Self::Error> {
        Ok(Lease {
            session: self.0.start_session().await?,
            is_clean: true,
        })
    }

    /// Called before each lease: from here on it is unclean until its user says otherwise.
    async fn is_valid(&self, lease: &mut Lease) -> Result<(), Self::Error> {
        lease.is_clean = false;
        Ok(())
    }

    fn has_broken(&self, lease: &mut Lease) -> bool {
        !lease.is_clean
    }
}

/// The pool of leases.
pub(super) async fn pool(client: Client, config: &settings::Pool) -> Answer<Pool<Sessions>> {
    let builder = config.builder().test_on_check_out(true);
    let pool = builder.build(Sessions(client)).await;
    Ok(pool.map_err(Failure::from)?)
}
