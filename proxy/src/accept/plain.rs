//! Plain requests that need an origin, without Pingora: a head that says nothing special, and a small body, which is waited for
//! before anything else is; and WebSockets, which begin as such a request. Every stage does with them what it does with all others; only who reads and writes the connection is another one.

use std::io;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use pingora::{Error, ErrorType, Result};
use tokio::sync::watch;

use super::connection::Connection;
use super::early;
use super::head::Framing;
use super::pace::Pace;
use crate::context::Context;
use crate::edge::Edge;
use crate::forward::http1::Tunnel;
use crate::record;
use crate::request;
use crate::respond::head::{Ending, write_interim};
use crate::respond::{Client, Head, Respond};
use crate::telemetry::traces::Stage;

/// A larger body streams. A smaller one is there whole before its request takes an origin's slot, however slowly it comes.
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

/// A request without a body that streams.
pub(super) struct Plain {
    pub head_bytes: usize,
    pub body_bytes: usize,
    request: Parts,
    /// Whether it asks for WebSocket: its connection serves no further request then, whatever the answer. A program in front that
    /// believed in a tunnel where there is none would have others' requests come out of it.
    upgrades: bool,
}

/// A judged request, if it is plain.
pub(super) fn take(
    parsed: &httparse::Request<'_, '_>,
    head_bytes: usize,
    framing: Framing,
) -> Option<Box<Plain>> {
    let body_bytes = match framing {
        Framing::Empty => 0,
        Framing::Upgrade if is_websocket(parsed) => 0,
        Framing::Length(length) if length <= BODY_BYTES_MAX => usize::try_from(length).ok()?,
        Framing::Length(_) | Framing::Chunked | Framing::Upgrade => return None,
    };
    let upgrades = framing == Framing::Upgrade;
    let request = parts(parsed, upgrades)?;
    Some(Box::new(Plain {
        head_bytes,
        body_bytes,
        request,
        upgrades,
    }))
}

/// Whether a request with `Upgrade` asks for WebSocket and nothing else (RFC 6455 4.1).
fn is_websocket(parsed: &httparse::Request<'_, '_>) -> bool {
    let values = |name: &'static str| {
        let fields = parsed.headers.iter();
        let named = fields.filter(move |field| field.name.eq_ignore_ascii_case(name));
        named.map(|field| std::str::from_utf8(field.value).unwrap_or_default())
    };
    let mut options = values("connection").flat_map(|value| value.split(','));
    parsed.method == Some("GET")
        && values("upgrade").all(|value| value.trim().eq_ignore_ascii_case("websocket"))
        && options.any(|option| option.trim().eq_ignore_ascii_case("upgrade"))
}

fn parts(parsed: &httparse::Request<'_, '_>, upgrades: bool) -> Option<Parts> {
    let (mut request, ()) = http::Request::new(()).into_parts();
    request.method = Method::from_bytes(parsed.method?.as_bytes()).ok()?;
    request.uri = early::target(parsed)?;
    request.version = Version::HTTP_11;
    request.headers.reserve(parsed.headers.len());
    for field in parsed.headers.iter() {
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        let is_of_upgrade = upgrades && (is("upgrade") || is("connection"));
        let closes = is("connection") && !field.value.eq_ignore_ascii_case(b"keep-alive");
        let asks_more = closes || NOT_PLAIN.iter().any(|name| is(name));
        if asks_more && !is_of_upgrade {
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
    let mut context = Context::new(edge.clock.now_microseconds());
    let arrival = connection.arrival();
    let mut pace = Pace::new(&edge.config.accept);
    let whole = plain.head_bytes + plain.body_bytes;
    let arrived = connection.read_to(whole, &mut pace).await;
    let body = connection.take_whole(plain.head_bytes, plain.body_bytes);
    let mut client = Direct {
        connection,
        request: plain.request,
        stop,
        pace: Pace::new(&edge.config.accept),
        waiting: BytesMut::new(),
        is_chunked: false,
        closes: plain.upgrades,
        status: 0,
        bytes: 0,
    };
    request::identify(edge, &client.request.headers, arrival, &mut context);
    let outcome = match arrived {
        Ok(()) => match request::answer_here(edge, &mut client, &mut context).await {
            Ok(false) => request::forward(edge, &mut client, &body, &mut context).await,
            other => other.map(|_| None),
        },
        Err(error) => client
            .tell_of_body(edge, &context, error)
            .await
            .map(|()| None),
    };
    let outcome = match outcome {
        Ok(Some(tunnel)) => client.pass(tunnel).await,
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
    /// Of the answer.
    pace: Pace,
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
        let sent = self.connection.send_all(parts, &mut self.pace).await;
        sent.map_err(|error| Error::because(ErrorType::WriteError, "to the client", error))
    }

    /// Tells whoever was too slow with his body; whoever broke off is not there any more.
    async fn tell_of_body(
        &mut self,
        edge: &Edge,
        context: &Context,
        error: io::Error,
    ) -> Result<()> {
        self.closes = true;
        if error.kind() == io::ErrorKind::TimedOut {
            let problem = request::body_too_slow();
            edge.respond.send_problem(self, context, &problem).await?;
        }
        Err(Error::because(
            ErrorType::ReadError,
            "a body that did not arrive",
            error,
        ))
    }

    /// After an answer that changes the protocol.
    async fn pass(&mut self, tunnel: Tunnel) -> Result<()> {
        let (socket, arrived) = self.connection.tunnel();
        let passed = tunnel.pass(socket, arrived).await;
        self.bytes = usize::try_from(passed.to_client).unwrap_or(usize::MAX);
        let ended = |error| Error::because(ErrorType::ReadError, "in a tunnel", error);
        passed.end.map_err(ended)
    }
}

impl Client for Direct<'_> {
    fn request(&self) -> &Parts {
        &self.request
    }

    async fn send_head(&mut self, respond: &Respond, context: &Context, head: Head) -> Result<()> {
        context.enter(Stage::Respond);
        // Whoever is asked to stop waits for this answer, and for no further request.
        self.closes |= *self.stop.borrow();
        self.status = head.status.as_u16();
        self.is_chunked = head.fields.contains_key(header::TRANSFER_ENCODING);
        self.waiting.reserve(2048);
        let ending = match (head.status, self.closes) {
            (StatusCode::SWITCHING_PROTOCOLS, _) => Ending::Upgrade,
            (_, true) => Ending::Close,
            (_, false) => Ending::KeepAlive,
        };
        let said = (head.status, head.fields);
        respond.write_whole_head(&mut self.waiting, said, context, ending);
        if head.is_end {
            return self.flush().await;
        }
        Ok(())
    }

    async fn send_interim(&mut self, status: StatusCode, fields: HeaderMap) -> Result<()> {
        write_interim(&mut self.waiting, status, &fields);
        self.flush().await
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

    fn is_plain(line: &str, fields: &str, framing: Framing) -> bool {
        let head = format!("{line} HTTP/1.1\r\nHost: shop\r\n{fields}\r\n");
        let mut space = [httparse::EMPTY_HEADER; 16];
        let mut parsed = httparse::Request::new(&mut space);
        let is_head = parsed.parse(head.as_bytes()).is_ok();
        is_head && take(&parsed, head.len(), framing).is_some()
    }

    #[test]
    fn a_request_that_is_there_whole_is_plain() {
        assert!(is_plain("GET /a?b", "Range: bytes=0-1\r\n", Framing::Empty));
        assert!(is_plain(
            "POST /a",
            "Content-Length: 2\r\n",
            Framing::Length(2)
        ));
        assert!(is_plain(
            "DELETE /a",
            "Connection: Keep-Alive\r\n",
            Framing::Empty
        ));
    }

    #[test]
    fn a_websocket_begins_as_a_plain_request() {
        let is = |line: &str, fields: &str| is_plain(line, fields, Framing::Upgrade);
        for connection in ["upgrade", "keep-alive, Upgrade", "x\r\nConnection: UPGRADE"] {
            let fields = format!("Connection: {connection}\r\nUpgrade: WebSocket\r\n");
            assert!(is("GET /a", &fields), "{connection}");
            assert!(!is("POST /a", &fields), "{connection}");
            let more = format!("{fields}Expect: 100-continue\r\n");
            assert!(!is("GET /a", &more), "{connection}");
        }
        for fields in [
            "Connection: upgrade\r\nUpgrade: h2c\r\n",
            "Connection: upgrade\r\nUpgrade: websocket, h2c\r\n",
            "Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n",
            "Connection: close\r\nUpgrade: websocket\r\n",
            "Upgrade: websocket\r\n",
        ] {
            assert!(!is("GET /a", fields), "{fields}");
        }
    }

    #[test]
    fn whatever_streams_or_asks_for_more_is_left_to_pingora() {
        assert!(!is_plain("POST /a", "", Framing::Chunked));
        let upgrade = "Connection: upgrade\r\nUpgrade: h2c\r\n";
        assert!(!is_plain("GET /a", upgrade, Framing::Empty));
        assert!(!is_plain("POST /a", "", Framing::Length(65_537)));
        assert!(!is_plain(
            "GET /a",
            "Accept: text/event-stream\r\n",
            Framing::Empty
        ));
        assert!(!is_plain("GET /a", "Connection: close\r\n", Framing::Empty));
        assert!(!is_plain("GET http://shop/a", "", Framing::Empty));
        for name in NOT_PLAIN {
            let field = format!("{}: x\r\n", name.to_ascii_uppercase());
            assert!(!is_plain("GET /a", &field, Framing::Empty), "{name}");
        }
    }
}
