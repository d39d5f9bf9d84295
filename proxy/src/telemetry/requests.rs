//! What is counted of each request: the counters of its method and status, and of its time, are looked up by their labels once.

use std::sync::OnceLock;
use std::time::Duration;

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec};

/// Methods as a metric label: a stranger's inventions are all the same.
const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other",
];

/// No status is as large.
const STATUSES: usize = 1000;

/// See the module.
#[derive(Debug)]
pub struct Requests {
    by_labels: IntCounterVec,
    known: Vec<OnceLock<IntCounter>>,
    seconds_at_edge: Histogram,
    seconds_at_origin: Histogram,
}

impl Requests {
    pub(super) fn new(by_labels: IntCounterVec, seconds: &HistogramVec) -> Self {
        let mut known = Vec::new();
        known.resize_with(METHODS.len() * STATUSES, OnceLock::new);
        Self {
            by_labels,
            known,
            seconds_at_edge: seconds.with_label_values(&["edge"]),
            seconds_at_origin: seconds.with_label_values(&["origin"]),
        }
    }

    /// One more request that was answered so, in so long a time, by an origin or by the edge alone.
    pub fn count(&self, method: &str, status: u16, took: Duration, by_origin: bool) {
        let other = METHODS.len() - 1;
        let known = METHODS.iter().position(|name| *name == method);
        let row = known.unwrap_or(other);
        let column = usize::from(status).min(STATUSES - 1);
        if let Some(place) = self.known.get(row * STATUSES + column) {
            let labels = [METHODS[row], &status.to_string()];
            let counter = place.get_or_init(|| self.by_labels.with_label_values(&labels));
            counter.inc();
        }
        let seconds = if by_origin {
            &self.seconds_at_origin
        } else {
            &self.seconds_at_edge
        };
        seconds.observe(took.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use prometheus::{HistogramOpts, Opts};

    use super::*;

    #[test]
    fn invented_methods_share_a_counter_and_others_have_their_own() {
        let labels = ["method", "status"];
        let counters = IntCounterVec::new(Opts::new("a", "a"), &labels).unwrap();
        let seconds = HistogramVec::new(HistogramOpts::new("b", "b"), &["source"]).unwrap();
        let requests = Requests::new(counters.clone(), &seconds);
        for (method, status) in [
            ("GET", 200),
            ("GET", 200),
            ("GET", 304),
            ("A", 405),
            ("B", 405),
        ] {
            requests.count(method, status, Duration::from_millis(1), false);
        }
        let of = |labels: [&str; 2]| counters.with_label_values(&labels).get();
        assert_eq!(
            [of(["GET", "200"]), of(["GET", "304"]), of(["other", "405"])],
            [2, 1, 2]
        );
        assert_eq!(seconds.with_label_values(&["edge"]).get_sample_count(), 5);
    }
}
