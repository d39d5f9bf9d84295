//! Cross-origin requests (Fetch standard): an exact list of sites, and preflights answered here.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crackers_shared::config_file::Problems;

use crate::method_names;

/// Sites whose pages may use the API.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Exact origins, for example `https://admin.example.in`; none allows no other site.
    pub origins: Vec<String>,
    /// Methods they may use.
    pub methods: Vec<String>,
    /// Request fields they may send.
    pub headers: Vec<String>,
    /// How long browsers may remember a preflight, in seconds.
    pub max_age_seconds: u32,
}

impl Config {
    /// Reports impossible values under `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        for (index, origin) in self.origins.iter().enumerate() {
            let has_scheme = origin.starts_with("https://") || origin.starts_with("http://");
            problems.require(
                has_scheme && !origin.ends_with('/') && origin != "*",
                format!("{path}.origins.{index}"),
                format!(
                    "expected an exact origin such as https://admin.example.in, got {origin:?}"
                ),
            );
        }
        method_names::check(&self.methods, &format!("{path}.methods"), problems);
    }
}

/// The allowed origin of a request.
fn allowed<'a>(config: &Config, request: &'a HeaderMap) -> Option<&'a HeaderValue> {
    let origin = request.get(header::ORIGIN)?;
    config
        .origins
        .iter()
        .any(|known| known.as_bytes() == origin.as_bytes())
        .then_some(origin)
}

/// The answer's fields for a request from an allowed site.
pub fn fields(config: &Config, request: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
    if config.origins.is_empty() {
        return Vec::new();
    }
    // Whoever keeps the answer must not serve it to another site.
    let mut fields = vec![(header::VARY, HeaderValue::from_static("Origin"))];
    if let Some(origin) = allowed(config, request) {
        fields.push((header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()));
        fields.push((
            header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
            HeaderValue::from_static("true"),
        ));
    }
    fields
}

/// The fields of a preflight's answer; `None` when the request is no preflight. A site that is not on the list gets an
/// answer that allows it nothing.
pub fn preflight(
    config: &Config,
    method: &Method,
    request: &HeaderMap,
) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let asks = request.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        && request.contains_key(header::ORIGIN);
    if method != Method::OPTIONS || !asks {
        return None;
    }
    let mut answer = fields(config, request);
    if allowed(config, request).is_some() {
        for (name, value) in [
            (
                header::ACCESS_CONTROL_ALLOW_METHODS,
                config.methods.join(", "),
            ),
            (
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                config.headers.join(", "),
            ),
            (
                header::ACCESS_CONTROL_MAX_AGE,
                config.max_age_seconds.to_string(),
            ),
        ] {
            answer.extend(
                HeaderValue::from_str(&value)
                    .ok()
                    .map(|value| (name, value)),
            );
        }
    }
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(origin: &str) -> Vec<String> {
        let config = Config {
            origins: vec!["https://admin.example.in".to_owned()],
            methods: vec!["GET".to_owned(), "POST".to_owned()],
            headers: vec!["Content-Type".to_owned()],
            max_age_seconds: 600,
        };
        let mut request = HeaderMap::new();
        request.insert(header::ORIGIN, origin.parse().unwrap());
        request.insert(
            header::ACCESS_CONTROL_REQUEST_METHOD,
            "POST".parse().unwrap(),
        );
        let fields = preflight(&config, &Method::OPTIONS, &request).unwrap();
        fields
            .into_iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect()
    }

    #[test]
    fn only_a_listed_site_is_allowed_anything() {
        insta::assert_yaml_snapshot!(answer("https://admin.example.in"));
        assert_eq!(
            answer("https://admin.example.in.evil.example"),
            ["vary: Origin"]
        );
        assert_eq!(answer("null"), ["vary: Origin"]);
    }
}
