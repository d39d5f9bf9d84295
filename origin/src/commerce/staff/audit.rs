//! The audit log: what staff did, and who tried to come in.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::commerce::ids;
use crate::commerce::records::{Kept, Stored};
use crate::database::{Answer, Database};

/// One thing that a member of staff did.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct AuditEntry {
    /// Begins with the time.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// Mail address of who did it; of who was tried, for a log-in that failed.
    pub by: String,
    /// Method and path, or what came of a log-in.
    pub action: String,
    /// `X-Request-Id`.
    pub request_id: String,
    /// Where a log-in came from; absent for everything else.
    #[serde(default)]
    pub address: Option<String>,
}

impl Kept for AuditEntry {
    const KIND: &'static str = "audit";

    fn id(&self) -> &str {
        &self.id
    }

    fn keys(&self) -> Vec<String> {
        vec!["all".to_owned(), format!("by:{}", self.by)]
    }
}

impl AuditEntry {
    /// An entry of now.
    pub fn new(by: &str, action: String, request_id: &str, at: Timestamp) -> Self {
        Self {
            id: ids::in_order_of_time(at),
            at,
            by: by.to_owned(),
            action,
            request_id: request_id.to_owned(),
            address: None,
        }
    }
}

/// Which entries, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditQuery<'a> {
    /// Only those of this mail address.
    pub by: Option<&'a str>,
    /// Only those at or after it.
    pub from: Option<Timestamp>,
    /// Only those before it.
    pub to: Option<Timestamp>,
    /// Only those before the one with this id.
    pub before: Option<&'a str>,
    /// At most so many.
    pub limit: u32,
}

/// The entries that a query asks for. Ids begin with the time, so that times are bounds of ids and nothing is read that is
/// not shown.
///
/// # Errors
/// What the database fails with.
pub async fn entries(database: &Database, query: &AuditQuery<'_>) -> Answer<Vec<AuditEntry>> {
    let key = query
        .by
        .map_or_else(|| "all".to_owned(), |by| format!("by:{by}"));
    let to = query.to.map(ids::first_of);
    let before = match (query.before, to.as_deref()) {
        (Some(cursor), Some(to)) => Some(cursor.min(to)),
        (cursor, to) => cursor.or(to),
    };
    let found = database
        .list::<AuditEntry>(&key, before, query.limit)
        .await?;
    let entries = found.into_iter().map(|Stored { value, .. }| value);
    let is_late = |entry: &AuditEntry| query.from.is_none_or(|from| entry.at >= from);
    Ok(entries.take_while(is_late).collect())
}
