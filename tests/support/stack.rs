//! A shop of one edge and one or more origins, from seed to kill.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

/// How long anything may take to come true on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The folder of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The path of one of our binaries, built now if need be.
///
/// # Errors
/// When it cannot be built.
pub fn binary(name: &str) -> Result<PathBuf> {
    static BUILT: OnceLock<bool> = OnceLock::new();
    let built = *BUILT.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args([
            "build",
            "--locked",
            "-p",
            "crackers-proxy",
            "-p",
            "crackers-origin",
        ]);
        build
            .current_dir(repository())
            .status()
            .is_ok_and(|status| status.success())
    });
    ensure!(built, "the binaries cannot be built");
    // This test's own binary lies in target/PROFILE/deps.
    let own = std::env::current_exe()?;
    let folder = own
        .parent()
        .and_then(Path::parent)
        .context("no target folder")?;
    Ok(folder.join(name))
}

/// A port that was free a moment ago, below those that the system gives to outgoing connections: a thousand clients of
/// another test must not take it before its server does.
///
/// # Errors
/// When none of many is free.
pub fn free_port() -> Result<u16> {
    for _ in 0..100 {
        let random = u16::from_be_bytes(crackers_shared::request_id::random());
        let port = 10_000 + random % 20_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port")
}

/// A process that is killed with its test.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program in a folder, its output in a file there.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(program: &str, arguments: &[&str], folder: &Path, name: &str) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)?;
        let mut command = Command::new(binary(program)?);
        command
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null());
        let child = command.stdout(file.try_clone()?).stderr(file).spawn()?;
        Ok(Self { child, log })
    }

    /// What it has written so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Kills it as a power cut would.
    pub fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to stop and waits for its end.
    ///
    /// # Errors
    /// When it does not end.
    pub fn terminate(&mut self) -> Result<std::process::ExitStatus> {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM)?;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        bail!("it did not stop: {}", self.log())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            // Not `println`: nobody reads standard output of a test that passed.
            let _ = writeln!(
                std::io::stderr(),
                "--- {}\n{}",
                self.log.display(),
                self.log()
            );
        }
    }
}

/// A shop.
pub struct Stack {
    /// Its folder: configuration, data, logs.
    pub folder: tempfile::TempDir,
    /// Its origins.
    pub origins: Vec<Process>,
    /// Where the origins are.
    pub origin_ports: Vec<u16>,
    /// Its edge.
    pub edge: Process,
    /// Where people reach it.
    pub url: String,
    /// Port of the edge.
    pub port: u16,
    /// Where the edge's metrics are.
    pub metrics_url: String,
    client: reqwest::Client,
}

impl Stack {
    /// A seeded shop with so many origins on one database; `edge_overlay` is laid over the edge's configuration.
    ///
    /// # Errors
    /// When anything does not start.
    pub async fn start(origins: usize, edge_overlay: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path();
        let [port, metrics, admin] = [free_port()?, free_port()?, free_port()?];
        let mut origin_ports = Vec::new();
        let mut processes = Vec::new();
        for number in 0..origins {
            let (port, own_metrics) = (free_port()?, free_port()?);
            let config = format!(
                "accept: {{listen: ['127.0.0.1:{port}']}}\ntelemetry: {{metrics_listen: '127.0.0.1:{own_metrics}'}}\n\
                 outbox: {{edges: [{{url: 'http://127.0.0.1:{admin}', token_file: data/edge-admin.token}}]}}\n\
                 assets: {{storefront_dir: '{}'}}\n",
                repository().join("origin/storefront/dist").display()
            );
            std::fs::write(path.join(format!("origin-{number}.yaml")), config)?;
            origin_ports.push(port);
        }
        run(
            "crackers-origin",
            &["--config", "origin-0.yaml", "seed"],
            path,
        )?;
        for number in 0..origins {
            processes.push(start_origin(path, number)?);
        }
        let servers: Vec<_> = origin_ports
            .iter()
            .map(|port| format!("{{address: '127.0.0.1:{port}', weight: 1}}"))
            .collect();
        let config = format!(
            "accept: {{listen: ['127.0.0.1:{port}']}}\n\
             telemetry: {{metrics_listen: '127.0.0.1:{metrics}', admin_listen: '127.0.0.1:{admin}'}}\n\
             forward:\n  groups:\n    - name: origin\n      servers: [{}]\n      \
             health: {{path: /api/health/live, interval_ms: 200, timeout_ms: 1000, healthy_after: 1, unhealthy_after: 2}}\n",
            servers.join(", ")
        );
        std::fs::write(path.join("edge.yaml"), config)?;
        std::fs::write(path.join("edge-own.yaml"), edge_overlay)?;
        let edge = Process::start(
            "crackers-proxy",
            &["--config", "edge.yaml", "--config", "edge-own.yaml"],
            path,
            "edge",
        )?;
        let stack = Self {
            origins: processes,
            origin_ports,
            edge,
            url: format!("http://127.0.0.1:{port}"),
            port,
            metrics_url: format!("http://127.0.0.1:{metrics}/metrics"),
            client: reqwest::Client::builder().timeout(PATIENCE).build()?,
            folder,
        };
        stack
            .wait_for("the shop serves", async || {
                Ok(stack.get("/api/health").await?.status == 200)
            })
            .await?;
        // Only then has every origin told the edge where it stands.
        stack
            .wait_for("the edge is told of changes", async || {
                Ok(stack
                    .origins
                    .iter()
                    .all(|origin| origin.log().contains("the edge is told of changes")))
            })
            .await?;
        Ok(stack)
    }

    /// Starts an origin again that was killed.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn restart_origin(&mut self, number: usize) -> Result<()> {
        self.origins[number] = start_origin(self.folder.path(), number)?;
        Ok(())
    }

    /// Runs the origin's command line against this shop's database, in a process of its own.
    ///
    /// # Errors
    /// When it fails.
    pub fn command(&self, arguments: &[&str]) -> Result<String> {
        let all: Vec<_> = ["--config", "origin-0.yaml"]
            .iter()
            .chain(arguments)
            .copied()
            .collect();
        run("crackers-origin", &all, self.folder.path())
    }

    /// A GET through the edge.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.get_with(path, &[]).await
    }

    /// A GET through the edge with fields.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn get_with(&self, path: &str, fields: &[(&str, &str)]) -> Result<Answer> {
        let mut request = self.client.get(format!("{}{path}", self.url));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        Answer::of(request.send().await?).await
    }

    /// What all origins together have answered on a route, by their own count.
    ///
    /// # Errors
    /// When the metrics cannot be read.
    pub async fn edge_metric(&self, line: &str) -> Result<f64> {
        let text = self
            .client
            .get(&self.metrics_url)
            .send()
            .await?
            .text()
            .await?;
        let found = text
            .lines()
            .find_map(|row| row.strip_prefix(line)?.trim().parse().ok());
        Ok(found.unwrap_or(0.0))
    }

    /// Waits for something to come true.
    ///
    /// # Errors
    /// When it does not.
    pub async fn wait_for(
        &self,
        what: &str,
        mut condition: impl AsyncFnMut() -> Result<bool>,
    ) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if condition().await.unwrap_or(false) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("{what}: it never came true\n{}", self.edge.log())
    }
}

fn start_origin(folder: &Path, number: usize) -> Result<Process> {
    let config = format!("origin-{number}.yaml");
    Process::start(
        "crackers-origin",
        &["--config", &config],
        folder,
        &format!("origin-{number}"),
    )
}

/// Runs a program to its end; its standard output.
///
/// # Errors
/// When it fails; the error holds what it said.
pub fn run(program: &str, arguments: &[&str], folder: &Path) -> Result<String> {
    let output = Command::new(binary(program)?)
        .args(arguments)
        .current_dir(folder)
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.success(),
        "{program} {arguments:?}: {:?}: {said}",
        output.status.code()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// An answer, read whole.
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Fields.
    pub headers: http::HeaderMap,
    /// The body, decoded.
    pub body: bytes::Bytes,
}

impl Answer {
    async fn of(response: reqwest::Response) -> Result<Self> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Self {
            status,
            headers,
            body: response.bytes().await?,
        })
    }

    /// A field as text; empty when it is absent.
    pub fn field(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| String::from_utf8_lossy(&self.body).into_owned())
    }
}
