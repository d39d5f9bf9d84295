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
