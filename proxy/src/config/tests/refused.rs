//! Settings that would misbehave once they are in use, and what is said of them.

use std::collections::BTreeMap;

use crackers_shared::config_file::{self, ConfigError, Sources};

use crate::config::{Config, DEFAULTS, DEFAULTS_NAME};

/// What is wrong with the defaults under these settings.
fn wrong(text: &str) -> Vec<(String, String)> {
    let sources = Sources {
        defaults_name: DEFAULTS_NAME,
        defaults: DEFAULTS,
        files: &[],
        overrides: &[],
        environment: &BTreeMap::new(),
    };
    match config_file::load_with::<Config>(&sources, "own", text) {
        Ok(_) => Vec::new(),
        Err(ConfigError::Wrong(all)) => all.into_iter().map(|one| (one.key, one.message)).collect(),
        Err(error) => vec![(String::new(), error.to_string())],
    }
}

/// Each of these settings is refused for one reason, by its key.
fn are_refused(settings: &[(&str, &str, &str)]) {
    for (text, key, reason) in settings {
        let said = wrong(text);
        let is_it = matches!(&said[..], [(at, why)] if at == key && why.contains(*reason));
        assert!(is_it, "{text}: {said:?}");
    }
}

fn are_taken(settings: &[&str]) {
    for text in settings {
        let said = wrong(text);
        assert!(said.is_empty(), "{text}: {said:?}");
    }
}

#[test]
fn methods_that_fit_no_request_are_refused() {
    are_refused(&[
        ("admit: {methods: []}", "admit.methods", "at least one"),
        (
            "admit: {methods: [GET, get]}",
            "admit.methods.1",
            "written large",
        ),
        (
            "admit: {methods: [GET, TRACE]}",
            "admit.methods.1",
            "passed on",
        ),
        (
            "admit: {rules: [{methods: [delete], paths: [/a], only_from: []}]}",
            "admit.rules.0.methods.0",
            "written large",
        ),
        (
            "admit: {rate_limits: [{name: a, methods: [post], path_prefixes: [], requests_max: 1, window_ms: 1000}]}",
            "admit.rate_limits.0.methods.0",
            "written large",
        ),
        (
            "admit: {cors: {methods: [GET, patch]}}",
            "admit.cors.methods.1",
            "written large",
        ),
        (
            "dispatch: {priorities: [{class: cart, methods: [get], paths: [/a]}]}",
            "dispatch.priorities.0.methods.0",
            "written large",
        ),
    ]);
}

#[test]
fn numbers_beyond_all_bounds_are_refused() {
    are_refused(&[
        (
            "accept: {connections_max: 2305843009213693952}",
            "accept.connections_max",
            "1 to 10000000",
        ),
        (
            "accept: {connections_max: 0}",
            "accept.connections_max",
            "1 to 10000000",
        ),
        ("accept: {threads: 1025}", "accept.threads", "at most 1024"),
        (
            "admit: {rate_limit_clients_max: 1023}",
            "admit.rate_limit_clients_max",
            "at least 1024",
        ),
        (
            "cache: {routes: [{path_prefix: /, enabled: true, query: [], ignored_query: [], ttl_seconds: 18446744073709551615}]}",
            "cache.routes.0.ttl_seconds",
            "at most 2147483648",
        ),
        (
            "forward: {idle_connections_max: 100001}",
            "forward.idle_connections_max",
            "at most 100000",
        ),
        (
            "telemetry: {traces: {spans_max: 2305843009213693952}}",
            "telemetry.traces.spans_max",
            "1 to 10000000",
        ),
    ]);
    are_taken(&[
        "accept: {connections_max: 10000000, threads: 1024}",
        "admit: {rate_limit_clients_max: 1024}",
        "cache: {routes: [{path_prefix: /, enabled: true, query: [], ignored_query: [], ttl_seconds: 2147483648}]}",
    ]);
}

#[test]
fn what_is_listened_on_twice_is_refused() {
    are_refused(&[
        (
            "accept: {listen: ['127.0.0.1:1', '[::1]:1', '127.0.0.1:1']}",
            "accept.listen.2",
            "accept.listen.0",
        ),
        (
            "accept: {tls: {listen: ['0.0.0.0:8080'], certificates: [{certificate_file: a, key_file: b}]}}",
            "accept.tls.listen.0",
            "accept.listen.0",
        ),
        (
            "telemetry: {metrics_listen: '0.0.0.0:8080'}",
            "telemetry.metrics_listen",
            "accept.listen.0",
        ),
        (
            "telemetry: {admin_listen: '127.0.0.1:9145'}",
            "telemetry.admin_listen",
            "telemetry.metrics_listen",
        ),
        (
            "telemetry: {admin_listen_unix: data/edge-upgrade.sock}",
            "telemetry.admin_listen_unix",
            "accept.upgrade.socket",
        ),
    ]);
    are_taken(&["accept: {listen: ['127.0.0.1:0', '127.0.0.1:0']}"]);
}

#[test]
fn a_server_that_is_in_its_group_twice_is_refused() {
    let health = "{path: /, interval_ms: 1, timeout_ms: 1, healthy_after: 1, unhealthy_after: 1}";
    let group = |name: &str, servers: &[&str]| {
        let servers = servers.iter();
        let servers = servers.map(|address| format!("{{address: '{address}', weight: 1}}"));
        let servers = servers.collect::<Vec<_>>().join(", ");
        format!("{{name: {name}, servers: [{servers}], health: {health}}}")
    };
    let twice = group("origin", &["a:1", "b:1", "a:1"]);
    let twice = format!("forward: {{groups: [{twice}]}}");
    are_refused(&[(
        twice.as_str(),
        "forward.groups.0.servers.2.address",
        "in this group already",
    )]);
    let (one, other) = (group("origin", &["a:1", "a:2"]), group("other", &["a:1"]));
    let both = format!("forward: {{groups: [{one}, {other}]}}");
    are_taken(&[both.as_str()]);
}

#[test]
fn networks_that_nobody_is_in_are_refused() {
    are_refused(&[
        (
            "admit: {trusted_proxies: ['::1/128', '::ffff:203.0.113.0/120']}",
            "admit.trusted_proxies.1",
            "write 203.0.113.0/24",
        ),
        (
            "admit: {blocked: ['::ffff:203.0.113.0/120']}",
            "admit.blocked.0",
            "write 203.0.113.0/24",
        ),
        (
            "admit: {allowed: ['::ffff:203.0.113.0/120']}",
            "admit.allowed.0",
            "write 203.0.113.0/24",
        ),
        (
            "admit: {rules: [{paths: [/a], only_from: ['::ffff:203.0.113.0/120']}]}",
            "admit.rules.0.only_from.0",
            "write 203.0.113.0/24",
        ),
    ]);
    are_taken(&["admit: {blocked: ['::/0', '2001:db8::/32', 203.0.113.0/24]}"]);
}

#[test]
fn paths_in_disguise_are_refused() {
    are_refused(&[
        (
            "admit: {rules: [{paths: [/a, '/%61dmin/**'], only_from: []}]}",
            "admit.rules.0.paths.1",
            "without disguise",
        ),
        (
            "admit: {mode: {exempt: [//a]}}",
            "admit.mode.exempt.0",
            "without disguise",
        ),
        (
            "dispatch: {priorities: [{class: cart, methods: [], paths: [/a/../b]}]}",
            "dispatch.priorities.0.paths.0",
            "without disguise",
        ),
    ]);
}
