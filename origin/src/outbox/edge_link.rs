//! The way to the admin interface of one edge, by TCP or by a socket file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;

use super::Edge;

/// What an edge says of itself is small.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What went stale, up to which place of which database's changes.
#[derive(Serialize)]
pub(super) struct Purge<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) database_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sequence: Option<i64>,
    pub(super) tags: Vec<String>,
}

/// The last purge an edge has applied.
#[derive(Deserialize)]
pub(super) struct Applied {
    pub(super) database_id: Option<String>,
    pub(super) sequence: i64,
}

/// See the module.
pub(super) struct EdgeLink {
    /// The edge, as the configuration names it.
    pub(super) edge: Edge,
    way: Way,
    timeout: Duration,
}

enum Way {
    Tcp(Client<HttpConnector, Full<Bytes>>),
    Unix(PathBuf),
}

impl EdgeLink {
    /// The way to an edge; each answer is waited for at most so long.
    pub(super) fn new(edge: Edge, timeout: Duration) -> Self {
        let way = match edge.url.strip_prefix("unix:") {
            Some(path) => Way::Unix(path.into()),
            None => Way::Tcp(Client::builder(TokioExecutor::new()).build_http()),
        };
        Self { edge, way, timeout }
    }

    /// How far the edge has heard.
    ///
    /// # Errors
    /// When it does not answer, or something else.
    pub(super) async fn applied(&self) -> anyhow::Result<Applied> {
        let body = self.send(Method::GET, Bytes::new()).await?;
        serde_json::from_slice(&body).context("its answer is not what an edge says")
    }

    /// Tells it what went stale.
    ///
    /// # Errors
    /// When it does not say that it has done it.
    pub(super) async fn purge(&self, purge: &Purge<'_>) -> anyhow::Result<()> {
        let body = serde_json::to_vec(purge)?;
        self.send(Method::POST, body.into()).await.map(drop)
    }

    async fn send(&self, method: Method, body: Bytes) -> anyhow::Result<Bytes> {
        let file = &self.edge.token_file;
        let token = tokio::fs::read_to_string(file)
            .await
            .with_context(|| file.display().to_string())?;
        let request = Request::builder()
            .method(method)
            .header(header::AUTHORIZATION, format!("Bearer {}", token.trim()))
            .header(header::CONTENT_TYPE, "application/json");
        let exchange = async {
            let response = match &self.way {
                Way::Tcp(client) => {
                    let request = request.uri(format!("{}/purge", self.edge.url));
                    client.request(request.body(Full::new(body))?).await?
                }
                Way::Unix(path) => {
                    let request = request.uri("/purge").header(header::HOST, "edge");
                    over_unix(path, request.body(Full::new(body))?).await?
                }
            };
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
                .collect()
                .await;
            let Ok(body) = body else {
                bail!("its answer is too long or broke off")
            };
            ensure!(status.is_success(), "it answered {status}");
            Ok(body.to_bytes())
        };
        tokio::time::timeout(self.timeout, exchange)
            .await
            .context("it did not answer in time")?
    }
}

/// On a connection of its own: on the same machine one costs next to nothing.
async fn over_unix(
    path: &Path,
    request: Request<Full<Bytes>>,
) -> anyhow::Result<Response<Incoming>> {
    let stream = UnixStream::connect(path).await;
    let stream = stream.with_context(|| path.display().to_string())?;
    let (mut send, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the answer, or with whoever waits for it.
    tokio::spawn(connection);
    Ok(send.send_request(request).await?)
}
