//! Stage `api`: routes, requests and answers. Decodes, asks commerce, encodes; holds no rule of the shop and no query.

pub mod addresses;
pub mod answers;
pub mod auth;
mod body;
pub mod cart;
pub mod categories;
pub mod combos;
pub mod contact;
pub mod context;
mod cursor;
mod docs;
pub mod enquiries;
pub mod error;
pub mod events;
pub mod gateway;
pub mod health;
mod objects;
pub mod openapi;
pub mod orders;
pub mod own_orders;
pub mod pages;
mod papers;
pub mod parameters;
pub mod permission;
pub mod price_list;
pub mod products;
mod proofs;
pub mod quotes;
pub mod response;
pub mod reviews;
pub mod router;
pub mod routes;
mod sessions;
pub mod shared_answers;
pub mod shop;
mod sitemap;
pub mod staff;
mod table;
pub mod tracking;
pub(crate) mod uploads;
mod used_up;
pub mod views;
pub mod wishlist;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crackers_shared::config_file::Problems;

pub use answers::Answers;
pub use context::RequestContext;
pub use error::ApiError;
pub use response::{Caching, Reply, Streamed, etag_of, failure};
pub use router::{Router, answer};
pub use shared_answers::SharedAnswers;
pub use views::{ProductSummary, ProductView};

/// Cuts a list that was asked for with one item more than a page down to the page; the cursor of the next one, if any.
fn next_cursor<T>(items: &mut Vec<T>, limit: u32, cursor: impl Fn(&T) -> String) -> Option<String> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let is_more = items.len() > limit;
    items.truncate(limit);
    items.last().filter(|_| is_more).map(cursor)
}

/// Settings of stage `api`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where people reach the shop, without a slash at the end; for links in the sitemap and in page heads.
    pub public_url: String,
    /// How long the edge may keep public answers, in seconds.
    pub cache_ttl_seconds: u32,
    /// How long after that the edge may serve them while it fetches anew, in seconds.
    pub stale_while_revalidate_seconds: u32,
    /// How long after that the edge may serve them while the origin fails, in seconds.
    pub stale_if_error_seconds: u32,
    /// Bytes of encoded answers kept in memory.
    pub answers_bytes_max: u64,
    /// Streams of live events at once.
    pub event_streams_max: usize,
    /// How often a quiet stream says that it is still there, in seconds.
    pub event_heartbeat_seconds: u64,
    /// How long a stream lasts before its browser comes back, in seconds.
    pub event_stream_seconds_max: u64,
    /// The keys that sign session cookies, one a line; made when missing.
    pub session_keys_file: std::path::PathBuf,
    /// Lines of the price list.
    pub price_list_lines_max: u32,
}

impl Config {
    /// Reports impossible values under `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        let url = &self.public_url;
        problems.require(
            (url.starts_with("http://") || url.starts_with("https://")) && !url.ends_with('/'),
            format!("{path}.public_url"),
            "must begin with http:// or https:// and end without a slash",
        );
        problems.require(
            (1..=25).contains(&self.event_heartbeat_seconds),
            format!("{path}.event_heartbeat_seconds"),
            "must be 1 to 25: the edge gives an answer up that says nothing for 30 seconds",
        );
        problems.require(
            self.event_stream_seconds_max >= 60,
            format!("{path}.event_stream_seconds_max"),
            "must be at least 60",
        );
        problems.require(
            (1..=100_000).contains(&self.price_list_lines_max),
            format!("{path}.price_list_lines_max"),
            "must be 1 to 100000",
        );
    }
}
