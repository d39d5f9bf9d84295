//! Traces: a span for each request, and one for each stage that it went through, sent to a collector (OTLP over HTTP, in JSON). Spans wait
//! in a bounded line, and a task of its own sends many at once: a collector that is slow or gone costs spans, never a
//! request's time.

mod collector;
mod span;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http::Uri;
use prometheus::IntCounter;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc;

use crackers_shared::clock::Clock;
use crackers_shared::config_file::Problems;
use crackers_shared::request_id;

use super::Metrics;
use collector::Collector;
pub use span::{Span, Stage, Traced};
use span::{ids, spans};

/// More spans than memory; a channel has no more places than the eighth part of all numbers.
const SPANS_MAX: usize = 10_000_000;

/// Where spans are sent.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TracesConfig {
    /// The collector's address for traces; nowhere when null.
    pub endpoint: Option<String>,
    /// How many requests have spans, in percent.
    pub sample_percent: u32,
    /// Spans that may wait to be sent; more are dropped.
    pub spans_max: usize,
    /// The longest time that sending some may take, in milliseconds.
    pub timeout_ms: u64,
}

impl TracesConfig {
    /// Reports impossible values under `path`.
    pub(super) fn check(&self, path: &str, problems: &mut Problems) {
        if let Some(Err(why)) = self.endpoint.as_deref().map(address) {
            problems.add(format!("{path}.endpoint"), why.to_string());
        }
        problems.require(
            self.sample_percent <= 100,
            format!("{path}.sample_percent"),
            "must be at most 100",
        );
        problems.require(
            (1..=SPANS_MAX).contains(&self.spans_max),
            format!("{path}.spans_max"),
            format!("must be 1 to {SPANS_MAX}"),
        );
        problems.require(
            self.timeout_ms > 0,
            format!("{path}.timeout_ms"),
            "must be at least 1",
        );
    }
}

/// Host and port, and the whole address.
fn address(endpoint: &str) -> anyhow::Result<(String, Uri)> {
    let uri: Uri = endpoint.parse()?;
    let is_plain = uri.scheme_str() == Some("http");
    let host = uri.host().filter(|_| is_plain);
    let host = host.context("expected an address such as http://127.0.0.1:4318/v1/traces")?;
    Ok((format!("{host}:{}", uri.port_u16().unwrap_or(80)), uri))
}

/// The way to the collector; nothing when there is none.
pub struct Traces {
    line: Option<mpsc::Sender<Value>>,
    sample_percent: u32,
    dropped: IntCounter,
}

impl Traces {
    /// Begins to send, where there is a collector.
    ///
    /// # Errors
    /// When its address cannot be read.
    pub fn start(config: &TracesConfig, metrics: &Arc<Metrics>) -> anyhow::Result<Self> {
        let mut traces = Self {
            line: None,
            sample_percent: config.sample_percent,
            dropped: metrics.spans.with_label_values(&["dropped"]),
        };
        if let Some(endpoint) = &config.endpoint {
            let collector = Collector {
                address: address(endpoint)?,
                within: Duration::from_millis(config.timeout_ms),
                outcomes: metrics.spans.clone(),
            };
            let (sender, line) = mpsc::channel(config.spans_max);
            traces.line = Some(sender);
            tokio::spawn(collector.send_all(line));
        }
        Ok(traces)
    }

    /// Gives a request a span of its own, if it shall have one: changes its `traceparent`, which may have come from outside.
    pub fn begin(
        &self,
        traceparent: &mut String,
        is_from_outside: bool,
        clock: &Clock,
    ) -> Option<Traced> {
        self.line.as_ref()?;
        let [trace, span] = ids(traceparent)?.map(str::to_owned);
        if !is_chosen(&trace, self.sample_percent) {
            return None;
        }
        let (own, parent) = if is_from_outside {
            (request_id::generate_span_id(), Some(span))
        } else {
            (span, None)
        };
        *traceparent = format!("00-{trace}-{own}-01");
        Some(Traced::new(parent, clock.clone()))
    }

    /// Leaves the spans of a request for the collector, or drops and counts them.
    pub fn end(&self, span: &Span<'_>) {
        let Some(line) = &self.line else { return };
        for made in spans(span) {
            if line.try_send(made).is_err() {
                self.dropped.inc();
            }
        }
    }
}

/// The same for every program that looks at the trace.
fn is_chosen(trace: &str, percent: u32) -> bool {
    let first = trace
        .get(..8)
        .and_then(|first| u32::from_str_radix(first, 16).ok());
    first.is_some_and(|number| number % 100 < percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTSIDE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

    fn traces(spans_max: usize, sample_percent: u32) -> (Traces, mpsc::Receiver<Value>) {
        let (sender, line) = mpsc::channel(spans_max);
        let metrics = Metrics::new();
        let traces = Traces {
            line: Some(sender),
            sample_percent,
            dropped: metrics.spans.with_label_values(&["dropped"]),
        };
        (traces, line)
    }

    #[test]
    fn a_request_goes_on_in_the_trace_that_it_came_with_and_under_its_span() {
        let (traces, _line) = traces(1, 100);
        let mut traceparent = OUTSIDE.to_owned();
        let clock = Clock::system();
        let traced = traces.begin(&mut traceparent, true, &clock).unwrap();
        assert_eq!(traced.parent.as_deref(), Some("00f067aa0ba902b7"));
        assert!(traceparent.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
        assert!(traceparent.ends_with("-01") && !traceparent.contains("00f067aa0ba902b7"));
        assert!(request_id::is_traceparent(&traceparent));
        let mut own = OUTSIDE.to_owned();
        let traced = traces.begin(&mut own, false, &clock).unwrap();
        assert_eq!(traced.parent, None);
        assert!(own.contains("00f067aa0ba902b7"));
    }

    #[test]
    fn what_is_not_chosen_passes_unchanged_and_nobody_is_when_there_is_no_collector() {
        let (mut traces, _line) = traces(1, 0);
        let mut traceparent = OUTSIDE.to_owned();
        let clock = Clock::system();
        assert!(traces.begin(&mut traceparent, true, &clock).is_none());
        (traces.line, traces.sample_percent) = (None, 100);
        assert!(traces.begin(&mut traceparent, true, &clock).is_none());
        assert_eq!(traceparent, OUTSIDE);
        let chosen = (0..1000_u32).filter(|number| is_chosen(&format!("{number:08x}"), 25));
        assert_eq!(chosen.count(), 250);
    }

    #[test]
    fn spans_beyond_the_bound_are_dropped_and_counted() {
        let (traces, mut line) = traces(1, 100);
        let clock = Clock::manual(jiff::Timestamp::from_microsecond(1_000).unwrap());
        let traced = Traced::new(None, clock.clone());
        traced.enter(Stage::Admit);
        traces.end(&Span {
            traceparent: OUTSIDE,
            traced: &traced,
            lasted: (1_000, 3_000),
            origin: None,
            method: "GET",
            scheme: "https",
            host: "shop",
            path: "/a",
            status: 502,
            cache: None,
            request_id: "one-and-the-same",
        });
        assert_eq!(traces.dropped.get(), 1);
        let kept = line.try_recv().unwrap();
        assert_eq!(kept["startTimeUnixNano"], "1000000");
        let (status, parent) = (&kept["status"]["code"], &kept["parentSpanId"]);
        assert_eq!((status, parent), (&serde_json::json!(2), &Value::Null));
    }

    #[test]
    fn only_plain_addresses_are_taken() {
        assert_eq!(address("http://a/v1/traces").unwrap().0, "a:80");
        for wrong in ["https://a/", "a", "/v1/traces", "", "http://"] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }
}
