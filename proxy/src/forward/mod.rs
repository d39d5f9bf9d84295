//! Stage `forward`: which origin gets a request, and the connection to it. Knows nothing of clients' rights, of caching
//! and of what is in an answer.

pub mod attempts;
pub mod balance;
pub mod client;
pub mod ejection;
pub mod group;
mod groups;
pub mod headers;
mod health;
pub mod http1;
mod pauses;
pub mod retry_budget;
pub mod upstreams;

use http::HeaderName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crackers_shared::config_file::Problems;

use balance::{Balance, HashBy};
pub use client::UpstreamClient;
use ejection::EjectionConfig;
pub use groups::Upstreams;
pub use health::{HealthConfig, watch};
use retry_budget::RetryBudgetConfig;

/// A day.
const TIMEOUT_MS_MAX: u64 = 86_400_000;
/// Pingora makes room for all of them at once.
const IDLE_CONNECTIONS_MAX: usize = 100_000;

/// Settings of stage `forward`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Groups of origins.
    pub groups: Vec<GroupConfig>,
    /// Which group gets which paths; the longest prefix wins, and `/` must be among them.
    pub routes: Vec<RouteConfig>,
    /// How often a request that may be repeated is tried on further origins.
    pub retries_max: u32,
    /// How many requests may be tried again, of each group.
    pub retry_budget: RetryBudgetConfig,
    /// Fields of requests that other programs believe of proxies only: taken off what does not come from a trusted one.
    pub distrusted_fields: Vec<String>,
    /// Idle connections kept open to origins.
    pub idle_connections_max: usize,
    /// The largest head of an answer, in bytes.
    pub answer_head_bytes_max: usize,
}

/// Origins that can stand in for each other.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupConfig {
    /// Its name, for routes, logs and metrics.
    pub name: String,
    /// How requests are shared out.
    #[serde(default)]
    pub balance: Balance,
    /// What `consistent_hash` goes by.
    #[serde(default)]
    pub hash_by: HashBy,
    /// Its members.
    pub servers: Vec<ServerConfig>,
    /// When a member that fails requests gets none for a while.
    #[serde(default)]
    pub ejection: EjectionConfig,
    /// How they are checked.
    pub health: HealthConfig,
}

/// One origin.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// `host:port` or `unix:/path`.
    pub address: String,
    /// Its share of the requests, against the others' weights.
    pub weight: u32,
    /// Whether it gets something only when fewer than half of the others are healthy.
    #[serde(default)]
    pub backup: bool,
}

/// Where paths go.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// Paths that begin so.
    pub path_prefix: String,
    /// The group that gets them.
    pub group: String,
    /// How long each step may take.
    pub timeouts: Timeouts,
}

/// How long each step may take, in milliseconds.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Timeouts {
    /// To a connection.
    pub connect_ms: u64,
    /// Without a byte from the origin.
    pub read_ms: u64,
    /// Without the origin taking a byte.
    pub write_ms: u64,
    /// A connection without use is closed after it.
    pub idle_ms: u64,
    /// Without a byte either way on a WebSocket.
    #[serde(default = "tunnel_ms")]
    pub tunnel_ms: u64,
}

fn tunnel_ms() -> u64 {
    600_000
}

impl Timeouts {
    fn check(&self, path: &str, problems: &mut Problems) {
        for (key, value) in [
            ("connect_ms", self.connect_ms),
            ("read_ms", self.read_ms),
            ("write_ms", self.write_ms),
            ("idle_ms", self.idle_ms),
            ("tunnel_ms", self.tunnel_ms),
        ] {
            problems.require(
                (1..=TIMEOUT_MS_MAX).contains(&value),
                format!("{path}.{key}"),
                "must be 1 to 86400000",
            );
        }
    }
}

impl Config {
    /// Reports impossible values under `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        for (index, group) in self.groups.iter().enumerate() {
            group.check(&format!("{path}.groups.{index}"), problems);
            let mut before = self.groups[..index].iter();
            problems.require(
                before.all(|other| other.name != group.name),
                format!("{path}.groups.{index}.name"),
                format!("{:?} is the name of another group", group.name),
            );
        }
        for (index, route) in self.routes.iter().enumerate() {
            let known = self.groups.iter().any(|group| group.name == route.group);
            let names: Vec<_> = self
                .groups
                .iter()
                .map(|group| group.name.as_str())
                .collect();
            problems.require(
                known,
                format!("{path}.routes.{index}.group"),
                format!(
                    "no group is named {:?}; there are: {}",
                    route.group,
                    names.join(", ")
                ),
            );
            problems.require(
                route.path_prefix.starts_with('/'),
                format!("{path}.routes.{index}.path_prefix"),
                "must begin with /",
            );
            let timeouts = format!("{path}.routes.{index}.timeouts");
            route.timeouts.check(&timeouts, problems);
        }
        for (index, name) in self.distrusted_fields.iter().enumerate() {
            problems.require(
                name.parse()
                    .is_ok_and(|name: HeaderName| name != http::header::HOST),
                format!("{path}.distrusted_fields.{index}"),
                format!("{name:?} is no field that can be taken off"),
            );
        }
        let has_default = self.routes.iter().any(|route| route.path_prefix == "/");
        problems.require(
            has_default,
            format!("{path}.routes"),
            "needs a route with the path_prefix /",
        );
        problems.require(
            self.idle_connections_max <= IDLE_CONNECTIONS_MAX,
            format!("{path}.idle_connections_max"),
            format!("must be at most {IDLE_CONNECTIONS_MAX}"),
        );
        problems.require(
            self.retries_max <= 5,
            format!("{path}.retries_max"),
            "must be at most 5",
        );
        problems.require(
            (1024..=1 << 20).contains(&self.answer_head_bytes_max),
            format!("{path}.answer_head_bytes_max"),
            "must be 1024 to 1048576",
        );
        self.retry_budget
            .check(&format!("{path}.retry_budget"), problems);
    }
}

impl GroupConfig {
    fn check(&self, path: &str, problems: &mut Problems) {
        problems.require(
            !self.servers.is_empty(),
            format!("{path}.servers"),
            "needs at least one server",
        );
        problems.require(
            self.servers.is_empty() || self.servers.iter().any(|server| !server.backup),
            format!("{path}.servers"),
            "needs at least one server that is no backup",
        );
        self.ejection.check(&format!("{path}.ejection"), problems);
        for (index, server) in self.servers.iter().enumerate() {
            let has_port = server
                .address
                .rsplit_once(':')
                .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
            problems.require(
                has_port || server.address.starts_with("unix:/"),
                format!("{path}.servers.{index}.address"),
                format!("expected host:port or unix:/path, got {:?}", server.address),
            );
            let mut before = self.servers[..index].iter();
            problems.require(
                before.all(|other| other.address != server.address),
                format!("{path}.servers.{index}.address"),
                format!(
                    "{:?} is in this group already: its weight says what it gets",
                    server.address
                ),
            );
            problems.require(
                (1..=1000).contains(&server.weight),
                format!("{path}.servers.{index}.weight"),
                "must be 1 to 1000",
            );
        }
        self.health.check(&format!("{path}.health"), problems);
    }
}
