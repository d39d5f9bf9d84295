use proptest::prelude::*;

use super::*;

const SECOND: i64 = 1_000_000;
const GOOD: Went = Went::Well(1000);
const SLOW: Went = Went::Well(3 * SECOND);

fn config() -> BreakerConfig {
    BreakerConfig {
        window_ms: 10_000,
        requests_min: 10,
        failures_percent: 50,
        slow_ms: 2000,
        slow_percent: 80,
        open_ms: 5000,
        probes: 2,
    }
}

fn tell(breaker: &Breaker, went: Went, times: usize, now: i64) -> Option<Turned> {
    let one = |_| {
        let passed = breaker.enter(&config(), now)?;
        breaker.report(&config(), passed, went, now)
    };
    (0..times).filter_map(one).last()
}

fn open(now: i64) -> Breaker {
    let breaker = Breaker::default();
    assert_eq!(
        tell(&breaker, Went::Badly, 10, now),
        Some(Turned::Opened("failures"))
    );
    breaker
}

#[test]
fn it_opens_at_the_rate_and_not_before_there_are_enough() {
    let breaker = Breaker::default();
    assert_eq!(tell(&breaker, GOOD, 10, 0), None);
    assert_eq!(tell(&breaker, Went::Badly, 9, 0), None);
    assert_eq!(
        tell(&breaker, Went::Badly, 1, 0),
        Some(Turned::Opened("failures"))
    );
    assert_eq!(breaker.state(0), State::Open);
    assert!(breaker.enter(&config(), 5 * SECOND - 1).is_none());
}

#[test]
fn what_is_older_than_the_window_does_not_count() {
    let breaker = Breaker::default();
    assert_eq!(tell(&breaker, Went::Badly, 9, 0), None);
    assert_eq!(tell(&breaker, Went::Badly, 9, 11 * SECOND), None);
    assert!(tell(&breaker, Went::Badly, 1, 12 * SECOND).is_some());
}

#[test]
fn slow_answers_open_it_too() {
    let breaker = Breaker::default();
    assert_eq!(tell(&breaker, GOOD, 2, 0), None);
    assert_eq!(tell(&breaker, SLOW, 8, 0), Some(Turned::Opened("slow")));
}

#[test]
fn it_never_opens_for_a_rate_of_nought() {
    let never = BreakerConfig {
        failures_percent: 0,
        slow_percent: 0,
        ..config()
    };
    let breaker = Breaker::default();
    for _ in 0..100 {
        let passed = breaker.enter(&never, 0).unwrap();
        assert_eq!(breaker.report(&never, passed, Went::Badly, 0), None);
    }
}

#[test]
fn after_a_while_only_probes_pass_and_close_it() {
    let breaker = open(0);
    let now = 5 * SECOND;
    let probes = [0, 1].map(|_| breaker.enter(&config(), now).unwrap());
    assert!(probes.iter().all(|probe| probe.is_probe));
    assert!(breaker.enter(&config(), now).is_none() && !breaker.may_pass(&config(), now));
    assert_eq!(breaker.report(&config(), probes[0], GOOD, now), None);
    assert!(breaker.enter(&config(), now).is_none());
    assert_eq!(
        breaker.report(&config(), probes[1], GOOD, now),
        Some(Turned::Closed)
    );
    assert_eq!(breaker.state(now), State::Closed);
    assert_eq!(tell(&breaker, Went::Badly, 9, now), None);
}

#[test]
fn a_probe_that_fails_opens_it_for_as_long_again() {
    let breaker = open(0);
    let failed = tell(&breaker, Went::Badly, 1, 6 * SECOND);
    assert_eq!(failed, Some(Turned::Opened("probe")));
    assert_eq!(breaker.state(11 * SECOND - 1), State::Open);
    let slow = tell(&breaker, SLOW, 1, 11 * SECOND);
    assert_eq!(slow, Some(Turned::Opened("probe")));
}

#[test]
fn a_server_that_passes_its_checks_again_is_probed_at_once() {
    let breaker = open(0);
    breaker.came_back(SECOND);
    assert_eq!(breaker.state(SECOND - 1), State::Open);
    assert!(breaker.enter(&config(), SECOND).unwrap().is_probe);
}

#[test]
fn a_probe_whose_client_left_is_given_back() {
    let breaker = open(0);
    let now = 6 * SECOND;
    let probes = [0, 1].map(|_| breaker.enter(&config(), now).unwrap());
    breaker.give_back(probes[0]);
    assert!(breaker.enter(&config(), now).is_some());
}

#[test]
fn a_probe_of_which_nothing_is_heard_keeps_nobody_out_for_ever() {
    let breaker = open(0);
    let config = config();
    let begun = 6 * SECOND;
    let slow_upload = breaker.enter(&config, begun).unwrap();
    assert_eq!(tell(&breaker, GOOD, 1, begun), None);
    // As long as it may be an answer in time.
    let patience = 5 * SECOND;
    assert!(!breaker.may_pass(&config, begun + patience));
    assert!(breaker.enter(&config, begun + patience).is_none());
    let later = begun + patience + 1;
    assert!(breaker.may_pass(&config, later));
    let next = breaker.enter(&config, later).unwrap();
    assert!(next.is_probe && breaker.enter(&config, later).is_none());
    // What it says at last neither closes the breaker nor makes room.
    assert_eq!(breaker.report(&config, slow_upload, GOOD, later), None);
    breaker.give_back(slow_upload);
    assert!(breaker.enter(&config, later).is_none());
    let closed = breaker.report(&config, next, GOOD, later);
    assert_eq!(closed, Some(Turned::Closed));
}

#[test]
fn a_probe_that_fails_late_opens_it_all_the_same() {
    let breaker = open(0);
    let late = [0, 1].map(|_| breaker.enter(&config(), 6 * SECOND).unwrap());
    let now = 20 * SECOND;
    assert!(breaker.enter(&config(), now).is_some());
    let opened = breaker.report(&config(), late[0], Went::Badly, now);
    assert_eq!(opened, Some(Turned::Opened("probe")));
    assert_eq!(breaker.report(&config(), late[1], Went::Badly, now), None);
}

#[test]
fn answers_that_are_slow_but_not_too_slow_close_it() {
    let breaker = Breaker::default();
    let config = BreakerConfig {
        open_ms: 1000,
        ..config()
    };
    breaker.turn(&config, true, 0);
    let begun = SECOND;
    let probes = [0, 1].map(|_| breaker.enter(&config, begun).unwrap());
    let answered = begun + 2 * SECOND;
    let went = Went::Well(2 * SECOND);
    assert!(breaker.enter(&config, answered).is_none());
    let told = probes.map(|probe| breaker.report(&config, probe, went, answered));
    assert_eq!(told, [None, Some(Turned::Closed)]);
}

#[test]
fn answers_that_break_off_open_it_as_failures_do() {
    let breaker = Breaker::default();
    let break_off = |now: i64| {
        let passed = breaker.enter(&config(), now).unwrap();
        assert_eq!(breaker.report(&config(), passed, GOOD, now), None);
        breaker.broke_off(&config(), passed, now)
    };
    assert_eq!(tell(&breaker, GOOD, 5, 0), None);
    let told: Vec<_> = (0..5).filter_map(|_| break_off(0)).collect();
    assert_eq!(told, [Turned::Opened("failures")]);
    assert_eq!(break_off(5 * SECOND), Some(Turned::Opened("probe")));
    assert_eq!(breaker.state(6 * SECOND), State::Open);
}

#[test]
fn what_was_let_through_before_says_nothing_of_now() {
    let breaker = Breaker::default();
    let early = breaker.enter(&config(), 0).unwrap();
    assert!(tell(&breaker, Went::Badly, 10, 0).is_some());
    assert_eq!(breaker.report(&config(), early, GOOD, 1), None);
    let probe = breaker.enter(&config(), 6 * SECOND).unwrap();
    assert_eq!(
        breaker.report(&config(), early, Went::Badly, 6 * SECOND),
        None
    );
    breaker.give_back(early);
    assert_eq!(breaker.report(&config(), probe, GOOD, 6 * SECOND), None);
    assert_eq!(breaker.state(6 * SECOND), State::HalfOpen);
}

proptest! {
    /// However requests go, an open breaker opens up again, and a half-open one lets no more through than its probes.
    #[test]
    fn it_is_never_stuck(steps in prop::collection::vec((0_u8..4, 0_i64..3), 1..300)) {
        let (breaker, config) = (Breaker::default(), config());
        let (mut now, mut under_way) = (0, Vec::new());
        for (step, seconds) in steps {
            now += seconds * SECOND;
            match (step, under_way.pop()) {
                (0, Some(passed)) => { breaker.report(&config, passed, GOOD, now); }
                (1, Some(passed)) => { breaker.report(&config, passed, Went::Badly, now); }
                (2, Some(passed)) => breaker.give_back(passed),
                (_, other) => {
                    under_way.extend(other);
                    under_way.extend(breaker.enter(&config, now));
                }
            }
            let inner = breaker.0.lock();
            let written_off = match &inner.0 {
                Inner::Probing(probes) => probes.written_off,
                Inner::Closed(_) | Inner::Open(_) => 0,
            };
            let probes = under_way
                .iter()
                .filter(|one| one.is_probe && one.changes == inner.1 && one.written_off == written_off);
            prop_assert!(probes.count() <= config.probes as usize);
        }
        for passed in under_way { breaker.give_back(passed); }
        prop_assert!(breaker.may_pass(&config, now + 5 * SECOND));
    }
}
