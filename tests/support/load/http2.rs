//! A connection of HTTP/2 over TLS.

use anyhow::Result;
use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Reason, RecvStream};

use super::{Lost, Request, Target};

/// A connection on which one request follows another.
pub(super) struct Connection(SendRequest<Bytes>);

impl Connection {
    pub(super) async fn open(target: &Target) -> Result<Self> {
        let stream = target.secure(&target.http2).await?;
        let (send, connection) = h2::client::handshake(stream).await?;
        // Each request tells how it went; the connection has nothing to add.
        tokio::spawn(connection);
        Ok(Self(send))
    }

    /// Sends a request and reads its answer whole; the status.
    pub(super) async fn ask(&mut self, request: &Request, name: &str) -> Result<u16, Lost> {
        let ready = self.0.clone().ready().await;
        let mut send = ready.map_err(|error| Lost::Untouched(error.into()))?;
        let head = http::Request::builder()
            .method(request.method)
            .uri(format!("https://{name}{}", request.path))
            .header("content-type", "application/json")
            .body(())
            .map_err(|error| Lost::Broken(error.into()))?;
        let body = Bytes::from(request.body.clone());
        let (answer, mut stream) = send.send_request(head, body.is_empty()).map_err(lost)?;
        if !body.is_empty() {
            // Of a stream that is refused already, the answer tells.
            let _ = stream.send_data(body, true);
        }
        let answer = answer.await.map_err(lost)?;
        let status = answer.status().as_u16();
        read(answer.into_body()).await?;
        Ok(status)
    }
}

/// A stream that is refused, or lies beyond the last one of a server that goes, was not touched (RFC 9113, 8.7).
fn lost(error: h2::Error) -> Lost {
    let goes = error.is_go_away() && error.is_remote() && error.reason() == Some(Reason::NO_ERROR);
    if goes || error.reason() == Some(Reason::REFUSED_STREAM) {
        Lost::Untouched(error.into())
    } else {
        Lost::Broken(error.into())
    }
}

async fn read(mut body: RecvStream) -> Result<(), Lost> {
    let broken = |error: h2::Error| Lost::Broken(error.into());
    while let Some(part) = body.data().await {
        let length = part.map_err(broken)?.len();
        body.flow_control()
            .release_capacity(length)
            .map_err(broken)?;
    }
    Ok(())
}
