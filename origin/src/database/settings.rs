//! The settings of stage `database`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crackers_shared::config_file::Problems;

/// Settings of stage `database`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Which database.
    pub kind: Kind,
    /// Leases of connections (SQLite: readers) or sessions (MongoDB).
    pub pool: Pool,
    /// The longest a single question may take, in milliseconds.
    pub query_timeout_ms: u64,
    /// How many entries of the `changes` sequence are kept.
    pub changes_kept: u32,
    /// The embedded database.
    pub sqlite: Sqlite,
    /// The replica set.
    pub mongodb: Mongodb,
}

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Embedded.
    Sqlite,
    /// A replica set.
    Mongodb,
}

/// Bounds of the pool.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// The most leases at once.
    pub size_max: u32,
    /// Kept open when idle.
    pub size_min: u32,
    /// Above the minimum, closed after this long without use.
    pub idle_timeout_seconds: u64,
    /// How long a lease may be waited for.
    pub wait_timeout_ms: u64,
}

/// The embedded database.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sqlite {
    /// The database file; its folder is made when missing.
    pub file: PathBuf,
    /// How long to wait for another process's write.
    pub busy_timeout_ms: u64,
    /// Writes that may wait for the writer.
    pub write_queue_max: usize,
    /// Writes that share one commit.
    pub write_batch_max: usize,
    /// Pages (4 KiB) of the write-ahead log after which it is written into the database file.
    pub checkpoint_pages: u32,
    /// Pages that the writer keeps in memory, in bytes.
    pub writer_cache_bytes: u32,
}

/// The replica set.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mongodb {
    /// Connection string; `socketTimeoutMS` in it overrides `socket_timeout_ms`.
    pub uri: String,
    /// Name of the database.
    pub database: String,
    /// How long to look for a server that can answer.
    pub server_selection_timeout_ms: u64,
    /// The longest one operation may take on the wire.
    pub socket_timeout_ms: u64,
    /// Connections of the driver beyond the pool's leases.
    pub connections_reserve: u32,
    /// How long a program that brings the schema up to date may be silent before another one takes over.
    pub migration_lease_ms: u64,
    /// How long to wait for another program that brings the schema up to date.
    pub migration_wait_ms: u64,
}

impl Config {
    /// Reports impossible values under `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        let pool = &self.pool;
        problems.require(
            (1..=1000).contains(&pool.size_max),
            format!("{path}.pool.size_max"),
            format!("must be 1 to 1000, got {}", pool.size_max),
        );
        problems.require(
            pool.size_min <= pool.size_max,
            format!("{path}.pool.size_min"),
            format!(
                "must not exceed size_max ({}), got {}",
                pool.size_max, pool.size_min
            ),
        );
        for (key, value) in [
            ("pool.idle_timeout_seconds", pool.idle_timeout_seconds),
            ("pool.wait_timeout_ms", pool.wait_timeout_ms),
            ("query_timeout_ms", self.query_timeout_ms),
            ("sqlite.write_queue_max", self.sqlite.write_queue_max as u64),
            ("sqlite.write_batch_max", self.sqlite.write_batch_max as u64),
            (
                "sqlite.checkpoint_pages",
                u64::from(self.sqlite.checkpoint_pages),
            ),
            (
                "mongodb.server_selection_timeout_ms",
                self.mongodb.server_selection_timeout_ms,
            ),
            ("mongodb.socket_timeout_ms", self.mongodb.socket_timeout_ms),
            ("mongodb.migration_wait_ms", self.mongodb.migration_wait_ms),
            ("changes_kept", u64::from(self.changes_kept)),
        ] {
            problems.require(value > 0, format!("{path}.{key}"), "must be at least 1");
        }
        problems.require(
            self.sqlite.writer_cache_bytes >= 1024 * 1024,
            format!("{path}.sqlite.writer_cache_bytes"),
            "must be at least 1048576",
        );
        problems.require(
            (100..=3_600_000).contains(&self.mongodb.migration_lease_ms),
            format!("{path}.mongodb.migration_lease_ms"),
            "must be 100 to 3600000",
        );
        let uri = &self.mongodb.uri;
        problems.require(
            uri.starts_with("mongodb://") || uri.starts_with("mongodb+srv://"),
            format!("{path}.mongodb.uri"),
            "must begin with mongodb:// or mongodb+srv://",
        );
    }
}
