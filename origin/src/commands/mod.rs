//! The command line: one function a command. What they print is for people or for pipes, so it goes to standard output.
#![allow(
    clippy::print_stdout,
    reason = "a command line answers on standard output"
)]

mod catalogue;
mod orders;
mod serve;
mod staff;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use serde_yaml::Value;

use crackers_shared::config_file::{self, EnvironmentOverride, Sources};

use crate::api::openapi;
use crate::config::{Config, DEFAULTS, DEFAULTS_NAME};
use crate::database::Database;
use crate::supervisor;

/// The origin of the Crackers shop.
#[derive(Parser)]
#[command(name = "crackers-origin", version)]
pub struct Command {
    #[command(flatten)]
    global: Global,
    /// Check the configuration, say what is wrong and where, and stop.
    #[arg(long)]
    test: bool,
    /// Print the default configuration: every key with its meaning.
    #[arg(long)]
    print_default_config: bool,
    /// Print the JSON Schema of the configuration, for editors.
    #[arg(long)]
    print_config_schema: bool,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Args)]
struct Global {
    /// A configuration file laid over the defaults; may be given again, later ones win. Without it: conf/origin.yaml, if
    /// it is there.
    #[arg(long, short, global = true)]
    config: Vec<PathBuf>,
}

#[derive(Args, Default)]
struct Serve {
    /// Processes that share the sockets; stands above accept.workers.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: Option<u16>,
    /// Serve on the sockets of the supervisor that has started this process.
    #[arg(long, hide = true)]
    worker: bool,
}

#[derive(Subcommand)]
enum Verb {
    /// Serve the shop (what happens without a command, too).
    Serve(Serve),
    /// Fill the catalogue with sample products.
    Seed(catalogue::Seed),
    /// Change a product.
    Product {
        #[command(subcommand)]
        what: catalogue::ProductVerb,
    },
    /// Change a stock.
    Stock {
        #[command(subcommand)]
        what: catalogue::StockVerb,
    },
    /// List orders, or take one a step on.
    Order {
        #[command(subcommand)]
        what: orders::OrderVerb,
    },
    /// Change how the shop sells.
    Shop {
        #[command(subcommand)]
        what: orders::ShopVerb,
    },
    /// Add a member of staff: the way to the first one.
    Admin {
        #[command(subcommand)]
        what: staff::AdminVerb,
    },
    /// Check the configuration and reach the database.
    Check,
    /// Print the OpenAPI description of the API.
    Openapi,
}

/// The environment variables that stand above the files.
const OVERRIDES: &[EnvironmentOverride] = &[
    EnvironmentOverride {
        variable: "PORT",
        path: "accept.listen",
        value: port,
    },
    EnvironmentOverride {
        variable: "MONGODB_URI",
        path: "database.mongodb.uri",
        value: config_file::text,
    },
    EnvironmentOverride {
        variable: "MONGODB_URI",
        path: "database.kind",
        value: |_, _| Ok(Value::from("mongodb")),
    },
    EnvironmentOverride {
        variable: "DB_POOL_SIZE",
        path: "database.pool.size_max",
        value: config_file::whole_number,
    },
    EnvironmentOverride {
        variable: "CACHE_TTL",
        path: "api.cache_ttl_seconds",
        value: config_file::whole_number,
    },
    EnvironmentOverride {
        variable: "STATIC_CACHE_TTL",
        path: "assets.static_cache_ttl_seconds",
        value: config_file::whole_number,
    },
    EnvironmentOverride {
        variable: "S3_ACCESS_KEY_ID",
        path: "services.objects.s3.access_key_id",
        value: config_file::text,
    },
    EnvironmentOverride {
        variable: "S3_SECRET_ACCESS_KEY",
        path: "services.objects.s3.secret_access_key.value",
        value: config_file::text,
    },
    EnvironmentOverride {
        variable: "RAZORPAY_KEY_ID",
        path: "services.payments.razorpay.key_id",
        value: config_file::text,
    },
    EnvironmentOverride {
        variable: "RAZORPAY_KEY_SECRET",
        path: "services.payments.razorpay.key_secret.value",
        value: config_file::text,
    },
    EnvironmentOverride {
        variable: "RAZORPAY_WEBHOOK_SECRET",
        path: "services.payments.razorpay.webhook_secret.value",
        value: config_file::text,
    },
];

/// The same addresses with another port.
fn port(text: &str, so_far: &Value) -> Result<Value, String> {
    let port: u16 = text
        .trim()
        .parse()
        .map_err(|_| format!("expected a port from 0 to 65535, got {text:?}"))?;
    let addresses = so_far.as_sequence().map_or(&[][..], Vec::as_slice);
    let moved = addresses.iter().map(|address| {
        let address = address.as_str().unwrap_or_default();
        let host = address
            .rsplit_once(':')
            .map_or("127.0.0.1", |(host, _)| host);
        Value::from(format!("{host}:{port}"))
    });
    Ok(Value::Sequence(moved.collect()))
}

/// Does what the command line asks for.
///
/// # Errors
/// Whatever kept it from being done, for a person to read.
pub fn run(command: Command) -> anyhow::Result<()> {
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
    if let Some(Verb::Openapi) = command.verb {
        println!("{}", serde_json::to_string_pretty(openapi::document())?);
        return Ok(());
    }
    let config = Arc::new(load(&command.global.config)?);
    if command.test {
        println!("the configuration is good");
        return Ok(());
    }
    if let None | Some(Verb::Serve(_)) = command.verb {
        let serve = match command.verb {
            Some(Verb::Serve(serve)) => serve,
            _ => Serve::default(),
        };
        return run_server(config, &serve, &command.global.config);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match command.verb {
            Some(Verb::Seed(seed)) => catalogue::seed(&config, &seed).await,
            Some(Verb::Product { what }) => catalogue::product(&config, what).await,
            Some(Verb::Stock { what }) => catalogue::stock(&config, what).await,
            Some(Verb::Order { what }) => orders::order(&config, what).await,
            Some(Verb::Shop { what }) => orders::shop(&config, what).await,
            Some(Verb::Admin { what }) => staff::run(&config, what).await,
            Some(Verb::Check) => check(&config).await,
            None | Some(Verb::Serve(_) | Verb::Openapi) => Ok(()),
        }
    })
}

fn run_server(config: Arc<Config>, serve: &Serve, files: &[PathBuf]) -> anyhow::Result<()> {
    // Before there are threads: it takes what it reads out of the environment.
    let handed = serve.worker.then(listenfd::ListenFd::from_env);
    let workers = serve.workers.unwrap_or(config.accept.workers);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        if workers > 1 && !serve.worker {
            supervisor::run(&config, workers, files).await
        } else {
            serve::run(config, handed).await
        }
    })
}

fn load(files: &[PathBuf]) -> anyhow::Result<Config> {
    let own = Path::new("conf/origin.yaml");
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

async fn open(config: &Config) -> anyhow::Result<Database> {
    Database::open(&config.database)
        .await
        .context("the database cannot be opened")
}

async fn check(config: &Config) -> anyhow::Result<()> {
    let database = open(config).await?;
    let latency = database.ping().await?;
    println!(
        "the configuration is good; {} answers in {} µs",
        database.kind(),
        latency.as_micros()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_moves_every_address() {
        let so_far = serde_yaml::from_str("['127.0.0.1:5000', '[::1]:5000']").unwrap();
        let moved = port("6000", &so_far).unwrap();
        assert_eq!(
            moved,
            serde_yaml::from_str::<Value>("['127.0.0.1:6000', '[::1]:6000']").unwrap()
        );
        assert!(port("70000", &so_far).is_err());
    }

    #[test]
    fn every_variable_of_the_environment_stands_above_its_key() {
        let values = [
            ("PORT", "6000"),
            ("MONGODB_URI", "mongodb://db.example/?replicaSet=shop"),
            ("DB_POOL_SIZE", "17"),
            ("CACHE_TTL", "18"),
            ("STATIC_CACHE_TTL", "19"),
            ("S3_ACCESS_KEY_ID", "an id"),
            ("S3_SECRET_ACCESS_KEY", "a secret"),
            ("RAZORPAY_KEY_ID", "rzp_test_1"),
            ("RAZORPAY_KEY_SECRET", "another secret"),
            ("RAZORPAY_WEBHOOK_SECRET", "a third secret"),
        ];
        for one in OVERRIDES {
            let is_tried = values.iter().any(|(variable, _)| *variable == one.variable);
            assert!(is_tried, "{} is not tried here", one.variable);
        }
        let environment = values.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let sources = Sources {
            defaults_name: DEFAULTS_NAME,
            defaults: DEFAULTS,
            files: &[],
            overrides: OVERRIDES,
            environment: &environment.into(),
        };
        let config: Config = config_file::load(&sources).unwrap();
        let database = &config.database;
        assert_eq!(config.accept.listen, ["127.0.0.1:6000"]);
        assert_eq!(
            database.mongodb.uri,
            "mongodb://db.example/?replicaSet=shop"
        );
        assert_eq!(database.kind, crate::database::settings::Kind::Mongodb);
        assert_eq!(database.pool.size_max, 17);
        assert_eq!(config.api.cache_ttl_seconds, 18);
        assert_eq!(config.assets.static_cache_ttl_seconds, 19);
        assert_eq!(
            config.services.objects.s3.access_key_id.as_deref(),
            Some("an id")
        );
        assert_eq!(
            config.services.payments.razorpay.key_id.as_deref(),
            Some("rzp_test_1")
        );
    }
}
