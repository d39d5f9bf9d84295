//! How far the shop is open: a switch for whoever keeps it running, for when nothing may be written, or nothing works.

use std::sync::atomic::{AtomicU8, Ordering};

use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crackers_shared::config_file::Problems;

use crate::path_pattern;
use crate::respond::Problem;

/// How far the shop is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// As ever.
    #[default]
    Open,
    /// Only safe methods pass: nothing is changed.
    ReadOnly,
    /// Nothing passes.
    Maintenance,
}

impl Mode {
    /// As a metric: 0 open, 1 read only, 2 maintenance.
    pub fn number(self) -> u8 {
        match self {
            Self::Open => 0,
            Self::ReadOnly => 1,
            Self::Maintenance => 2,
        }
    }
}

/// Settings of the switch.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The mode, unless the admin interface says another.
    pub is: Mode,
    /// Paths that pass in every mode.
    pub exempt: Vec<String>,
    /// What `Retry-After` says, in seconds.
    pub retry_after_seconds: u32,
}

impl Config {
    /// Reports impossible values under `path`.
    pub(super) fn check(&self, path: &str, problems: &mut Problems) {
        for (index, pattern) in self.exempt.iter().enumerate() {
            path_pattern::check(pattern, format!("{path}.exempt.{index}"), problems);
        }
        problems.require(
            self.retry_after_seconds > 0,
            format!("{path}.retry_after_seconds"),
            "must be at least 1",
        );
    }

    /// Why a request does not pass in a mode, with a metric label.
    pub(super) fn refuses(
        &self,
        mode: Mode,
        method: &Method,
        path: &str,
    ) -> Option<(Problem, &'static str)> {
        let passes = match mode {
            Mode::Open => return None,
            Mode::ReadOnly => method.is_safe(),
            Mode::Maintenance => path == "/health",
        };
        if passes
            || self
                .exempt
                .iter()
                .any(|pattern| path_pattern::matches(pattern, path))
        {
            return None;
        }
        let (code, detail) = match mode {
            Mode::Maintenance => (
                "maintenance",
                "The shop is being worked on and will be back soon.",
            ),
            _ => (
                "read_only",
                "The shop can only be looked at for the moment.",
            ),
        };
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, detail);
        Some((problem.retry_after(self.retry_after_seconds), code))
    }
}

/// What the admin interface says of the mode, through reloads and upgrades, until the program ends without one. All settings share it.
#[derive(Debug, Default)]
pub struct Switch(AtomicU8);

/// Nothing is said.
const AS_CONFIGURED: u8 = 0;

impl Switch {
    /// Sets the mode; `None` leaves it to the configuration again.
    pub fn set(&self, mode: Option<Mode>) {
        let number = mode.map_or(AS_CONFIGURED, |mode| mode.number() + 1);
        self.0.store(number, Ordering::Relaxed);
    }

    /// What was set.
    pub fn get(&self) -> Option<Mode> {
        let number = self.0.load(Ordering::Relaxed);
        let modes = [Mode::Open, Mode::ReadOnly, Mode::Maintenance];
        modes.into_iter().find(|mode| mode.number() + 1 == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(mode: Mode, method: Method, path: &str) -> Option<&'static str> {
        let config = Config {
            is: Mode::Open,
            exempt: vec!["/api/payments/**".to_owned()],
            retry_after_seconds: 60,
        };
        config
            .refuses(mode, &method, path)
            .map(|(_, reason)| reason)
    }

    #[test]
    fn who_only_reads_passes_and_in_maintenance_nobody_does() {
        for (mode, method, path, reason) in [
            (Mode::Open, Method::POST, "/api/orders", None),
            (Mode::ReadOnly, Method::GET, "/", None),
            (Mode::ReadOnly, Method::HEAD, "/api/products", None),
            (Mode::ReadOnly, Method::OPTIONS, "/api/orders", None),
            (
                Mode::ReadOnly,
                Method::POST,
                "/api/orders",
                Some("read_only"),
            ),
            (Mode::ReadOnly, Method::DELETE, "/health", Some("read_only")),
            (Mode::ReadOnly, Method::POST, "/api/payments/webhook", None),
            (Mode::Maintenance, Method::GET, "/", Some("maintenance")),
            (Mode::Maintenance, Method::GET, "/health", None),
            (
                Mode::Maintenance,
                Method::POST,
                "/api/payments/webhook",
                None,
            ),
        ] {
            assert_eq!(
                refused(mode, method.clone(), path),
                reason,
                "{mode:?} {method} {path}"
            );
        }
    }

    #[test]
    fn a_switch_stands_above_the_configuration_until_it_is_let_go() {
        let switch = Switch::default();
        assert_eq!(switch.get(), None);
        for mode in [Mode::ReadOnly, Mode::Maintenance, Mode::Open] {
            switch.set(Some(mode));
            assert_eq!(switch.get(), Some(mode));
        }
        switch.set(None);
        assert_eq!(switch.get(), None);
    }
}
