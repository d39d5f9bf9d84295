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
