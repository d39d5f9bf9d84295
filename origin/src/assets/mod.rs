//! Stage `assets`: the storefront's files and the HTML shell.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crackers_shared::config_file::Problems;

/// Settings of stage `assets`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {}

impl Config {
    /// Reports impossible values under `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        let _ = (path, problems);
    }
}
