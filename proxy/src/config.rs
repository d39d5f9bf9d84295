//! The whole configuration: one section a stage, all of it checked before any port is bound.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crackers_shared::config_file::{Check, Problems};

use crate::live::Reloaded;

/// The file that is the default configuration.
pub const DEFAULTS: &str = include_str!("../../conf/proxy.yaml");

/// Under which name the defaults are reported.
pub const DEFAULTS_NAME: &str = "conf/proxy.yaml (built in)";

/// The configuration of `crackers-proxy`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Stage `accept`.
    pub accept: crate::accept::Config,
    /// Stage `admit`.
    pub admit: crate::admit::Config,
    /// Stage `cache`.
    pub cache: crate::cache::Config,
    /// Stage `dispatch`.
    pub dispatch: crate::dispatch::Config,
    /// Stage `forward`.
    pub forward: crate::forward::Config,
    /// Stage `respond`.
    pub respond: crate::respond::Config,
    /// Stage `telemetry`.
    pub telemetry: crate::telemetry::Config,
}

/// Keys whose values are used when the program starts, and only then.
pub const NEED_RESTART: &[&str] = &[
    "accept.listen",
    "accept.listen_unix",
    "accept.proxy_protocol",
    "accept.tls.listen",
    "accept.tls.certificates",
    "accept.tls.reload_interval_ms",
    "accept.http2.enabled",
    "accept.threads",
    "accept.connections_max",
    "accept.upgrade.socket",
    "admit.rate_limit_clients_max",
    "cache.bytes_max",
    "cache.entry_bytes_max",
    "cache.waiters_max",
    "cache.negative_ttl_seconds",
    "cache.jitter_percent",
    "cache.compress_bytes_min",
    "cache.gzip_level",
    "cache.brotli_level",
    "cache.compress_at_once",
    "cache.compress_waiting_max",
    "cache.tags_max",
    "cache.marks_seconds",
    "cache.marks_max",
    "cache.vary",
    "cache.variants_max",
    "forward.idle_connections_max",
    "forward.answer_head_bytes_max",
    "telemetry.log_filter",
    "telemetry.log_format",
    "telemetry.metrics_listen",
    "telemetry.admin_listen",
    "telemetry.admin_listen_unix",
    "telemetry.admin_token_file",
    "telemetry.access_log.enabled",
    "telemetry.access_log.file",
    "telemetry.access_log.addresses",
    "telemetry.access_log.lines_max",
    "telemetry.traces.endpoint",
    "telemetry.traces.sample_percent",
    "telemetry.traces.spans_max",
    "telemetry.traces.timeout_ms",
];

/// What a program that runs with one configuration takes of another: everything but the keys that need a restart.
///
/// # Errors
/// When the two do not go together.
pub fn reloadable(running: &Config, wanted: &Config) -> anyhow::Result<(Config, Reloaded)> {
    let (before, mut after) = (json!(running), json!(wanted));
    let mut reloaded = Reloaded::default();
    for key in NEED_RESTART {
        let pointer = format!("/{}", key.replace('.', "/"));
        let known = before.pointer(&pointer).cloned().unwrap_or_default();
        match after.pointer_mut(&pointer) {
            Some(value) if *value != known => {
                reloaded.needs_restart.push((*key).to_owned());
                *value = known;
            }
            _ => {}
        }
    }
    for (section, keys) in after.as_object().into_iter().flatten() {
        for (key, value) in keys.as_object().into_iter().flatten() {
            if before[section][key] != *value {
                reloaded.changed.push(format!("{section}.{key}"));
            }
        }
    }
    let config: Config = serde_json::from_value(after)?;
    let mut problems = Problems::default();
    config.check(&mut problems);
    let wrong = problems.entries().iter();
    let wrong: Vec<_> = wrong.map(|(key, why)| format!("{key}: {why}")).collect();
    anyhow::ensure!(
        wrong.is_empty(),
        "with what needs a restart left as it is: {}",
        wrong.join("; ")
    );
    Ok((config, reloaded))
}

impl Check for Config {
    fn check(&self, problems: &mut Problems) {
        self.accept.check("accept", problems);
        self.admit.check("admit", problems);
        problems.require(
            self.accept.proxy_protocol.is_empty() || !self.admit.trusted_proxies.is_empty(),
            "accept.proxy_protocol",
            "needs a network in admit.trusted_proxies: nobody else's header is believed",
        );
        self.cache.check("cache", problems);
        self.dispatch.check("dispatch", problems);
        self.forward.check("forward", problems);
        self.respond.check("respond", problems);
        self.telemetry.check("telemetry", problems);
        self.check_addresses(problems);
    }
}

impl Config {
    /// Reports what is to be listened on twice: nobody gets an address that somebody has.
    fn check_addresses(&self, problems: &mut Problems) {
        let named = self.addresses();
        for (index, (key, address)) in named.iter().enumerate() {
            let mut before = named[..index].iter();
            if let Some((other, _)) = before.find(|(_, other)| other == address) {
                problems.add(key.as_str(), format!("{address} stands in {other} already"));
            }
        }
    }

    /// Everything that is listened on, with its key. Port 0 is another port each time, and what is no address is reported by its
    /// own section.
    fn addresses(&self) -> Vec<(String, String)> {
        let (accept, telemetry) = (&self.accept, &self.telemetry);
        let mut tcp = Vec::new();
        for (key, listen) in [
            ("accept.listen", &accept.listen),
            ("accept.tls.listen", &accept.tls.listen),
        ] {
            let parsed = listen.iter().enumerate().filter_map(|(index, address)| {
                let address: SocketAddr = address.parse().ok()?;
                Some((format!("{key}.{index}"), address))
            });
            tcp.extend(parsed);
        }
        for (key, address) in [
            ("telemetry.metrics_listen", telemetry.metrics_listen),
            ("telemetry.admin_listen", telemetry.admin_listen),
        ] {
            tcp.push((key.to_owned(), address));
        }
        let tcp = tcp.into_iter().filter(|(_, address)| address.port() != 0);
        let tcp = tcp.map(|(key, address)| (key, address.to_string()));
        let listen = accept.listen_unix.iter().enumerate();
        let listen = listen.map(|(index, file)| (format!("accept.listen_unix.{index}"), file));
        let others = [
            ("accept.upgrade.socket", &accept.upgrade.socket),
            ("telemetry.admin_listen_unix", &telemetry.admin_listen_unix),
        ];
        let others = others.into_iter();
        let others = others.filter_map(|(key, file)| Some((key.to_owned(), file.as_ref()?)));
        let files = listen.chain(others);
        tcp.chain(files.map(|(key, file)| (key, file.display().to_string())))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    mod refused;

    use crackers_shared::config_file::Problems;

    use super::*;

    /// The defaults, strictly read: a key without a field and a field without a key are both errors.
    fn defaults() -> Config {
        serde_yaml::from_str(DEFAULTS).unwrap()
    }

    #[test]
    fn the_default_file_and_the_settings_are_those_of_the_snapshot() {
        insta::assert_yaml_snapshot!(defaults());
    }

    #[test]
    fn the_defaults_have_no_problems() {
        let mut problems = Problems::default();
        defaults().check(&mut problems);
        assert_eq!(problems.entries(), []);
    }

    #[test]
    fn every_section_of_the_default_file_is_explained() {
        let mut before = "";
        for line in DEFAULTS.lines() {
            let is_key = line.trim_end().ends_with(':') || line.contains(": ");
            let is_top = !line.starts_with(' ');
            if is_key && !line.trim_start().starts_with(['#', '-']) && is_top {
                assert!(before.starts_with('#'), "{line:?} has no comment above it");
            }
            before = line;
        }
        assert!(DEFAULTS.matches("Restart.").count() > 20);
    }

    /// Every key of the default file that has a comment of its own, with the last word of that comment.
    fn keys_and_last_words() -> Vec<(String, &'static str)> {
        let (mut path, mut word, mut found) = (Vec::new(), "", Vec::new());
        for line in DEFAULTS.lines() {
            let text = line.trim_start();
            let depth = (line.len() - text.len()) / 2;
            if text.starts_with('#') {
                word = text.rsplit(' ').next().unwrap_or_default();
            } else if let Some((key, _)) = text.split_once(':').filter(|_| !text.starts_with('-')) {
                path.truncate(depth);
                path.push(key);
                if depth == path.len() - 1 && matches!(word, "Restart." | "Reload.") {
                    found.push((path.join("."), word));
                }
                word = "";
            } else {
                word = "";
            }
        }
        found
    }

    #[test]
    fn the_default_file_says_of_every_key_whether_a_reload_is_enough() {
        let known = keys_and_last_words();
        for (key, word) in &known {
            let needs_restart = NEED_RESTART.contains(&key.as_str());
            let said = if needs_restart { "Restart." } else { "Reload." };
            assert_eq!(*word, said, "{key}");
        }
        for key in NEED_RESTART {
            assert!(known.iter().any(|(name, _)| name == key), "{key}");
        }
        let value = json!(defaults());
        for (section, keys) in value.as_object().unwrap() {
            for key in keys.as_object().unwrap().keys() {
                let path = format!("{section}.{key}");
                let is_said = known
                    .iter()
                    .any(|(name, _)| *name == path || name.starts_with(&format!("{path}.")));
                assert!(is_said, "{path}");
            }
        }
    }

    #[test]
    fn what_needs_a_restart_stays_and_the_rest_is_taken() {
        let (running, mut wanted) = (defaults(), defaults());
        wanted.accept.listen = vec!["0.0.0.0:1".to_owned()];
        wanted.cache.gzip_level = 9;
        wanted.dispatch.queue_max = 7;
        let (config, reloaded) = reloadable(&running, &wanted).unwrap();
        assert_eq!(
            reloaded.needs_restart,
            ["accept.listen", "cache.gzip_level"]
        );
        assert_eq!(reloaded.changed, ["dispatch.queue_max"]);
        assert_eq!(config.accept.listen, running.accept.listen);
        assert_eq!(config.dispatch.queue_max, 7);
        let same = reloadable(&running, &running).unwrap().1;
        assert_eq!(same, Reloaded::default());
    }

    #[test]
    fn settings_that_do_not_go_with_those_that_stay_are_refused() {
        let (running, mut wanted) = (defaults(), defaults());
        // Good with a TLS listener, which there is only after a restart.
        wanted.accept.tls.listen = vec!["0.0.0.0:8443".to_owned()];
        wanted.accept.tls.redirect = true;
        let refused = reloadable(&running, &wanted).unwrap_err().to_string();
        assert!(refused.contains("accept.tls.redirect"), "{refused}");
    }
}
