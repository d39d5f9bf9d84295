//! What must hold of whatever bytes somebody sends. The fuzz targets run these functions, and so does `tests/fuzz.rs`.

mod answers;
mod messages;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crackers_proxy::config::{self, Config, DEFAULTS, DEFAULTS_NAME};
use crackers_shared::config_file::{self, ConfigError, Sources};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_yaml::Value;

pub(crate) use answers::{accept_encoding, cache_key, cache_policy, range, stored, vary};
pub(crate) use messages::{answer_head, body, client_address, head, path, proxy_protocol};

/// The default file without its comments: they are two thirds of it, and every input would read them anew.
static BARE_DEFAULTS: LazyLock<String> = LazyLock::new(|| {
    let defaults: Value = serde_yaml::from_str(DEFAULTS).unwrap_or_default();
    serde_yaml::to_string(&defaults).unwrap_or_default()
});

static DEFAULT_CONFIG: LazyLock<Option<Config>> = LazyLock::new(|| load(DEFAULTS, "").ok());

fn load(defaults: &str, text: &str) -> Result<Config, ConfigError> {
    let sources = Sources {
        defaults_name: DEFAULTS_NAME,
        defaults,
        files: &[],
        overrides: &[],
        environment: &BTreeMap::new(),
    };
    config_file::load_with::<Config>(&sources, "fuzz", text)
}

/// A configuration that is taken says the same when it is written down and read again, and can be reloaded.
pub(crate) fn configuration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    // Laid over nothing first, where reading costs next to nothing: most bytes are no settings at all, and are refused for that
    // whatever they are laid over.
    let _ = load("{}", text);
    if !serde_yaml::from_str::<Value>(text).is_ok_and(|value| value.is_mapping()) {
        return;
    }
    let Ok(taken) = load(&BARE_DEFAULTS, text) else {
        return;
    };
    let written = serde_yaml::to_string(&taken).unwrap_or_default();
    let again = load(&written, "").map(|again| serde_json::json!(again));
    assert_eq!(again.ok(), Some(serde_json::json!(taken)));
    if let Some(defaults) = &*DEFAULT_CONFIG {
        let merged = config::reloadable(defaults, &taken);
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
