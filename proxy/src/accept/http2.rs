//! HTTP/2 (RFC 9113), where TLS has agreed on it: frames and flow control are the h2 crate's, streams are judged here by
//! the rules of HTTP/1 heads and then handed to Pingora, each in a task of its own.
//!
//! A stream that its client resets is forgotten by the protocol at once, but its task may still be at work, so the bound
//! is on tasks: streams beyond it are refused, and a client that goes on asking for too many, or takes back most of what it
//! asks for, loses its connection (CVE-2023-44487, rapid reset).

mod stream;
mod streams;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use pingora::protocols::http::v2::server::{H2Accept, H2Options, HttpSession, handshake};
use pingora::protocols::{
    Digest, GetProxyDigest as _, GetSocketDigest as _, GetTimingDigest as _, Ssl as _, Stream,
};
use pingora_proxy::HttpProxy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout};

use super::connection::{Connection, Rest};
use super::head::Framing;
use super::listener::leave;
use super::socket::Socket;
use crackers_shared::config_file::Problems;

use crate::edge::Edge;
use crate::live::Live;
use crate::phases::Phases;
use streams::{Place, Streams};

/// Settings of HTTP/2.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether it is offered to clients over TLS.
    pub enabled: bool,
    /// Streams at once on one connection.
    pub streams_max: u32,
    /// Streams beyond that, or malformed ones, that a client may ask for before it loses its connection; and so many it may take
    /// back, or as many as it let be answered if those are more.
    pub refused_streams_max: u32,
    /// Streams that were reset before they were looked at; a client with more loses its connection.
    pub pending_resets_max: u32,
    /// Bytes of one request's body that a client may send ahead.
    pub stream_window_bytes: u32,
    /// The same of all requests on one connection.
    pub connection_window_bytes: u32,
    /// Bytes of one answer that wait for a client to read them.
    pub send_buffer_bytes: u32,
}

impl Config {
    /// Reports impossible values under `path`.
    pub(super) fn check(&self, path: &str, problems: &mut Problems) {
        for (key, value, least, most) in [
            ("streams_max", self.streams_max, 1, 10_000),
            ("refused_streams_max", self.refused_streams_max, 1, 100_000),
            ("pending_resets_max", self.pending_resets_max, 1, 10_000),
            (
                "stream_window_bytes",
                self.stream_window_bytes,
                1024,
                1 << 30,
            ),
            (
                "connection_window_bytes",
                self.connection_window_bytes,
                65_535,
                1 << 30,
            ),
            ("send_buffer_bytes", self.send_buffer_bytes, 1024, 1 << 30),
        ] {
            problems.require(
                (least..=most).contains(&value),
                format!("{path}.{key}"),
                format!("must be {least} to {most}"),
            );
        }
    }

    fn options(&self, head_bytes_max: usize) -> H2Options {
        let mut options = H2Options::new();
        options
            .max_concurrent_streams(self.streams_max)
            .max_header_list_size(u32::try_from(head_bytes_max).unwrap_or(u32::MAX))
            .initial_window_size(self.stream_window_bytes)
            .initial_connection_window_size(self.connection_window_bytes)
            .max_send_buffer_size(self.send_buffer_bytes as usize)
            .max_pending_accept_reset_streams(self.pending_resets_max as usize);
        options
    }
}

/// How long a client may take to go who has nothing at work here.
const GOODBYE: Duration = Duration::from_secs(1);
/// How long the end of an answer may be on its way that nobody here has to send any more: to a slow client it still goes out of
/// the system's memory, which closing the connection would throw away.
const LAST_BYTES: Duration = Duration::from_secs(10);

/// Serves a connection until one side ends it.
pub(super) async fn serve(
    socket: Socket,
    live: Arc<Live>,
    proxy: Arc<HttpProxy<Phases>>,
    stop: watch::Receiver<bool>,
) {
    let edge = live.edge();
    let begun = tokio::select! {
        biased;
        begun = begin(socket, &edge) => begun,
        () = leave(&live, stop.clone()) => None,
    };
    let ended = |why| edge.metrics.http2_ended.with_label_values(&[why]).inc();
    let Some((frames, digest, rest)) = begun else {
        return ended("handshake");
    };
    ended(run(frames, digest, live, proxy, stop).await);
    // What he still says (that he has heard, or has room) must not throw away what he has not taken yet.
    if let Ok(rest) = rest.await {
        rest.close().await;
    }
}

/// The connection's frames; they move only while it is asked for the next stream.
type Frames = h2::server::Connection<Stream, Bytes>;

/// Shakes hands; what is left of the connection comes back when its frames have gone.
async fn begin(
    socket: Socket,
    edge: &Edge,
) -> Option<(Frames, Arc<Digest>, oneshot::Receiver<Rest>)> {
    let config = &edge.config.accept;
    let mut connection = Connection::new(socket);
    let rest = connection.lend();
    // Whatever comes are frames, for h2 to judge.
    connection.begin(0, Framing::Upgrade, u64::MAX, None).ok()?;
    let digest = Arc::new(Digest {
        ssl_digest: connection.get_ssl_digest(),
        timing_digest: connection.get_timing_digest(),
        proxy_digest: connection.get_proxy_digest(),
        socket_digest: connection.get_socket_digest(),
    });
    let options = config.http2.options(config.head_bytes_max);
    let stream: Stream = Box::new(connection);
    let within = Duration::from_millis(config.head_timeout_ms);
    let shaken = timeout(within, handshake(stream, Some(options))).await;
    Some((shaken.ok()?.ok()?, digest, rest))
}

/// Why the connection ended, as a metric label.
async fn run(
    mut frames: Frames,
    digest: Arc<Digest>,
    live: Arc<Live>,
    proxy: Arc<HttpProxy<Phases>>,
    mut stop: watch::Receiver<bool>,
) -> &'static str {
    let mut edge = live.edge();
    let streams = Arc::new(Streams::new());
    let (mut served, mut refused) = (0_u32, 0_u32);
    let (mut changes, mut patience) = (live.changes(), Patience::new(&edge));
    loop {
        let next = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop), if patience.leaving.is_none() => {
                patience.leave(&mut frames, "closed");
                if live.is_handed_over() {
                    patience.goodbye = Duration::from_millis(edge.config.accept.upgrade.idle_ms);
                }
                continue;
            }
            next = HttpSession::from_h2_conn(&mut frames, Arc::clone(&digest)) => next,
            Ok(()) = changes.changed() => {
                edge = live.edge();
                patience.idle = idle(&edge);
                continue;
            }
            () = tokio::time::sleep_until(patience.end()) => {
                match patience.ends(&mut frames, &streams) {
                    Some(why) => return why,
                    None => continue,
                }
            }
        };
        edge = live.edge();
        (patience.since, patience.idle) = (Instant::now(), idle(&edge));
        let config = &edge.config.accept;
        match next {
            Ok(None) => return patience.leaving.unwrap_or("closed"),
            Err(_) => return "error",
            Ok(Some(H2Accept::Session(session))) => {
                served += 1;
                if served >= config.requests_per_connection_max && patience.leaving.is_none() {
                    patience.leave(&mut frames, "closed");
                }
                let is_taken = take(session, &edge, &proxy, &stop, &streams);
                refused += u32::from(!is_taken);
            }
            Ok(Some(H2Accept::Rejected)) => {
                count_stream(&edge, "malformed");
                refused += 1;
            }
        }
        if streams.refused(refused, served) > config.http2.refused_streams_max {
            frames.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
            // So that the client hears why.
            let _ = timeout(GOODBYE, HttpSession::from_h2_conn(&mut frames, digest)).await;
            return "too_many_refused";
        }
    }
}

fn idle(edge: &Edge) -> Duration {
    Duration::from_millis(edge.config.accept.idle_timeout_ms)
}

/// How long the next stream is waited for.
struct Patience {
    /// Since when.
    since: Instant,
    /// What a client may be idle for.
    idle: Duration,
    /// Why he was told to go, if he was.
    leaving: Option<&'static str>,
    /// How long he may take for that.
    goodbye: Duration,
    /// When an answer was last seen to wait for him.
    sending: Option<Instant>,
}

impl Patience {
    fn new(edge: &Edge) -> Self {
        Self {
            since: Instant::now(),
            idle: idle(edge),
            leaving: None,
            goodbye: GOODBYE,
            sending: None,
        }
    }

    /// Tells the client to go, so that he knows of every request whether it was taken (RFC 9113 6.8). What he sends before he has
    /// heard of it is still answered.
    fn leave(&mut self, frames: &mut Frames, why: &'static str) {
        frames.graceful_shutdown();
        (self.since, self.leaving) = (Instant::now(), Some(why));
    }

    fn end(&self) -> Instant {
        let most = self.leaving.map_or(self.idle, |_| self.goodbye);
        self.since + most
    }

    /// It is over: begins anew where something is at work, tells the client to go where nothing is, and says why the connection
    /// ends where he was told before. He may never say that he has heard.
    fn ends(&mut self, frames: &mut Frames, streams: &Streams) -> Option<&'static str> {
        let now = Instant::now();
        match (streams.at_rest_since(), self.leaving) {
            (None, _) => self.since = now,
            (Some(rest), _) if rest > self.since => self.since = rest,
            (Some(rest), Some(why)) => {
                if !self.is_sending(frames, streams, (rest, now)) {
                    return Some(why);
                }
                self.since = now;
            }
            (Some(_), None) => self.leave(frames, "idle"),
        }
        None
    }

    /// Whether the end of an answer may still be on its way to a client: it waits for him to take it, or it has left for him so
    /// lately that he may not have it yet.
    fn is_sending(
        &mut self,
        frames: &Frames,
        streams: &Streams,
        (rest, now): (Instant, Instant),
    ) -> bool {
        if frames.has_streams() {
            self.sending = Some(now);
            return now < rest + self.idle;
        }
        let last = self.sending.map_or(rest, |sending| sending.max(rest));
        streams.have_been() && now < last + LAST_BYTES
    }
}

/// Lets a stream be answered; false when there are too many at work, and it is refused.
fn take(
    mut session: HttpSession,
    edge: &Arc<Edge>,
    proxy: &Arc<HttpProxy<Phases>>,
    stop: &watch::Receiver<bool>,
    streams: &Arc<Streams>,
) -> bool {
    let (place, at_work) = Place::take(streams);
    if at_work > edge.config.accept.http2.streams_max as usize {
        session.shutdown_with_reason(Reason::REFUSED_STREAM);
        count_stream(edge, "refused");
        return false;
    }
    let (edge, proxy) = (Arc::clone(edge), Arc::clone(proxy));
    let one = stream::serve(session, edge, proxy, stop.clone(), place);
    tokio::spawn(one);
    true
}

fn count_stream(edge: &Edge, outcome: &str) {
    edge.metrics
        .http2_streams
        .with_label_values(&[outcome])
        .inc();
}
