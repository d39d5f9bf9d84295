//! What is counted and written of a request at its end, whichever way it was answered.

use std::time::Duration;

use http::request::Parts;

use crate::context::Context;
use crate::edge::Edge;
use crate::request;
use crate::telemetry::access_log::Line;

/// Counts a request and writes its line.
pub fn record(edge: &Edge, request: &Parts, context: &mut Context, status: u16, bytes: usize) {
    let duration_us = edge.clock.now_microseconds() - context.begun;
    let source = if context.upstream.is_some() {
        "origin"
    } else {
        "edge"
    };
    edge.metrics
        .requests
        .with_label_values(&[request::method_label(&request.method), &status.to_string()])
        .inc();
    edge.metrics
        .request_seconds
        .with_label_values(&[source])
        .observe(Duration::from_micros(u64::try_from(duration_us).unwrap_or(0)).as_secs_f64());
    if !edge.access_log.is_on() {
        return;
    }
    let address = context.client.ip.filter(|_| edge.access_log.addresses);
    edge.access_log.write(Line {
        time: edge.clock.now().to_string(),
        request_id: context.request_id.clone(),
        traceparent: context.traceparent.clone(),
        client: address.map(|ip| ip.to_string()),
        method: request.method.to_string(),
        host: request::host(request).to_owned(),
        path: request.uri.path().to_owned(),
        status,
        bytes,
        duration_us,
        cache: context.cache_status.take(),
        upstream: context.upstream.take(),
    });
}
