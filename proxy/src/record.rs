//! What is counted and written of a request at its end, whichever way it was answered.

use std::time::Duration;

use http::request::Parts;

use crate::context::Context;
use crate::edge::Edge;
use crate::request;
use crate::telemetry::access_log::Line;
use crate::telemetry::traces::Span;

/// Counts a request and writes its line.
pub fn record(edge: &Edge, request: &Parts, context: &Context, status: u16, bytes: usize) {
    let now = edge.clock.now_microseconds();
    let duration_us = now - context.begun;
    let took = Duration::from_micros(u64::try_from(duration_us).unwrap_or(0));
    let by_origin = context.attempts.last().is_some();
    edge.metrics
        .requests
        .count(&request.method, status, took, by_origin);
    if let Some(traced) = &context.traced {
        edge.traces.end(&Span {
            traceparent: &context.traceparent,
            traced,
            lasted: (context.begun, now),
            origin: context.attempts.last(),
            method: request.method.as_str(),
            scheme: context.arrival.scheme(),
            host: request::host(request),
            path: request.uri.path(),
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
        method: request.method.as_str(),
        host: request::host(request),
        path: request.uri.path(),
        status,
        bytes,
        duration_us,
        cache: context.cache_status.as_deref(),
        upstream: context.attempts.last(),
    });
}
