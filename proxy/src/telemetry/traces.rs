//! Traces: a span for each request, and one for the origin's part of it, sent to a collector (OTLP over HTTP, in JSON). Spans wait
//! in a bounded line, and a task of its own sends many at once: a collector that is slow or gone costs spans, never a
//! request's time.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use prometheus::{IntCounter, IntCounterVec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crackers_shared::config_file::Problems;
use crackers_shared::request_id;

use super::Metrics;

/// So many spans are sent at once.
const BATCH_SPANS: usize = 512;

/// The time in which spans gather to be sent together.
const GATHER: Duration = Duration::from_secs(1);

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
        for (key, value) in [
            ("spans_max", self.spans_max as u64),
            ("timeout_ms", self.timeout_ms),
        ] {
            problems.require(value > 0, format!("{path}.{key}"), "must be at least 1");
        }
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

/// What a request that has a span knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traced {
    /// The span that it belongs under; none where the trace begins here.
    pub parent: Option<String>,
}

/// A request that has ended.
#[derive(Debug)]
pub struct Span<'a> {
    /// Its trace and its own span.
    pub traceparent: &'a str,
    /// See [`Traced`].
    pub traced: &'a Traced,
    /// When it began and ended, in microseconds since the epoch.
    pub lasted: (i64, i64),
    /// The origin that was asked last, and when.
    pub origin: Option<(&'a str, i64)>,
    /// Method.
    pub method: &'a str,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// The host that was asked for.
    pub host: &'a str,
    /// Path without the query: people type names into it.
    pub path: &'a str,
    /// Status; 0 when no answer could be sent.
    pub status: u16,
    /// What `Cache-Status` said.
    pub cache: Option<&'a str>,
    /// Id of the request.
    pub request_id: &'a str,
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
    pub fn begin(&self, traceparent: &mut String, is_from_outside: bool) -> Option<Traced> {
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
        Some(Traced { parent })
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

/// Trace and span of a well-formed `traceparent`.
fn ids(traceparent: &str) -> Option<[&str; 2]> {
    let mut parts = traceparent.split('-').skip(1);
    Some([parts.next()?, parts.next()?])
}

/// The same for every program that looks at the trace.
fn is_chosen(trace: &str, percent: u32) -> bool {
    let first = trace
        .get(..8)
        .and_then(|first| u32::from_str_radix(first, 16).ok());
    first.is_some_and(|number| number % 100 < percent)
}

/// What the collector is told: the request, and the origin's part of it.
fn spans(span: &Span<'_>) -> Vec<Value> {
    let Some([trace, own]) = ids(span.traceparent) else {
        return Vec::new();
    };
    let (begun, ended) = span.lasted;
    let mut whole = json!({
        "traceId": trace, "spanId": own, "name": span.method, "kind": 2,
        "startTimeUnixNano": nanoseconds(begun), "endTimeUnixNano": nanoseconds(ended),
        "status": { "code": if span.status >= 500 { 2 } else { 0 } },
        "attributes": [
            text("http.request.method", span.method), text("url.scheme", span.scheme),
            text("server.address", span.host), text("url.path", span.path),
            number("http.response.status_code", span.status.into()),
            text("crackers.request_id", span.request_id), text("crackers.cache", span.cache.unwrap_or_default()),
        ],
    });
    if let Some(parent) = &span.traced.parent {
        whole["parentSpanId"] = json!(parent);
    }
    let of_origin = span.origin.map(|(server, asked)| {
        json!({
            "traceId": trace, "spanId": request_id::generate_span_id(), "parentSpanId": own, "name": "forward", "kind": 3,
            "startTimeUnixNano": nanoseconds(asked.max(begun)), "endTimeUnixNano": nanoseconds(ended),
            "attributes": [text("server.address", server)],
        })
    });
    std::iter::once(whole).chain(of_origin).collect()
}

/// 64-bit numbers are text in OTLP's JSON.
fn nanoseconds(microseconds: i64) -> String {
    microseconds.saturating_mul(1000).to_string()
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn number(key: &str, value: i64) -> Value {
    json!({ "key": key, "value": { "intValue": value.to_string() } })
}

struct Collector {
    address: (String, Uri),
    within: Duration,
    /// Spans, by what became of them.
    outcomes: IntCounterVec,
}

impl Collector {
    /// Until no span will follow.
    async fn send_all(self, mut line: mpsc::Receiver<Value>) {
        let mut batch = Vec::new();
        while line.recv_many(&mut batch, BATCH_SPANS).await > 0 {
            let spans = std::mem::take(&mut batch);
            let count = spans.len() as u64;
            let label = match tokio::time::timeout(self.within, self.send(spans)).await {
                Ok(Ok(())) => "sent",
                Ok(Err(error)) => {
                    tracing::debug!("spans were not taken: {error:#}");
                    "failed"
                }
                Err(_) => "failed",
            };
            self.outcomes.with_label_values(&[label]).inc_by(count);
            if line.len() < BATCH_SPANS {
                tokio::time::sleep(GATHER).await;
            }
        }
    }

    async fn send(&self, spans: Vec<Value>) -> anyhow::Result<()> {
        let (host, uri) = &self.address;
        let stream = TcpStream::connect(host).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let request = Request::post(uri.path_and_query().map_or("/", |path| path.as_str()))
            .header(header::HOST, host)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONNECTION, "close")
            .body(Full::new(Bytes::from(message(spans).to_string())))?;
        let exchange = async {
            let answer = sender.send_request(request).await?;
            anyhow::ensure!(
                answer.status().is_success(),
                "the collector answers {}",
                answer.status()
            );
            Ok(())
        };
        tokio::select! {
            done = exchange => done,
            Err(error) = connection => Err(error.into()),
        }
    }
}

fn message(spans: Vec<Value>) -> Value {
    let version = env!("CARGO_PKG_VERSION");
    let service = [
        text("service.name", "crackers-edge"),
        text("service.version", version),
    ];
    json!({ "resourceSpans": [{
        "resource": { "attributes": service },
        "scopeSpans": [{ "scope": { "name": "crackers-proxy", "version": version }, "spans": spans }],
    }] })
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
        let traced = traces.begin(&mut traceparent, true).unwrap();
        assert_eq!(traced.parent.as_deref(), Some("00f067aa0ba902b7"));
        assert!(traceparent.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
        assert!(traceparent.ends_with("-01") && !traceparent.contains("00f067aa0ba902b7"));
        assert!(request_id::is_traceparent(&traceparent));
        let mut own = OUTSIDE.to_owned();
        assert_eq!(traces.begin(&mut own, false), Some(Traced { parent: None }));
        assert!(own.contains("00f067aa0ba902b7"));
    }

    #[test]
    fn what_is_not_chosen_passes_unchanged_and_nobody_is_when_there_is_no_collector() {
        let (mut traces, _line) = traces(1, 0);
        let mut traceparent = OUTSIDE.to_owned();
        assert_eq!(traces.begin(&mut traceparent, true), None);
        (traces.line, traces.sample_percent) = (None, 100);
        assert_eq!(traces.begin(&mut traceparent, true), None);
        assert_eq!(traceparent, OUTSIDE);
        let chosen = (0..1000_u32).filter(|number| is_chosen(&format!("{number:08x}"), 25));
        assert_eq!(chosen.count(), 250);
    }

    #[test]
    fn spans_beyond_the_bound_are_dropped_and_counted() {
        let (traces, mut line) = traces(1, 100);
        let span = Span {
            traceparent: OUTSIDE,
            traced: &Traced { parent: None },
            lasted: (1_000, 3_000),
            origin: Some(("127.0.0.1:5000", 2_000)),
            method: "GET",
            scheme: "https",
            host: "shop",
            path: "/a",
            status: 502,
            cache: None,
            request_id: "one-and-the-same",
        };
        traces.end(&span);
        assert_eq!(traces.dropped.get(), 1);
        let kept = line.try_recv().unwrap();
        assert_eq!(kept["startTimeUnixNano"], "1000000");
        assert_eq!(
            (&kept["status"]["code"], &kept["parentSpanId"]),
            (&json!(2), &Value::Null)
        );
        let both = spans(&span);
        assert_eq!(both[1]["parentSpanId"], both[0]["spanId"]);
        assert_eq!(both[1]["startTimeUnixNano"], "2000000");
    }

    #[test]
    fn only_plain_addresses_are_taken() {
        assert_eq!(address("http://a/v1/traces").unwrap().0, "a:80");
        for wrong in ["https://a/", "a", "/v1/traces", "", "http://"] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }
}
