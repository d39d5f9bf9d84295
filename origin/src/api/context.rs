//! What is known of a request before it is routed: its method, path, query and the ids it is traced by.

use http::{HeaderMap, Method, Request};
use hyper::body::Incoming;

use crackers_shared::{headers, request_id};

/// The ids of a request and what it asks for.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// `X-Request-Id`, the edge's or our own.
    pub request_id: String,
    /// `traceparent`, the edge's or our own.
    pub traceparent: String,
    /// Method.
    pub method: Method,
    /// Path as sent.
    pub path: String,
    /// Query as sent, without the question mark; empty when there is none.
    pub query: String,
}

impl RequestContext {
    /// The context of a request, its headers and its body.
    pub fn of(request: Request<Incoming>) -> (Self, HeaderMap, Incoming) {
        let (parts, body) = request.into_parts();
        let text = |name| {
            parts
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        let context = Self {
            request_id: text(headers::REQUEST_ID)
                .filter(|id| request_id::is_acceptable(id))
                .map_or_else(request_id::generate, str::to_owned),
            traceparent: text(headers::TRACEPARENT)
                .filter(|value| request_id::is_traceparent(value))
                .map_or_else(request_id::generate_traceparent, str::to_owned),
            method: parts.method,
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
        };
        (context, parts.headers, body)
    }
}
