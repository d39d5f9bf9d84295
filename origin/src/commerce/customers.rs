//! Customers as staff see them, and those whom the shop serves no more.

use jiff::Timestamp;

use super::accounts::{self, Customer, Ending, Subject};
use super::contact;
use super::records::{Stored, Writes};
use crate::database::{Answer, Database, DatabaseError};

/// One page of customers, the newest first: all, or those with a mail address or a phone. `None` where the text is neither.
///
/// # Errors
/// What the database fails with.
pub async fn page(
    database: &Database,
    text: Option<&str>,
    before: Option<&str>,
    limit: u32,
) -> Answer<Option<Vec<Stored<Customer>>>> {
    let Some(text) = text else {
        return database.list("all", before, limit).await.map(Some);
    };
    if let Some(email) = contact::email(text) {
        let found = database.get_by(&format!("email:{email}")).await?;
        return Ok(Some(found.into_iter().collect()));
    }
    match contact::phone(text) {
        Some(phone) => {
            let key = format!("phone:{phone}");
            database.list(&key, before, limit).await.map(Some)
        }
        None => Ok(None),
    }
}

/// Lets a customer in no more, or again. Whoever is logged in is logged out.
///
/// # Errors
/// [`DatabaseError::VersionConflict`] where the customer is no longer the one that this was decided on, and what else the
/// database fails with.
pub async fn set_blocked(
    database: &Database,
    customer: Stored<Customer>,
    blocked: bool,
    expected_version: i64,
    at: Timestamp,
) -> Answer<Stored<Customer>> {
    let mut customer = customer;
    if customer.version != expected_version {
        return Err(DatabaseError::VersionConflict {
            expected: expected_version,
            actual: customer.version,
        });
    }
    customer.value.blocked = blocked;
    let writes = Writes::default().replace(&customer)?;
    database.write_records(&writes, at).await?;
    customer.version += 1;
    if blocked {
        let subject = Subject::Customer(customer.value.id.clone());
        accounts::end_sessions(database, &subject, Ending::All, at).await?;
    }
    Ok(customer)
}
