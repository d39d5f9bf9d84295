//! Stage `accept`: sockets and HTTP heads. Every head is read and judged here before Pingora sees it. Knows nothing of
//! routes, caches and origins.

pub mod body;
pub mod connection;
mod early;
mod front;
pub mod head;
mod http2;
mod listener;
mod pace;
mod plain;
pub mod proxy_protocol;
mod refused;
mod socket;
mod sockets;
pub(crate) mod stream_watch;
pub mod tls;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crackers_shared::config_file::Problems;

use crate::upgrade;

pub use listener::{Listener, bind, serve};
pub use sockets::{BindError, Sockets};

/// More threads than any machine has cores.
const THREADS_MAX: usize = 1024;
/// More connections than memory; a semaphore counts no more than the eighth part of all numbers.
const CONNECTIONS_MAX: usize = 10_000_000;

/// Settings of stage `accept`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// TCP addresses to listen on.
    pub listen: Vec<String>,
    /// Unix sockets to listen on.
    pub listen_unix: Vec<PathBuf>,
    /// Those of `listen` and `tls.listen` whose connections begin with a PROXY protocol header, from trusted proxies only.
    pub proxy_protocol: Vec<String>,
    /// TLS.
    pub tls: tls::Config,
    /// HTTP/2.
    pub http2: http2::Config,
    /// Threads that serve; 0 means one for each core.
    pub threads: usize,
    /// The most connections at once.
    pub connections_max: usize,
    /// The most connections at once from one client address (IPv6: one /64); trusted proxies have no such limit.
    pub connections_per_address_max: usize,
    /// The most requests on one connection.
    pub requests_per_connection_max: u32,
    /// The longest wait for the next request on a connection, in milliseconds.
    pub idle_timeout_ms: u64,
    /// The longest time from a head's first byte to its last, in milliseconds.
    pub head_timeout_ms: u64,
    /// The longest wait for more of a request's body, and for a client to take more of an answer, in milliseconds.
    pub body_timeout_ms: u64,
    /// The least that a client moves of a body or an answer beyond that time, in bytes for each second that he is waited for; 0
    /// asks for nothing.
    pub bytes_per_second_min: u64,
    /// Whether plain requests for what is fresh in the cache are answered without Pingora. The answers are the same.
    pub serve_hits_early: bool,
    /// Whether plain requests for anything else are forwarded without Pingora. The answers are the same.
    pub forward_plain_requests: bool,
    /// The largest request head, in bytes.
    pub head_bytes_max: usize,
    /// The largest request body, in bytes.
    pub body_bytes_max: u64,
    /// The longest wait for requests in flight when asked to stop, in milliseconds.
    pub grace_period_ms: u64,
    /// The way from one edge to the next.
    pub upgrade: upgrade::Config,
}

impl Config {
    /// What is offered over TLS, the best first.
    pub fn protocols(&self) -> &'static [&'static str] {
        if self.http2.enabled {
            &["h2", "http/1.1"]
        } else {
            &["http/1.1"]
        }
    }

    /// Reports impossible values under `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        problems.require(
            !self.listen.is_empty() || !self.listen_unix.is_empty() || !self.tls.listen.is_empty(),
            format!("{path}.listen"),
            "needs at least one address here, in listen_unix or in tls.listen",
        );
        self.tls.check(&format!("{path}.tls"), problems);
        self.http2.check(&format!("{path}.http2"), problems);
        self.upgrade.check(&format!("{path}.upgrade"), problems);
        for (index, address) in self.listen.iter().enumerate() {
            problems.require(
                address.parse::<std::net::SocketAddr>().is_ok(),
                format!("{path}.listen.{index}"),
                format!("expected an address and port such as 0.0.0.0:8080, got {address:?}"),
            );
        }
        for (index, address) in self.proxy_protocol.iter().enumerate() {
            problems.require(
                self.listen
                    .iter()
                    .chain(&self.tls.listen)
                    .any(|known| known == address),
                format!("{path}.proxy_protocol.{index}"),
                format!("{address:?} is not among the addresses of listen and tls.listen"),
            );
        }
        problems.require(
            (1024..=1 << 20).contains(&self.head_bytes_max),
            format!("{path}.head_bytes_max"),
            "must be 1024 to 1048576",
        );
        problems.require(
            self.threads <= THREADS_MAX,
            format!("{path}.threads"),
            format!("must be at most {THREADS_MAX}"),
        );
        problems.require(
            (1..=CONNECTIONS_MAX).contains(&self.connections_max),
            format!("{path}.connections_max"),
            format!("must be 1 to {CONNECTIONS_MAX}"),
        );
        for (key, value) in [
            (
                "connections_per_address_max",
                self.connections_per_address_max as u64,
            ),
            (
                "requests_per_connection_max",
                u64::from(self.requests_per_connection_max),
            ),
            ("idle_timeout_ms", self.idle_timeout_ms),
            ("head_timeout_ms", self.head_timeout_ms),
            ("body_timeout_ms", self.body_timeout_ms),
            ("grace_period_ms", self.grace_period_ms),
        ] {
            problems.require(value > 0, format!("{path}.{key}"), "must be at least 1");
        }
    }
}
