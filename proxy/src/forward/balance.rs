//! Whose turn it is: pure functions over what is known of a group's servers at one moment.

use std::hash::{DefaultHasher, Hasher as _};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a group shares its requests out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// One after the other, as often as their weights say.
    #[default]
    RoundRobin,
    /// Whoever works on the fewest requests for its weight.
    LeastConnections,
    /// The less busy of two that are drawn by weight.
    PowerOfTwo,
    /// The same server for the same client or path, as long as it serves.
    ConsistentHash,
}

/// What a consistent hash goes by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HashBy {
    /// The client's address; the path where there is no client, as for the cache's own fetches.
    #[default]
    Address,
    /// The path without the query.
    Path,
}

/// What decides whether a server may be chosen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// Passes its checks and is not ejected.
    pub(super) is_healthy: bool,
    /// Gets nothing new, by order of the operator.
    pub(super) is_drained: bool,
    /// Serves, but has said that it will stop.
    pub(super) is_stopping: bool,
    /// Gets nothing, or no more probes than it has: its breaker is not closed.
    pub(super) is_open: bool,
    /// Gets something only when too few others are healthy.
    pub(super) is_backup: bool,
    /// Was tried for this request.
    pub(super) is_tried: bool,
}

/// The positions that may be chosen: healthy servers; backups beside them once fewer than half are healthy; all of them
/// when no backup helps, since checks can be wrong and the few would break down. One that will stop only when none of the
/// others is healthy. Never a drained one, nor one whose breaker lets nothing through.
pub(super) fn eligible(standings: &[Standing]) -> Vec<usize> {
    let of = |fits: &dyn Fn(&Standing) -> bool| -> Vec<usize> {
        let all = standings.iter().enumerate();
        all.filter(|(_, one)| !one.is_drained && !one.is_open && !one.is_tried && fits(one))
            .map(|(index, _)| index)
            .collect()
    };
    let serves = |one: &Standing| one.is_healthy && !one.is_stopping;
    let counts = |one: &&Standing| !one.is_drained && !one.is_stopping;
    let main = standings.iter().filter(counts).filter(|one| !one.is_backup);
    let may_serve = |one: &&Standing| serves(one) && !one.is_open;
    let healthy = main.clone().filter(may_serve).count();
    let mut backups = standings.iter().filter(counts).filter(|one| one.is_backup);
    let first: &dyn Fn(&Standing) -> bool = if healthy > 0 && healthy * 2 >= main.count() {
        &|one| serves(one) && !one.is_backup
    } else if backups.any(|one| may_serve(&one)) {
        &serves
    } else if healthy > 0 {
        &|one| !one.is_backup && !one.is_stopping
    } else {
        &|one| one.is_healthy
    };
    let wishes: [&dyn Fn(&Standing) -> bool; 4] = [
        first,
        &|one| one.is_healthy,
        &|one| !one.is_backup && !one.is_stopping,
        &|_| true,
    ];
    let mut found = wishes.into_iter().map(of);
    found.find(|found| !found.is_empty()).unwrap_or_default()
}

/// A server that may be chosen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate<'a> {
    /// What stays the same of it.
    pub(super) name: &'a str,
    /// Its share, in whatever unit all of them have.
    pub(super) weight: u64,
    /// Requests it is working on.
    pub(super) in_flight: usize,
}

/// The position of the one that gets a request: the `turn`th of its group, with this key for a hash.
pub(super) fn pick(
    balance: Balance,
    candidates: &[Candidate<'_>],
    turn: u64,
    key: u64,
) -> Option<usize> {
    match balance {
        Balance::RoundRobin => in_turn(candidates, turn),
        Balance::LeastConnections => {
            let first = in_turn(candidates, turn)?;
            // Among equals it is the next one's turn.
            let round = (first..candidates.len()).chain(0..first);
            round.reduce(|best, other| less_busy(candidates, best, other))
        }
        Balance::PowerOfTwo => {
            let one = at_share(candidates, mixed(turn.wrapping_mul(2)))?;
            let other = at_share(candidates, mixed(turn.wrapping_mul(2).wrapping_add(1)))?;
            Some(less_busy(candidates, one, other))
        }
        Balance::ConsistentHash => by_hash(candidates, key),
    }
}

/// Every server gets exactly its share of each round; a step that the round's length does not divide keeps a server's
/// turns apart.
fn in_turn(candidates: &[Candidate<'_>], turn: u64) -> Option<usize> {
    let unit = candidates.iter().map(|one| one.weight).fold(0, divisor);
    let total = candidates.iter().map(|one| one.weight).sum::<u64>() / unit.max(1);
    if total == 0 {
        return None;
    }
    let golden = (total * 618 / 1000).max(1);
    let step = (golden..=total).find(|step| divisor(*step, total) == 1)?;
    at_share(candidates, (turn % total) * step % total * unit)
}

/// Whose share this number falls into, counted around.
fn at_share(candidates: &[Candidate<'_>], number: u64) -> Option<usize> {
    let total: u64 = candidates.iter().map(|one| one.weight).sum();
    let mut left = number.checked_rem(total)?;
    candidates.iter().position(|one| {
        let is_here = left < one.weight;
        left = left.saturating_sub(one.weight);
        is_here
    })
}

/// The first, unless the second works on less for its weight.
fn less_busy(candidates: &[Candidate<'_>], one: usize, other: usize) -> usize {
    let load = |index: usize| candidates[index].in_flight as u128 + 1;
    let weight = |index: usize| u128::from(candidates[index].weight);
    if load(other) * weight(one) < load(one) * weight(other) {
        other
    } else {
        one
    }
}

/// Weighted rendezvous hashing: when a server goes, only its own keys move.
fn by_hash(candidates: &[Candidate<'_>], key: u64) -> Option<usize> {
    let score = |one: &Candidate<'_>| {
        let drawn = mixed(hash_of(&(one.name, key))) >> 11;
        let drawn = (drawn as f64 + 0.5) / (1_u64 << 53) as f64;
        one.weight as f64 / -drawn.ln()
    };
    let scores = candidates.iter().map(score).enumerate();
    scores
        .max_by(|one, other| one.1.total_cmp(&other.1))
        .map(|(index, _)| index)
}

/// A number for a key, the same in every process.
pub(super) fn hash_of(key: &impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

/// Numbers in a row become numbers without order (the finalizer of SplitMix64).
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn divisor(one: u64, other: u64) -> u64 {
    if other == 0 {
        one
    } else {
        divisor(other, one % other)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

    fn candidates(weights: &[u64]) -> Vec<Candidate<'static>> {
        let named = NAMES.iter().zip(weights);
        named
            .map(|(name, weight)| Candidate {
                name,
                weight: *weight,
                in_flight: 0,
            })
            .collect()
    }

    fn standing() -> impl Strategy<Value = Standing> {
        let of = |(is_healthy, is_drained, is_stopping, is_open, is_backup)| Standing {
            is_healthy,
            is_drained,
            is_stopping,
            is_open,
            is_backup,
            is_tried: false,
        };
        let any = || any::<bool>();
        (any(), any(), any(), any(), any()).prop_map(of)
    }

    fn shares(balance: Balance, weights: &[u64], rounds: u64) -> Vec<f64> {
        let all = candidates(weights);
        let mut counts = vec![0_f64; all.len()];
        for turn in 0..rounds {
            counts[pick(balance, &all, turn, turn).unwrap()] += 1.0;
        }
        counts.iter().map(|count| count / rounds as f64).collect()
    }

    proptest! {
        #[test]
        fn nobody_unhealthy_drained_or_stopping_is_chosen_while_half_of_the_servers_are_healthy(
            standings in prop::collection::vec(standing(), 1..6)
        ) {
            let counts = |one: &&Standing| !one.is_drained && !one.is_stopping;
            let main: Vec<_> = standings.iter().filter(counts).filter(|one| !one.is_backup).collect();
            let healthy = main.iter().filter(|one| one.is_healthy && !one.is_open).count();
            for index in eligible(&standings) {
                let chosen = standings[index];
                prop_assert!(!chosen.is_drained && !chosen.is_open);
                if healthy > 0 && healthy * 2 >= main.len() {
                    prop_assert!(chosen.is_healthy && !chosen.is_backup);
                }
                if standings.iter().filter(counts).any(|one| one.is_healthy && !one.is_open) {
                    prop_assert!(!chosen.is_stopping);
                }
            }
            prop_assert_eq!(eligible(&standings).is_empty(), standings.iter().all(|one| one.is_drained || one.is_open));
        }

        #[test]
        fn turns_follow_the_weights_exactly(weights in prop::collection::vec(1_u64..9, 1..6)) {
            let total: u64 = weights.iter().sum();
            let shares = shares(Balance::RoundRobin, &weights, total * 3);
            for (weight, share) in weights.iter().zip(shares) {
                prop_assert!((share - *weight as f64 / total as f64).abs() < 1e-9);
            }
        }

        #[test]
        fn a_server_that_goes_takes_only_its_own_keys_along(weights in prop::collection::vec(1_u64..9, 2..6), key: u64) {
            let all = candidates(&weights);
            let before = all[pick(Balance::ConsistentHash, &all, 0, key).unwrap()].name;
            let left = &all[1..];
            let after = left[pick(Balance::ConsistentHash, left, 0, key).unwrap()].name;
            prop_assert!(before == after || before == all[0].name);
        }
    }

    #[test]
    fn shares_of_hashes_follow_the_weights() {
        let shares = shares(Balance::ConsistentHash, &[1, 3], 8000);
        assert!((shares[0] - 0.25).abs() < 0.03, "{shares:?}");
    }

    #[test]
    fn two_draws_spare_the_busy_one() {
        let mut all = candidates(&[1, 1, 1]);
        all[0].in_flight = 50;
        let chosen = (0..900).filter(|turn| pick(Balance::PowerOfTwo, &all, *turn, 0) == Some(0));
        // Only where both draws hit it: one in nine.
        assert!((50..150).contains(&chosen.count()));
    }

    #[test]
    fn the_fewest_requests_for_the_weight_win() {
        let mut all = candidates(&[1, 4]);
        (all[0].in_flight, all[1].in_flight) = (1, 5);
        assert_eq!(pick(Balance::LeastConnections, &all, 0, 0), Some(1));
        all[1].in_flight = 9;
        assert_eq!(pick(Balance::LeastConnections, &all, 0, 0), Some(0));
    }

    #[test]
    fn backups_help_when_fewer_than_half_are_healthy() {
        let server = |is_healthy, is_backup| Standing {
            is_healthy,
            is_backup,
            is_drained: false,
            is_stopping: false,
            is_open: false,
            is_tried: false,
        };
        let half = [
            server(true, false),
            server(false, false),
            server(true, true),
        ];
        assert_eq!(eligible(&half), [0]);
        let none = [
            server(false, false),
            server(false, false),
            server(true, true),
        ];
        assert_eq!(eligible(&none), [2]);
        assert_eq!(eligible(&none[..2]), [0, 1]);
    }

    #[test]
    fn who_will_stop_serves_only_when_nobody_else_does() {
        let server = |is_healthy, is_stopping| Standing {
            is_healthy,
            is_backup: false,
            is_drained: false,
            is_stopping,
            is_open: false,
            is_tried: false,
        };
        let [up, stopping, down, gone] = [
            server(true, false),
            server(true, true),
            server(false, false),
            server(false, true),
        ];
        assert_eq!(eligible(&[up, stopping]), [0]);
        // Not among the few that would break down, either.
        assert_eq!(eligible(&[up, stopping, down, down]), [0, 2, 3]);
        assert_eq!(eligible(&[stopping, down]), [0]);
        assert_eq!(eligible(&[gone, down]), [1]);
        assert_eq!(eligible(&[stopping]), [0]);
        assert_eq!(eligible(&[gone]), [0]);
    }
}
