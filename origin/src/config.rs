//! The whole configuration: one section a stage, all of it checked before any port is bound.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crackers_shared::config_file::{Check, Problems};

/// The file that is the default configuration.
pub const DEFAULTS: &str = include_str!("../../conf/origin.yaml");

/// Under which name the defaults are reported.
pub const DEFAULTS_NAME: &str = "conf/origin.yaml (built in)";

/// The configuration of `crackers-origin`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Stage `accept`.
    pub accept: crate::accept::Config,
    /// Stage `api`.
    pub api: crate::api::Config,
    /// Stage `assets`.
    pub assets: crate::assets::Config,
    /// Stage `commerce`.
    pub commerce: crate::commerce::settings::Config,
    /// Stage `database`.
    pub database: crate::database::settings::Config,
    /// Stage `outbox`.
    pub outbox: crate::outbox::Config,
    /// Stage `services`.
    pub services: crate::services::Config,
    /// Stage `telemetry`.
    pub telemetry: crate::telemetry::Config,
}

impl Check for Config {
    fn check(&self, problems: &mut Problems) {
        self.accept.check("accept", problems);
        self.api.check("api", problems);
        self.assets.check("assets", problems);
        self.commerce.check("commerce", problems);
        self.database.check("database", problems);
        self.outbox.check("outbox", problems);
        self.services.check("services", problems);
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
        let (mut comment, mut in_list) = (String::new(), None);
        for line in DEFAULTS.lines() {
            let text = line.trim_start();
            let depth = line.len() - text.len();
            if in_list.is_some_and(|list| depth > list) {
                continue;
            }
            in_list = text.starts_with('-').then_some(depth);
            if text.starts_with('#') {
                comment.push_str(text);
                continue;
            }
            let is_value = text.contains(": ") && !text.starts_with('-');
            if is_value {
                let says = |word| comment.contains(word);
                assert!(says("Restart."), "{line:?}: applies when?");
                assert!(
                    says("Default: ") || says("Environment: "),
                    "{line:?}: or else?"
                );
            }
            comment.clear();
        }
    }
}
