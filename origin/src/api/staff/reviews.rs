//! Reviews, as staff read them before everybody else does.

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{asker, expected_version};
use crate::api::auth::wrong_field;
use crate::api::body;
use crate::api::error::ApiError;
use crate::api::orders::conflict;
use crate::api::parameters::{Kind, Parameter};
use crate::api::response::Reply;
use crate::api::reviews::OwnReviewView;
use crate::api::routes::Call;
use crate::commerce::records::Stored;
use crate::commerce::reviews::{self, Review, ReviewDecision, ReviewState};
use crate::database::DatabaseError;

pub(in crate::api) const LIST: &[Parameter] = &[
    Parameter {
        name: "state",
        kind: Kind::Choice(&["pending", "approved", "rejected"]),
        description: "Where they stand; pending unless said",
    },
    crate::api::parameters::CURSOR,
    crate::api::parameters::LIMIT,
];

/// A page of reviews.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StaffReviewPage {
    /// The newest first.
    pub items: Vec<StaffReviewView>,
    /// Cursor of the next page.
    pub next_cursor: Option<String>,
}

/// A review with what only staff see of it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StaffReviewView {
    /// As its writer sees it.
    #[serde(flatten)]
    pub review: OwnReviewView,
    /// Of which product.
    pub product_id: String,
    /// Who has decided on it; null where nobody has.
    pub decided_by: Option<String>,
    /// What `If-Match` names: a text that was written anew is not decided on unread.
    pub version: i64,
}

/// What is said to a review.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionRequest {
    /// Whether everybody sees it.
    pub decision: ReviewDecision,
    /// Why not, for its writer: 3 to 300 characters, where it is rejected.
    #[serde(default)]
    pub reason: Option<String>,
}

impl From<&Stored<Review>> for StaffReviewView {
    fn from(stored: &Stored<Review>) -> Self {
        Self {
            review: OwnReviewView::from(&stored.value),
            product_id: stored.value.product_id.clone(),
            decided_by: stored.value.decided_by.clone(),
            version: stored.version,
        }
    }
}

pub(in crate::api) async fn list(call: Call) -> Result<Reply, ApiError> {
    let state = call.query.text("state").and_then(ReviewState::parse);
    let state = state.unwrap_or(ReviewState::Pending).as_str();
    let (before, limit) = call.page();
    let database = &call.app.database;
    let mut found = database.list::<Review>(state, before, limit + 1).await?;
    let next_cursor = crate::api::next_cursor(&mut found, limit, |one| one.value.id.clone());
    let items = found.iter().map(StaffReviewView::from).collect();
    Reply::fresh(StatusCode::OK, &StaffReviewPage { items, next_cursor })
}

/// The reason of a decision, which whoever is rejected must get.
fn reason_of(request: &DecisionRequest) -> Result<Option<String>, ApiError> {
    let reason = request.reason.as_deref().map(str::trim);
    let is_good = |text: &&str| {
        (3..=300).contains(&text.chars().count()) && !text.chars().any(char::is_control)
    };
    match (request.decision, reason) {
        (ReviewDecision::Approve, None) => Ok(None),
        (ReviewDecision::Approve, Some(_)) => {
            Err(wrong_field("/reason", "expected none where it is approved"))
        }
        (ReviewDecision::Reject, reason) => reason
            .filter(is_good)
            .map(|text| Some(text.to_owned()))
            .ok_or_else(|| wrong_field("/reason", "expected 3 to 300 characters")),
    }
}

pub(in crate::api) async fn decide(call: Call) -> Result<Reply, ApiError> {
    let request: DecisionRequest = body::json(&call)?;
    let expected = expected_version(&call)?;
    let reason = reason_of(&request)?;
    let (_, member) = asker(&call)?;
    let (database, at) = (&call.app.database, call.app.clock.now());
    let found = database.get::<Review>(&call.segment).await?;
    let mut stored = found.ok_or(ApiError::NotFound)?;
    if stored.version != expected {
        let actual = stored.version;
        return Err(DatabaseError::VersionConflict { expected, actual }.into());
    }
    let change = stored
        .value
        .decided(request.decision, reason, &member.email)
        .map_err(|why| conflict("already_decided", why.to_string()))?;
    reviews::put(database, &stored, change, at).await?;
    stored.version += 1;
    let mut reply = Reply::fresh(StatusCode::OK, &StaffReviewView::from(&stored))?;
    reply.etag = Some(format!("\"{}\"", stored.version));
    Ok(reply)
}
