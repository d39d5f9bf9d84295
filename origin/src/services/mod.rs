//! Stage `services`: others that we call. Whoever takes our mail, where private files are kept, the payment gateway, and Redis.
//! [`caller`] calls what speaks HTTP, behind a [`breaker`].

pub mod breaker;
pub mod caller;
pub mod mail;
pub mod objects;
pub mod payments;
pub mod redis;
pub mod secret;

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
    /// The payment gateway.
    pub payments: payments::Config,
    /// Redis.
    pub redis: redis::Config,
}

impl Config {
    /// Reports impossible values under `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        self.mail.check(&format!("{path}.mail"), problems);
        self.objects.check(&format!("{path}.objects"), problems);
        self.payments.check(&format!("{path}.payments"), problems);
        self.redis.check(&format!("{path}.redis"), problems);
    }
}
