//! A simulated origin, in simulated time: so many workers, each busy with one request for so long.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::*;

const SECOND: i64 = 1_000_000;

fn config() -> AdaptiveConfig {
    AdaptiveConfig {
        initial: 16,
        min: 4,
        tolerance_percent: 120,
        window_ms: 250,
        samples_min: 20,
        remeasure_ms: 10_000,
    }
}

const MAX: usize = 500;

/// The origin, and clients of whom so many always want something.
struct Simulation {
    limit: Gradient,
    config: AdaptiveConfig,
    now: i64,
    workers: usize,
    /// How long a request of each class keeps a worker, in microseconds.
    service: [i64; CLASSES],
    /// Every which request is a checkout.
    checkout_every: u64,
    clients: usize,
    free_at: BinaryHeap<Reverse<i64>>,
    under_way: BinaryHeap<Reverse<(i64, i64, usize)>>,
    random: u64,
    done: u64,
    limits: Vec<usize>,
}

impl Simulation {
    fn new(workers: usize, service_ms: i64) -> Self {
        let config = config();
        Self {
            limit: Gradient::new(&config, 0),
            config,
            now: 0,
            workers,
            service: [service_ms * 1000; CLASSES],
            checkout_every: u64::MAX,
            clients: MAX,
            free_at: BinaryHeap::new(),
            under_way: BinaryHeap::new(),
            random: 7,
            done: 0,
            limits: Vec::new(),
        }
    }

    fn drawn(&mut self) -> u64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        self.random >> 33
    }

    fn ask(&mut self) {
        let is_checkout = self.drawn().is_multiple_of(self.checkout_every);
        let class = if is_checkout {
            Class::Checkout
        } else {
            Class::Browse
        } as usize;
        // Ten percent more or less, at random.
        let spread = self.service[class] * (90 + (self.drawn() % 21) as i64) / 100;
        while self.free_at.len() > self.workers {
            self.free_at.pop();
        }
        let is_idle = self.free_at.len() < self.workers;
        let free = if is_idle {
            self.now
        } else {
            self.free_at.pop().unwrap().0
        };
        let end = free.max(self.now) + spread;
        self.free_at.push(Reverse(end));
        self.under_way.push(Reverse((end, self.now, class)));
    }

    /// Lets time pass; requests done in it, by the second.
    fn run(&mut self, seconds: i64) -> f64 {
        let (end, before) = (self.now + seconds * SECOND, self.done);
        self.limits.clear();
        while self.now < end {
            let most = self.limit.limit(&self.config, MAX).min(self.clients);
            while self.under_way.len() < most {
                self.ask();
            }
            let in_use = self.under_way.len();
            let Reverse((at, begun, class)) = self.under_way.pop().unwrap();
            self.now = at;
            self.done += 1;
            let class = Class::ALL[class];
            let sample = Sample {
                class,
                begun,
                now: at,
                in_use,
            };
            self.limit.sample(&self.config, MAX, sample);
            self.limits.push(self.limit.limit(&self.config, MAX));
        }
        (self.done - before) as f64 / seconds as f64
    }

    /// The limit as it mostly was.
    fn usual(&mut self) -> usize {
        self.limits.sort_unstable();
        self.limits[self.limits.len() / 2]
    }
}

#[test]
fn it_finds_the_capacity_from_below_and_from_above() {
    for (workers, initial) in [(40, 16), (40, 400), (8, 100), (200, 8)] {
        let mut origin = Simulation::new(workers, 10);
        origin.limit.limit = initial as f64;
        origin.run(30);
        let rate = origin.run(60);
        let usual = origin.usual();
        assert!(
            (workers..=workers * 2).contains(&usual),
            "{workers} workers, from {initial}: {usual}"
        );
        let possible = workers as f64 * 100.0;
        assert!(rate > 0.95 * possible, "{workers}: {rate} of {possible}");
    }
}

#[test]
fn an_origin_that_becomes_slower_is_followed_and_so_is_its_recovery() {
    let mut origin = Simulation::new(40, 10);
    origin.run(30);
    for service_ms in [50, 10, 200, 10] {
        origin.service = [service_ms * 1000; CLASSES];
        origin.run(40);
        let rate = origin.run(60);
        let usual = origin.usual();
        assert!((40..=80).contains(&usual), "{service_ms} ms: {usual}");
        let possible = 40.0 * 1000.0 / service_ms as f64;
        assert!(
            rate > 0.9 * possible,
            "{service_ms} ms: {rate} of {possible}"
        );
    }
}

#[test]
fn an_origin_that_loses_workers_is_followed_and_so_is_their_return() {
    let mut origin = Simulation::new(80, 10);
    origin.run(30);
    for workers in [20, 80, 5, 80] {
        origin.workers = workers;
        origin.run(60);
        let rate = origin.run(60);
        let usual = origin.usual();
        let most = (workers * 2).max(12);
        assert!((workers..=most).contains(&usual), "{workers}: {usual}");
        let possible = workers as f64 * 100.0;
        assert!(rate > 0.9 * possible, "{workers}: {rate} of {possible}");
    }
}

#[test]
fn a_changed_mixture_is_no_overload() {
    let mut origin = Simulation::new(40, 10);
    origin.service[Class::Checkout as usize] = 100_000;
    for every in [50, 2, 50] {
        origin.checkout_every = every;
        origin.run(30);
        origin.run(30);
        let usual = origin.usual();
        assert!((40..=80).contains(&usual), "1 in {every}: {usual}");
    }
}

#[test]
fn what_nobody_uses_does_not_grow() {
    let mut origin = Simulation::new(100, 10);
    origin.clients = 3;
    origin.run(120);
    assert!(origin.limit.limit <= 16.0, "{}", origin.limit.limit);
    // And what is there stays there for those who come.
    assert!(origin.limit.limit >= 6.0, "{}", origin.limit.limit);
}

#[test]
fn it_stays_within_its_bounds_whatever_it_is_told() {
    let config = config();
    let mut limit = Gradient::new(&config, 0);
    let mut random = 1_u64;
    for _ in 0..100_000 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let sample = Sample {
            class: Class::ALL[(random >> 60) as usize % CLASSES],
            begun: (random >> 20) as i64 % SECOND,
            now: (random >> 10) as i64 % (100 * SECOND),
            in_use: (random >> 40) as usize % 1000,
        };
        limit.sample(&config, 100, sample);
        assert!((4..=100).contains(&limit.limit(&config, 100)));
    }
}
