//! Stage `respond`: what every answer carries, and the edge's own answers. Knows nothing of where an answer came from.

pub mod compression;
pub mod negotiation;
mod problem;
pub mod send;

use http::{HeaderMap, HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crackers_shared::config_file::Problems;

use crate::forward::headers::INTERNAL;
pub use problem::Problem;

/// Settings of stage `respond`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Security fields of every answer: name and value. They stand above what the origin says.
    pub security_headers: Vec<Field>,
    /// Smaller bodies that are not stored are not compressed, in bytes.
    pub compress_bytes_min: u64,
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
            problems.require(
                field.name.parse::<HeaderName>().is_ok(),
                format!("{path}.security_headers.{index}.name"),
                format!("{:?} is not a field name", field.name),
            );
            problems.require(
                field.value.parse::<HeaderValue>().is_ok(),
                format!("{path}.security_headers.{index}.value"),
                "is not a field value",
            );
        }
    }
}

/// The stage at work.
pub struct Respond {
    security: Vec<(HeaderName, HeaderValue)>,
    /// See [`Config::compress_bytes_min`].
    pub compress_bytes_min: u64,
}

impl Respond {
    /// With the fields of a checked configuration.
    pub fn new(config: &Config) -> Self {
        let parsed = config.security_headers.iter();
        let security =
            parsed.filter_map(|field| Some((field.name.parse().ok()?, field.value.parse().ok()?)));
        Self {
            security: security.collect(),
            compress_bytes_min: config.compress_bytes_min,
        }
    }

    /// Every field that an answer must or must not carry, whoever made it.
    pub fn finish(&self, fields: &mut HeaderMap, own: &[(HeaderName, HeaderValue)]) {
        for name in INTERNAL.iter().chain(&[
            http::header::SERVER,
            HeaderName::from_static("x-powered-by"),
        ]) {
            fields.remove(name);
        }
        for (name, value) in &self.security {
            fields.insert(name, value.clone());
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
