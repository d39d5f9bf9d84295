//! The numbers that Prometheus asks for.

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

/// Upper bounds of the latency buckets, in seconds.
const LATENCY_BUCKETS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 10.0,
];

/// All metrics of this process.
pub struct Metrics {
    registry: Registry,
    /// Requests by route pattern and status.
    pub requests: IntCounterVec,
    /// Seconds from the request's head to the answer's head, by route pattern.
    pub request_seconds: HistogramVec,
    /// Open connections.
    pub connections: IntGauge,
    /// Connections refused because there were too many.
    pub connections_refused: IntCounter,
    /// Handlers that panicked; each is a defect.
    pub panics: IntCounter,
    /// Look-ups among the answers kept in memory, by outcome (`hit`, `miss`, `shared`: a miss that Redis met, `bypass`).
    pub answers: IntCounterVec,
    /// Questions to Redis by outcome (`answered`, `failed`, `left_alone`).
    pub redis: IntCounterVec,
    /// Streams of live events.
    pub event_streams: IntGauge,
    /// Streams refused because there were too many.
    pub event_streams_refused: IntCounter,
    /// What came of orders.
    pub orders: OrderMetrics,
    /// Bytes of the answers kept in memory.
    pub answers_bytes: IntGauge,
    /// Leases of the database pool: existing, in use, the most.
    pub pool_size: IntGauge,
    /// Leases in use.
    pub pool_in_use: IntGauge,
    /// The most leases.
    pub pool_size_max: IntGauge,
    /// Leases that had to be waited for.
    pub pool_waited: IntGauge,
    /// Leases given up.
    pub pool_timed_out: IntGauge,
    /// The last entry of the `changes` sequence that this process follows.
    pub changes_sequence: IntGauge,
    /// Failed looks at the `changes` sequence.
    pub changes_failures: IntCounter,
    /// Purge messages by outcome (`sent`, `failed`).
    pub purges: IntCounterVec,
    /// Log-ins of staff by outcome (`begun`, `code_needed`, `refused`): many refused ones are somebody who guesses.
    pub staff_log_ins: IntCounterVec,
    /// Tries at a limit that is used up (`codes` mailed to an address, `log_ins` of staff from one), by who said so (`database`, `redis`).
    pub limits_used_up: IntCounterVec,
    /// Mails by outcome (`sent`, `failed`).
    pub mails: IntCounterVec,
    /// Calls of others' services by outcome (`answered`, `failed`, `left_alone`).
    pub service_calls: IntCounterVec,
    /// Payments that the gateway told of, by what they led to.
    pub gateway_payments: IntCounterVec,
    /// Refunds handed to the gateway, by outcome (`sent`, `failed`).
    pub refunds: IntCounterVec,
    /// Old private files that nothing names, by outcome (`removed`, `failed`).
    pub stray_files: IntCounterVec,
    /// Entries between the sequence and what each edge is known to have applied, by its address.
    pub purge_lag: IntGaugeVec,
    /// Products in the search index.
    pub search_products: IntGauge,
    /// Products and combos in memory for pricing.
    pub known_things: IntGauge,
    /// Questions to the database, writes too, by name (`product_page`, `place_order`, …): many of one for one request are a list that
    /// asks for each of its items.
    pub database_questions: IntCounterVec,
    /// Seconds of one database question that a request waited for.
    pub database_ping_seconds: Histogram,
    /// Resident memory in bytes.
    pub memory_bytes: IntGauge,
    /// Seconds since the start.
    pub uptime_seconds: IntGauge,
}

/// Registers a metric made by `prometheus`; the names below are constant and distinct, so neither step can fail.
macro_rules! registered {
    ($registry:expr, $made:expr) => {{
        let metric = $made.expect("constant names and labels are valid");
        $registry
            .register(Box::new(metric.clone()))
            .expect("each name is registered once");
        metric
    }};
}

/// What came of orders.
pub struct OrderMetrics {
    /// Orders asked for, by outcome (`placed`, `repeated`, `short`, `other_body`).
    pub asked: IntCounterVec,
    /// Orders that were not paid in time.
    pub expired: IntCounter,
}

impl OrderMetrics {
    fn new(registry: &Registry) -> Self {
        let asked = Opts::new("crackers_origin_commerce_orders_total", "Orders asked for");
        let expired = Opts::new(
            "crackers_origin_outbox_orders_expired_total",
            "Orders not paid in time",
        );
        Self {
            asked: registered!(registry, IntCounterVec::new(asked, &["outcome"])),
            expired: registered!(registry, IntCounter::with_opts(expired)),
        }
    }
}

impl Metrics {
    /// All metrics at zero.
    ///
    /// # Panics
    /// Never: names and labels are constants, and a test makes one.
    #[allow(clippy::too_many_lines, reason = "a list: each metric once")]
    pub fn new() -> Self {
        let registry = Registry::new();
        let gauge = |name: &str, help: &str| registered!(registry, IntGauge::new(name, help));
        let counter = |name: &str, help: &str| registered!(registry, IntCounter::new(name, help));
        let counters = |name: &str, help: &str, labels: &[&str]| {
            registered!(registry, IntCounterVec::new(Opts::new(name, help), labels))
        };
        let buckets = |name: &str, help: &str| {
            HistogramOpts::new(name, help).buckets(LATENCY_BUCKETS.to_vec())
        };
        let seconds = buckets(
            "crackers_origin_api_request_seconds",
            "Time to the answer's head",
        );
        let ping = buckets(
            "crackers_origin_database_ping_seconds",
            "The smallest question",
        );
        Self {
            requests: counters(
                "crackers_origin_api_requests_total",
                "Requests",
                &["route", "status"],
            ),
            request_seconds: registered!(registry, HistogramVec::new(seconds, &["route"])),
            connections: gauge("crackers_origin_accept_connections", "Open connections"),
            connections_refused: counter(
                "crackers_origin_accept_connections_refused_total",
                "Connections beyond the limit",
            ),
            panics: counter(
                "crackers_origin_accept_panics_total",
                "Handlers that panicked",
            ),
            answers: counters(
                "crackers_origin_api_answers_total",
                "Look-ups in memory",
                &["outcome"],
            ),
            redis: counters(
                "crackers_origin_services_redis_total",
                "Questions to Redis",
                &["outcome"],
            ),
            event_streams: gauge(
                "crackers_origin_api_event_streams",
                "Streams of live events",
            ),
            event_streams_refused: counter(
                "crackers_origin_api_event_streams_refused_total",
                "Streams beyond the limit",
            ),
            orders: OrderMetrics::new(&registry),
            answers_bytes: gauge(
                "crackers_origin_api_answers_bytes",
                "Answers kept in memory",
            ),
            pool_size: gauge("crackers_origin_database_pool_size", "Leases that exist"),
            pool_in_use: gauge("crackers_origin_database_pool_in_use", "Leases in use"),
            pool_size_max: gauge("crackers_origin_database_pool_size_max", "The most leases"),
            pool_waited: gauge("crackers_origin_database_pool_waited", "Leases waited for"),
            pool_timed_out: gauge("crackers_origin_database_pool_timed_out", "Leases given up"),
            changes_sequence: gauge("crackers_origin_outbox_changes_sequence", "Followed so far"),
            changes_failures: counter(
                "crackers_origin_outbox_changes_failures_total",
                "Failed looks at the changes",
            ),
            staff_log_ins: counters(
                "crackers_origin_api_staff_log_ins_total",
                "Log-ins of staff",
                &["outcome"],
            ),
            limits_used_up: counters(
                "crackers_origin_api_limits_used_up_total",
                "Tries at a limit that is used up",
                &["limit", "by"],
            ),
            mails: counters(
                "crackers_origin_outbox_mails_total",
                "Mails handed on",
                &["outcome"],
            ),
            service_calls: counters(
                "crackers_origin_services_calls_total",
                "Calls of others' services",
                &["service", "outcome"],
            ),
            gateway_payments: counters(
                "crackers_origin_api_gateway_payments_total",
                "Payments that the gateway told of",
                &["outcome"],
            ),
            refunds: counters(
                "crackers_origin_outbox_refunds_total",
                "Refunds handed to the gateway",
                &["outcome"],
            ),
            stray_files: counters(
                "crackers_origin_outbox_stray_files_total",
                "Old private files that nothing names",
                &["outcome"],
            ),
            purges: counters(
                "crackers_origin_outbox_purges_total",
                "Purge messages",
                &["outcome"],
            ),
            purge_lag: registered!(
                registry,
                IntGaugeVec::new(
                    Opts::new("crackers_origin_outbox_purge_lag", "Changes not yet purged"),
                    &["edge"]
                )
            ),
            search_products: gauge(
                "crackers_origin_commerce_search_products",
                "Indexed products",
            ),
            known_things: gauge(
                "crackers_origin_commerce_known_things",
                "Products, bundles and gift boxes in memory for pricing",
            ),
            database_questions: counters(
                "crackers_origin_database_questions_total",
                "Questions to the database",
                &["question"],
            ),
            database_ping_seconds: registered!(registry, Histogram::with_opts(ping)),
            memory_bytes: gauge("crackers_origin_telemetry_memory_bytes", "Resident memory"),
            uptime_seconds: gauge(
                "crackers_origin_telemetry_uptime_seconds",
                "Since the start",
            ),
            registry,
        }
    }

    /// The metrics in Prometheus' text format.
    pub fn to_text(&self) -> String {
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
        metrics.requests.with_label_values(&["r", "200"]).inc();
        metrics
            .request_seconds
            .with_label_values(&["r"])
            .observe(0.1);
        metrics.answers.with_label_values(&["hit"]).inc();
        metrics.redis.with_label_values(&["answered"]).inc();
        metrics.mails.with_label_values(&["sent"]).inc();
        metrics.staff_log_ins.with_label_values(&["begun"]).inc();
        metrics
            .limits_used_up
            .with_label_values(&["codes", "redis"])
            .inc();
        metrics.purge_lag.with_label_values(&["e"]).set(0);
        metrics.purges.with_label_values(&["sent"]).inc();
        metrics.stray_files.with_label_values(&["removed"]).inc();
        metrics
            .database_questions
            .with_label_values(&["ping"])
            .inc();
        metrics.refunds.with_label_values(&["sent"]).inc();
        metrics
            .service_calls
            .with_label_values(&["payments", "answered"])
            .inc();
        metrics
            .gateway_payments
            .with_label_values(&["confirmed"])
            .inc();
        let families = metrics.registry.gather();
        let names: Vec<_> = families
            .iter()
            .map(|family| family.name().to_owned())
            .collect();
        insta::assert_yaml_snapshot!(names);
    }
}
