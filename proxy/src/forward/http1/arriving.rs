//! An answer as it arrives: its head is there, its body is on its way.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::StatusCode;
use pingora::protocols::l4::socket::SocketAddr;

use super::body::Body;
use super::connection::Connection;
use super::head::Head;
use super::pool::Pool;
use super::tunnel::Tunnel;
use crate::cache::fetch::{FetchError, Fetched};
use crate::dispatch::Permit;
use crate::forward::Timeouts;
use crate::forward::attempts::Unfinished;
use crate::forward::client::is_event_stream;
use crate::forward::pauses::Pauses;
use crate::forward::upstreams::InFlight;
use crate::telemetry::Metrics;

/// What an answer occupies until its body has arrived.
pub struct Held {
    /// A place among the origin's requests.
    pub in_flight: Option<InFlight>,
    /// An origin slot.
    pub permit: Option<Permit>,
    /// Who tells of the origin how the answer ends.
    pub unfinished: Option<Unfinished>,
}

/// An answer whose body is on its way.
pub struct Arriving {
    /// Its head.
    pub head: Head,
    pub(super) body: Body,
    pub(super) connection: Option<Connection>,
    pub(super) is_kept: bool,
    pub(super) pool: Arc<Pool>,
    pub(super) address: SocketAddr,
    pub(super) idle: Duration,
    pub(super) read_limit: Duration,
    pub(super) held: Option<Held>,
    pub(super) pauses: Pauses,
}

impl Arriving {
    /// Whether no more of it is waited for: it is there whole, or may last for hours.
    pub fn is_settled(&self) -> bool {
        let buffered = self.connection.as_ref().map_or(0, |one| one.buffer.len());
        self.body.expected() <= buffered as u64 || self.is_endless()
    }

    /// Live events and tunnels.
    fn is_endless(&self) -> bool {
        is_event_stream(&self.head.fields) || self.is_tunnel()
    }

    /// Lets it hold something until its body has arrived; what may last for hours keeps no slot.
    pub fn hold(&mut self, mut held: Held) {
        if self.is_endless() {
            held.permit = None;
        }
        self.held = Some(held);
    }

    /// Whether the connection has changed to WebSocket with this answer.
    pub fn is_tunnel(&self) -> bool {
        self.head.status == StatusCode::SWITCHING_PROTOCOLS
    }

    /// What follows an answer that is a tunnel; `None` where it is none.
    pub fn tunnel(mut self, timeouts: &Timeouts, metrics: &Metrics) -> Option<Tunnel> {
        let connection = self.connection.take().filter(|_| self.is_tunnel())?;
        let in_flight = self.held.take().and_then(|held| held.in_flight);
        let patience = Duration::from_millis(timeouts.tunnel_ms);
        let open = metrics.forward_tunnels.clone();
        Some(Tunnel::new(connection, in_flight, patience, open))
    }

    /// The answer whose body arrives.
    pub fn fetched(mut self) -> Fetched {
        let status = self.head.status;
        let headers = std::mem::take(&mut self.head.fields);
        if self.body.has_ended() {
            self.finish();
        }
        let body = stream::unfold(self, |mut arriving| async {
            let part = arriving.next().await?;
            Some((part, arriving))
        });
        Fetched {
            status,
            headers,
            body: body.boxed(),
            asked_at: None,
        }
    }

    async fn next(&mut self) -> Option<Result<Bytes, FetchError>> {
        self.pauses.ended();
        loop {
            let connection = self.connection.as_mut()?;
            let part = match self.body.take(&mut connection.buffer) {
                Ok(part) => part,
                Err(bad) => {
                    self.broke_off();
                    return self.fail(FetchError::Broken(bad.to_string()));
                }
            };
            if self.body.has_ended() {
                self.finish();
            }
            if !part.is_empty() {
                if !self.body.has_ended() {
                    self.pauses.begin();
                }
                return Some(Ok(part));
            }
            let connection = self.connection.as_mut()?;
            match connection.read(self.body.expected(), self.read_limit).await {
                Ok(true) => {}
                Ok(false) if self.body.ends_with_the_stream() => {
                    self.connection = None;
                    self.release();
                }
                Ok(false) => {
                    self.closed();
                    let error = "the answer ended before its end";
                    return self.fail(FetchError::Broken(error.to_owned()));
                }
                Err(FetchError::Timeout) => {
                    self.broke_off();
                    return self.fail(FetchError::Timeout);
                }
                Err(error) => {
                    self.closed();
                    return self.fail(error);
                }
            }
        }
    }

    /// Nothing more comes of it.
    fn fail(&mut self, error: FetchError) -> Option<Result<Bytes, FetchError>> {
        self.connection = None;
        self.held = None;
        Some(Err(error))
    }

    /// The origin has closed the connection too early: its failure, unless it had to wait for the client.
    fn closed(&mut self) {
        if !self.pauses.were_long() {
            self.broke_off();
        }
    }

    /// The origin has failed.
    fn broke_off(&mut self) {
        let unfinished = self.held.as_mut().and_then(|held| held.unfinished.take());
        if let Some(unfinished) = unfinished {
            unfinished.broke_off();
        }
    }

    /// The body is there, and holds nothing any more.
    fn release(&mut self) {
        let unfinished = self.held.take().and_then(|held| held.unfinished);
        if let Some(unfinished) = unfinished {
            unfinished.ended();
        }
    }

    /// The body is there: the connection serves somebody else, unless it has said more than it was asked.
    fn finish(&mut self) {
        self.release();
        let connection = self.connection.take();
        let clean = connection.filter(|one| self.is_kept && one.buffer.is_empty());
        if let Some(connection) = clean {
            self.pool.keep(&self.address, connection, self.idle);
        }
    }
}
