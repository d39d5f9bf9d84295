use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::super::upstreams::InFlight;
use super::super::{EjectionConfig, HealthConfig};
use super::*;

const ASKER: Asker<'_> = Asker {
    address: None,
    path: "/",
};

fn new(config: &GroupConfig, check: Option<Box<dyn HealthCheck + Send + Sync>>) -> Group {
    let defaults: crate::config::Config = serde_yaml::from_str(crate::config::DEFAULTS).unwrap();
    let common = Common {
        retry_budget: defaults.forward.retry_budget,
        breaker: defaults.dispatch.breaker,
        clock: Clock::manual(Timestamp::UNIX_EPOCH),
        metrics: Arc::new(Metrics::new()),
    };
    Group::new(config, check, &common, &[])
}

/// Servers on ports from 1 on, with these weights; those whose ports are in `down` fail their first check.
async fn group(weights: &[u32], down: &[u16]) -> Group {
    let servers = weights
        .iter()
        .zip(1_u16..)
        .map(|(weight, port)| ServerConfig {
            address: format!("127.0.0.1:{port}"),
            weight: *weight,
            backup: false,
        });
    let config = GroupConfig {
        name: "origin".to_owned(),
        balance: Balance::default(),
        hash_by: HashBy::default(),
        ejection: EjectionConfig::default(),
        servers: servers.collect(),
        health: HealthConfig {
            path: "/".to_owned(),
            interval_ms: 1000,
            timeout_ms: 1000,
            healthy_after: 1,
            unhealthy_after: 1,
        },
    };
    let group = new(&config, Some(Box::new(Ports(down.to_vec()))));
    group.check().await;
    group
}

/// A check that fails on these ports.
struct Ports(Vec<u16>);

#[async_trait]
impl HealthCheck for Ports {
    async fn check(&self, target: &Backend) -> pingora::Result<()> {
        let port = target.addr.as_inet().map_or(0, std::net::SocketAddr::port);
        if self.0.contains(&port) {
            return Err(pingora::Error::new(pingora::ErrorType::ConnectRefused));
        }
        Ok(())
    }

    fn health_threshold(&self, _success: bool) -> usize {
        1
    }
}

#[tokio::test]
async fn who_is_down_gets_nothing_while_another_is_up() {
    let group = group(&[1, 1, 1], &[2]).await;
    assert!(!group.is_up(&group.servers[1]));
    for _ in 0..12 {
        let chosen = group.choose(&ASKER, &[]).unwrap();
        assert_ne!(chosen.server.address, "127.0.0.1:2");
    }
}

#[tokio::test]
async fn when_none_is_up_all_are_used() {
    let group = group(&[1, 1], &[1, 2]).await;
    let first = Arc::clone(&group.servers[0]);
    assert!(group.choose(&ASKER, &[]).is_some());
    let other = group.choose(&ASKER, &[Arc::clone(&first)]).unwrap();
    assert_eq!(other.server.address, "127.0.0.1:2");
    assert!(group.choose(&ASKER, &[first, other.server]).is_none());
}

#[tokio::test]
async fn a_name_joins_with_its_address_and_a_socket_without() {
    let servers = ["localhost:7", "unix:/run/crackers.sock"].map(|address| ServerConfig {
        address: address.to_owned(),
        weight: 1,
        backup: false,
    });
    let config = GroupConfig {
        servers: servers.into(),
        ..group(&[1], &[]).await.config
    };
    let group = new(&config, None);
    group.refresh().await;
    assert!(group.servers.iter().all(|server| group.is_up(server)));
}

fn fail(group: &Group, server: usize, times: u32) {
    for _ in 0..times {
        let passed = group.servers[server].breaker.enter(&group.breaker, 0);
        let pass = passed.map(|passed| Pass::of(&group.servers[server], passed));
        group.report(&group.servers[server], pass, Went::Badly);
    }
}

#[tokio::test]
async fn who_fails_several_in_a_row_is_ejected_for_a_while() {
    let group = group(&[1, 1], &[]).await;
    fail(&group, 0, 5);
    assert_eq!(
        group
            .metrics
            .ejections
            .with_label_values(&["origin", "127.0.0.1:1"])
            .get(),
        1
    );
    for _ in 0..6 {
        let chosen = group.choose(&ASKER, &[]).unwrap();
        assert_eq!(chosen.server.address, "127.0.0.1:2");
    }
    group.clock.advance(Duration::from_secs(20));
    let mut back = (0..20).map(|_| group.choose(&ASKER, &[]).unwrap());
    assert!(back.any(|chosen| chosen.server.address == "127.0.0.1:1"));
}

#[tokio::test]
async fn no_more_than_the_share_is_ejected_at_once() {
    let group = group(&[1, 1, 1], &[]).await;
    for server in 0..3 {
        fail(&group, server, 10);
    }
    let ejected = group.servers.iter().filter(|one| group.is_ejected(one));
    assert_eq!(ejected.count(), 1);
}

#[tokio::test]
async fn who_is_drained_gets_nothing_until_it_is_called_back() {
    let group = group(&[1, 1], &[]).await;
    group.servers[0].drained.store(true, Ordering::Relaxed);
    for _ in 0..4 {
        let chosen = group.choose(&ASKER, &[]).unwrap();
        assert_eq!(chosen.server.address, "127.0.0.1:2");
    }
    group.servers[1].drained.store(true, Ordering::Relaxed);
    assert!(group.choose(&ASKER, &[]).is_none());
}

#[tokio::test]
async fn the_breaker_holds_for_the_last_server_too_and_ejection_does_not() {
    let group = group(&[1], &[]).await;
    let server = Arc::clone(&group.servers[0]);
    fail(&group, 0, 19);
    assert!(!group.is_ejected(&server) && group.choose(&ASKER, &[]).is_some());
    fail(&group, 0, 1);
    assert_eq!(group.breaker_state(&server), State::Open);
    assert!(group.choose(&ASKER, &[]).is_none());
    group.clock.advance(Duration::from_secs(5));
    let probes: Vec<_> = (0..4).filter_map(|_| group.choose(&ASKER, &[])).collect();
    assert_eq!(probes.len(), 3);
    for probe in probes {
        group.report(&server, Some(probe.pass), Went::Well(1000));
    }
    assert_eq!(group.breaker_state(&server), State::Closed);
}

#[tokio::test]
async fn where_one_of_several_fails_it_is_ejected_before_its_breaker_opens() {
    let group = group(&[1, 1], &[]).await;
    fail(&group, 0, 5);
    assert!(group.is_ejected(&group.servers[0]));
    assert_eq!(group.breaker_state(&group.servers[0]), State::Closed);
}

#[tokio::test]
async fn a_server_that_is_named_again_stays_what_it_is_with_its_new_weight() {
    let before = group(&[1, 1], &[]).await;
    fail(&before, 0, 5);
    before.servers[1].drained.store(true, Ordering::Relaxed);
    let mut config = before.config.clone();
    config.servers[0].weight = 7;
    config.servers.push(ServerConfig {
        address: "127.0.0.1:9".to_owned(),
        weight: 1,
        backup: false,
    });
    let common = Common {
        retry_budget: before.retry_budget.config.clone(),
        breaker: before.breaker.clone(),
        clock: before.clock.clone(),
        metrics: Arc::clone(&before.metrics),
    };
    assert!(!before.is_as(&config, &common) && before.is_as(&before.config, &common));
    let after = Group::new(&config, None, &common, &before.servers);
    after.take_over();
    assert!(after.is_ejected(&after.servers[0]));
    assert_eq!(after.servers[0].weight.load(Ordering::Relaxed), 7);
    for _ in 0..4 {
        let chosen = after.choose(&ASKER, &[]).unwrap();
        assert_eq!(chosen.server.address, "127.0.0.1:9");
    }
}

#[tokio::test]
async fn a_server_that_stands_alone_is_tried_once_more_where_a_connection_broke_off() {
    let alone = group(&[1], &[]).await;
    let first = alone.choose(&ASKER, &[]).unwrap();
    assert!(!alone.may_retry(1, 2, Failed::Otherwise));
    assert!(alone.may_retry(1, 2, Failed::BrokeOff));
    let tried = [Arc::clone(&first.server)];
    let again = alone.choose(&ASKER, &tried).unwrap();
    assert!(Arc::ptr_eq(&first.server, &again.server));
    assert!(!alone.may_retry(2, 2, Failed::BrokeOff));
    // Where there are others, they come first, and nobody twice.
    let many = group(&[1, 1], &[]).await;
    assert!(many.may_retry(1, 2, Failed::Otherwise));
    assert!(!many.may_retry(2, 2, Failed::BrokeOff));
    let first = many.choose(&ASKER, &[]).unwrap();
    let second = many.choose(&ASKER, &[Arc::clone(&first.server)]).unwrap();
    assert!(!Arc::ptr_eq(&first.server, &second.server));
}

/// Three servers on ports from 1 on that are alike, and share requests out so.
async fn balanced(balance: Balance, hash_by: HashBy) -> Group {
    let config = GroupConfig {
        balance,
        hash_by,
        ..group(&[1, 1, 1], &[]).await.config
    };
    new(&config, None)
}

/// Who gets the next request.
fn next(group: &Group, asker: &Asker<'_>) -> Arc<Server> {
    group.choose(asker, &[]).unwrap().server
}

#[tokio::test]
async fn whoever_works_on_the_fewest_requests_gets_the_next_one() {
    let group = balanced(Balance::LeastConnections, HashBy::default()).await;
    let busy = [0, 2].map(|index| InFlight::of(&group.servers[index]));
    for _ in 0..6 {
        assert_eq!(next(&group, &ASKER).address, "127.0.0.1:2");
    }
    drop(busy);
    let held = (0..9).map(|_| InFlight::of(&next(&group, &ASKER)));
    let held: Vec<_> = held.collect();
    for server in &group.servers {
        assert_eq!(server.in_flight.load(Ordering::Relaxed), 3);
    }
    drop(held);
}

#[tokio::test]
async fn a_client_stays_with_his_server_whatever_he_asks_for() {
    let group = balanced(Balance::ConsistentHash, HashBy::Address).await;
    let mut chosen = BTreeSet::new();
    for client in 0..60_u8 {
        let asker = |path| Asker {
            address: Some(IpAddr::from([192, 0, 2, client])),
            path,
        };
        let server = next(&group, &asker("/"));
        for path in ["/", "/api/cart", "/api/products"] {
            assert!(Arc::ptr_eq(&server, &next(&group, &asker(path))));
        }
        chosen.insert(server.address.clone());
    }
    assert_eq!(chosen.len(), 3, "{chosen:?}");
}

#[tokio::test]
async fn a_path_stays_with_its_server_whoever_asks_for_it() {
    let group = balanced(Balance::ConsistentHash, HashBy::Path).await;
    let mut chosen = BTreeSet::new();
    for number in 0..60 {
        let path = format!("/api/products/{number}");
        let asker = |address| Asker {
            address,
            path: &path,
        };
        // The cache's own fetches have no client.
        let server = next(&group, &asker(None));
        for client in 0..3_u8 {
            let address = IpAddr::from([192, 0, 2, client]);
            assert!(Arc::ptr_eq(&server, &next(&group, &asker(Some(address)))));
        }
        chosen.insert(server.address.clone());
    }
    assert_eq!(chosen.len(), 3, "{chosen:?}");
}

#[tokio::test]
async fn a_client_moves_only_when_his_server_is_gone() {
    let group = balanced(Balance::ConsistentHash, HashBy::Address).await;
    let askers = (0..60_u8).map(|client| Asker {
        address: Some(IpAddr::from([192, 0, 2, client])),
        path: "/",
    });
    let before: Vec<_> = askers.clone().map(|asker| next(&group, &asker)).collect();
    group.servers[0].drained.store(true, Ordering::Relaxed);
    for (asker, before) in askers.zip(before) {
        let was_on_it = Arc::ptr_eq(&before, &group.servers[0]);
        let stays = Arc::ptr_eq(&before, &next(&group, &asker));
        assert_eq!(stays, !was_on_it);
    }
}

#[tokio::test]
async fn a_backup_gets_something_only_while_fewer_than_half_of_the_others_serve() {
    for (down, serving) in [
        (vec![], &["127.0.0.1:1", "127.0.0.1:2"][..]),
        (vec![1], &["127.0.0.1:2"]),
        (vec![1, 2], &["127.0.0.1:3"]),
        (vec![3], &["127.0.0.1:1", "127.0.0.1:2"]),
    ] {
        let mut config = group(&[1, 1, 1], &[]).await.config;
        config.servers[2].backup = true;
        let group = new(&config, Some(Box::new(Ports(down.clone()))));
        group.check().await;
        let chosen = (0..12).map(|_| next(&group, &ASKER).address.clone());
        let chosen: BTreeSet<_> = chosen.collect();
        assert!(chosen.iter().eq(serving), "{down:?}: {chosen:?}");
    }
}

/// How many of so many requests the first server gets.
fn share_of_first(group: &Group, requests: usize) -> usize {
    let chosen = (0..requests).map(|_| next(group, &ASKER));
    let first = chosen.filter(|server| Arc::ptr_eq(server, &group.servers[0]));
    first.count()
}

#[tokio::test]
async fn who_comes_back_gets_a_small_share_first_and_the_whole_one_later() {
    let group = group(&[1, 1], &[]).await;
    assert_eq!(share_of_first(&group, 20), 10);
    fail(&group, 0, 5);
    assert_eq!(share_of_first(&group, 20), 0);
    // The ejection is over; then a check finds it serving again.
    for begins in ["ejection", "check"] {
        if begins == "ejection" {
            group.clock.advance(Duration::from_secs(10));
        } else {
            group.servers[0].record.came_back(group.now());
        }
        // A tenth against ten tenths, then five, then all of it.
        assert_eq!(share_of_first(&group, 11), 1, "{begins}");
        group.clock.advance(Duration::from_secs(5));
        assert_eq!(share_of_first(&group, 15), 5, "{begins}");
        group.clock.advance(Duration::from_secs(5));
        assert_eq!(share_of_first(&group, 20), 10, "{begins}");
    }
}
