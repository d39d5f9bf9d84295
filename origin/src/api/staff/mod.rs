//! What staff do over the API. Every route names its right in the table; every unsafe request is written to the audit log
//! before it is carried out.

pub mod access;
pub mod audit;
pub mod bulk_price;
pub mod catalogue;
pub mod categories;
pub mod combos;
pub mod coupons;
pub mod customers;
pub mod dashboard;
pub mod enquiries;
pub mod events;
pub mod exports;
pub mod images;
pub mod imports;
pub mod mails;
pub mod members;
pub mod orders;
pub mod pages;
pub mod payments;
pub mod product_list;
pub mod refunds;
pub mod reviews;
pub mod second_factor;
pub mod shop;
pub mod stock;

use crate::api::error::ApiError;
use crate::api::permission::Asker;
use crate::api::routes::Call;
use crate::commerce::accounts::Session;
use crate::commerce::records::Writes;
use crate::commerce::staff::{AuditEntry, StaffMember};

/// Who asks; the route lets nobody but staff through.
fn asker(call: &Call) -> Result<(&Session, &StaffMember), ApiError> {
    match &call.asker {
        Asker::Staff(session, member) => Ok((session, member)),
        Asker::Anybody | Asker::Customer(_) => Err(ApiError::NotLoggedIn),
    }
}

/// Writes down what is about to be done.
pub(in crate::api) async fn write_down(call: &Call, action: String) -> Result<(), ApiError> {
    let (_, member) = asker(call)?;
    let at = call.app.clock.now();
    let entry = AuditEntry::new(&member.email, action, &call.request_id, at);
    let writes = Writes::default().with(&entry)?;
    call.app.database.write_records(&writes, at).await?;
    Ok(())
}

/// The version that `If-Match` names (RFC 9110 13.1.1): what a change was decided on.
fn expected_version(call: &Call) -> Result<i64, ApiError> {
    let value = call.headers.get(http::header::IF_MATCH);
    let text = value.and_then(|value| value.to_str().ok());
    let version = text.ok_or(ApiError::PreconditionRequired)?;
    let version = version.trim().trim_matches('"').parse();
    version
        .map_err(|_| ApiError::BadHeader("If-Match must be the version in quotes, as ETag gave it"))
}
