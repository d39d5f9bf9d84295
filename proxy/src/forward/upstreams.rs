//! Groups of origins: who is up, and whose turn it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use pingora_core::upstreams::peer::HttpPeer;

use super::{GroupConfig, Timeouts};

/// One origin.
#[derive(Debug)]
pub struct Server {
    /// `host:port` or `unix:/path`.
    pub address: String,
    /// Its place in the group.
    pub place: usize,
    weight: u32,
    is_up: AtomicBool,
    /// Checks in a row that contradict `is_up`.
    contrary: AtomicU32,
    /// Requests it is working on.
    pub in_flight: AtomicUsize,
}

impl Server {
    /// Whether the last checks found it serving.
    pub fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Acquire)
    }

    /// Takes in the result of a check; says whether that changed its state.
    pub fn checked(&self, answered: bool, config: &super::HealthConfig) -> bool {
        if answered == self.is_up() {
            self.contrary.store(0, Ordering::Release);
            return false;
        }
        let needed = if answered {
            config.healthy_after
        } else {
            config.unhealthy_after
        };
        if self.contrary.fetch_add(1, Ordering::AcqRel) + 1 < needed {
            return false;
        }
        self.contrary.store(0, Ordering::Release);
        self.is_up.store(answered, Ordering::Release);
        true
    }

    /// How Pingora reaches it; `None` for an address that names nobody now.
    pub fn peer(&self, timeouts: &Timeouts) -> Option<HttpPeer> {
        let mut peer = match self.address.strip_prefix("unix:") {
            Some(path) => HttpPeer::new_uds(path, false, String::new()).ok()?,
            None => {
                use std::net::ToSocketAddrs as _;
                let address = self.address.to_socket_addrs().ok()?.next()?;
                HttpPeer::new(address, false, String::new())
            }
        };
        let options = &mut peer.options;
        options.connection_timeout = Some(Duration::from_millis(timeouts.connect_ms));
        options.total_connection_timeout = Some(Duration::from_millis(timeouts.connect_ms));
        options.read_timeout = Some(Duration::from_millis(timeouts.read_ms));
        options.write_timeout = Some(Duration::from_millis(timeouts.write_ms));
        options.idle_timeout = Some(Duration::from_millis(timeouts.idle_ms));
        Some(peer)
    }
}

/// Origins that can stand in for each other.
#[derive(Debug)]
pub struct Group {
    /// Its name in the configuration.
    pub name: String,
    /// Its settings.
    pub config: GroupConfig,
    /// Its members.
    pub servers: Vec<Arc<Server>>,
    /// Credit of each server in the smooth weighted round robin.
    credit: Mutex<Vec<i64>>,
}

impl Group {
    /// A group whose servers count as up until a check says otherwise.
    pub fn new(config: &GroupConfig) -> Self {
        let servers = config.servers.iter().enumerate().map(|(place, server)| {
            Arc::new(Server {
                address: server.address.clone(),
                place,
                weight: server.weight,
                is_up: AtomicBool::new(true),
                contrary: AtomicU32::new(0),
                in_flight: AtomicUsize::new(0),
            })
        });
        Self {
            name: config.name.clone(),
            config: config.clone(),
            servers: servers.collect(),
            credit: Mutex::new(vec![0; config.servers.len()]),
        }
    }

    /// Whose turn it is, among those that are up and not in `tried`; when none of these is up, among all that are not
    /// in `tried`: a check can be wrong, and refusing everybody helps nobody. `None` when all were tried.
    pub fn choose(&self, tried: &[usize]) -> Option<Arc<Server>> {
        let untried = |server: &&Arc<Server>| !tried.contains(&server.place);
        let any_up = self
            .servers
            .iter()
            .filter(untried)
            .any(|server| server.is_up());
        let mut credit = self.credit.lock();
        let mut total = 0;
        let mut chosen: Option<&Arc<Server>> = None;
        for server in self
            .servers
            .iter()
            .filter(untried)
            .filter(|server| server.is_up() || !any_up)
        {
            let weight = i64::from(server.weight);
            credit[server.place] += weight;
            total += weight;
            if chosen.is_none_or(|best| credit[server.place] > credit[best.place]) {
                chosen = Some(server);
            }
        }
        let chosen = Arc::clone(chosen?);
        credit[chosen.place] -= total;
        Some(chosen)
    }
}

/// Counts a request of a server while it lives.
#[derive(Debug)]
pub struct InFlight(Arc<Server>);

impl InFlight {
    /// One more.
    pub fn of(server: &Arc<Server>) -> Self {
        server.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(server))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{HealthConfig, ServerConfig};
    use super::*;

    fn group(weights: &[u32]) -> Group {
        let servers = weights.iter().map(|weight| ServerConfig {
            address: "127.0.0.1:1".to_owned(),
            weight: *weight,
        });
        Group::new(&GroupConfig {
            name: "origin".to_owned(),
            servers: servers.collect(),
            health: health(),
        })
    }

    fn health() -> HealthConfig {
        HealthConfig {
            path: "/".to_owned(),
            interval_ms: 1000,
            timeout_ms: 1000,
            healthy_after: 2,
            unhealthy_after: 3,
        }
    }

    #[test]
    fn a_server_changes_state_only_after_enough_checks_in_a_row() {
        let group = group(&[1]);
        let server = &group.servers[0];
        let checks = [false, false, true, false, false, false, true, true];
        let states: Vec<_> = checks
            .map(|ok| {
                server.checked(ok, &health());
                server.is_up()
            })
            .to_vec();
        assert_eq!(states, [true, true, true, true, true, false, false, true]);
    }

    #[test]
    fn when_none_is_up_all_are_used() {
        let group = group(&[1, 1]);
        for server in &group.servers {
            for _ in 0..3 {
                server.checked(false, &health());
            }
        }
        assert!(group.choose(&[]).is_some());
        assert_eq!(group.choose(&[0]).unwrap().place, 1);
        assert!(group.choose(&[0, 1]).is_none());
    }

    proptest! {
        #[test]
        fn turns_follow_the_weights_exactly(weights in prop::collection::vec(1_u32..6, 1..5)) {
            let group = group(&weights);
            let total: u32 = weights.iter().sum();
            let mut turns = vec![0; weights.len()];
            for _ in 0..total * 3 {
                turns[group.choose(&[]).unwrap().place] += 1;
            }
            let expected: Vec<_> = weights.iter().map(|weight| weight * 3).collect();
            prop_assert_eq!(turns, expected);
        }
    }
}
