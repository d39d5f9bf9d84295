//! `GET /api/pages/{slug}`: what staff wrote, as blocks of plain text.

use schemars::JsonSchema;
use serde::Serialize;

use super::error::ApiError;
use super::response::Reply;
use super::routes::Call;
use super::views::time;
use crate::commerce::changes::page_tag;
use crate::commerce::pages::{self, Block, Page};

/// A page.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PageView {
    /// Its name in URLs.
    pub slug: String,
    /// Plain text.
    pub title: String,
    /// From top to bottom.
    pub blocks: Vec<Block>,
    /// When staff last wrote it: RFC 3339, UTC; null for the text that comes with the program.
    pub updated_at: Option<String>,
}

impl From<Page> for PageView {
    fn from(page: Page) -> Self {
        Self {
            slug: page.slug,
            title: page.title,
            blocks: page.blocks,
            updated_at: page.updated_at.map(time),
        }
    }
}

pub(super) async fn show(call: Call) -> Result<Reply, ApiError> {
    let app = &call.app;
    let make = async {
        let found = pages::page(&app.database, &call.segment).await?;
        let page = found.ok_or(ApiError::NotFound)?.value;
        let tags = vec![page_tag(&page.slug)];
        Reply::public(&PageView::from(page), tags)
    };
    let key = format!("page\u{1f}{}", call.segment);
    app.answers.get(key, &app.metrics, make).await
}
