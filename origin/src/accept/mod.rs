//! Stage `accept`: sockets and HTTP connections. Bounds every connection in time, size and number before the API sees
//! a request. Knows no routes.

mod connection;
mod leaving;
mod listener;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crackers_shared::config_file::Problems;

pub use connection::{Body, Broken, Frames};
pub use leaving::{Leaving, Phase};
pub use listener::{BindError, Listener, bind, inherit, serve};

/// Settings of stage `accept`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// TCP addresses to listen on.
    pub listen: Vec<String>,
    /// Unix sockets to listen on.
    pub listen_unix: Vec<PathBuf>,
    /// The most connections at once.
    pub connections_max: usize,
    /// The longest wait for a request's whole head, idle time before it included, in milliseconds.
    pub idle_timeout_ms: u64,
    /// The longest wait for a request's whole body, in milliseconds.
    pub body_timeout_ms: u64,
    /// The longest time from a request's head to its answer, in milliseconds.
    pub request_timeout_ms: u64,
    /// The largest request body, in bytes.
    pub body_bytes_max: usize,
    /// The largest picture that is sent, in bytes.
    pub picture_bytes_max: usize,
    /// The largest sheet that is sent, in bytes.
    pub sheet_bytes_max: usize,
    /// The largest request head, in bytes.
    pub head_bytes_max: usize,
    /// How long a process that will stop serves on and says so, in milliseconds.
    pub stop_notice_ms: u64,
    /// The longest wait for requests in flight after that, in milliseconds.
    pub grace_period_ms: u64,
    /// Processes that share the sockets.
    pub workers: u16,
    /// Memory beyond which a worker is replaced, in bytes.
    pub worker_memory_bytes_max: u64,
}

impl Config {
    /// Reports impossible values under `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        problems.require(
            !self.listen.is_empty() || !self.listen_unix.is_empty(),
            format!("{path}.listen"),
            "needs at least one address here or in listen_unix",
        );
        for (index, address) in self.listen.iter().enumerate() {
            problems.require(
                address.parse::<std::net::SocketAddr>().is_ok(),
                format!("{path}.listen.{index}"),
                format!("expected an address and port such as 127.0.0.1:5000, got {address:?}"),
            );
        }
        problems.require(
            (1..=64).contains(&self.workers),
            format!("{path}.workers"),
            "must be 1 to 64",
        );
        problems.require(
            self.worker_memory_bytes_max >= 32 * 1024 * 1024,
            format!("{path}.worker_memory_bytes_max"),
            "must be at least 33554432",
        );
        problems.require(
            self.head_bytes_max >= 8192,
            format!("{path}.head_bytes_max"),
            "must be at least 8192",
        );
        for (key, value) in [
            ("connections_max", self.connections_max as u64),
            ("idle_timeout_ms", self.idle_timeout_ms),
            ("body_timeout_ms", self.body_timeout_ms),
            ("request_timeout_ms", self.request_timeout_ms),
            ("body_bytes_max", self.body_bytes_max as u64),
            ("picture_bytes_max", self.picture_bytes_max as u64),
            ("sheet_bytes_max", self.sheet_bytes_max as u64),
            ("grace_period_ms", self.grace_period_ms),
        ] {
            problems.require(value > 0, format!("{path}.{key}"), "must be at least 1");
        }
    }
}
