//! The header names on which the edge and the origin agree. Standard names come from the `http` crate.

use http::HeaderName;

/// How long caches that are not browsers may keep an answer (RFC 9213). Stripped by the edge.
pub const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");

/// What an answer was made of, as a comma-separated list of tags. Stripped by the edge.
pub const CACHE_TAG: HeaderName = HeaderName::from_static("cache-tag");

/// How a cache handled the request (RFC 9211). Written by the edge.
pub const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// The position in the origin's `changes` sequence that an answer is at least as new as. Stripped by the edge.
pub const CHANGES_SEQUENCE: HeaderName = HeaderName::from_static("x-changes-sequence");

/// The origin's resident memory in bytes when it answered. Never stored; stripped by the edge.
pub const MEMORY_USAGE: HeaderName = HeaderName::from_static("x-memory-usage");

/// That the origin that answers will stop, and should get nothing new. Stripped by the edge.
pub const STOPPING: HeaderName = HeaderName::from_static("x-stopping");

/// The id of one request, from the edge to the log lines of the origin and back to the client.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// W3C Trace Context, level 1.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The chain of addresses a request came through.
pub const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The scheme that the client spoke.
pub const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The host that the client asked for.
pub const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The budget that a rate limit leaves (IETF httpapi RateLimit header fields).
pub const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// The rules behind [`RATE_LIMIT`].
pub const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Makes a retried POST safe: the same key gets the same answer.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
