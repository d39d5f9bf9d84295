//! What a route is: a row of the table, the call that its handler gets, the answer that it gives.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, StatusCode};
use schemars::{Schema, SchemaGenerator};

use crackers_shared::headers;

pub use super::table::routes;

use super::error::ApiError;
use super::parameters::{Parameter, Query};
use super::permission::{Asker, Permission};
use super::response::Reply;
use crate::app::App;

/// What a handler gets: the checked request.
pub struct Call {
    /// The running origin.
    pub app: Arc<App>,
    /// Its header fields.
    pub headers: HeaderMap,
    /// Its body, as sent; empty where the route takes none.
    pub body: Bytes,
    /// The part of the path that the pattern leaves open; empty when it leaves none.
    pub segment: String,
    /// The checked query.
    pub query: Query,
    /// Who asks, as far as the route needs to know.
    pub asker: Asker,
    /// `X-Request-Id`.
    pub request_id: String,
}

impl Call {
    /// Where the request comes from, as the edge says: the last of `X-Forwarded-For`, which it writes itself.
    pub(super) fn client_address(&self) -> Option<IpAddr> {
        let fields = self.headers.get_all(headers::FORWARDED_FOR);
        let last = fields.iter().next_back()?.to_str().ok()?;
        last.rsplit(',').next()?.trim().parse().ok()
    }

    /// Where a page begins, and how many items it has.
    pub(super) fn page(&self) -> (Option<&str>, u32) {
        let limit = self.query.number("limit").unwrap_or(24);
        (
            self.query.text("cursor"),
            u32::try_from(limit).unwrap_or(24),
        )
    }
}

/// What a handler gives back.
pub type Answered = BoxFuture<'static, Result<Reply, ApiError>>;

/// Makes the schema of a type.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// One row of the table.
pub struct Route {
    /// Pattern; one segment may stand open in braces.
    pub path: &'static str,
    /// GET (HEAD comes with it) or another one.
    pub method: Method,
    /// Who may use it.
    pub permission: Permission,
    /// For the documentation.
    pub summary: &'static str,
    /// The query it takes; anything else is refused.
    pub parameters: &'static [Parameter],
    /// Schema of the JSON that it takes; none where it takes no body.
    pub body: Option<SchemaOf>,
    /// Whether its body is a picture, which may be larger than any other.
    pub takes_picture: bool,
    /// Whether its body is a sheet (`text/csv`), which may be larger than JSON.
    pub takes_sheet: bool,
    /// Whether it must be sent with an `Idempotency-Key`.
    pub needs_key: bool,
    /// Status of the answer when all went well.
    pub status: StatusCode,
    /// Content type of its answer.
    pub content_type: &'static str,
    /// Schema of its answer, where that is JSON.
    pub schema: Option<SchemaOf>,
    pub(super) handler: fn(Call) -> Answered,
}

/// How the table writes its rows: each begins as one that takes nothing, and says what it takes and gives.
impl Route {
    pub(super) const fn new(
        method: Method,
        path: &'static str,
        permission: Permission,
        summary: &'static str,
        handler: fn(Call) -> Answered,
    ) -> Self {
        Self {
            path,
            method,
            permission,
            summary,
            parameters: &[],
            body: None,
            takes_picture: false,
            takes_sheet: false,
            needs_key: false,
            status: StatusCode::OK,
            content_type: "application/json",
            schema: None,
            handler,
        }
    }

    pub(super) const fn asked_by(mut self, parameters: &'static [Parameter]) -> Self {
        self.parameters = parameters;
        self
    }

    pub(super) const fn takes(mut self, body: SchemaOf) -> Self {
        self.body = Some(body);
        self
    }

    pub(super) const fn takes_picture(mut self) -> Self {
        self.takes_picture = true;
        self
    }

    pub(super) const fn takes_sheet(mut self) -> Self {
        self.takes_sheet = true;
        self
    }

    pub(super) const fn keyed(mut self, needs_key: bool) -> Self {
        self.needs_key = needs_key;
        self
    }

    pub(super) const fn answers(mut self, status: StatusCode, schema: SchemaOf) -> Self {
        self.status = status;
        self.schema = Some(schema);
        self
    }

    pub(super) const fn answers_with(mut self, content_type: &'static str) -> Self {
        self.content_type = content_type;
        self
    }
}
