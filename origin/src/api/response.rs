//! Answers: what a handler gives back, and how it becomes HTTP with the headers that every answer carries.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use http_body_util::{Either, Full, StreamBody};
use hyper::body::Frame;
use serde::Serialize;

use crackers_shared::{headers, memory};

use super::context::RequestContext;
use super::error::ApiError;
use crate::accept::{Body, Broken, Frames};
use crate::app::App;
use crate::commerce::changes::CATALOGUE;

/// How long others may keep an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caching {
    /// Public, kept by the edge, purged by tag.
    Public,
    /// A file whose name changes with its content: one year.
    Immutable,
    /// A public file whose name stays: browsers and edge keep it so many seconds.
    File(u32),
    /// Never kept.
    Never,
}

/// Makes a body part by part: begun for each answer that is sent, not for a HEAD.
#[derive(Clone)]
pub struct Streamed(Arc<dyn Fn() -> Frames + Send + Sync>);

impl Streamed {
    /// A body of these parts.
    pub fn new<S>(begin: impl Fn() -> S + Send + Sync + 'static) -> Self
    where
        S: Stream<Item = Result<Bytes, Broken>> + Send + 'static,
    {
        Self(Arc::new(move || begin().map_ok(Frame::data).boxed()))
    }
}

impl std::fmt::Debug for Streamed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Streamed")
    }
}

/// An answer of a handler. Cheap to clone: it is what memory keeps.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Status.
    pub status: StatusCode,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
    /// What makes the body while it is sent, where it is too large to be held whole, or has no end; `body` is empty then.
    pub stream: Option<Streamed>,
    /// How long others may keep it.
    pub caching: Caching,
    /// What it was made of.
    pub tags: Arc<[String]>,
    /// Strong entity tag, with its quotes; absent where the answer is made anew each time.
    pub etag: Option<String>,
    /// A cookie that it sets.
    pub set_cookie: Option<String>,
    /// Under which name it is saved; absent where it is shown.
    pub file_name: Option<String>,
    /// The `changes` sequence that it is at least as new as.
    pub sequence: i64,
}

impl Reply {
    /// A public JSON answer made of `tags`; every one is part of the catalogue too.
    ///
    /// # Errors
    /// [`ApiError::Internal`] when the value cannot be written as JSON.
    pub fn public(value: &impl Serialize, tags: Vec<String>) -> Result<Self, ApiError> {
        let body =
            serde_json::to_vec(value).map_err(|error| ApiError::internal(error.to_string()))?;
        Ok(Self::public_body("application/json", body.into(), tags))
    }

    /// A public answer of any type.
    pub fn public_body(content_type: &'static str, body: Bytes, mut tags: Vec<String>) -> Self {
        tags.push(CATALOGUE.to_owned());
        Self {
            status: StatusCode::OK,
            content_type,
            etag: Some(etag_of(&body)),
            body,
            stream: None,
            caching: Caching::Public,
            tags: tags.into(),
            set_cookie: None,
            file_name: None,
            sequence: 0,
        }
    }

    /// What nobody keeps.
    fn never_kept(content_type: &'static str, body: Bytes) -> Self {
        Self {
            status: StatusCode::OK,
            content_type,
            body,
            stream: None,
            caching: Caching::Never,
            tags: Arc::new([]),
            etag: None,
            set_cookie: None,
            file_name: None,
            sequence: 0,
        }
    }

    /// A file that nobody keeps, saved under a name.
    pub fn file(content_type: &'static str, file_name: String, body: Bytes) -> Self {
        Self {
            file_name: Some(file_name),
            ..Self::never_kept(content_type, body)
        }
    }

    /// A file that nobody keeps, made while it is sent, and saved under a name.
    pub fn streamed(content_type: &'static str, file_name: String, stream: Streamed) -> Self {
        Self {
            stream: Some(stream),
            ..Self::file(content_type, file_name, Bytes::new())
        }
    }

    /// Live events, which nobody keeps.
    pub fn events(stream: Streamed) -> Self {
        Self {
            stream: Some(stream),
            ..Self::never_kept("text/event-stream", Bytes::new())
        }
    }

    /// A JSON answer that nobody keeps.
    ///
    /// # Errors
    /// [`ApiError::Internal`] when the value cannot be written as JSON.
    pub fn fresh(status: StatusCode, value: &impl Serialize) -> Result<Self, ApiError> {
        let body =
            serde_json::to_vec(value).map_err(|error| ApiError::internal(error.to_string()))?;
        Ok(Self {
            status,
            ..Self::never_kept("application/json", body.into())
        })
    }
}

/// A strong entity tag from the content: the same bytes have the same tag on every origin and after every restart.
pub fn etag_of(body: &[u8]) -> String {
    // FNV-1a, 128 bits: fixed by its definition, unlike the standard library's hasher.
    let mut hash = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128;
    for byte in body {
        hash = (hash ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    }
    format!("\"{hash:032x}\"")
}

/// Turns a reply into HTTP: conditional requests, HEAD, caching headers, ids.
pub fn finish(
    app: &App,
    context: &RequestContext,
    request: &HeaderMap,
    reply: Reply,
) -> Response<Body> {
    let unchanged = reply.status == StatusCode::OK
        && reply
            .etag
            .as_deref()
            .is_some_and(|etag| matches(request, etag));
    let status = if unchanged {
        StatusCode::NOT_MODIFIED
    } else {
        reply.status
    };
    let length = reply.body.len();
    let bare = unchanged || context.method == Method::HEAD;
    let mut response = Response::new(match &reply.stream {
        _ if bare => whole(Bytes::new()),
        None => whole(reply.body),
        Some(Streamed(begin)) => Either::Right(StreamBody::new(begin())),
    });
    *response.status_mut() = status;
    let out = response.headers_mut();
    if !unchanged {
        out.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(reply.content_type),
        );
        if context.method == Method::HEAD && reply.stream.is_none() {
            out.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
    }
    if let Some(etag) = &reply.etag {
        put(out, header::ETAG, etag);
    }
    put_caching(app, out, reply.caching);
    if let Some(cookie) = &reply.set_cookie {
        put(out, header::SET_COOKIE, cookie);
    }
    if let Some(name) = &reply.file_name {
        let value = format!("attachment; filename=\"{name}\"");
        put(out, header::CONTENT_DISPOSITION, &value);
    }
    if !reply.tags.is_empty() {
        put(out, headers::CACHE_TAG, &reply.tags.join(", "));
        out.insert(headers::CHANGES_SEQUENCE, HeaderValue::from(reply.sequence));
    }
    put_always(out, context);
    response
}

fn whole(body: Bytes) -> Body {
    Either::Left(Full::new(body))
}

/// The answer to a request that failed; the one place where failures are logged.
pub fn failure(app: &App, context: &RequestContext, error: &ApiError) -> Response<Body> {
    let (status, code) = error.status_and_code();
    // Read-only is what staff want: nobody has to act.
    if status.is_server_error() && !matches!(error, ApiError::ReadOnly) {
        tracing::error!(request_id = %context.request_id, path = %context.path, code, %error, "a request failed");
    }
    let problem = error.problem(&context.request_id);
    let body = Bytes::from(serde_json::to_vec(&problem).unwrap_or_default());
    let mut response = Response::new(whole(body));
    *response.status_mut() = status;
    let out = response.headers_mut();
    out.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    put_caching(app, out, Caching::Never);
    if let ApiError::MethodNotAllowed(allow) = error {
        put(out, header::ALLOW, allow);
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        out.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    put_always(out, context);
    response
}

fn put_caching(app: &App, out: &mut HeaderMap, caching: Caching) {
    let config = &app.config.api;
    match caching {
        Caching::Public => {
            put(out, header::CACHE_CONTROL, "public, no-cache");
            let for_edge = format!(
                "max-age={}, stale-while-revalidate={}, stale-if-error={}",
                config.cache_ttl_seconds,
                config.stale_while_revalidate_seconds,
                config.stale_if_error_seconds
            );
            put(out, headers::CDN_CACHE_CONTROL, &for_edge);
        }
        Caching::Immutable => {
            put(
                out,
                header::CACHE_CONTROL,
                "public, max-age=31536000, immutable",
            );
        }
        Caching::File(seconds) => {
            put(
                out,
                header::CACHE_CONTROL,
                &format!("public, max-age={seconds}"),
            );
        }
        Caching::Never => put(out, header::CACHE_CONTROL, "private, no-store"),
    }
}

fn put_always(out: &mut HeaderMap, context: &RequestContext) {
    put(out, headers::REQUEST_ID, &context.request_id);
    out.insert(
        headers::MEMORY_USAGE,
        HeaderValue::from(memory::resident_bytes()),
    );
    out.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
}

fn put(out: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        out.insert(name, value);
    }
}

/// Whether `If-None-Match` names this entity tag (weak comparison, RFC 9110 13.1.2).
fn matches(request: &HeaderMap, etag: &str) -> bool {
    request
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .map(|one| one.trim().trim_start_matches("W/"))
        .any(|one| one == "*" || one == etag)
}
