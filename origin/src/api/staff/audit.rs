//! The audit log, as staff read it.

use http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::error::ApiError;
use crate::api::next_cursor;
use crate::api::parameters::{CURSOR, FROM, Kind, LIMIT, Parameter, TO};
use crate::api::response::Reply;
use crate::api::routes::Call;
use crate::api::views::time;
use crate::commerce::staff::{AuditQuery, entries};

/// What the audit log takes.
pub(in crate::api) const LIST: &[Parameter] = &[
    Parameter {
        name: "by",
        kind: Kind::Text(254),
        description: "Only what was done by whoever has this mail address",
    },
    FROM,
    TO,
    CURSOR,
    LIMIT,
];

/// The audit log.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AuditPage {
    /// The newest first.
    pub items: Vec<AuditView>,
    /// What `cursor` the next page has; null on the last one.
    pub next_cursor: Option<String>,
}

/// What somebody did.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AuditView {
    /// When: RFC 3339, UTC.
    pub at: String,
    /// Who; who was tried, for a log-in that failed.
    pub by: String,
    /// Method and path, or what came of a log-in.
    pub action: String,
    /// The request, as the logs name it.
    pub request_id: String,
    /// Where a log-in came from; null for everything else.
    pub address: Option<String>,
}

pub(in crate::api) async fn list(call: Call) -> Result<Reply, ApiError> {
    let (before, limit) = call.page();
    let by = call.query.text("by").map(str::to_ascii_lowercase);
    let query = AuditQuery {
        by: by.as_deref(),
        from: call.query.time("from")?,
        to: call.query.time("to")?,
        before,
        limit: limit + 1,
    };
    let mut found = entries(&call.app.database, &query).await?;
    let next_cursor = next_cursor(&mut found, limit, |entry| entry.id.clone());
    let items = found.into_iter().map(|entry| AuditView {
        at: time(entry.at),
        by: entry.by,
        action: entry.action,
        request_id: entry.request_id,
        address: entry.address,
    });
    let items = items.collect();
    Reply::fresh(StatusCode::OK, &AuditPage { items, next_cursor })
}
