//! What a person sees when a configuration is wrong.

use std::io::Write as _;

use serde::Deserialize;

use super::*;

const DEFAULTS: &str = "accept:\n  listen: 127.0.0.1:5000\n  backlog: 10\nlimits:\n  - name: first\n    per_second: 5\n";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    accept: Accept,
    limits: Vec<Limit>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Accept {
    listen: String,
    backlog: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    name: String,
    per_second: u32,
}

impl Check for Config {
    fn check(&self, problems: &mut Problems) {
        problems.require(
            self.accept.backlog > 0,
            "accept.backlog",
            "must be at least 1",
        );
        for (index, limit) in self.limits.iter().enumerate() {
            problems.require(
                limit.per_second > 0,
                format!("limits.{index}.per_second"),
                format!("must be at least 1 for {}", limit.name),
            );
        }
    }
}

fn load_with(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let name = file.path().display().to_string();
    load(&Sources {
        defaults_name: "built in",
        defaults: DEFAULTS,
        files: &[file.path().to_owned()],
        overrides: &[EnvironmentOverride {
            variable: "BACKLOG",
            path: "accept.backlog",
            value: whole_number,
        }],
        environment: &environment,
    })
    .map_err(|error| error.to_string().replace(&name, "FILE"))
}

#[test]
fn an_empty_file_leaves_the_defaults() {
    let config = load_with("", &[]).unwrap();
    assert_eq!(config.accept.listen, "127.0.0.1:5000");
    assert_eq!(config.limits.len(), 1);
}

#[test]
fn maps_merge_and_lists_replace() {
    let config = load_with("accept:\n  backlog: 7\nlimits: []\n", &[]).unwrap();
    assert_eq!((config.accept.backlog, config.limits.len()), (7, 0));
    assert_eq!(config.accept.listen, "127.0.0.1:5000");
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_accepted_keys() {
    let error = load_with("accept:\n  backlog: 7\n  lisen: x\n", &[]).unwrap_err();
    assert_eq!(
        error,
        "FILE:3: accept.lisen: unknown field `lisen`, expected `listen` or `backlog`"
    );
}

#[test]
fn a_value_of_the_wrong_type_is_named_with_its_line() {
    let error = load_with("accept:\n  backlog: many\n", &[]).unwrap_err();
    assert_eq!(
        error,
        "FILE:2: accept.backlog: invalid type: string \"many\", expected u32"
    );
}

#[test]
fn every_impossible_value_is_reported_with_the_line_that_set_it() {
    let error = load_with(
        "limits:\n  - name: a\n    per_second: 0\naccept:\n  backlog: 0\n",
        &[],
    )
    .unwrap_err();
    assert_eq!(
        error,
        "FILE:5: accept.backlog: must be at least 1\nFILE:3: limits.0.per_second: must be at least 1 for a"
    );
}

#[test]
fn a_syntax_error_is_reported_with_its_line() {
    let error = load_with("accept:\n  backlog: [1\n", &[]).unwrap_err();
    assert!(error.starts_with("FILE:"), "{error}");
}

#[test]
fn a_key_that_stands_twice_is_refused() {
    let error = load_with("accept:\n  backlog: 1\n  backlog: 2\n", &[]).unwrap_err();
    assert_eq!(
        error,
        "FILE:3: key accept.backlog stands twice, first on line 2"
    );
}

#[test]
fn the_environment_overrides_files_and_is_named_when_wrong() {
    let config = load_with("accept:\n  backlog: 7\n", &[("BACKLOG", "9")]).unwrap();
    assert_eq!(config.accept.backlog, 9);
    let error = load_with("", &[("BACKLOG", "nine")]).unwrap_err();
    assert_eq!(
        error,
        "environment variable BACKLOG: accept.backlog: expected a whole number, got \"nine\""
    );
    let error = load_with("", &[("BACKLOG", "0")]).unwrap_err();
    assert_eq!(
        error,
        "environment variable BACKLOG: accept.backlog: must be at least 1"
    );
}
