//! A shop of one edge and one or more origins, from seed to kill.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

pub use crate::answer::Answer;
pub use crate::process::{PATIENCE, Process, free_port, repository, run, run_with};

/// How a shop differs from the ordinary one.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    /// How many origins share the database.
    pub origins: usize,
    /// Laid over the edge's configuration.
    pub edge: &'a str,
    /// Laid over every origin's configuration.
    pub origin: &'a str,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Self {
            origins: 1,
            edge: "",
            origin: "",
        }
    }
}

/// A shop.
pub struct Stack {
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
    /// Where the origins' metrics are.
    pub origin_metrics_urls: Vec<String>,
    /// Where the edge is steered from; [`Stack::admin_token`] opens it.
    pub admin_url: String,
    client: reqwest::Client,
    /// Its folder: configuration, data, logs. Last, so that it outlives the processes, which show their logs at the end.
    pub folder: tempfile::TempDir,
}

impl Stack {
    /// A seeded shop with so many origins on one database; `edge_overlay` is laid over the edge's configuration.
    ///
    /// # Errors
    /// When anything does not start.
    pub async fn start(origins: usize, edge_overlay: &str) -> Result<Self> {
        let edge = edge_overlay;
        Self::of(Setup {
            origins,
            edge,
            ..Setup::default()
        })
        .await
    }

    /// A seeded shop.
    ///
    /// # Errors
    /// When anything does not start.
    pub async fn of(setup: Setup<'_>) -> Result<Self> {
        let origins = setup.origins;
        let folder = tempfile::tempdir()?;
        let path = folder.path();
        let [port, metrics, admin] = [free_port()?, free_port()?, free_port()?];
        let (mut origin_ports, mut origin_metrics_urls) = (Vec::new(), Vec::new());
        let mut processes = Vec::new();
        for number in 0..origins {
            let (port, own_metrics) = (free_port()?, free_port()?);
            let config = format!(
                "accept: {{listen: ['127.0.0.1:{port}'], stop_notice_ms: 0}}\ntelemetry: {{metrics_listen: '127.0.0.1:{own_metrics}'}}\n\
                 outbox: {{edges: [{{url: 'http://127.0.0.1:{admin}', token_file: data/edge-admin.token}}]}}\n\
                 assets: {{storefront_dir: '{}'}}\n",
                repository().join("origin/storefront/dist").display()
            );
            std::fs::write(path.join(format!("origin-{number}.yaml")), config)?;
            origin_ports.push(port);
            origin_metrics_urls.push(format!("http://127.0.0.1:{own_metrics}/metrics"));
        }
        std::fs::write(path.join("origin-own.yaml"), setup.origin)?;
        let seed = [
            "--config",
            "origin-0.yaml",
            "--config",
            "origin-own.yaml",
            "seed",
        ];
        run("crackers-origin", &seed, path)?;
        for number in 0..origins {
            processes.push(start_origin(path, number)?);
        }
        let config = edge_config(port, metrics, admin, &origin_ports);
        std::fs::write(path.join("edge.yaml"), config)?;
        std::fs::write(path.join("edge-own.yaml"), setup.edge)?;
        let edge = start_edge(path)?;
        let stack = Self {
            origins: processes,
            origin_ports,
            edge,
            url: format!("http://127.0.0.1:{port}"),
            port,
            origin_metrics_urls,
            metrics_url: format!("http://127.0.0.1:{metrics}/metrics"),
            admin_url: format!("http://127.0.0.1:{admin}"),
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

    /// What opens the edge's admin interface.
    ///
    /// # Errors
    /// When the edge has not made it.
    pub fn admin_token(&self) -> Result<String> {
        let file = self.folder.path().join("data/edge-admin.token");
        Ok(std::fs::read_to_string(file)?)
    }

    /// Starts an origin again that was killed.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn restart_origin(&mut self, number: usize) -> Result<()> {
        self.origins[number] = start_origin(self.folder.path(), number)?;
        Ok(())
    }

    /// Starts the edge again that was killed.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn restart_edge(&mut self) -> Result<()> {
        self.edge = start_edge(self.folder.path())?;
        Ok(())
    }

    /// Lets another edge take over, with the files that lie in the folder now, and returns the one before.
    ///
    /// # Errors
    /// When the next one does not come to serve.
    pub async fn upgrade_edge(&mut self) -> Result<Process> {
        let line = "crackers_edge_telemetry_generation";
        let next = self.edge_metric(line).await? + 1.0;
        let started = start_edge_with(self.folder.path(), &["--upgrade"])?;
        let before = std::mem::replace(&mut self.edge, started);
        self.wait_for("the next edge serves", async || {
            Ok(self.edge_metric(line).await? >= next)
        })
        .await?;
        Ok(before)
    }

    /// Runs the origin's command line against this shop's database, in a process of its own.
    ///
    /// # Errors
    /// When it fails.
    pub fn command(&self, arguments: &[&str]) -> Result<String> {
        let all: Vec<_> = ["--config", "origin-0.yaml", "--config", "origin-own.yaml"]
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

    /// A POST of JSON through the edge, with fields.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn post(
        &self,
        path: &str,
        body: &serde_json::Value,
        fields: &[(&str, &str)],
    ) -> Result<Answer> {
        let mut request = self.client.post(format!("{}{path}", self.url)).json(body);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        Answer::of(request.send().await?).await
    }

    /// A PUT of bytes through the edge, with fields.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn put_bytes(
        &self,
        path: &str,
        body: &[u8],
        fields: &[(&str, &str)],
    ) -> Result<Answer> {
        self.send("PUT", path, body, fields).await
    }

    /// Any request of bytes through the edge, with fields.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        body: &[u8],
        fields: &[(&str, &str)],
    ) -> Result<Answer> {
        let method = reqwest::Method::from_bytes(method.as_bytes())?;
        let request = self.client.request(method, format!("{}{path}", self.url));
        let mut request = request.body(body.to_vec());
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        Answer::of(request.send().await?).await
    }

    /// Any request through the edge, with JSON and fields.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&serde_json::Value>,
        fields: &[(&str, &str)],
    ) -> Result<Answer> {
        let method = reqwest::Method::from_bytes(method.as_bytes())?;
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if let Some(body) = body {
            request = request.json(body);
        }
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        Answer::of(request.send().await?).await
    }

    /// Like [`Self::command`], with a line on its standard input.
    ///
    /// # Errors
    /// When it fails.
    pub fn command_with(&self, line: &str, arguments: &[&str]) -> Result<String> {
        let all = ["--config", "origin-0.yaml", "--config", "origin-own.yaml"];
        let all: Vec<_> = all.iter().chain(arguments).copied().collect();
        run_with("crackers-origin", &all, self.folder.path(), line)
    }

    /// One line of the edge's metrics; 0 where it is not there.
    ///
    /// # Errors
    /// When the metrics cannot be read.
    pub async fn edge_metric(&self, line: &str) -> Result<f64> {
        let text = self.text_of(&self.metrics_url).await?;
        let found = text
            .lines()
            .find_map(|row| row.strip_prefix(line)?.trim().parse().ok());
        Ok(found.unwrap_or(0.0))
    }

    /// Requests that all origins together have answered, by their own count, whatever the answer; the edge's looking after
    /// their health aside.
    ///
    /// # Errors
    /// When the metrics cannot be read.
    pub async fn origin_requests(&self) -> Result<u64> {
        let mut sum = 0;
        for number in 0..self.origins.len() {
            sum += self.origin_requests_of(number).await?;
        }
        Ok(sum)
    }

    /// The same of one origin.
    ///
    /// # Errors
    /// When the metrics cannot be read.
    pub async fn origin_requests_of(&self, number: usize) -> Result<u64> {
        let text = self.text_of(&self.origin_metrics_urls[number]).await?;
        let rows = text.lines().filter(|row| {
            row.starts_with("crackers_origin_api_requests_total{")
                && !row.contains("\"/api/health/live\"")
        });
        let counts = rows.filter_map(|row| row.rsplit(' ').next()?.parse::<u64>().ok());
        Ok(counts.sum())
    }

    async fn text_of(&self, url: &str) -> Result<String> {
        Ok(self.client.get(url).send().await?.text().await?)
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
        let origins: Vec<_> = self.origins.iter().map(Process::log).collect();
        let (edge, origins) = (self.edge.log(), origins.join("\n"));
        bail!("{what}: it never came true\nthe edge:\n{edge}\nthe origins:\n{origins}")
    }
}

fn edge_config(port: u16, metrics: u16, admin: u16, origins: &[u16]) -> String {
    let servers: Vec<_> = origins
        .iter()
        .map(|port| format!("{{address: '127.0.0.1:{port}', weight: 1}}"))
        .collect();
    format!(
        "accept: {{listen: ['127.0.0.1:{port}']}}\n\
         telemetry: {{metrics_listen: '127.0.0.1:{metrics}', admin_listen: '127.0.0.1:{admin}'}}\n\
         forward:\n  groups:\n    - name: origin\n      servers: [{}]\n      \
         health: {{path: /api/health/live, interval_ms: 200, timeout_ms: 1000, healthy_after: 1, unhealthy_after: 2}}\n",
        servers.join(", ")
    )
}

fn start_edge(folder: &Path) -> Result<Process> {
    start_edge_with(folder, &[])
}

fn start_edge_with(folder: &Path, more: &[&str]) -> Result<Process> {
    let files = ["--config", "edge.yaml", "--config", "edge-own.yaml"];
    let arguments = [&files[..], more].concat();
    Process::start("crackers-proxy", &arguments, folder, "edge")
}

/// Starts an origin of a shop whose folder this is.
///
/// # Errors
/// When it cannot be started.
pub fn start_origin(folder: &Path, number: usize) -> Result<Process> {
    let config = format!("origin-{number}.yaml");
    Process::start(
        "crackers-origin",
        &["--config", &config, "--config", "origin-own.yaml"],
        folder,
        &format!("origin-{number}"),
    )
}
