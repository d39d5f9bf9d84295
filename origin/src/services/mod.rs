//! Stage `services`: others that we call. So far whoever takes our mail.

pub mod mail;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crackers_shared::config_file::Problems;

/// Settings of stage `services`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Who takes our mail.
    pub mail: mail::Config,
}

impl Config {
    /// Reports impossible values under `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        self.mail.check(&format!("{path}.mail"), problems);
    }
}
