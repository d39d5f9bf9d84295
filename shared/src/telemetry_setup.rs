//! Where log lines go and how they look. Both binaries log to standard error, so that standard output stays for answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

/// The look of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// One line of text a record, for people.
    Text,
    /// One JSON object a record, for log collectors.
    Json,
}

/// A filter that `tracing` does not understand.
#[derive(Debug, thiserror::Error)]
#[error("not a log filter ({0}); for example: info, or warn,crackers_proxy=debug")]
pub struct LogFilterError(String);

/// Checks a filter such as `info` or `warn,crackers_proxy=debug`.
///
/// # Errors
/// When a directive cannot be parsed.
pub fn check_filter(filter: &str) -> Result<(), LogFilterError> {
    EnvFilter::try_new(filter)
        .map(drop)
        .map_err(|error| LogFilterError(error.to_string()))
}

/// Installs the process's logger. A second call changes nothing.
///
/// # Errors
/// When the filter cannot be parsed.
pub fn install(filter: &str, format: LogFormat) -> Result<(), LogFilterError> {
    let filter = EnvFilter::try_new(filter).map_err(|error| LogFilterError(error.to_string()))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(true)
        .with_writer(std::io::stderr);
    // A test process installs more than once; the first one stays.
    let _ = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    Ok(())
}
