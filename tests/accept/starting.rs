//! How both programs begin, or say why they do not.

use std::net::TcpListener;

use anyhow::Result;
use crackers_tests::process::{PATIENCE, Process, free_port, run};

/// Settings with one listener of telemetry on a taken address, and the others where nobody is.
fn of_telemetry(which: &str, taken: &std::net::SocketAddr, free: u16) -> String {
    format!("accept: {{listen: ['127.0.0.1:{free}']}}\ntelemetry: {{{which}_listen: '{taken}'}}\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_named_with_its_key() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?;
    let free = free_port()?;
    for (program, key, config) in [
        (
            "crackers-proxy",
            "accept.listen",
            format!("accept: {{listen: ['{address}']}}\n"),
        ),
        (
            "crackers-origin",
            "accept.listen",
            format!("accept: {{listen: ['{address}']}}\n"),
        ),
        (
            "crackers-proxy",
            "telemetry.metrics_listen",
            of_telemetry("metrics", &address, free),
        ),
        (
            "crackers-origin",
            "telemetry.metrics_listen",
            of_telemetry("metrics", &address, free),
        ),
        (
            "crackers-proxy",
            "telemetry.admin_listen",
            of_telemetry("admin", &address, free),
        ),
    ] {
        std::fs::write(folder.path().join("own.yaml"), config)?;
        let said = run(program, &["--config", "own.yaml"], folder.path());
        let said = said.unwrap_err().to_string();
        assert!(
            said.contains(&format!("cannot listen on {address} ({key})")),
            "{said}"
        );
        assert!(said.contains("another program has it"), "{said}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_configuration_is_refused_with_file_line_and_key() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let config = "telemetry:\n  log_format: text\naccept:\n  listn: []\n";
    std::fs::write(folder.path().join("own.yaml"), config)?;
    for program in ["crackers-proxy", "crackers-origin"] {
        for arguments in [
            &["--config", "own.yaml", "--test"][..],
            &["--config", "own.yaml"],
        ] {
            let said = run(program, arguments, folder.path())
                .unwrap_err()
                .to_string();
            assert!(
                said.contains("own.yaml:4") && said.contains("accept.listn"),
                "{said}"
            );
            assert!(said.contains("Some(1)"), "{said}");
        }
        let schema = run(program, &["--print-config-schema"], folder.path())?;
        assert!(
            serde_json::from_str::<serde_json::Value>(&schema)?["properties"]["accept"].is_object()
        );
        run(program, &["--test"], folder.path())?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_stands_above_the_files() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let [written, meant, metrics] = [free_port()?, free_port()?, free_port()?];
    let config = format!(
        "accept: {{listen: ['127.0.0.1:{written}']}}\ntelemetry: {{metrics_listen: '127.0.0.1:{metrics}'}}\n\
         api: {{cache_ttl_seconds: 7}}\noutbox: {{edges: []}}\n"
    );
    std::fs::write(folder.path().join("own.yaml"), config)?;
    let seed = ["--config", "own.yaml", "seed", "--products", "20"];
    run("crackers-origin", &seed, folder.path())?;
    let (port, ttl) = (meant.to_string(), "42");
    let _origin = Process::start_with(
        "crackers-origin",
        &["--config", "own.yaml"],
        &[("PORT", &port), ("CACHE_TTL", ttl)],
        folder.path(),
        "origin",
    )?;
    let url = format!("http://127.0.0.1:{meant}/api/shop");
    let begun = std::time::Instant::now();
    let answer = loop {
        match reqwest::get(&url).await {
            Err(_) if begun.elapsed() < PATIENCE => tokio::task::yield_now().await,
            answer => break answer?,
        }
    };
    let lifetime = answer.headers()["cdn-cache-control"].to_str()?.to_owned();
    assert!(lifetime.contains("max-age=42,"), "{lifetime}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_environment_is_refused_with_its_variable() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for (program, variable) in [
        ("crackers-origin", "PORT"),
        ("crackers-proxy", "RATE_LIMIT_MAX"),
    ] {
        let mut process =
            Process::start_with(program, &[], &[(variable, "many")], folder.path(), program)?;
        assert_eq!(process.wait()?.code(), Some(1), "{}", process.log());
        let said = process.log();
        assert!(said.contains(variable) && said.contains("many"), "{said}");
    }
    Ok(())
}

#[test]
fn the_overlay_for_mongodb_is_one_that_the_origin_takes() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let conf = crackers_tests::process::repository().join("conf");
    let (own, overlay) = (conf.join("origin.yaml"), conf.join("origin.mongodb.yaml"));
    let names = [own.to_str(), overlay.to_str()].map(Option::unwrap_or_default);
    let arguments = ["--config", names[0], "--config", names[1], "--test"];
    run("crackers-origin", &arguments, folder.path())?;
    let typo = std::fs::read_to_string(&overlay)?.replace("kind:", "knid:");
    std::fs::write(folder.path().join("typo.yaml"), typo)?;
    let arguments = ["--config", names[0], "--config", "typo.yaml", "--test"];
    let said = run("crackers-origin", &arguments, folder.path());
    assert!(said.unwrap_err().to_string().contains("database.knid"));
    Ok(())
}
