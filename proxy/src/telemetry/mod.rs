//! Stage `telemetry`: what is counted, logged and steered. Decides nothing about requests.

pub mod access_log;
pub mod admin;
mod metrics;
mod orders;
mod requests;
pub mod traces;

use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crackers_shared::config_file::Problems;
use crackers_shared::telemetry_setup::{LogFormat, check_filter};

pub use metrics::Metrics;

/// Settings of stage `telemetry`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Which log lines are written, for example `info` or `warn,crackers_proxy=debug`.
    pub log_filter: String,
    /// Text for people or JSON for collectors.
    pub log_format: LogFormat,
    /// Where `/metrics` is served; never a public address.
    pub metrics_listen: SocketAddr,
    /// Where the edge is steered from; never a public address.
    pub admin_listen: SocketAddr,
    /// A socket file on which it is steered, too, by its own account and root only.
    pub admin_listen_unix: Option<PathBuf>,
    /// The file with the bearer token of the admin interface; made, readable by its owner only, when it is missing.
    pub admin_token_file: PathBuf,
    /// One JSON line a request.
    pub access_log: AccessLogConfig,
    /// Where spans are sent.
    pub traces: traces::TracesConfig,
}

/// One JSON line a request.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessLogConfig {
    /// Whether it is written.
    pub enabled: bool,
    /// The file it is appended to; standard output when null.
    pub file: Option<PathBuf>,
    /// Whether clients' addresses stand in it.
    pub addresses: bool,
    /// Lines that may wait for the writer; more are dropped and counted.
    pub lines_max: usize,
}

impl Config {
    /// Reports impossible values under `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        if let Err(error) = check_filter(&self.log_filter) {
            problems.add(format!("{path}.log_filter"), error.to_string());
        }
        self.traces.check(&format!("{path}.traces"), problems);
        problems.require(
            self.access_log.lines_max > 0,
            format!("{path}.access_log.lines_max"),
            "must be at least 1",
        );
    }
}
