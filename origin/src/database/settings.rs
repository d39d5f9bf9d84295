//! The settings of stage `database`.

use std::path::PathBuf;
use std::time::Duration;

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

/// The longest pause between two looks for what is idle too long, or old.
const REAPING_MAX: Duration = Duration::from_secs(30);

impl Pool {
    /// A pool within these bounds. What was used last is used first, so that those of a rush go when little work goes on.
    pub(super) fn builder<M: bb8::ManageConnection>(&self) -> bb8::Builder<M> {
        let idle_timeout = Duration::from_secs(self.idle_timeout_seconds);
        bb8::Pool::builder()
            .max_size(self.size_max)
            .min_idle(Some(self.size_min))
            .idle_timeout(Some(idle_timeout))
            .reaper_rate(idle_timeout.min(REAPING_MAX))
            .queue_strategy(bb8::QueueStrategy::Lifo)
            .connection_timeout(Duration::from_millis(self.wait_timeout_ms))
    }
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
    /// Pages that each reading connection keeps in memory, in bytes; every commit empties it.
    pub reader_cache_bytes: u32,
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

impl Mongodb {
    /// The connection string as the driver takes it, which refuses a `socketTimeoutMS`, and how long one operation may take
    /// on the wire: `None` where the connection string says what is no number of milliseconds above zero.
    pub fn connection(&self) -> (String, Option<Duration>) {
        let (place, query) = self.uri.split_once('?').unwrap_or((&self.uri, ""));
        let is_ours = |pair: &&str| {
            let name = pair.split_once('=').map_or(*pair, |(name, _)| name);
            name.eq_ignore_ascii_case("socketTimeoutMS")
        };
        let (ours, others): (Vec<_>, Vec<_>) = query.split('&').partition(is_ours);
        let given = ours.first().map(|pair| {
            let (_, value) = pair.split_once('=')?;
            value.parse().ok().filter(|given| *given > 0)
        });
        let limit_ms = given.unwrap_or(Some(self.socket_timeout_ms));
        let uri = match others.join("&") {
            none if none.is_empty() => place.to_owned(),
            others => format!("{place}?{others}"),
        };
        (uri, limit_ms.map(Duration::from_millis))
    }
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
            self.sqlite.reader_cache_bytes >= 64 * 1024,
            format!("{path}.sqlite.reader_cache_bytes"),
            "must be at least 65536",
        );
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
        problems.require(
            self.mongodb.connection().1.is_some(),
            format!("{path}.mongodb.uri"),
            "socketTimeoutMS must be at least 1 millisecond",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_timeout_of_the_uri_goes_before_the_setting_and_not_to_the_driver() {
        let of = |uri: &str| {
            let settings = Mongodb {
                uri: uri.to_owned(),
                database: "shop".to_owned(),
                server_selection_timeout_ms: 1,
                socket_timeout_ms: 45_000,
                connections_reserve: 1,
                migration_lease_ms: 1,
                migration_wait_ms: 1,
            };
            let (uri, limit) = settings.connection();
            (uri, limit.map(|limit| limit.as_millis()))
        };
        for (given, uri, limit) in [
            ("mongodb://a", "mongodb://a", Some(45_000)),
            ("mongodb://a/?x=y", "mongodb://a/?x=y", Some(45_000)),
            ("mongodb://a/?socketTimeoutMS=1", "mongodb://a/", Some(1)),
            (
                "mongodb://a/?x=y&sockettimeoutms=500&z=1",
                "mongodb://a/?x=y&z=1",
                Some(500),
            ),
            ("mongodb://a/?socketTimeoutMS=0", "mongodb://a/", None),
            ("mongodb://a/?socketTimeoutMS=5s", "mongodb://a/", None),
            ("mongodb://a/?socketTimeoutMS", "mongodb://a/", None),
        ] {
            assert_eq!(of(given), (uri.to_owned(), limit), "{given}");
        }
    }
}
