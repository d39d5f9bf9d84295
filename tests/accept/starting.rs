//! How both programs begin, or say why they do not.

use std::net::TcpListener;

use anyhow::Result;
use crackers_tests::process::{PATIENCE, Process, free_port, run};

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_named_with_its_key() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?;
    let config = format!("accept: {{listen: ['{address}']}}\n");
    std::fs::write(folder.path().join("own.yaml"), config)?;
    for program in ["crackers-proxy", "crackers-origin"] {
        let said = run(program, &["--config", "own.yaml"], folder.path())
            .unwrap_err()
            .to_string();
        assert!(
            said.contains(&format!("cannot listen on {address} (accept.listen)")),
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
