//! Pages, as staff write them.

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::expected_version;
use crate::api::body;
use crate::api::error::{ApiError, FieldError};
use crate::api::pages::PageView;
use crate::api::response::Reply;
use crate::api::routes::Call;
use crate::commerce::pages::{Block, Page, SLUGS, page, put_page};
use crate::commerce::records::Stored;

/// What a page says.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PageTerms {
    /// Plain text, 1 to 150 characters.
    pub title: String,
    /// 1 to 200 of them.
    pub blocks: Vec<Block>,
}

/// A page with what only staff see of it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StaffPageView {
    /// As the public sees it.
    #[serde(flatten)]
    pub page: PageView,
    /// What `If-Match` names; 0 for the text that comes with the program.
    pub version: i64,
}

/// All pages.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StaffPages {
    /// In the order of the alphabet.
    pub items: Vec<StaffPageView>,
}

impl From<Stored<Page>> for StaffPageView {
    fn from(stored: Stored<Page>) -> Self {
        Self {
            page: stored.value.into(),
            version: stored.version,
        }
    }
}

fn shown(stored: Stored<Page>) -> Result<Reply, ApiError> {
    let etag = format!("\"{}\"", stored.version);
    let mut reply = Reply::fresh(StatusCode::OK, &StaffPageView::from(stored))?;
    reply.etag = Some(etag);
    Ok(reply)
}

async fn required(call: &Call, slug: &str) -> Result<Stored<Page>, ApiError> {
    let found = page(&call.app.database, slug).await?;
    found.ok_or(ApiError::NotFound)
}

pub(in crate::api) async fn list(call: Call) -> Result<Reply, ApiError> {
    let mut items = Vec::with_capacity(SLUGS.len());
    for slug in SLUGS {
        items.push(StaffPageView::from(required(&call, slug).await?));
    }
    Reply::fresh(StatusCode::OK, &StaffPages { items })
}

pub(in crate::api) async fn show(call: Call) -> Result<Reply, ApiError> {
    shown(required(&call, &call.segment).await?)
}

pub(in crate::api) async fn replace(call: Call) -> Result<Reply, ApiError> {
    let terms: PageTerms = body::json(&call)?;
    let expected = expected_version(&call)?;
    let before = required(&call, &call.segment).await?;
    let at = call.app.clock.now();
    let value = Page {
        slug: before.value.slug,
        title: terms.title,
        blocks: terms.blocks,
        updated_at: Some(at),
    };
    let wrong = value.wrong().into_iter();
    let wrong: Vec<_> = wrong
        .map(|(pointer, detail)| FieldError::at(pointer, "invalid_field", detail))
        .collect();
    if !wrong.is_empty() {
        return Err(ApiError::BadBody(wrong));
    }
    let version = put_page(&call.app.database, &value, expected, at).await?;
    shown(Stored { version, value })
}
