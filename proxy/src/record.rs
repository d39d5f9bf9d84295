//! What is counted and written of a request at its end, whichever way it was answered.

use std::time::Duration;

use http::request::Parts;

use crate::context::Context;
use crate::edge::Edge;
use crate::request;
use crate::telemetry::access_log::Line;
use crate::telemetry::traces::Span;

/// What a request said of itself; empty where it could not be read.
#[derive(Debug)]
pub struct Said<'a> {
    /// Its method.
    pub method: &'a str,
    /// The host that it asked for.
    pub host: &'a str,
    /// Its path without the query.
    pub path: &'a str,
}

/// Counts a request and writes its line.
pub fn record(edge: &Edge, request: &Parts, context: &Context, status: u16, bytes: usize) {
    let said = Said {
        method: request.method.as_str(),
        host: request::host(request),
        path: request.uri.path(),
    };
    record_said(edge, &said, context, status, bytes);
}

/// The same of a request of which perhaps not everything is known.
pub fn record_said(edge: &Edge, said: &Said<'_>, context: &Context, status: u16, bytes: usize) {
    let now = edge.clock.now_microseconds();
    let duration_us = now - context.begun;
    let took = Duration::from_micros(u64::try_from(duration_us).unwrap_or(0));
    let by_origin = context.attempts.last().is_some();
    edge.metrics
        .requests
        .count(said.method, status, took, by_origin);
    if let Some(traced) = &context.traced {
        edge.traces.end(&Span {
            traceparent: &context.traceparent,
            traced,
            lasted: (context.begun, now),
            origin: context.attempts.last(),
            method: said.method,
            scheme: context.arrival.scheme(),
            host: said.host,
            path: said.path,
            status,
            cache: context.cache_status.as_deref(),
            request_id: &context.request_id,
        });
    }
    if !edge.access_log.is_on() {
        return;
    }
    edge.access_log.write(&Line {
        time: now,
        request_id: &context.request_id,
        traceparent: &context.traceparent,
        client: context.client.ip.filter(|_| edge.access_log.addresses),
        method: said.method,
        host: said.host,
        path: said.path,
        status,
        bytes,
        duration_us,
        cache: context.cache_status.as_deref(),
        upstream: context.attempts.last(),
    });
}
