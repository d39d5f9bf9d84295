//! Configuration: YAML over compiled-in defaults, checked whole before anything else happens.
//!
//! The default file of a binary *is* its default configuration: it is compiled in, every key stands in it with its
//! unit and meaning, and the structs have no defaults of their own. A person's files are laid over it in order (maps
//! merge, lists and values replace), then a few environment variables, and the result must fit the structs exactly.
//! Whatever is wrong is reported with the file and line it came from.

mod lines;
mod merge;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_yaml::Value;

use lines::LineIndex;

/// What a configuration says of itself once its types fit: ranges, combinations, formats.
pub trait Check {
    /// Adds every problem found; finding none accepts the configuration.
    fn check(&self, problems: &mut Problems);
}

/// The problems found so far, each at a dotted path such as `admit.rate_limits.0.window_ms`.
#[derive(Debug, Default)]
pub struct Problems(Vec<(String, String)>);

impl Problems {
    /// Adds a problem: where it is, and what would be accepted.
    pub fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push((path.into(), message.into()));
    }

    /// Adds a problem unless `accepted` holds.
    pub fn require(&mut self, accepted: bool, path: impl Into<String>, message: impl Into<String>) {
        if !accepted {
            self.add(path, message);
        }
    }

    /// The paths and messages, in the order in which they were added.
    pub fn entries(&self) -> &[(String, String)] {
        &self.0
    }
}

/// An environment variable that overrides one key.
pub struct EnvironmentOverride {
    /// The variable's name.
    pub variable: &'static str,
    /// The dotted path of the key it overrides.
    pub path: &'static str,
    /// Makes the new value of the key from the variable's text and the key's value so far.
    pub value: fn(text: &str, so_far: &Value) -> Result<Value, String>,
}

/// An override that reads the variable as a whole number.
///
/// # Errors
/// When the text is not a whole number that fits 64 bits.
pub fn whole_number(text: &str, _so_far: &Value) -> Result<Value, String> {
    text.trim()
        .parse::<u64>()
        .map(Value::from)
        .map_err(|_| format!("expected a whole number, got {text:?}"))
}

/// An override that takes the variable's text as it is.
///
/// # Errors
/// When the text is empty.
pub fn text(text: &str, _so_far: &Value) -> Result<Value, String> {
    if text.is_empty() {
        return Err("expected a value, got an empty one".to_owned());
    }
    Ok(Value::from(text))
}

/// Where a configuration comes from.
pub struct Sources<'a> {
    /// The name under which the defaults are reported, for example `conf/origin.yaml (built in)`.
    pub defaults_name: &'a str,
    /// The compiled-in default file.
    pub defaults: &'a str,
    /// The files laid over it, in order.
    pub files: &'a [PathBuf],
    /// The overrides that this binary honours.
    pub overrides: &'a [EnvironmentOverride],
    /// The environment to look them up in: [`process_environment`], or a test's own.
    pub environment: &'a BTreeMap<String, String>,
}

/// The environment of this process; the only place that reads it.
pub fn process_environment() -> BTreeMap<String, String> {
    std::env::vars().collect()
}

/// A configuration that was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The content is wrong, in one or more places.
    #[error("{}", Located::join(.0))]
    Wrong(Vec<Located>),
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The file (with line where known) or environment variable.
    pub place: String,
    /// The dotted path of the key; empty for syntax errors.
    pub key: String,
    /// What is wrong and what would be accepted.
    pub message: String,
}

impl Located {
    fn join(all: &[Self]) -> String {
        let lines: Vec<_> = all.iter().map(ToString::to_string).collect();
        lines.join("\n")
    }
}

impl fmt::Display for Located {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.place)?;
        if !self.key.is_empty() {
            write!(formatter, "{}: ", self.key)?;
        }
        formatter.write_str(&self.message)
    }
}

/// Loads, merges and checks a configuration.
///
/// # Errors
/// [`ConfigError::Unreadable`] for a file that cannot be read, [`ConfigError::Wrong`] for everything else, with the
/// place of each problem.
pub fn load<T: DeserializeOwned + Check>(sources: &Sources<'_>) -> Result<T, ConfigError> {
    load_with(sources, "", "")
}

/// The same with one more layer that is no file, above the files and below the environment.
///
/// # Errors
/// As [`load`]; problems of the layer are reported under `name`.
pub fn load_with<T: DeserializeOwned + Check>(
    sources: &Sources<'_>,
    name: &str,
    text: &str,
) -> Result<T, ConfigError> {
    let mut layers = Layers::default();
    layers.add_text(sources.defaults_name, sources.defaults)?;
    for file in sources.files {
        layers.add_file(file)?;
    }
    layers.add_text(name, text)?;
    for each in sources.overrides {
        if let Some(text) = sources.environment.get(each.variable) {
            layers.add_override(each, text)?;
        }
    }
    layers.into_checked()
}

/// The layers so far: their merged value, and for each the way back from a path to a line.
#[derive(Default)]
struct Layers {
    merged: Value,
    places: Vec<Place>,
}

enum Place {
    File {
        name: String,
        lines: LineIndex,
    },
    Variable {
        name: &'static str,
        path: &'static str,
    },
}

impl Layers {
    fn add_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        self.add_text(&path.display().to_string(), &text)
    }

    fn add_text(&mut self, name: &str, text: &str) -> Result<(), ConfigError> {
        let lines = LineIndex::of(text).map_err(|(line, message)| wrong(name, line, message))?;
        let value: Value = serde_yaml::from_str(text).map_err(|error| {
            let line = error.location().map_or(1, |location| location.line());
            wrong(name, line, error.to_string())
        })?;
        if !matches!(value, Value::Mapping(_) | Value::Null) {
            return Err(wrong(name, 1, "expected a mapping of sections".to_owned()));
        }
        merge::over(&mut self.merged, value);
        self.places.push(Place::File {
            name: name.to_owned(),
            lines,
        });
        Ok(())
    }

    fn add_override(&mut self, each: &EnvironmentOverride, text: &str) -> Result<(), ConfigError> {
        let so_far = merge::get(&self.merged, each.path).unwrap_or(&Value::Null);
        let value = (each.value)(text, so_far).map_err(|message| {
            ConfigError::Wrong(vec![Located {
                place: format!("environment variable {}", each.variable),
                key: each.path.to_owned(),
                message,
            }])
        })?;
        merge::set(&mut self.merged, each.path, value);
        self.places.push(Place::Variable {
            name: each.variable,
            path: each.path,
        });
        Ok(())
    }

    fn into_checked<T: DeserializeOwned + Check>(self) -> Result<T, ConfigError> {
        let config: T = serde_path_to_error::deserialize(self.merged.clone()).map_err(|error| {
            let path = lines::dotted(error.path());
            let message = error.into_inner().to_string();
            let path = lines::with_unknown_field(&path, &message);
            ConfigError::Wrong(vec![self.locate(&path, message)])
        })?;
        let mut problems = Problems::default();
        config.check(&mut problems);
        if problems.0.is_empty() {
            return Ok(config);
        }
        let located = problems.0.into_iter();
        Err(ConfigError::Wrong(
            located
                .map(|(path, message)| self.locate(&path, message))
                .collect(),
        ))
    }

    /// The last layer that sets `path`; failing that, the last that sets the longest prefix of it.
    fn locate(&self, path: &str, message: String) -> Located {
        let mut prefix = path;
        loop {
            for place in self.places.iter().rev() {
                if let Some(place) = place.of(prefix) {
                    return Located {
                        place,
                        key: path.to_owned(),
                        message,
                    };
                }
            }
            match prefix.rsplit_once('.') {
                Some((shorter, _)) => prefix = shorter,
                None => break,
            }
        }
        Located {
            place: "configuration".to_owned(),
            key: path.to_owned(),
            message,
        }
    }
}

impl Place {
    fn of(&self, path: &str) -> Option<String> {
        match self {
            Self::File { name, lines } => lines.line(path).map(|line| format!("{name}:{line}")),
            Self::Variable { name, path: own } => {
                (*own == path).then(|| format!("environment variable {name}"))
            }
        }
    }
}

fn wrong(name: &str, line: usize, message: String) -> ConfigError {
    ConfigError::Wrong(vec![Located {
        place: format!("{name}:{line}"),
        key: String::new(),
        message,
    }])
}

#[cfg(test)]
mod tests;
