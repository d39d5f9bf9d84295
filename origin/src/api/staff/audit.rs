//! The audit log, as staff read it.

use http::StatusCode;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::error::{ApiError, FieldError, Place};
use crate::api::next_cursor;
use crate::api::parameters::{Kind, Parameter};
use crate::api::response::Reply;
use crate::api::routes::Call;
use crate::api::views::time;
use crate::commerce::staff::{AuditQuery, entries};

/// From when: of the audit log, and of orders.
pub(in crate::api) const FROM: Parameter = Parameter {
    name: "from",
    kind: Kind::Text(40),
    description: "Only those at or after this time (RFC 3339)",
};
/// Until when.
pub(in crate::api) const TO: Parameter = Parameter {
    name: "to",
    kind: Kind::Text(40),
    description: "Only those before this time (RFC 3339)",
};

/// What the audit log takes.
pub(in crate::api) const LIST: &[Parameter] = &[
    Parameter {
        name: "by",
        kind: Kind::Text(254),
        description: "Only what was done by whoever has this mail address",
    },
    FROM,
    TO,
    Parameter {
        name: "cursor",
        kind: Kind::Text(64),
        description: "next_cursor of the page before",
    },
    Parameter {
        name: "limit",
        kind: Kind::Integer(1, 100),
        description: "Items of a page",
    },
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

/// A time of the query.
///
/// # Errors
/// [`ApiError::BadParameters`] for what is none.
pub(in crate::api) fn time_of(call: &Call, name: &str) -> Result<Option<Timestamp>, ApiError> {
    let parse = |text: &str| {
        text.parse().map_err(|_| {
            ApiError::BadParameters(vec![FieldError {
                place: Place::Parameter(name.to_owned()),
                detail: "expected a time such as 2026-11-08T18:30:00Z".to_owned(),
                code: "invalid_parameter",
            }])
        })
    };
    call.query.text(name).map(parse).transpose()
}

pub(in crate::api) async fn list(call: Call) -> Result<Reply, ApiError> {
    let (before, limit) = call.page();
    let by = call.query.text("by").map(str::to_ascii_lowercase);
    let query = AuditQuery {
        by: by.as_deref(),
        from: time_of(&call, "from")?,
        to: time_of(&call, "to")?,
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
