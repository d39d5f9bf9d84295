//! Whoever asked, and how answers reach him: whether through Pingora or not, the stages say the same things.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use pingora::Result;
use pingora_proxy::Session;

use super::{Respond, send};
use crate::context::Context;
use crate::telemetry::traces::Stage;

/// The head of an answer, without what every answer carries.
#[derive(Debug)]
pub struct Head {
    /// Status.
    pub status: StatusCode,
    /// Fields; they say how the body is framed.
    pub fields: HeaderMap,
    /// Whether the answer ends with it.
    pub is_end: bool,
}

/// Pingora gives each write a time: a whole stored answer at once would be too much for a slow client.
const PIECE_BYTES: usize = 16 * 1024;

/// See the module.
pub trait Client: Send {
    /// What he asked.
    fn request(&self) -> &Parts;

    /// Whether anything follows his head, or he says that something does.
    fn has_body(&mut self) -> bool {
        let fields = &self.request().headers;
        fields.contains_key(header::CONTENT_LENGTH)
            || fields.contains_key(header::TRANSFER_ENCODING)
    }

    /// Sends a head with what every answer carries; it may wait for what follows.
    fn send_head(
        &mut self,
        respond: &Respond,
        context: &Context,
        head: Head,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Sends an interim answer at once, where the client's protocol has any (Pingora's HTTP/2 has none).
    fn send_interim(
        &mut self,
        status: StatusCode,
        fields: HeaderMap,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Sends a part of the body; the whole answer is sent when this was its end.
    fn send_part(
        &mut self,
        part: Option<Bytes>,
        is_end: bool,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Sends what still waits.
    fn flush(&mut self) -> impl Future<Output = Result<()>> + Send;

    /// Resolves when he is gone.
    fn gone(&mut self) -> impl Future<Output = ()> + Send;

    /// His connection ends with this answer.
    fn close(&mut self);
}

impl Client for Session {
    fn request(&self) -> &Parts {
        self.req_header()
    }

    /// Over HTTP/2 a body needs no field that says so.
    fn has_body(&mut self) -> bool {
        let fields = &self.request().headers;
        fields.contains_key(header::CONTENT_LENGTH)
            || fields.contains_key(header::TRANSFER_ENCODING)
            || self.is_http2() && !self.as_downstream_mut().is_body_empty()
    }

    async fn send_head(&mut self, respond: &Respond, context: &Context, head: Head) -> Result<()> {
        context.enter(Stage::Respond);
        let mut fields = head.fields;
        respond.finish(&mut fields, &context.fields());
        let written = send::head(head.status, &fields)?;
        self.write_response_header(Box::new(written), head.is_end)
            .await
    }

    async fn send_interim(&mut self, status: StatusCode, fields: HeaderMap) -> Result<()> {
        let written = send::head(status, &fields)?;
        self.write_response_header(Box::new(written), false).await
    }

    async fn send_part(&mut self, part: Option<Bytes>, is_end: bool) -> Result<()> {
        let mut rest = part.unwrap_or_default();
        while rest.len() > PIECE_BYTES {
            let piece = rest.split_to(PIECE_BYTES);
            self.write_response_body(Some(piece), false).await?;
        }
        let last = Some(rest).filter(|rest| !rest.is_empty());
        self.write_response_body(last, is_end).await
    }

    /// Pingora decides when.
    async fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    /// Over HTTP/2, or where nothing of a request is unread. A body's end is noticed by Pingora, once it proxies.
    async fn gone(&mut self) {
        let is_all_read = !self.has_body();
        let downstream = self.as_downstream_mut();
        // Reset, closed or broken: all the same to whoever waits for an answer.
        if let Some(closed) = downstream.watch_h2_stream_close() {
            return drop(closed.await);
        }
        if !is_all_read {
            return std::future::pending().await;
        }
        // Of what follows a request nothing is seen there.
        let _ = downstream.read_body_or_idle(true).await;
    }

    fn close(&mut self) {
        self.set_keepalive(None);
    }
}
