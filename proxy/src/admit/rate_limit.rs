//! Budgets that a client can feel: exact (GCRA, the generic cell rate algorithm), bounded in memory.

use std::net::IpAddr;
use std::time::Duration;

use moka::ops::compute::Op;
use moka::sync::Cache;

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

/// The clients of one budget. Each is one number: the theoretical arrival time, at which its budget is whole again.
pub struct RateLimiter {
    budget: Budget,
    clients: Cache<Client, i64>,
}

impl RateLimiter {
    /// Remembers at most `clients_max` clients; the least recently seen are forgotten first.
    pub fn new(budget: Budget, clients_max: u64) -> Self {
        let clients = Cache::builder()
            .max_capacity(clients_max)
            .time_to_idle(budget.window * 2)
            .build();
        Self { budget, clients }
    }

    /// The budget.
    pub fn budget(&self) -> Budget {
        self.budget
    }

    /// Takes one request of a client into account. A refused request costs nothing.
    pub fn check(&self, client: Client, now_microseconds: i64) -> Verdict {
        let mut verdict = None;
        self.clients.entry(client).and_compute_with(|known| {
            let arrival = known.map_or(now_microseconds, moka::Entry::into_value);
            let (next, judged) = judge(self.budget, arrival, now_microseconds);
            verdict = Some(judged);
            Op::Put(next)
        });
        verdict.unwrap_or_else(|| judge(self.budget, now_microseconds, now_microseconds).1)
    }

    /// Clients remembered.
    pub fn clients(&self) -> u64 {
        self.clients.entry_count()
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
    fn clients_do_not_share_a_budget() {
        let limiter = limiter(1, 10);
        assert!(limiter.check(CLIENT, 0).passes);
        assert!(limiter.check(Client::Account(1), 0).passes);
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
