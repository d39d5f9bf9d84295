//! Plain requests that need an origin, without Pingora: a head that says nothing special, and a body that is there whole with
//! it. Every stage does with them what it does with all others; only who reads and writes the connection is another one.

use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Version, header};
use pingora::{Error, ErrorType, Result};
use tokio::sync::watch;

use super::connection::Connection;
use super::early;
use super::head::Framing;
use crate::context::Context;
use crate::edge::Edge;
use crate::record;
use crate::request;
use crate::respond::{Client, Head, Respond};

/// A larger body streams, even where it is there already.
const BODY_BYTES_MAX: u64 = 64 * 1024;

/// Fields that ask for more than a request and an answer.
const NOT_PLAIN: [&str; 7] = [
    "expect",
    "http2-settings",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A request that is there whole.
pub(super) struct Plain {
    pub head_bytes: usize,
    pub body_bytes: usize,
    request: Parts,
}

/// A judged request, if it is plain and all of it is among what has `arrived` behind its head.
pub(super) fn take(
    parsed: &httparse::Request<'_, '_>,
    head_bytes: usize,
    framing: Framing,
    arrived: &[u8],
) -> Option<Box<Plain>> {
    let body_bytes = match framing {
        Framing::Empty => 0,
        Framing::Length(length) if length <= BODY_BYTES_MAX => usize::try_from(length).ok()?,
        _ => return None,
    };
    if arrived.len() < body_bytes {
        return None;
    }
    let request = parts(parsed)?;
    Some(Box::new(Plain {
        head_bytes,
        body_bytes,
        request,
    }))
}

fn parts(parsed: &httparse::Request<'_, '_>) -> Option<Parts> {
    let (mut request, ()) = http::Request::new(()).into_parts();
    request.method = Method::from_bytes(parsed.method?.as_bytes()).ok()?;
    request.uri = early::target(parsed)?;
    request.version = Version::HTTP_11;
    request.headers.reserve(parsed.headers.len());
    for field in parsed.headers.iter() {
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        let closes = is("connection") && !field.value.eq_ignore_ascii_case(b"keep-alive");
        if closes || NOT_PLAIN.iter().any(|name| is(name)) {
            return None;
        }
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        let value = HeaderValue::from_bytes(field.value).ok()?;
        request.headers.append(name, value);
    }
    let accept = request.headers.get(header::ACCEPT);
    let is_stream = accept.is_some_and(|accept| {
        let text = accept.to_str().unwrap_or_default();
        text.contains("text/event-stream")
    });
    (!is_stream).then_some(request)
}

/// Answers a plain request; says whether the connection goes on.
pub(super) async fn answer(
    connection: &mut Connection,
    edge: &Edge,
    plain: Box<Plain>,
    stop: &watch::Receiver<bool>,
) -> bool {
    let body = connection.take_whole(plain.head_bytes, plain.body_bytes);
    let mut context = Context::new(edge.clock.now_microseconds());
    let arrival = connection.arrival();
    let mut client = Direct {
        connection,
        request: plain.request,
        stop,
        patience: Duration::from_millis(edge.config.accept.body_timeout_ms),
        waiting: BytesMut::new(),
        is_chunked: false,
        closes: false,
        status: 0,
        bytes: 0,
    };
    request::identify(edge, &client.request.headers, arrival, &mut context);
    let outcome = match request::answer_here(edge, &mut client, &mut context).await {
        Ok(false) => request::forward(edge, &mut client, &body, &mut context).await,
        other => other.map(|_| ()),
    };
    if let Err(error) = &outcome {
        // Of an answer that cannot be ended, what is there goes out; nobody may be there to get it.
        let _ = client.flush().await;
        tracing::debug!(request_id = %context.request_id, %error, "a request failed");
    }
    let (status, bytes) = (client.status, client.bytes);
    record::record(edge, &client.request, &context, status, bytes);
    outcome.is_ok() && !client.closes
}

/// A client on his own connection.
struct Direct<'a> {
    connection: &'a mut Connection,
    request: Parts,
    stop: &'a watch::Receiver<bool>,
    /// The longest wait for the client to take more.
    patience: Duration,
    /// What leaves with the next part.
    waiting: BytesMut,
    is_chunked: bool,
    closes: bool,
    status: u16,
    bytes: usize,
}

impl Direct<'_> {
    async fn send(&mut self, part: &[u8], end: &[u8]) -> Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        let parts = [&waiting[..], part, end];
        let sent = self.connection.send_all(parts, self.patience).await;
        sent.map_err(|error| Error::because(ErrorType::WriteError, "to the client", error))
    }
}

impl Client for Direct<'_> {
    fn request(&self) -> &Parts {
        &self.request
    }

    async fn send_head(&mut self, respond: &Respond, context: &Context, head: Head) -> Result<()> {
        // Whoever is asked to stop waits for this answer, and for no further request.
        self.closes |= *self.stop.borrow();
        self.status = head.status.as_u16();
        self.is_chunked = head.fields.contains_key(header::TRANSFER_ENCODING);
        self.waiting.reserve(2048);
        let (said, closes) = ((head.status, head.fields), self.closes);
        respond.write_whole_head(&mut self.waiting, said, context, closes);
        if head.is_end {
            return self.flush().await;
        }
        Ok(())
    }

    async fn send_part(&mut self, part: Option<Bytes>, is_end: bool) -> Result<()> {
        let part = part.unwrap_or_default();
        self.bytes += part.len();
        let end: &[u8] = match (self.is_chunked, part.is_empty(), is_end) {
            (false, _, _) | (true, true, false) => b"",
            (true, true, true) => b"0\r\n\r\n",
            (true, false, true) => b"\r\n0\r\n\r\n",
            (true, false, false) => b"\r\n",
        };
        if self.is_chunked && !part.is_empty() {
            let size = format!("{:X}\r\n", part.len());
            self.waiting.put_slice(size.as_bytes());
        }
        self.send(&part, end).await
    }

    async fn flush(&mut self) -> Result<()> {
        self.send(&[], &[]).await
    }

    async fn gone(&mut self) {
        self.connection.gone().await;
    }

    fn close(&mut self) {
        self.closes = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_plain(line: &str, fields: &str, framing: Framing, arrived: &[u8]) -> bool {
        let head = format!("{line} HTTP/1.1\r\nHost: shop\r\n{fields}\r\n");
        let mut space = [httparse::EMPTY_HEADER; 16];
        let mut parsed = httparse::Request::new(&mut space);
        let is_head = parsed.parse(head.as_bytes()).is_ok();
        is_head && take(&parsed, head.len(), framing, arrived).is_some()
    }

    #[test]
    fn a_request_that_is_there_whole_is_plain() {
        assert!(is_plain(
            "GET /a?b",
            "Range: bytes=0-1\r\n",
            Framing::Empty,
            b""
        ));
        assert!(is_plain(
            "POST /a",
            "Content-Length: 2\r\n",
            Framing::Length(2),
            b"okGET"
        ));
        assert!(is_plain(
            "DELETE /a",
            "Connection: Keep-Alive\r\n",
            Framing::Empty,
            b""
        ));
    }

    #[test]
    fn whatever_streams_or_asks_for_more_is_left_to_pingora() {
        assert!(!is_plain("POST /a", "", Framing::Length(3), b"ok"));
        assert!(!is_plain("POST /a", "", Framing::Chunked, b"0\r\n\r\n"));
        assert!(!is_plain("GET /a", "", Framing::Upgrade, b""));
        assert!(!is_plain(
            "POST /a",
            "",
            Framing::Length(65_537),
            &[0; 65_537]
        ));
        assert!(!is_plain(
            "GET /a",
            "Accept: text/event-stream\r\n",
            Framing::Empty,
            b""
        ));
        assert!(!is_plain(
            "GET /a",
            "Connection: close\r\n",
            Framing::Empty,
            b""
        ));
        assert!(!is_plain("GET http://shop/a", "", Framing::Empty, b""));
        for name in NOT_PLAIN {
            let field = format!("{}: x\r\n", name.to_ascii_uppercase());
            assert!(!is_plain("GET /a", &field, Framing::Empty, b""), "{name}");
        }
    }
}
