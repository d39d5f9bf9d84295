//! Stage `telemetry`: what is counted and logged. Counts nothing of people: no addresses, no queries, no bodies.

mod listener;
mod metrics;

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crackers_shared::config_file::Problems;
use crackers_shared::telemetry_setup::{LogFormat, check_filter};

pub use listener::{bind, serve};
pub use metrics::Metrics;

/// Settings of stage `telemetry`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Which log lines are written, for example `info` or `warn,crackers_origin=debug`.
    pub log_filter: String,
    /// Text for people or JSON for collectors.
    pub log_format: LogFormat,
    /// Where `/metrics` is served; never a public address.
    pub metrics_listen: SocketAddr,
}

impl Config {
    /// Reports impossible values under `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        if let Err(error) = check_filter(&self.log_filter) {
            problems.add(format!("{path}.log_filter"), error.to_string());
        }
    }
}
