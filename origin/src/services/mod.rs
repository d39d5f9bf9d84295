//! Stage `services`: others that we call. Whoever takes our mail, and where private files are kept.

pub mod mail;
pub mod objects;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crackers_shared::config_file::Problems;

/// Settings of stage `services`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Who takes our mail.
    pub mail: mail::Config,
    /// Where private files are kept.
    pub objects: objects::Config,
}

impl Config {
    /// Reports impossible values under `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        self.mail.check(&format!("{path}.mail"), problems);
        self.objects.check(&format!("{path}.objects"), problems);
    }
}
