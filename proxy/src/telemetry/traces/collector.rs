//! Sends spans to a collector, many at once.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use prometheus::IntCounterVec;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::span::text;

/// So many spans are sent at once.
const BATCH_SPANS: usize = 512;

/// The time in which spans gather to be sent together.
const GATHER: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct Collector {
    /// Host and port, and the whole address.
    pub address: (String, Uri),
    /// The longest time that sending some may take.
    pub within: Duration,
    /// Spans, by what became of them.
    pub outcomes: IntCounterVec,
}

impl Collector {
    /// Until no span will follow.
    pub(super) async fn send_all(self, mut line: mpsc::Receiver<Value>) {
        let mut batch = Vec::new();
        while line.recv_many(&mut batch, BATCH_SPANS).await > 0 {
            let spans = std::mem::take(&mut batch);
            let count = spans.len() as u64;
            let label = match tokio::time::timeout(self.within, self.send(spans)).await {
                Ok(Ok(())) => "sent",
                Ok(Err(error)) => {
                    tracing::debug!("spans were not taken: {error:#}");
                    "failed"
                }
                Err(_) => "failed",
            };
            self.outcomes.with_label_values(&[label]).inc_by(count);
            if line.len() < BATCH_SPANS {
                tokio::time::sleep(GATHER).await;
            }
        }
    }

    async fn send(&self, spans: Vec<Value>) -> anyhow::Result<()> {
        let (host, uri) = &self.address;
        let stream = TcpStream::connect(host).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let request = Request::post(uri.path_and_query().map_or("/", |path| path.as_str()))
            .header(header::HOST, host)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONNECTION, "close")
            .body(Full::new(Bytes::from(message(spans).to_string())))?;
        let exchange = async {
            let answer = sender.send_request(request).await?;
            anyhow::ensure!(
                answer.status().is_success(),
                "the collector answers {}",
                answer.status()
            );
            Ok(())
        };
        tokio::select! {
            done = exchange => done,
            Err(error) = connection => Err(error.into()),
        }
    }
}

fn message(spans: Vec<Value>) -> Value {
    let version = env!("CARGO_PKG_VERSION");
    let service = [
        text("service.name", "crackers-edge"),
        text("service.version", version),
    ];
    json!({ "resourceSpans": [{
        "resource": { "attributes": service },
        "scopeSpans": [{ "scope": { "name": "crackers-proxy", "version": version }, "spans": spans }],
    }] })
}
