use std::sync::atomic::Ordering;
use std::time::Duration;

use http::header;

use super::*;
use crate::config::Config;
use crate::dispatch::breaker::State;
use crate::dispatch::{Class, Dispatch, Limit};
use crate::forward::group::more_tests::group;
use crate::telemetry::Metrics;

const ASKER: Asker<'_> = Asker {
    address: None,
    path: "/",
};

/// A request with its first try.
fn attempts(group: &Group) -> Attempts {
    let mut attempts = Attempts::default();
    assert!(attempts.next(group, &ASKER).is_some());
    attempts
}

fn answer(attempts: &mut Attempts, group: &Group, status: StatusCode) {
    attempts.answered(group, status, &HeaderMap::new(), None);
}

/// Asks for so many answers that break off behind a good head.
fn break_off(group: &Group, times: usize) {
    for _ in 0..times {
        let mut attempts = attempts(group);
        attempts.has_whole_request(group.now());
        answer(&mut attempts, group, StatusCode::OK);
        attempts.failed(group);
    }
}

#[tokio::test]
async fn an_origin_that_breaks_off_every_answer_is_ejected() {
    let group = group(&[1, 2]);
    let one = &group.servers[0];
    // All go to that one.
    let other = &group.servers[1];
    other.drained.store(true, Ordering::Relaxed);
    break_off(&group, 4);
    let mut whole = attempts(&group);
    answer(&mut whole, &group, StatusCode::OK);
    whole.ended();
    break_off(&group, 4);
    assert!(!group.is_ejected(one), "not in a row");
    break_off(&group, 1);
    assert!(group.is_ejected(one));
}

#[tokio::test]
async fn the_breaker_of_an_origin_that_breaks_off_every_answer_opens() {
    let group = group(&[1]);
    break_off(&group, 19);
    assert_eq!(group.breaker_state(&group.servers[0]), State::Closed);
    break_off(&group, 1);
    assert_eq!(group.breaker_state(&group.servers[0]), State::Open);
}

#[tokio::test]
async fn what_a_client_takes_back_or_an_answer_has_said_is_told_once() {
    let group = group(&[1]);
    let failures = || {
        let labels = [group.name.as_str(), &group.servers[0].address];
        let failures = &group.metrics.upstream_failures;
        failures.with_label_values(&labels).get()
    };
    let mut bad = attempts(&group);
    answer(&mut bad, &group, StatusCode::BAD_GATEWAY);
    bad.failed(&group);
    assert_eq!(failures(), 1);
    let mut taken_back = attempts(&group);
    taken_back.says_nothing();
    taken_back.failed(&group);
    assert_eq!(failures(), 1);
}

#[tokio::test]
async fn an_origin_whose_client_is_slow_is_not_slow() {
    for (has_whole_request, state) in [(false, State::Closed), (true, State::Open)] {
        let group = group(&[1]);
        let mut all = Vec::from_iter((0..20).map(|_| attempts(&group)));
        for one in all.iter_mut().filter(|_| has_whole_request) {
            one.has_whole_request(group.now());
        }
        group.clock.advance(Duration::from_secs(60));
        for one in &mut all {
            answer(one, &group, StatusCode::OK);
        }
        assert_eq!(group.breaker_state(&group.servers[0]), state);
    }
}

#[tokio::test(start_paused = true)]
async fn who_had_to_wait_for_the_client_may_close_the_connection() {
    let group = group(&[1]);
    for (pause, failures) in [(Duration::from_secs(5), 0), (Duration::from_millis(50), 1)] {
        let mut attempts = attempts(&group);
        answer(&mut attempts, &group, StatusCode::OK);
        attempts.passes_on();
        tokio::time::advance(pause).await;
        attempts.closed(&group);
        let labels = [group.name.as_str(), &group.servers[0].address];
        let failed = &group.metrics.upstream_failures;
        assert_eq!(failed.with_label_values(&labels).get(), failures);
    }
}

#[tokio::test]
async fn an_error_says_nothing_of_how_long_requests_take() {
    let mut config: Config = serde_yaml::from_str(crate::config::DEFAULTS).unwrap();
    config.dispatch.limit = Limit::Adaptive;
    config.dispatch.adaptive.initial = 4;
    config.dispatch.adaptive.min = 4;
    config.dispatch.adaptive.samples_min = 10;
    let group = group(&[1]);
    let (own, clock) = (Arc::new(config.dispatch), group.clock.clone());
    let metrics = Arc::new(Metrics::new());
    let dispatch = Dispatch::new(own, clock, Arc::clone(&metrics));
    let held = Vec::from_iter((0..4).filter_map(|_| dispatch.enter_now(Class::Checkout)));
    let fields = HeaderMap::from_iter([(header::RETRY_AFTER, "1".parse().unwrap())]);
    let limit_after = |status: StatusCode| {
        for _ in 0..100 {
            let mut attempts = attempts(&group);
            attempts.has_whole_request(group.now());
            group.clock.advance(Duration::from_millis(50));
            attempts.answered(&group, status, &fields, held.first());
        }
        metrics.dispatch_limit.get()
    };
    assert_eq!(limit_after(StatusCode::SERVICE_UNAVAILABLE), 4);
    assert_eq!(limit_after(StatusCode::INTERNAL_SERVER_ERROR), 4);
    assert!(limit_after(StatusCode::OK) > 4);
}
