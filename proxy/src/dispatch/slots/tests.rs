use jiff::Timestamp;

use super::*;

/// The default settings with so many slots and places, one slot for an origin short of memory.
fn dispatch(concurrency_max: usize, queue_max: usize) -> Arc<Dispatch> {
    let defaults: crate::config::Config = serde_yaml::from_str(crate::config::DEFAULTS).unwrap();
    let config = Config {
        concurrency_max,
        queue_max,
        memory_bytes_max: 1000,
        concurrency_when_full: 1,
        queue_wait_ms: 60_000,
        retry_after_seconds: 2,
        ..defaults.dispatch
    };
    of(config)
}

fn of(config: Config) -> Arc<Dispatch> {
    let clock = Clock::manual(Timestamp::UNIX_EPOCH);
    Dispatch::new(Arc::new(config), clock, Arc::new(Metrics::new()))
}

async fn enter(dispatch: &Arc<Dispatch>, class: Class) -> Result<Permit, Full> {
    dispatch.enter(class, User::Unknown).await
}

/// Lets somebody wait; true when he got a slot.
async fn waits(dispatch: &Arc<Dispatch>, class: Class) -> tokio::task::JoinHandle<bool> {
    let before = dispatch.state.lock().queue.waiting(class);
    let waiting = tokio::spawn({
        let dispatch = Arc::clone(dispatch);
        async move { enter(&dispatch, class).await.is_ok() }
    });
    while dispatch.state.lock().queue.waiting(class) == before {
        tokio::task::yield_now().await;
    }
    waiting
}

fn refused(dispatch: &Dispatch, class: Class, reason: &str) -> u64 {
    let labels = [class.label(), reason];
    dispatch
        .metrics
        .dispatch_refused
        .with_label_values(&labels)
        .get()
}

#[tokio::test]
async fn beyond_slots_and_places_a_request_is_refused_at_once() {
    let dispatch = dispatch(1, 0);
    let held = enter(&dispatch, Class::Cart).await.unwrap();
    let full = enter(&dispatch, Class::Cart).await.err();
    assert_eq!(full.unwrap().retry_after_seconds, 2);
    assert_eq!(refused(&dispatch, Class::Cart, "queue_full"), 1);
    drop(held);
    assert!(enter(&dispatch, Class::Cart).await.is_ok());
}

#[tokio::test]
async fn a_request_in_the_line_gets_the_next_free_slot() {
    let dispatch = dispatch(1, 1);
    let held = enter(&dispatch, Class::Browse).await.unwrap();
    let waiting = waits(&dispatch, Class::Browse).await;
    assert_eq!(dispatch.metrics.dispatch_waiting[2].get(), 1);
    drop(held);
    assert!(waiting.await.unwrap());
    assert_eq!(dispatch.metrics.dispatch_waiting[2].get(), 0);
    assert_eq!(dispatch.metrics.dispatch_in_flight.get(), 0);
}

#[tokio::test]
async fn whoever_is_displaced_or_waits_too_long_is_refused() {
    let dispatch = dispatch(1, 1);
    let held = enter(&dispatch, Class::Browse).await.unwrap();
    let first = waits(&dispatch, Class::Browse).await;
    let second = waits(&dispatch, Class::Checkout).await;
    assert!(!first.await.unwrap());
    assert_eq!(refused(&dispatch, Class::Browse, "displaced"), 1);
    drop(held);
    assert!(second.await.unwrap());

    let config = Config {
        queue_wait_ms: 1,
        ..Config::clone(&dispatch.state.lock().config)
    };
    let dispatch = of(config);
    let _held = enter(&dispatch, Class::Browse).await.unwrap();
    assert!(enter(&dispatch, Class::Browse).await.is_err());
    assert_eq!(refused(&dispatch, Class::Browse, "waited_too_long"), 1);
    assert_eq!(dispatch.metrics.dispatch_waiting[2].get(), 0);
}

#[tokio::test]
async fn a_client_that_leaves_the_line_leaves_nothing_behind() {
    let dispatch = dispatch(1, 5);
    let held = enter(&dispatch, Class::Browse).await.unwrap();
    let gone = waits(&dispatch, Class::Browse).await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    assert_eq!(dispatch.metrics.dispatch_waiting[2].get(), 0);
    // Called and gone at the same moment: nobody else has run in between.
    let gone = waits(&dispatch, Class::Browse).await;
    drop(held);
    gone.abort();
    let _ = gone.await;
    assert_eq!(dispatch.metrics.dispatch_in_flight.get(), 0);
    assert!(enter(&dispatch, Class::Browse).await.is_ok());
}

#[tokio::test]
async fn an_origin_short_of_memory_gets_fewer_requests() {
    let dispatch = dispatch(10, 5);
    says(&dispatch, "a", "1001");
    let _held = enter(&dispatch, Class::Checkout).await.unwrap();
    let waiting = waits(&dispatch, Class::Checkout).await;
    says(&dispatch, "a", "10");
    assert!(waiting.await.unwrap());
}

/// Lets an origin say how many bytes it has.
fn says(dispatch: &Dispatch, origin: &str, bytes: &str) {
    let bytes = bytes.parse().unwrap();
    let answer = HeaderMap::from_iter([(headers::MEMORY_USAGE, bytes)]);
    dispatch.heard(origin, &answer);
}

#[tokio::test]
async fn an_origin_that_has_enough_does_not_speak_for_one_that_is_short() {
    let dispatch = dispatch(10, 5);
    says(&dispatch, "a", "1001");
    for _ in 0..5 {
        dispatch.clock.advance(Duration::from_secs(9));
        says(&dispatch, "a", "1001");
        says(&dispatch, "b", "10");
        assert_eq!(dispatch.metrics.dispatch_limit.get(), 1);
        assert_eq!(dispatch.metrics.origin_memory_bytes.get(), 1001);
    }
    says(&dispatch, "a", "10");
    assert_eq!(dispatch.metrics.dispatch_limit.get(), 10);
}

#[tokio::test]
async fn an_origin_that_is_gone_or_says_nothing_more_limits_nobody() {
    let dispatch = dispatch(10, 5);
    says(&dispatch, "a", "1001");
    dispatch.forget("a");
    assert_eq!(dispatch.metrics.dispatch_limit.get(), 10);
    says(&dispatch, "a", "1001");
    let held = enter(&dispatch, Class::Checkout).await.unwrap();
    let waiting = waits(&dispatch, Class::Checkout).await;
    dispatch.clock.advance(Duration::from_secs(10));
    let other = enter(&dispatch, Class::Checkout).await.unwrap();
    drop(held);
    assert!(waiting.await.unwrap());
    drop(other);
    assert_eq!(dispatch.metrics.dispatch_limit.get(), 10);
}

#[tokio::test]
async fn a_limit_that_adapts_itself_calls_those_who_wait() {
    let mut config = Config::clone(&dispatch(100, 10).state.lock().config);
    config.limit = Limit::Adaptive;
    config.adaptive.initial = 4;
    config.adaptive.min = 4;
    config.adaptive.samples_min = 10;
    let dispatch = of(config);
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(enter(&dispatch, Class::Checkout).await.unwrap());
    }
    let waiting = waits(&dispatch, Class::Checkout).await;
    for _ in 0..100 {
        let begun = dispatch.clock.now_microseconds();
        dispatch.clock.advance(Duration::from_millis(50));
        held[0].answered(begun);
    }
    assert!(waiting.await.unwrap());
    assert!(dispatch.metrics.dispatch_limit.get() > 4);
}

#[tokio::test]
async fn other_settings_keep_who_is_there_and_call_who_can_go() {
    let dispatch = dispatch(1, 5);
    let held = enter(&dispatch, Class::Cart).await.unwrap();
    let waiting = waits(&dispatch, Class::Cart).await;
    let larger = Config {
        concurrency_max: 2,
        ..Config::clone(&dispatch.state.lock().config)
    };
    dispatch.configure(Arc::new(larger));
    assert!(waiting.await.unwrap());
    assert_eq!(dispatch.metrics.dispatch_in_flight.get(), 1);
    drop(held);
}
