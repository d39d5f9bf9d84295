//! The command line, and the boot as a story: flags, configuration, sockets, stages, serve, drain.
#![allow(
    clippy::print_stdout,
    reason = "a command line answers on standard output"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use pingora::server::configuration::ServerConf;
use pingora_proxy::http_proxy;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crackers_shared::clock::Clock;
use crackers_shared::config_file::{self, EnvironmentOverride, Sources};
use crackers_shared::{shutdown_signal, telemetry_setup};

use crate::accept;
use crate::accept::tls::Certificates;
use crate::config::{Config, DEFAULTS, DEFAULTS_NAME};
use crate::edge::Edge;
use crate::live::{Live, Load};
use crate::phases::Phases;
use crate::telemetry::admin::{self, Role};

/// The edge of the Crackers shop.
#[derive(Parser)]
#[command(name = "crackers-proxy", version)]
pub struct Command {
    /// A configuration file laid over the defaults; may be given again, later ones win. Without it: conf/proxy.yaml, if
    /// it is there.
    #[arg(long, short)]
    config: Vec<PathBuf>,
    /// Check the configuration, say what is wrong and where, and stop.
    #[arg(long)]
    test: bool,
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
        Certificates::read(&config.accept.tls)?;
        println!("the configuration is good");
        return Ok(());
    }
    telemetry_setup::install(&config.telemetry.log_filter, config.telemetry.log_format)?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if config.accept.threads > 0 {
        runtime.worker_threads(config.accept.threads);
    }
    runtime.enable_all().build()?.block_on(serve(config, load))
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

async fn serve(config: Arc<Config>, load: Load) -> anyhow::Result<()> {
    let telemetry = &config.telemetry;
    let certificates = Certificates::read(&config.accept.tls)?;
    let acceptor = certificates.acceptor(config.accept.protocols())?;
    let token = admin::token(&telemetry.admin_token_file)?;
    let listeners = accept::bind(&config.accept, &acceptor).await?;
    let metrics = accept::bind_tcp(
        &telemetry.metrics_listen.to_string(),
        "telemetry.metrics_listen",
    )
    .await?;
    let admin = accept::bind_tcp(
        &telemetry.admin_listen.to_string(),
        "telemetry.admin_listen",
    )
    .await?;
    let edge = Arc::new(Edge::new(Arc::clone(&config), Clock::system())?);
    let (ask_to_stop, stop) = watch::channel(false);
    edge.upstreams.refresh().await;
    let live = Live::new(Arc::clone(&edge), load, stop.clone());
    let look = Duration::from_millis(config.accept.tls.reload_interval_ms);
    tokio::spawn(certificates.follow(look, Arc::clone(&edge.metrics), stop.clone()));
    tokio::spawn(admin::serve(metrics, Role::Metrics, Arc::clone(&live)));
    tokio::spawn(admin::serve(admin, Role::Admin(token), Arc::clone(&live)));
    for listener in &listeners {
        tracing::info!(address = %listener.address(), "serving");
    }
    tokio::spawn(reload_when_asked(
        signal(SignalKind::hangup())?,
        Arc::clone(&live),
    ));
    tokio::spawn(async move {
        match shutdown_signal::asked_to_stop().await {
            Ok(signal) => tracing::info!(signal, "asked to stop; finishing what is in flight"),
            Err(error) => tracing::error!(%error, "cannot listen for signals"),
        }
        // Nobody listens any more only when the server is already gone.
        let _ = ask_to_stop.send(true);
    });
    let conf = ServerConf {
        max_retries: 8,
        upstream_keepalive_pool_size: config.forward.idle_connections_max,
        ..ServerConf::default()
    };
    let mut proxy = http_proxy(
        &Arc::new(conf),
        Phases {
            live: Arc::clone(&live),
        },
    );
    proxy.handle_init_modules();
    accept::serve(listeners, live, proxy, stop).await;
    tracing::info!("stopped");
    Ok(())
}

/// Takes the configuration anew at each SIGHUP; what came of it stands in the log.
async fn reload_when_asked(mut hang_up: Signal, live: Arc<Live>) {
    while hang_up.recv().await.is_some() {
        // Whatever was wrong with it is written already.
        let _ = live.reload().await;
    }
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
}
