//! Secrets of others' services: from a file that only this program reads, or from the environment; never in a log.

use std::fmt;
use std::path::PathBuf;

use anyhow::Context as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

/// Where a secret is.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// The file that it is in, without the line's end.
    pub file: Option<PathBuf>,
    /// The secret itself: for the environment, not for files that people share.
    pub value: Option<Hidden>,
}

/// Text that is not shown.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Hidden(String);

impl fmt::Debug for Hidden {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("(hidden)")
    }
}

impl Serialize for Hidden {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("(hidden)")
    }
}

impl Secret {
    /// Whether it is said where it is.
    pub fn is_set(&self) -> bool {
        self.file.is_some() || self.value.is_some()
    }

    /// The secret; the environment's stands above the file's.
    ///
    /// # Errors
    /// When the file cannot be read, or there is nothing in it.
    pub fn read(&self) -> anyhow::Result<String> {
        let text = match (&self.value, &self.file) {
            (Some(Hidden(value)), _) => value.clone(),
            (None, Some(file)) => {
                std::fs::read_to_string(file).with_context(|| file.display().to_string())?
            }
            (None, None) => String::new(),
        };
        let text = text.trim();
        anyhow::ensure!(!text.is_empty(), "a secret is missing or empty");
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_without_its_line_end_and_shown_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, "of the file\n").unwrap();
        let mut secret = Secret {
            file: Some(file),
            value: None,
        };
        assert_eq!(secret.read().unwrap(), "of the file");
        secret.value = Some(Hidden("of the environment".to_owned()));
        assert_eq!(secret.read().unwrap(), "of the environment");
        let shown = format!("{secret:?} {}", serde_json::to_string(&secret).unwrap());
        assert!(!shown.contains("environment"), "{shown}");
        assert!(Secret::default().read().is_err());
    }
}
