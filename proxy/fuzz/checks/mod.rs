//! What must hold of whatever bytes somebody sends. The fuzz targets run these functions, and so does `tests/fuzz.rs`.

mod answers;
mod messages;

use std::collections::BTreeMap;

use crackers_proxy::config::{self, Config, DEFAULTS, DEFAULTS_NAME};
use crackers_shared::config_file::{self, Sources};
use http::{HeaderMap, HeaderName, HeaderValue};

pub(crate) use answers::{accept_encoding, cache_key, cache_policy, range, stored, vary};
pub(crate) use messages::{answer_head, body, client_address, head, path, proxy_protocol};

/// A configuration that is taken says the same when it is written down and read again, and can be reloaded.
pub(crate) fn configuration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let load = |defaults: &str, text: &str| {
        let sources = Sources {
            defaults_name: DEFAULTS_NAME,
            defaults,
            files: &[],
            overrides: &[],
            environment: &BTreeMap::new(),
        };
        config_file::load_with::<Config>(&sources, "fuzz", text)
    };
    let Ok(taken) = load(DEFAULTS, text) else {
        return;
    };
    let written = serde_yaml::to_string(&taken).unwrap_or_default();
    let again = load(&written, "").map(|again| serde_json::json!(again));
    assert_eq!(again.ok(), Some(serde_json::json!(taken)));
    if let Ok(defaults) = load(DEFAULTS, "") {
        let merged = config::reloadable(&defaults, &taken);
        assert!(merged.is_err() || config::reloadable(&taken, &taken).is_ok());
    }
}

/// Each line is a field; what cannot be one is left out.
fn fields(bytes: &[u8]) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        let name = HeaderName::from_bytes(name.trim_ascii());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.trim_ascii())) {
            fields.append(name, value);
        }
    }
    fields
}
