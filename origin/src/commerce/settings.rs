//! The settings of stage `commerce`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crackers_shared::config_file::Problems;

/// Settings of stage `commerce`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How long an order holds its stock without being paid, in seconds.
    pub payment_window_seconds: u32,
    /// Lines of a sheet of products that is imported.
    pub import_lines_max: u32,
    /// How often orders that were not paid in time are looked for, in milliseconds.
    pub expiry_interval_ms: u64,
    /// Products kept in memory for pricing lists, and as many bundles and gift boxes.
    pub known_things_max: u64,
    /// How long pictures of payments are kept once nobody looks at them any more, in seconds.
    pub proofs_kept_seconds: u32,
    /// How old a private file is removed that the database knows nothing of, in seconds; 0 keeps them all.
    pub stray_files_kept_seconds: u32,
    /// How often such files are looked for, in milliseconds.
    pub stray_files_interval_ms: u64,
}

impl Config {
    /// How long an order holds its stock without being paid.
    pub fn payment_window(&self) -> jiff::SignedDuration {
        jiff::SignedDuration::from_secs(self.payment_window_seconds.into())
    }

    /// How long pictures of payments are kept once nobody looks at them any more.
    pub fn proofs_kept(&self) -> jiff::SignedDuration {
        jiff::SignedDuration::from_secs(self.proofs_kept_seconds.into())
    }

    /// How old a private file is removed that the database knows nothing of; `None` where they are kept.
    pub fn stray_files_kept(&self) -> Option<jiff::SignedDuration> {
        let seconds = self.stray_files_kept_seconds;
        (seconds > 0).then(|| jiff::SignedDuration::from_secs(seconds.into()))
    }

    /// Reports impossible values under `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        problems.require(
            (1..=604_800).contains(&self.payment_window_seconds),
            format!("{path}.payment_window_seconds"),
            "must be 1 to 604800 (a week)",
        );
        problems.require(
            (1..=100_000).contains(&self.import_lines_max),
            format!("{path}.import_lines_max"),
            "must be 1 to 100000",
        );
        problems.require(
            self.expiry_interval_ms > 0,
            format!("{path}.expiry_interval_ms"),
            "must be at least 1",
        );
        problems.require(
            self.stray_files_interval_ms > 0,
            format!("{path}.stray_files_interval_ms"),
            "must be at least 1",
        );
    }
}
