//! The numbers that Prometheus asks for.

use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use super::requests::Requests;
use crate::dispatch::Class;
use crate::dispatch::priority::CLASSES;

/// Upper bounds of the latency buckets, in seconds.
const LATENCY_BUCKETS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 10.0,
];

/// All metrics of this process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Open connections.
    pub connections: IntGauge,
    /// Connections beyond the limit.
    pub connections_refused: IntCounter,
    /// PROXY protocol headers, by outcome.
    pub proxy_headers: IntCounterVec,
    /// TLS handshakes, by outcome.
    pub handshakes: IntCounterVec,
    /// Changed certificates, taken or refused.
    pub certificates_read: IntCounterVec,
    /// Heads refused, by reason.
    pub heads_refused: IntCounterVec,
    /// Streams of HTTP/2, by outcome.
    pub http2_streams: IntCounterVec,
    /// Connections of HTTP/2 that ended, by reason.
    pub http2_ended: IntCounterVec,
    /// How far the shop is open: 0 open, 1 read only, 2 maintenance.
    pub mode: IntGauge,
    /// Requests kept out, by reason; that of a budget used up has its name in it.
    pub refused: IntCounterVec,
    /// Look-ups, by outcome.
    pub cache_requests: IntCounterVec,
    /// Clients that wait for a fetch of the cache.
    pub cache_waiters: IntGauge,
    /// Fetches for the cache.
    pub cache_fills: IntCounter,
    /// Answers not kept because something of them was purged while they were fetched.
    pub cache_lost_races: IntCounter,
    /// Answers not kept because there are enough to the same question.
    pub cache_variants_refused: IntCounter,
    /// Purge messages.
    pub cache_purges: IntCounter,
    /// Times that everything counted as purged because more tags were than are remembered.
    pub cache_purge_overflows: IntCounter,
    /// Answers whose turn to be compressed has not come.
    pub cache_compress_waiting: IntGauge,
    /// Answers kept as they are because too many waited to be compressed.
    pub cache_compress_skipped: IntCounter,
    /// Entries that had to make room.
    pub cache_evictions: IntCounter,
    /// Entries in memory.
    pub cache_entries: IntGauge,
    /// Bytes in memory.
    pub cache_bytes: IntGauge,
    /// Requests that origins work on.
    pub dispatch_in_flight: IntGauge,
    /// Requests that may be worked on at once, now.
    pub dispatch_limit: IntGauge,
    /// Requests in the line, in the order of the classes.
    pub dispatch_waiting: [IntGauge; CLASSES],
    /// Seconds in the line, by class.
    pub dispatch_wait_seconds: HistogramVec,
    /// Requests refused, by class and reason.
    pub dispatch_refused: IntCounterVec,
    /// Whether an origin's breaker is closed (0), half open (1) or open (2), by group and server.
    pub breaker_state: IntGaugeVec,
    /// Breakers that opened, by group, server and reason.
    pub breaker_opened: IntCounterVec,
    /// The most that an origin said of its memory lately.
    pub origin_memory_bytes: IntGauge,
    /// Whether an origin is up.
    pub upstream_up: IntGaugeVec,
    /// Failed tries, by group and server.
    pub upstream_failures: IntCounterVec,
    /// Tries on a further origin, by group.
    pub retries: IntCounterVec,
    /// Retries that the budget did not allow, by group.
    pub retries_refused: IntCounterVec,
    /// Ejections, by group and server.
    pub ejections: IntCounterVec,
    /// Connections to origins, by what became of them: opened, reused, or found closed when they were to be reused.
    pub forward_connections: IntCounterVec,
    /// Connections to origins that wait for their next request.
    pub forward_connections_idle: IntGauge,
    /// WebSockets that are open.
    pub forward_tunnels: IntGauge,
    /// Answers of origins that were no HTTP to be trusted.
    pub forward_heads_refused: IntCounterVec,
    /// Requests, by method and status, and seconds from a request's head to the end of its answer, by where the answer
    /// came from.
    pub requests: Requests,
    /// Configurations taken anew, or refused.
    pub reloads: IntCounterVec,
    /// Spans, by what became of them: sent, failed or dropped.
    pub spans: IntCounterVec,
    /// Upgrades that led to this process.
    pub generation: IntGauge,
    /// Next edges that did not come to serve.
    pub upgrades_failed: IntCounter,
    /// Log lines dropped because the writer was behind.
    pub access_log_dropped: IntCounter,
    /// Resident memory.
    pub memory_bytes: IntGauge,
}

/// Registers a metric; the names below are constant and distinct, so neither step can fail.
macro_rules! registered {
    ($registry:expr, $made:expr) => {{
        let metric = $made.expect("constant names and labels are valid");
        $registry
            .register(Box::new(metric.clone()))
            .expect("each name is registered once");
        metric
    }};
}

impl Metrics {
    /// All metrics at zero.
    ///
    /// # Panics
    /// Never: names and labels are constants, and a test makes one.
    #[allow(
        clippy::too_many_lines,
        reason = "one statement that lists the metrics, a line or two for each"
    )]
    pub fn new() -> Self {
        let registry = Registry::new();
        let name = |name: &str| format!("crackers_edge_{name}");
        let gauge = |n: &str, help: &str| registered!(registry, IntGauge::new(name(n), help));
        let counter = |n: &str, help: &str| registered!(registry, IntCounter::new(name(n), help));
        let counters = |n: &str, help: &str, labels: &[&str]| {
            registered!(
                registry,
                IntCounterVec::new(Opts::new(name(n), help), labels)
            )
        };
        let buckets = |n: &str, help: &str| {
            HistogramOpts::new(name(n), help).buckets(LATENCY_BUCKETS.to_vec())
        };
        let up = Opts::new(
            name("forward_upstream_up"),
            "1 while a server passes its checks",
        );
        let wait = buckets("dispatch_wait_seconds", "Time in the line");
        let waiting = Opts::new(name("dispatch_waiting"), "Requests in the line");
        let waiting = registered!(registry, IntGaugeVec::new(waiting, &["class"]));
        let breaker = Opts::new(
            name("dispatch_breaker_state"),
            "0 closed, 1 half open, 2 open",
        );
        let seconds = buckets("request_seconds", "Time to the end of the answer");
        Self {
            connections: gauge("accept_connections", "Open connections"),
            connections_refused: counter(
                "accept_connections_refused_total",
                "Connections beyond the limit",
            ),
            proxy_headers: counters(
                "accept_proxy_headers_total",
                "PROXY protocol headers",
                &["outcome"],
            ),
            handshakes: counters(
                "accept_tls_handshakes_total",
                "TLS handshakes",
                &["outcome"],
            ),
            certificates_read: counters(
                "accept_tls_certificates_read_total",
                "Changed certificates",
                &["outcome"],
            ),
            heads_refused: counters("accept_heads_refused_total", "Heads refused", &["reason"]),
            http2_streams: counters(
                "accept_http2_streams_total",
                "Streams of HTTP/2",
                &["outcome"],
            ),
            http2_ended: counters(
                "accept_http2_connections_ended_total",
                "Connections of HTTP/2 that ended",
                &["reason"],
            ),
            mode: gauge("admit_mode", "0 open, 1 read only, 2 maintenance"),
            refused: counters("admit_refused_total", "Requests kept out", &["reason"]),
            cache_requests: counters("cache_requests_total", "Look-ups", &["outcome"]),
            cache_waiters: gauge("cache_waiters", "Clients that wait for a fetch"),
            cache_fills: counter("cache_fills_total", "Fetches for the cache"),
            cache_lost_races: counter(
                "cache_lost_races_total",
                "Answers purged while they were fetched",
            ),
            cache_variants_refused: counter(
                "cache_variants_refused_total",
                "Answers beyond the variants of one question",
            ),
            cache_purges: counter("cache_purges_total", "Purge messages"),
            cache_purge_overflows: counter(
                "cache_purge_overflows_total",
                "Times that more tags were purged than are remembered, so that everything counted as purged",
            ),
            cache_compress_waiting: gauge(
                "cache_compress_waiting",
                "Answers that wait for their turn to be compressed",
            ),
            cache_compress_skipped: counter(
                "cache_compress_skipped_total",
                "Answers kept as they are, as too many waited to be compressed",
            ),
            cache_evictions: counter("cache_evictions_total", "Entries that had to make room"),
            cache_entries: gauge("cache_entries", "Entries in memory"),
            cache_bytes: gauge("cache_bytes", "Bytes in memory"),
            dispatch_in_flight: gauge("dispatch_in_flight", "Requests that origins work on"),
            dispatch_limit: gauge("dispatch_limit", "Requests that may be worked on at once"),
            dispatch_waiting: Class::ALL.map(|class| waiting.with_label_values(&[class.label()])),
            dispatch_wait_seconds: registered!(registry, HistogramVec::new(wait, &["class"])),
            dispatch_refused: counters(
                "dispatch_refused_total",
                "Requests without a slot",
                &["class", "reason"],
            ),
            breaker_state: registered!(registry, IntGaugeVec::new(breaker, &["group", "server"])),
            breaker_opened: counters(
                "dispatch_breaker_opened_total",
                "Breakers that opened",
                &["group", "server", "reason"],
            ),
            origin_memory_bytes: gauge(
                "dispatch_origin_memory_bytes",
                "The most that an origin said of itself lately",
            ),
            upstream_up: registered!(registry, IntGaugeVec::new(up, &["group", "server"])),
            upstream_failures: counters(
                "forward_failures_total",
                "Failed tries",
                &["group", "server"],
            ),
            retries: counters(
                "forward_retries_total",
                "Tries on a further origin",
                &["group"],
            ),
            retries_refused: counters(
                "forward_retries_refused_total",
                "Retries beyond the budget",
                &["group"],
            ),
            ejections: counters(
                "forward_ejections_total",
                "Servers that failed too often",
                &["group", "server"],
            ),
            forward_connections: counters(
                "forward_connections_total",
                "Connections to origins",
                &["outcome"],
            ),
            forward_connections_idle: gauge("forward_connections_idle", "Connections not in use"),
            forward_tunnels: gauge("forward_tunnels", "WebSockets that are open"),
            forward_heads_refused: counters(
                "forward_heads_refused_total",
                "Malformed answers",
                &["reason"],
            ),
            requests: Requests::new(
                counters("requests_total", "Requests", &["method", "status"]),
                &registered!(registry, HistogramVec::new(seconds, &["source"])),
            ),
            reloads: counters(
                "telemetry_reloads_total",
                "Configurations taken anew, or refused",
                &["outcome"],
            ),
            spans: counters("telemetry_spans_total", "Spans of traces", &["outcome"]),
            generation: gauge("telemetry_generation", "Upgrades that led to this process"),
            upgrades_failed: counter(
                "telemetry_upgrades_failed_total",
                "Next edges that did not come to serve",
            ),
            access_log_dropped: counter("telemetry_access_log_dropped_total", "Log lines dropped"),
            memory_bytes: gauge("telemetry_memory_bytes", "Resident memory"),
            registry,
        }
    }

    /// The metrics in Prometheus' text format.
    pub fn to_text(&self) -> String {
        self.memory_bytes
            .set(i64::try_from(crackers_shared::memory::resident_bytes()).unwrap_or(i64::MAX));
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .unwrap_or_default()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_all_metrics_are_those_of_the_snapshot() {
        let metrics = Metrics::new();
        for counters in [
            &metrics.proxy_headers,
            &metrics.handshakes,
            &metrics.certificates_read,
            &metrics.spans,
            &metrics.heads_refused,
            &metrics.refused,
            &metrics.cache_requests,
            &metrics.retries,
            &metrics.retries_refused,
            &metrics.reloads,
            &metrics.http2_streams,
            &metrics.http2_ended,
            &metrics.forward_connections,
            &metrics.forward_heads_refused,
        ] {
            counters.with_label_values(&["x"]).inc();
        }
        for counters in [
            &metrics.dispatch_refused,
            &metrics.upstream_failures,
            &metrics.ejections,
        ] {
            counters.with_label_values(&["x", "y"]).inc();
        }
        let opened = &metrics.breaker_opened;
        opened.with_label_values(&["x", "y", "z"]).inc();
        for gauges in [&metrics.upstream_up, &metrics.breaker_state] {
            gauges.with_label_values(&["x", "y"]).set(1);
        }
        let waited = &metrics.dispatch_wait_seconds;
        waited.with_label_values(&["x"]).observe(0.1);
        let took = std::time::Duration::from_millis(1);
        metrics.requests.count("GET", 200, took, false);
        let families = metrics.registry.gather();
        let names: Vec<_> = families
            .iter()
            .map(|family| family.name().to_owned())
            .collect();
        insta::assert_yaml_snapshot!(names);
    }
}
