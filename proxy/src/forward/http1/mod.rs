//! The edge's own HTTP/1 client: one request to one address, and its answer as it arrives. Which address, and what follows
//! from a failure, others decide.

mod arriving;
mod body;
mod connection;
pub mod head;
mod interim;
mod pool;
mod tunnel;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use pingora::protocols::l4::socket::SocketAddr;
use prometheus::IntCounter;

use super::Timeouts;
use super::pauses::Pauses;
use crate::cache::fetch::FetchError;
use crate::telemetry::Metrics;
pub use arriving::{Arriving, Held};
use body::Body;
use connection::Connection;
use head::Head;
use interim::Interims;
use pool::Pool;
pub use tunnel::Tunnel;

/// A request as it is sent, as often as it has to be.
#[derive(Debug)]
pub struct Outgoing {
    method: Method,
    bytes: Bytes,
    /// Whether it may be sent again although an origin may have carried it out (RFC 9110 9.2.2).
    pub may_repeat: bool,
    /// Whether it asks for WebSocket.
    may_upgrade: bool,
    /// What came before its answer, where somebody is there to get it.
    interims: Option<Interims>,
}

impl Outgoing {
    /// A request with these fields, `Host` and `Content-Length` among them, and a body that is there whole.
    pub fn new<'a>(
        method: &Method,
        target: &str,
        fields: impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)>,
        body: &[u8],
    ) -> Self {
        let mut bytes = BytesMut::with_capacity(1024 + body.len());
        for part in [method.as_str(), " ", target, " HTTP/1.1\r\n"] {
            bytes.put_slice(part.as_bytes());
        }
        let mut may_upgrade = false;
        for (name, value) in fields {
            may_upgrade |= name == header::UPGRADE;
            bytes.put_slice(name.as_str().as_bytes());
            bytes.put_slice(b": ");
            bytes.put_slice(value.as_bytes());
            bytes.put_slice(b"\r\n");
        }
        bytes.put_slice(b"\r\n");
        bytes.put_slice(body);
        Self {
            method: method.clone(),
            bytes: bytes.freeze(),
            may_repeat: method.is_idempotent(),
            may_upgrade,
            interims: None,
        }
    }

    /// Keeps interim answers for [`Outgoing::interim`]; they are passed over otherwise.
    #[must_use]
    pub fn with_interim(mut self) -> Self {
        self.interims = Some(Interims::default());
        self
    }

    /// Resolves with interim answers, once there are any.
    pub async fn interim(&self) -> Vec<Head> {
        match &self.interims {
            Some(interims) => interims.next().await,
            None => std::future::pending().await,
        }
    }

    /// The interim answers that are there.
    pub fn interim_now(&self) -> Vec<Head> {
        let interims = self.interims.as_ref();
        interims.map(Interims::take).unwrap_or_default()
    }
}

/// Why there is no answer.
#[derive(Clone, Debug)]
pub struct Failure {
    /// For whoever asked.
    pub error: FetchError,
    /// Whether an origin may have got something of the request.
    pub was_sent: bool,
    /// Whether something of an answer had arrived.
    was_heard: bool,
}

/// See the module.
pub struct Http1 {
    pool: Arc<Pool>,
    head_bytes_max: usize,
    metrics: Arc<Metrics>,
    /// Of [`Metrics::forward_connections`].
    opened: IntCounter,
    reused: IntCounter,
    stale: IntCounter,
}

impl Http1 {
    /// A client without connections. It keeps at most `idle_max` that are not in use, and takes heads of so many bytes.
    pub fn new(idle_max: usize, head_bytes_max: usize, metrics: &Arc<Metrics>) -> Self {
        let of_kind = |kind: &str| metrics.forward_connections.with_label_values(&[kind]);
        Self {
            pool: Pool::new(idle_max, metrics.forward_connections_idle.clone()),
            head_bytes_max,
            opened: of_kind("opened"),
            reused: of_kind("reused"),
            stale: of_kind("stale"),
            metrics: Arc::clone(metrics),
        }
    }

    /// Sends a request to an address and waits for the head of its answer. A connection that was kept and turns out to be
    /// closed is replaced by a new one, as far as the request may be sent again.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn exchange(
        &self,
        request: &Outgoing,
        address: &SocketAddr,
        timeouts: &Timeouts,
    ) -> Result<Arriving, Failure> {
        if let Some(connection) = self.kept(request, address) {
            self.reused.inc();
            match self.ask(connection, request, address, timeouts).await {
                Err(failure) if is_stale(&failure, request) => self.stale.inc(),
                outcome => return outcome,
            }
        }
        let limit = Duration::from_millis(timeouts.connect_ms);
        let opened = Connection::open(address, limit).await;
        let connection = opened.map_err(|error| Failure {
            error,
            was_sent: false,
            was_heard: false,
        })?;
        self.opened.inc();
        self.ask(connection, request, address, timeouts).await
    }

    /// A kept connection whose origin has not closed it.
    fn kept(&self, request: &Outgoing, address: &SocketAddr) -> Option<Connection> {
        loop {
            let connection = self.pool.take(address)?;
            if connection.is_quiet() && (request.may_repeat || connection.is_quiet_now()) {
                return Some(connection);
            }
            self.stale.inc();
        }
    }

    async fn ask(
        &self,
        mut connection: Connection,
        request: &Outgoing,
        address: &SocketAddr,
        timeouts: &Timeouts,
    ) -> Result<Arriving, Failure> {
        let limit = Duration::from_millis(timeouts.write_ms);
        let sent = connection.send(&request.bytes, limit).await;
        let is_whole = sent.is_ok();
        if let Err(not_sent) = sent {
            // An origin may refuse a request that it has not read to its end: then its answer is there.
            if not_sent.sent == 0 || not_sent.error == FetchError::Timeout {
                return Err(Failure {
                    error: not_sent.error,
                    was_sent: not_sent.sent > 0,
                    was_heard: false,
                });
            }
        }
        let read_limit = Duration::from_millis(timeouts.read_ms);
        let head = self.head(&mut connection, request, read_limit).await?;
        Ok(Arriving {
            body: Body::new(head.framing),
            is_kept: head.keeps_connection && is_whole,
            head,
            connection: Some(connection),
            pool: Arc::clone(&self.pool),
            address: address.clone(),
            idle: Duration::from_millis(timeouts.idle_ms),
            read_limit,
            held: None,
            pauses: Pauses::default(),
        })
    }

    /// The head of the answer. Interim ones go to whoever asked, but for 100: the request went out with its body.
    async fn head(
        &self,
        connection: &mut Connection,
        request: &Outgoing,
        limit: Duration,
    ) -> Result<Head, Failure> {
        let mut passed = 0;
        let failed = |error, was_heard| Failure {
            error,
            was_sent: true,
            was_heard,
        };
        loop {
            match head::judge(&connection.buffer, &request.method) {
                Ok(None) => {}
                Ok(Some((length, head))) => {
                    connection.buffer.advance(length);
                    if !head.status.is_informational() {
                        return Ok(head);
                    }
                    if head.status == StatusCode::SWITCHING_PROTOCOLS {
                        if request.may_upgrade && head.names_websocket {
                            return Ok(head);
                        }
                        return Err(self.refused("a change of protocols that nobody asked for"));
                    }
                    passed += length;
                    if let (false, Some(interims)) =
                        (head.status == StatusCode::CONTINUE, &request.interims)
                    {
                        interims.push(head);
                    }
                    continue;
                }
                Err(bad) => return Err(self.refused(bad.0)),
            }
            let before = connection.buffer.len();
            if passed + before >= self.head_bytes_max {
                return Err(self.refused("the head is too large"));
            }
            let was_heard = passed + before > 0;
            match connection.read(0, limit).await {
                Ok(true) => {}
                Ok(false) => {
                    let error = FetchError::Broken("closed without an answer".to_owned());
                    return Err(failed(error, was_heard));
                }
                Err(error) => return Err(failed(error, was_heard)),
            }
        }
    }

    fn refused(&self, reason: &str) -> Failure {
        let refused = &self.metrics.forward_heads_refused;
        refused.with_label_values(&[reason]).inc();
        Failure {
            error: FetchError::Broken(format!("malformed answer: {reason}")),
            was_sent: true,
            was_heard: true,
        }
    }
}

/// Whether a kept connection had been closed by its origin, which says nothing about the origin.
fn is_stale(failure: &Failure, request: &Outgoing) -> bool {
    let broke_off = matches!(failure.error, FetchError::Broken(_)) && !failure.was_heard;
    broke_off && (request.may_repeat || !failure.was_sent)
}
