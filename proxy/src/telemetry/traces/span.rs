//! What is told of a request: when it was in which stage.

use parking_lot::Mutex;
use serde_json::{Value, json};

use crackers_shared::clock::Clock;
use crackers_shared::request_id;

/// A stage that a request spends its time in. `accept` has done its part when there is a request, and `telemetry` when there is
/// something to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Who asks, and whether he may.
    Admit,
    /// From the question to the cache to its answer, which may have to be fetched.
    Cache,
    /// The wait for an origin slot.
    Dispatch,
    /// From the choice of an origin to the head of its answer.
    Forward,
    /// From the head of the answer to its end.
    Respond,
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Self::Admit => "admit",
            Self::Cache => "cache",
            Self::Dispatch => "dispatch",
            Self::Forward => "forward",
            Self::Respond => "respond",
        }
    }
}

/// What a request that has a span knows of it.
#[derive(Debug)]
pub struct Traced {
    /// The span that it belongs under; none where the trace begins here.
    pub parent: Option<String>,
    clock: Clock,
    /// Where it was, and since when, in microseconds since the epoch.
    stages: Mutex<Vec<(Stage, i64)>>,
}

impl Traced {
    /// A request that is in no stage.
    pub fn new(parent: Option<String>, clock: Clock) -> Self {
        Self {
            parent,
            clock,
            stages: Mutex::default(),
        }
    }

    /// It goes from one stage to the next; nothing where it is in that stage already.
    pub fn enter(&self, stage: Stage) {
        let mut stages = self.stages.lock();
        if stages.last().is_none_or(|(last, _)| *last != stage) {
            stages.push((stage, self.clock.now_microseconds()));
        }
    }
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
    /// The origin that was asked last.
    pub origin: Option<&'a str>,
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

/// Trace and span of a well-formed `traceparent`.
pub(super) fn ids(traceparent: &str) -> Option<[&str; 2]> {
    let mut parts = traceparent.split('-').skip(1);
    Some([parts.next()?, parts.next()?])
}

/// What the collector is told: the request, and each stage in it.
pub(super) fn spans(span: &Span<'_>) -> Vec<Value> {
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
    let stages = span.traced.stages.lock();
    let ends = stages.iter().skip(1).map(|(_, begun)| *begun);
    let of_stages = stages.iter().zip(ends.chain([ended]));
    let of_stages = of_stages.map(|((stage, begun), ended)| {
        let (kind, server) = match stage {
            Stage::Forward => (3, span.origin),
            _ => (1, None),
        };
        json!({
            "traceId": trace, "spanId": request_id::generate_span_id(), "parentSpanId": own,
            "name": stage.name(), "kind": kind,
            "startTimeUnixNano": nanoseconds(*begun), "endTimeUnixNano": nanoseconds(ended),
            "attributes": Vec::from_iter(server.map(|server| text("server.address", server))),
        })
    });
    std::iter::once(whole).chain(of_stages).collect()
}

/// 64-bit numbers are text in OTLP's JSON.
fn nanoseconds(microseconds: i64) -> String {
    microseconds.saturating_mul(1000).to_string()
}

pub(super) fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn number(key: &str, value: i64) -> Value {
    json!({ "key": key, "value": { "intValue": value.to_string() } })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_stage_lasts_until_the_next_one_begins_and_the_last_until_the_end() {
        let clock = Clock::manual(jiff::Timestamp::from_microsecond(1_000).unwrap());
        let traced = Traced::new(None, clock.clone());
        for stage in [Stage::Admit, Stage::Forward, Stage::Forward, Stage::Respond] {
            traced.enter(stage);
            clock.advance(Duration::from_millis(1));
        }
        let made = spans(&Span {
            traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
            traced: &traced,
            lasted: (1_000, 9_000),
            origin: Some("127.0.0.1:5000"),
            method: "GET",
            scheme: "https",
            host: "shop",
            path: "/a",
            status: 200,
            cache: None,
            request_id: "one-and-the-same",
        });
        let told = made.iter().map(|span| {
            let part = |name: &str| span[name].as_str().unwrap_or_default().to_owned();
            [
                part("name"),
                part("startTimeUnixNano"),
                part("endTimeUnixNano"),
                part("parentSpanId"),
            ]
        });
        let own = "00f067aa0ba902b7";
        let expected = [
            ["GET", "1000000", "9000000", ""],
            ["admit", "1000000", "2000000", own],
            ["forward", "2000000", "4000000", own],
            ["respond", "4000000", "9000000", own],
        ];
        assert_eq!(Vec::from_iter(told), expected);
        assert_eq!(
            made[2]["attributes"][0]["value"]["stringValue"],
            "127.0.0.1:5000"
        );
        assert_eq!(made[1]["attributes"], json!([]));
    }
}
