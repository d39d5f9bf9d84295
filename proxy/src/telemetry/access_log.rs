//! One JSON line a request, through a bounded channel: a slow disk costs lines, never a request's time.

use std::io::Write as _;
use std::sync::Arc;

use anyhow::Context as _;
use serde::Serialize;
use tokio::sync::mpsc;

use super::{AccessLogConfig, Metrics};

/// What is written of a request. No query: people type names into it.
#[derive(Debug, Serialize)]
pub struct Line {
    /// RFC 3339, UTC: when the answer ended.
    pub time: String,
    /// Id of the request.
    pub request_id: String,
    /// Trace of the request.
    pub traceparent: String,
    /// The client, where the configuration wants it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Method.
    pub method: String,
    /// The host that was asked for.
    pub host: String,
    /// Path without the query.
    pub path: String,
    /// Status; 0 when no answer could be sent.
    pub status: u16,
    /// Bytes of the body that were sent.
    pub bytes: usize,
    /// From the request's head to the end of the answer.
    pub duration_us: i64,
    /// What `Cache-Status` said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<String>,
    /// The origin that was asked for this client alone; a fetch for the cache is everybody's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
}

/// The way to the writer; nothing when the log is off.
pub struct AccessLog {
    lines: Option<mpsc::Sender<Line>>,
    /// Whether clients' addresses are written.
    pub addresses: bool,
    metrics: Arc<Metrics>,
}

impl AccessLog {
    /// Opens the log and starts its writer, which ends when the log is dropped.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn start(config: &AccessLogConfig, metrics: Arc<Metrics>) -> anyhow::Result<Self> {
        if !config.enabled {
            return Ok(Self {
                lines: None,
                addresses: config.addresses,
                metrics,
            });
        }
        let mut output: Box<dyn std::io::Write + Send> = match &config.file {
            None => Box::new(std::io::stdout()),
            Some(path) => {
                let file = std::fs::OpenOptions::new()
                    .create(true)
                    .append(true)
                    .open(path);
                Box::new(
                    file.with_context(|| format!("telemetry.access_log.file: {}", path.display()))?,
                )
            }
        };
        let (lines, mut receiver) = mpsc::channel::<Line>(config.lines_max);
        std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || {
                let mut batch = Vec::with_capacity(64 * 1024);
                while let Some(line) = receiver.blocking_recv() {
                    let mut next = Some(line);
                    // One write for all that wait.
                    while let Some(line) = next {
                        // Writing to memory cannot fail.
                        let _ = serde_json::to_writer(&mut batch, &line);
                        batch.push(b'\n');
                        next = if batch.len() < 60 * 1024 {
                            receiver.try_recv().ok()
                        } else {
                            None
                        };
                    }
                    // A full disk must not stop the shop; the loss shows in the log itself.
                    let _ = output.write_all(&batch).and_then(|()| output.flush());
                    batch.clear();
                }
            })?;
        Ok(Self {
            lines: Some(lines),
            addresses: config.addresses,
            metrics,
        })
    }

    /// Whether lines are wanted at all.
    pub fn is_on(&self) -> bool {
        self.lines.is_some()
    }

    /// Hands a line to the writer, or drops and counts it.
    pub fn write(&self, line: Line) {
        if self
            .lines
            .as_ref()
            .is_some_and(|lines| lines.try_send(line).is_err())
        {
            self.metrics.access_log_dropped.inc();
        }
    }
}
