//! Groups and their servers while settings change, names are looked up and servers are drained.

use jiff::Timestamp;
use tokio::time::Instant;

use super::super::Upstreams;
use super::*;
use crate::config::Config;

/// The default settings, with these servers.
fn settings(servers: &[ServerConfig]) -> Config {
    let mut config: Config = serde_yaml::from_str(crate::config::DEFAULTS).unwrap();
    config.forward.groups[0].servers = servers.to_vec();
    config
}

fn server(address: &str, weight: u32) -> ServerConfig {
    ServerConfig {
        address: address.to_owned(),
        weight,
        backup: false,
    }
}

/// Servers at these ports, under a clock that stands still; also for the tests of what uses a group.
pub(in super::super) fn group(ports: &[u16]) -> Arc<Group> {
    let servers = ports
        .iter()
        .map(|port| server(&format!("127.0.0.1:{port}"), 1));
    let config = settings(&servers.collect::<Vec<_>>());
    Arc::clone(&upstreams(&config, None).groups[0])
}

fn upstreams(config: &Config, before: Option<&Upstreams>) -> Upstreams {
    let clock = Clock::manual(Timestamp::UNIX_EPOCH);
    Upstreams::new(config, &clock, &Arc::new(Metrics::new()), before)
}

#[tokio::test]
async fn a_reload_that_is_broken_off_has_changed_nothing() {
    let before = upstreams(&settings(&[server("127.0.0.1:1", 1)]), None);
    let shared = Arc::clone(&before.groups[0].servers[0]);
    let settings_in_use = || {
        let is_backup = shared.is_backup.load(Ordering::Relaxed);
        (shared.weight.load(Ordering::Relaxed), is_backup)
    };
    let backup = ServerConfig {
        backup: true,
        ..server("127.0.0.1:1", 7)
    };
    let config = settings(&[backup, server("127.0.0.1:2", 1)]);
    let after = upstreams(&config, Some(&before));
    assert!(Arc::ptr_eq(&shared, &after.groups[0].servers[0]));
    after.refresh().await;
    drop(after);
    assert_eq!(settings_in_use(), (1, false));
    upstreams(&config, Some(&before)).take_over();
    assert_eq!(settings_in_use(), (7, true));
}

#[tokio::test]
async fn what_a_check_has_found_outlives_the_change_of_a_weight() {
    let before = upstreams(&settings(&[server("127.0.0.1:1", 1)]), None);
    let config = settings(&[server("127.0.0.1:1", 7)]);
    let after = upstreams(&config, Some(&before));
    let known = |upstreams: &Upstreams| {
        let backends = upstreams.groups[0].balancer.backends().get_backend();
        Vec::from_iter(backends.iter().cloned())
    };
    let checked = known(&after);
    after.take_over();
    after.refresh().await;
    assert_eq!(known(&after), checked);
}

#[tokio::test(start_paused = true)]
async fn names_are_looked_up_at_once_and_for_a_while_only() {
    let names = ["localhost:1", "localhost:2", "localhost:3"];
    let upstreams = upstreams(&settings(&names.map(|name| server(name, 1))), None);
    let group = &upstreams.groups[0];
    // A resolver that says nothing; two names had an address before.
    let mut looking = Vec::new();
    for (server, port) in group.servers.iter().zip(1..) {
        looking.push(Arc::clone(&server.looking).lock_owned().await);
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
        *server.last.lock() = Some(address.into()).filter(|_| port < 3);
    }
    let begun = Instant::now();
    upstreams.refresh().await;
    let patience = Duration::from_millis(group.config.health.timeout_ms);
    assert!(begun.elapsed() >= patience && begun.elapsed() < patience * 2);
    let up = group.servers.iter().map(|one| group.is_up(one));
    assert_eq!(Vec::from_iter(up), [true, true, false]);
}

#[tokio::test]
async fn who_is_drained_is_no_further_try() {
    let group = group(&[1, 2, 3]);
    assert!(group.may_retry(1, 5, Failed::Otherwise));
    for server in &group.servers[..2] {
        server.drained.store(true, Ordering::Relaxed);
    }
    assert!(!group.may_retry(1, 5, Failed::Otherwise));
    assert!(group.may_retry(1, 5, Failed::BrokeOff) && !group.may_retry(2, 5, Failed::BrokeOff));
    group.servers[0].drained.store(false, Ordering::Relaxed);
    assert!(group.may_retry(1, 5, Failed::Otherwise) && !group.may_retry(2, 5, Failed::Otherwise));
}
