//! The whole configuration: one section a stage, all of it checked before any port is bound.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crackers_shared::config_file::{Check, Problems};

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

impl Check for Config {
    fn check(&self, problems: &mut Problems) {
        self.accept.check("accept", problems);
        self.admit.check("admit", problems);
        self.cache.check("cache", problems);
        self.dispatch.check("dispatch", problems);
        self.forward.check("forward", problems);
        self.respond.check("respond", problems);
        self.telemetry.check("telemetry", problems);
    }
}

#[cfg(test)]
mod tests {
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
    fn every_key_of_the_default_file_is_explained() {
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
}
