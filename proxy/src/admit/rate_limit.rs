//! Budgets that a client can feel: exact (GCRA, the generic cell rate algorithm), bounded in memory.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crackers_shared::config_file::Problems;

use crate::method_names;
use crate::path_pattern;

/// A budget for some requests.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimitConfig {
    /// Its name, in `RateLimit` fields and metrics.
    pub name: String,
    /// Whether each verified session has a budget of its own; others are counted by their address.
    #[serde(default)]
    pub by_session: bool,
    /// Methods; none means all.
    pub methods: Vec<String>,
    /// Paths that begin so, however they are disguised; none means all.
    pub path_prefixes: Vec<String>,
    /// Requests of one client in the window.
    pub requests_max: u32,
    /// The window, in milliseconds.
    pub window_ms: u64,
}

impl RateLimitConfig {
    /// Reports impossible values under `path`.
    pub(super) fn check(&self, path: &str, problems: &mut Problems) {
        let is_token = self
            .name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        problems.require(
            is_token && !self.name.is_empty(),
            format!("{path}.name"),
            "must be letters, digits, - and _",
        );
        method_names::check(&self.methods, &format!("{path}.methods"), problems);
        for (index, prefix) in self.path_prefixes.iter().enumerate() {
            problems.require(
                prefix.starts_with('/'),
                format!("{path}.path_prefixes.{index}"),
                "must begin with /",
            );
        }
        problems.require(
            self.requests_max > 0,
            format!("{path}.requests_max"),
            "must be at least 1",
        );
        problems.require(
            (1000..=86_400_000).contains(&self.window_ms),
            format!("{path}.window_ms"),
            "must be 1000 to 86400000",
        );
    }

    /// Whether it counts such requests.
    pub(super) fn fits(&self, method: &Method, path: &str) -> bool {
        (self.methods.is_empty() || self.methods.iter().any(|known| known == method.as_str()))
            && (self.path_prefixes.is_empty()
                || self
                    .path_prefixes
                    .iter()
                    .any(|prefix| path_pattern::begins_however_read(prefix, path)))
    }
}

/// So many requests in so long a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Requests.
    pub requests: u32,
    /// Time.
    pub window: Duration,
}

/// Whose budget it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Client {
    /// An address ([`super::client_address::limit_key`]).
    Address(IpAddr),
    /// All sessions of one account: a mobile carrier puts thousands of customers behind one address.
    Account(u64),
}

/// What a limiter says of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it may pass.
    pub passes: bool,
    /// How many more would pass now.
    pub remaining: u64,
    /// Until the budget is whole again.
    pub reset: Duration,
    /// Until one request would pass.
    pub retry_after: Duration,
}

/// Clients are spread over so many tables, so that threads seldom wait for each other.
const SHARDS: u64 = 16;

/// Fewer clients to remember than so many are refused: one table holds few of them then, and whoever comes from as many
/// addresses pushes himself out, and has a whole budget again.
pub(super) const CLIENTS_MIN: u64 = 1024;

/// The clients of one budget. Each is one number: the theoretical arrival time, at which its budget is whole again. A client
/// whose budget is whole is like one that was never seen, so those go first when there are too many, then whoever is nearest
/// to it.
pub struct RateLimiter {
    budget: Budget,
    hasher: RandomState,
    shards: Arc<[Mutex<HashMap<Client, i64>>]>,
    shard_clients_max: usize,
}

impl RateLimiter {
    /// Remembers about `clients_max` clients at most.
    pub fn new(budget: Budget, clients_max: u64) -> Self {
        let shard_clients_max = clients_max.div_ceil(SHARDS).max(1);
        Self {
            budget,
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            shard_clients_max: usize::try_from(shard_clients_max).unwrap_or(usize::MAX),
        }
    }

    /// The same clients, and what they have used of theirs, with another budget.
    pub fn with_budget(&self, budget: Budget) -> Self {
        Self {
            budget,
            hasher: self.hasher.clone(),
            shards: Arc::clone(&self.shards),
            shard_clients_max: self.shard_clients_max,
        }
    }

    /// The budget.
    pub fn budget(&self) -> Budget {
        self.budget
    }

    /// Takes one request of a client into account. A refused request costs nothing.
    pub fn check(&self, client: Client, now_microseconds: i64) -> Verdict {
        let place = usize::try_from(self.hasher.hash_one(client) % SHARDS).unwrap_or(0);
        let mut clients = self.shards[place].lock();
        if let Some(arrival) = clients.get_mut(&client) {
            let (next, verdict) = judge(self.budget, *arrival, now_microseconds);
            *arrival = next;
            return verdict;
        }
        if clients.len() >= self.shard_clients_max {
            make_room(&mut clients, now_microseconds);
        }
        let (next, verdict) = judge(self.budget, now_microseconds, now_microseconds);
        clients.insert(client, next);
        verdict
    }

    /// Clients remembered.
    pub fn clients(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }
}

/// Forgets whoever has a whole budget again; where that is too few, the eighth that is nearest to it.
fn make_room(clients: &mut HashMap<Client, i64>, now: i64) {
    let before = clients.len();
    clients.retain(|_, arrival| *arrival > now);
    if clients.len() > before - before.div_ceil(8) {
        let mut arrivals: Vec<_> = clients.values().copied().collect();
        let (_, bound, _) = arrivals.select_nth_unstable(before / 8);
        let bound = *bound;
        clients.retain(|_, arrival| *arrival > bound);
    }
}

/// The rule itself: the arrival time after this request, and the verdict on it.
fn judge(budget: Budget, arrival: i64, now: i64) -> (i64, Verdict) {
    let window = i64::try_from(budget.window.as_micros())
        .unwrap_or(i64::MAX / 4)
        .max(1);
    let interval = (window / i64::from(budget.requests.max(1))).max(1);
    let arrival = arrival.max(now).min(now.saturating_add(window));
    let next = arrival + interval;
    let passes = next - now <= window;
    let kept = if passes { next } else { arrival };
    let micros = |time: i64| Duration::from_micros(u64::try_from(time).unwrap_or(0));
    let verdict = Verdict {
        passes,
        remaining: u64::try_from((window - (kept - now)) / interval).unwrap_or(0),
        reset: micros(kept - now),
        retry_after: micros(if passes { 0 } else { next - now - window }),
    };
    (kept, verdict)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CLIENT: Client = Client::Address(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    fn limiter(requests: u32, seconds: u64) -> RateLimiter {
        RateLimiter::new(
            Budget {
                requests,
                window: Duration::from_secs(seconds),
            },
            100,
        )
    }

    #[test]
    fn a_whole_budget_passes_at_once_and_then_one_for_each_interval() {
        let limiter = limiter(10, 10);
        let passes = |now| limiter.check(CLIENT, now).passes;
        assert!((0..10).all(|_| passes(0)));
        let refused = limiter.check(CLIENT, 0);
        assert_eq!(
            (refused.passes, refused.remaining, refused.retry_after),
            (false, 0, Duration::from_secs(1))
        );
        assert!(!passes(999_999));
        assert!(passes(1_000_000));
        assert!(!passes(1_000_000));
    }

    #[test]
    fn what_was_used_stays_used_under_another_budget() {
        let before = limiter(2, 10);
        assert!(before.check(CLIENT, 0).passes && before.check(CLIENT, 0).passes);
        let larger = before.with_budget(Budget {
            requests: 4,
            window: Duration::from_secs(10),
        });
        assert!(!larger.check(CLIENT, 0).passes);
        assert!(larger.check(CLIENT, 2_500_000).passes);
        assert_eq!(larger.clients(), 1);
    }

    #[test]
    fn clients_do_not_share_a_budget() {
        let limiter = limiter(1, 10);
        assert!(limiter.check(CLIENT, 0).passes);
        assert!(limiter.check(Client::Account(1), 0).passes);
    }

    #[test]
    fn a_flood_of_strangers_is_bounded_and_does_not_refill_the_budget_of_who_used_his_up() {
        let limiter = limiter(3, 10);
        let greedy = Client::Account(0);
        assert_eq!(
            (0..9).filter(|_| limiter.check(greedy, 0).passes).count(),
            3
        );
        for stranger in 1..5000 {
            assert!(limiter.check(Client::Account(stranger), 1).passes);
        }
        assert!(limiter.clients() <= 112, "{}", limiter.clients());
        assert!(!limiter.check(greedy, 2).passes);
    }

    proptest! {
        #[test]
        fn no_window_ever_passes_more_than_two_budgets(steps in prop::collection::vec(0_i64..500_000, 1..400), requests in 1_u32..20) {
            let limiter = limiter(requests, 2);
            let (mut now, mut passed) = (0, Vec::new());
            for step in steps {
                now += step;
                if limiter.check(CLIENT, now).passes { passed.push(now) }
            }
            for start in &passed {
                let within = passed.iter().filter(|at| (*start..start + 2_000_000).contains(*at)).count();
                prop_assert!(within <= 2 * requests as usize, "{within}");
            }
        }
    }
}
