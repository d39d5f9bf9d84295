//! Mails that nobody took, and another try.

use http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::auth::Nothing;
use crate::api::error::ApiError;
use crate::api::next_cursor;
use crate::api::response::Reply;
use crate::api::routes::Call;
use crate::commerce::mail::Mail;

/// Mails that were given up.
#[derive(Debug, Serialize, JsonSchema)]
pub struct MailPage {
    /// The newest first.
    pub items: Vec<MailView>,
    /// What `cursor` the next page has; null on the last one.
    pub next_cursor: Option<String>,
}

/// A mail that nobody took. Its text stays secret: it may hold a code.
#[derive(Debug, Serialize, JsonSchema)]
pub struct MailView {
    /// Its id.
    pub id: String,
    /// Whom it is for.
    pub to: String,
    /// How often it was tried.
    pub failures: u32,
    /// Why it was not taken.
    pub last_error: Option<String>,
}

pub(in crate::api) async fn list(call: Call) -> Result<Reply, ApiError> {
    let (cursor, limit) = call.page();
    let mut found = call
        .app
        .database
        .list::<Mail>("given_up", cursor, limit + 1)
        .await?;
    let next_cursor = next_cursor(&mut found, limit, |mail| mail.value.id.clone());
    let items = found.into_iter().map(|mail| MailView {
        id: mail.value.id,
        to: mail.value.to,
        failures: mail.value.failures,
        last_error: mail.value.last_error,
    });
    let items = items.collect();
    Reply::fresh(StatusCode::OK, &MailPage { items, next_cursor })
}

pub(in crate::api) async fn send_again(call: Call) -> Result<Reply, ApiError> {
    let at = call.app.clock.now();
    let changed = call
        .app
        .database
        .update::<Mail, ApiError>(&call.segment, at, |mail| {
            *mail = mail.clone().again(at);
            Ok(())
        });
    changed.await?.ok_or(ApiError::NotFound)?;
    Reply::fresh(StatusCode::OK, &Nothing {})
}
