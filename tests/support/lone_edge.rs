//! An edge in front of an origin that a test writes byte by byte.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::process::{PATIENCE, Process, free_port};

/// An origin that speaks raw bytes: takes one request, answers as told, then echoes. Its port.
///
/// # Errors
/// When it gets no port.
pub fn raw_origin(answer: &'static str) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve_raw(stream, answer));
        }
    });
    Ok(port)
}

fn serve_raw(mut stream: TcpStream, answer: &str) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    if head.starts_with(b"GET /api/health/live") {
        return stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    stream.write_all(answer.as_bytes())?;
    let mut part = [0; 1024];
    loop {
        let read = stream.read(&mut part)?;
        if read == 0 {
            return Ok(());
        }
        stream.write_all(&part[..read])?;
    }
}

/// The settings of a group of one origin.
pub fn overlay(port: u16) -> String {
    format!(
        "forward:\n  groups:\n    - name: origin\n      servers: [{{address: '127.0.0.1:{port}', weight: 1}}]\n      \
         health: {{path: /api/health/live, interval_ms: 1000, timeout_ms: 1000, healthy_after: 1, unhealthy_after: 9}}\n"
    )
}

/// An edge alone, in front of something that is not our origin; and its port.
///
/// # Errors
/// When it does not start.
pub fn lone_edge(folder: &Path, origin: u16) -> Result<(Process, u16)> {
    lone_edge_with(folder, origin, "")
}

/// The same with settings of its own.
///
/// # Errors
/// When it does not start.
pub fn lone_edge_with(folder: &Path, origin: u16, own: &str) -> Result<(Process, u16)> {
    let edge = lone_edge_of(folder, &overlay(origin), own)?;
    Ok((edge.process, edge.port))
}

/// An edge alone.
pub struct LoneEdge {
    /// Itself.
    pub process: Process,
    /// Where people reach it.
    pub port: u16,
    /// Where its metrics are.
    pub metrics: u16,
    /// Where it is steered from.
    pub admin: u16,
}

const FILES: [&str; 4] = ["--config", "lone.yaml", "--config", "own.yaml"];

impl LoneEdge {
    /// Lets another edge take over, with the files that lie in the folder now, and returns the one before.
    ///
    /// # Errors
    /// When the next one does not come to serve.
    pub async fn upgrade(&mut self, folder: &Path) -> Result<Process> {
        let before = self.metric("telemetry_generation").await?;
        let arguments = [&FILES[..], &["--upgrade"]].concat();
        let name = format!("lone-{}", before + 1);
        let next = Process::start("crackers-proxy", &arguments, folder, &name)?;
        let deadline = Instant::now() + PATIENCE;
        while self.metric("telemetry_generation").await.ok() != Some(before + 1) {
            let (one, other) = (self.process.log(), next.log());
            ensure!(
                Instant::now() < deadline,
                "it never serves:\n{one}\n{other}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(std::mem::replace(&mut self.process, next))
    }

    /// A metric without labels; 0 where it is not there.
    ///
    /// # Errors
    /// When the metrics cannot be read.
    pub async fn metric(&self, name: &str) -> Result<u64> {
        let url = format!("http://127.0.0.1:{}/metrics", self.metrics);
        let text = reqwest::get(url).await?.text().await?;
        let line = format!("crackers_edge_{name} ");
        let mut lines = text.lines();
        let value = lines.find_map(|row| row.strip_prefix(&line)?.parse().ok());
        Ok(value.unwrap_or(0))
    }

    /// Waits until a metric has a value.
    ///
    /// # Errors
    /// When it does not come to have it, or the metrics cannot be read.
    pub async fn metric_is(&self, name: &str, value: u64) -> Result<()> {
        let begun = Instant::now();
        while self.metric(name).await? != value {
            ensure!(begun.elapsed() < PATIENCE, "{name} is not {value}");
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

/// An edge alone, with these groups of origins, and settings of its own laid over them, in which `$PORT` stands for its port.
///
/// # Errors
/// When it does not start.
pub fn lone_edge_of(folder: &Path, groups: &str, own: &str) -> Result<LoneEdge> {
    let [port, metrics, admin] = std::array::from_fn(|_| free_port().unwrap_or_default());
    let config = format!(
        "accept: {{listen: ['127.0.0.1:{port}']}}\n\
         telemetry: {{metrics_listen: '127.0.0.1:{metrics}', admin_listen: '127.0.0.1:{admin}'}}\n{groups}"
    );
    std::fs::write(folder.join("lone.yaml"), config)?;
    let own = own.replace("$PORT", &port.to_string());
    std::fs::write(folder.join("own.yaml"), own)?;
    let process = Process::start("crackers-proxy", &FILES, folder, "lone")?;
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let log = process.log();
        ensure!(Instant::now() < deadline, "it never serves:\n{log}");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(LoneEdge {
        process,
        port,
        metrics,
        admin,
    })
}
