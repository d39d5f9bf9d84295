//! The command line; serving is in [`crate::serve`].
#![allow(
    clippy::print_stdout,
    reason = "a command line answers on standard output"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Parser;

use crackers_shared::config_file::{self, EnvironmentOverride, Sources};
use crackers_shared::telemetry_setup;

use crate::accept::tls::Certificates;
use crate::config::{Config, DEFAULTS, DEFAULTS_NAME};
use crate::live::Load;
use crate::serve;
use crate::telemetry::admin;

/// The edge of the Crackers shop.
#[derive(Parser)]
#[command(name = "crackers-proxy", version)]
pub struct Command {
    /// A configuration file laid over the defaults; may be given again, later ones win. Without it: conf/proxy.yaml, if
    /// it is there.
    #[arg(long, short)]
    config: Vec<PathBuf>,
    /// Check the configuration and the files that it names, say what is wrong and where, and stop.
    #[arg(long)]
    test: bool,
    /// Take over the sockets of the running edge, which ends once this one serves and its own requests are answered. If this
    /// one does not come to serve, the running one goes on.
    #[arg(long)]
    upgrade: bool,
    /// Print the default configuration: every key with its meaning.
    #[arg(long)]
    print_default_config: bool,
    /// Print the JSON Schema of the configuration, for editors.
    #[arg(long)]
    print_config_schema: bool,
}

/// The environment variables that stand above the files. The first budget is the general one for writes.
const OVERRIDES: &[EnvironmentOverride] = &[
    EnvironmentOverride {
        variable: "RATE_LIMIT_WINDOW",
        path: "admit.rate_limits",
        value: |text, so_far| general_budget(so_far, "window_ms", text),
    },
    EnvironmentOverride {
        variable: "RATE_LIMIT_MAX",
        path: "admit.rate_limits",
        value: |text, so_far| general_budget(so_far, "requests_max", text),
    },
];

/// The budgets with one key of the one named `writes` changed.
fn general_budget(
    so_far: &serde_yaml::Value,
    key: &str,
    text: &str,
) -> Result<serde_yaml::Value, String> {
    let number = config_file::whole_number(text, so_far)?;
    let mut budgets = so_far.clone();
    let all = budgets.as_sequence_mut().into_iter().flatten();
    let writes = all
        .into_iter()
        .find(|budget| budget.get("name").and_then(serde_yaml::Value::as_str) == Some("writes"));
    let writes = writes.and_then(serde_yaml::Value::as_mapping_mut);
    let writes =
        writes.ok_or("admit.rate_limits holds no budget named writes that this could change")?;
    writes.insert(key.into(), number);
    Ok(budgets)
}

/// What has arrived is answered before more is taken in, up to so many connections. A worker looks for more after 61 by default, and
/// what it then finds fills its own queue of 256: with more clients at once, the others starve in the queue behind it
/// (benches/results/2026-11-27-fairness.md).
const EVENT_INTERVAL: u32 = 1024;

/// Does what the command line asks for.
///
/// # Errors
/// Whatever kept it from being done, for a person to read.
pub fn run(command: &Command) -> anyhow::Result<()> {
    if command.print_default_config {
        print!("{DEFAULTS}");
        return Ok(());
    }
    if command.print_config_schema {
        println!(
            "{}",
            serde_json::to_string_pretty(&schemars::schema_for!(Config))?
        );
        return Ok(());
    }
    let files = command.config.clone();
    let load: Load = Arc::new(move || load(&files));
    let config = Arc::new(load()?);
    if command.test {
        check_files(&config)?;
        println!("the configuration is good");
        return Ok(());
    }
    telemetry_setup::install(&config.telemetry.log_filter, config.telemetry.log_format)?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.event_interval(EVENT_INTERVAL);
    if config.accept.threads > 0 {
        runtime.worker_threads(config.accept.threads);
    }
    runtime
        .enable_all()
        .build()?
        .block_on(serve::run(config, load, command.upgrade))
}

/// Reads the files that the configuration names. Those that are made at the start may be missing, and are not made here.
fn check_files(config: &Config) -> anyhow::Result<()> {
    Certificates::read(&config.accept.tls)?;
    config.admit.check_files()?;
    admin::read_token(&config.telemetry.admin_token_file)?;
    Ok(())
}

fn load(files: &[PathBuf]) -> anyhow::Result<Config> {
    let own = Path::new("conf/proxy.yaml");
    let found = if files.is_empty() && own.is_file() {
        vec![own.to_owned()]
    } else {
        files.to_vec()
    };
    let sources = Sources {
        defaults_name: DEFAULTS_NAME,
        defaults: DEFAULTS,
        files: &found,
        overrides: OVERRIDES,
        environment: &config_file::process_environment(),
    };
    config_file::load(&sources).context("the configuration is refused")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_changes_the_budget_of_writes() {
        let environment = [("RATE_LIMIT_WINDOW", "1000"), ("RATE_LIMIT_MAX", "7")];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let sources = Sources {
            defaults_name: DEFAULTS_NAME,
            defaults: DEFAULTS,
            files: &[],
            overrides: OVERRIDES,
            environment: &environment.into(),
        };
        let config: Config = config_file::load(&sources).unwrap();
        let changed = config.admit.rate_limits.iter();
        let changed = changed.filter(|one| one.window_ms == 1000 && one.requests_max == 7);
        let names: Vec<_> = changed.map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["writes"]);
    }

    /// What `--test` says of the keys and the token of this folder.
    fn tested(folder: &Path) -> anyhow::Result<()> {
        let (keys, token) = (folder.join("keys"), folder.join("token"));
        let own = folder.join("own.yaml");
        let text = format!(
            "admit: {{session_keys_file: '{}'}}\ntelemetry: {{admin_token_file: '{}'}}\n",
            keys.display(),
            token.display()
        );
        std::fs::write(&own, text)?;
        run(&Command {
            config: vec![own],
            test: true,
            upgrade: false,
            print_default_config: false,
            print_config_schema: false,
        })
    }

    #[test]
    fn a_test_reads_the_files_that_are_there_and_makes_none() {
        let folder = tempfile::tempdir().unwrap();
        tested(folder.path()).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        for (file, key) in [
            ("keys", "admit.session_keys_file"),
            ("token", "telemetry.admin_token_file"),
        ] {
            let file = folder.path().join(file);
            std::fs::write(&file, "\n").unwrap();
            let refused = format!("{:#}", tested(folder.path()).unwrap_err());
            assert!(refused.contains(key), "{refused}");
            std::fs::remove_file(file).unwrap();
        }
    }
}
