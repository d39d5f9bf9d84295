//! Stage `respond`: what every answer carries, and the edge's own answers. Knows nothing of where an answer came from.

mod client;
pub mod compression;
pub mod head;
pub mod negotiation;
mod problem;
pub mod send;
pub mod stored;

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crackers_shared::config_file::Problems;
use crackers_shared::headers;

use crate::context::Context;
use crate::forward::headers::{INTERNAL, remove_hop_by_hop};
pub use client::{Client, Head};
pub use problem::Problem;

/// Settings of stage `respond`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Security fields of every answer: name and value. They stand above what the origin says.
    pub security_headers: Vec<Field>,
    /// Smaller bodies that are not stored are not compressed, in bytes.
    pub compress_bytes_min: u64,
    /// Whether caches of others stand in front of the edge that `CDN-Cache-Control` is for, too.
    pub further_cdn: bool,
}

/// A field.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl Config {
    /// Reports impossible values under `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        for (index, field) in self.security_headers.iter().enumerate() {
            let name = field.name.parse::<HeaderName>();
            problems.require(
                name.is_ok_and(|name| !OF_FRAMING.contains(&name)),
                format!("{path}.security_headers.{index}.name"),
                format!(
                    "{:?} is not a field name that answers may be given",
                    field.name
                ),
            );
            problems.require(
                field.value.parse::<HeaderValue>().is_ok(),
                format!("{path}.security_headers.{index}.value"),
                "is not a field value",
            );
        }
    }
}

/// Fields that say how an answer is framed and coded, which only the edge knows.
const OF_FRAMING: [HeaderName; 6] = [
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Fields that the edge writes of one request ([`Context::each_field`]), beside those of CORS, and beside
/// `Strict-Transport-Security`, which it writes over TLS only.
static OF_ONE_REQUEST: [HeaderName; 6] = [
    header::AGE,
    headers::CACHE_STATUS,
    headers::RATE_LIMIT,
    headers::RATE_LIMIT_POLICY,
    headers::REQUEST_ID,
    header::VARY,
];

fn is_of_one_request(name: &HeaderName) -> bool {
    OF_ONE_REQUEST.contains(name) || name.as_str().starts_with("access-control-")
}

static GENERATIONS: AtomicU64 = AtomicU64::new(0);

/// The stage at work.
pub struct Respond {
    security: Vec<(HeaderName, HeaderValue)>,
    /// The security fields as they are sent.
    pub security_text: Bytes,
    /// Whether none of them has the name of a field that the edge writes of one request.
    is_apart: bool,
    /// Whether one of them is `Strict-Transport-Security`.
    has_strict_transport: bool,
    /// Another one for each set of settings: what was written under others is out of date.
    generation: u64,
    /// See [`Config::compress_bytes_min`].
    pub compress_bytes_min: u64,
    /// See [`Config::further_cdn`].
    further_cdn: bool,
}

impl Respond {
    /// With the fields of a checked configuration.
    pub fn new(config: &Config) -> Self {
        let parsed = config.security_headers.iter();
        let security =
            parsed.filter_map(|field| Some((field.name.parse().ok()?, field.value.parse().ok()?)));
        let security: Vec<_> = security.collect();
        Self {
            security_text: text(&security),
            is_apart: !security.iter().any(|(name, _)| is_of_one_request(name)),
            has_strict_transport: security
                .iter()
                .any(|(name, _)| *name == header::STRICT_TRANSPORT_SECURITY),
            security,
            generation: GENERATIONS.fetch_add(1, Ordering::Relaxed),
            compress_bytes_min: config.compress_bytes_min,
            further_cdn: config.further_cdn,
        }
    }

    /// Whether the security fields can be written as they are, in front of what the edge writes of a request: none has the name
    /// of one of those.
    pub fn is_apart(&self, context: &Context) -> bool {
        let both_speak = self.has_strict_transport && context.strict_transport.is_some();
        self.is_apart && !both_speak
    }

    fn security(&self) -> &[(HeaderName, HeaderValue)] {
        &self.security
    }

    /// Takes out what no client sees of an origin.
    fn remove_internal(&self, fields: &mut HeaderMap) {
        for name in INTERNAL.iter().chain(&[
            http::header::SERVER,
            HeaderName::from_static("x-powered-by"),
        ]) {
            fields.remove(name);
        }
        if !self.further_cdn {
            fields.remove(&headers::CDN_CACHE_CONTROL);
        }
    }

    /// The fields that a client sees of an interim answer.
    pub fn interim(&self, mut fields: HeaderMap) -> HeaderMap {
        remove_hop_by_hop(&mut fields);
        self.remove_internal(&mut fields);
        fields
    }

    /// Every field that an answer must or must not carry, whoever made it.
    pub fn finish(&self, fields: &mut HeaderMap, own: &[(HeaderName, HeaderValue)]) {
        self.remove_internal(fields);
        for (name, _) in &self.security {
            fields.remove(name);
        }
        // Several may have one name: policies add up.
        for (name, value) in &self.security {
            fields.append(name, value.clone());
        }
        for (name, value) in own {
            if *name == http::header::VARY {
                fields.append(name, value.clone());
            } else {
                fields.insert(name, value.clone());
            }
        }
    }
}

/// Fields as Pingora sends them.
fn text(fields: &[(HeaderName, HeaderValue)]) -> Bytes {
    let fields = fields.iter().cloned().collect();
    let mut text = BytesMut::new();
    if let Ok(head) = send::head(http::StatusCode::OK, &fields) {
        head.header_to_h1_wire(&mut text);
    }
    text.freeze()
}
