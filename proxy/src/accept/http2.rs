//! HTTP/2 (RFC 9113), where TLS has agreed on it: frames and flow control are the h2 crate's, streams are judged here by
//! the rules of HTTP/1 heads and then handed to Pingora, each in a task of its own.
//!
//! A stream that its client resets is forgotten by the protocol at once, but its task may still be at work, so the bound
//! is on tasks: streams beyond it are refused, and a client that goes on asking for too many loses its connection
//! (CVE-2023-44487, rapid reset).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use http::{HeaderValue, Method, StatusCode, Version, header};
use pingora::apps::HttpServerApp as _;
use pingora::http::RequestHeader;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{H2Accept, H2Options, HttpSession, handshake};
use pingora::protocols::{
    Digest, GetProxyDigest as _, GetSocketDigest as _, GetTimingDigest as _, Ssl as _, Stream,
};
use pingora_proxy::HttpProxy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::timeout;

use super::body_watch::{self, BodyWatch};
use super::connection::Connection;
use super::head::{self, Framing, Refusal};
use super::socket::Socket;
use crackers_shared::config_file::Problems;
use crackers_shared::{headers, request_id};

use crate::edge::Edge;
use crate::live::Live;
use crate::phases::Phases;
use crate::respond::Problem;

/// Settings of HTTP/2.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether it is offered to clients over TLS.
    pub enabled: bool,
    /// Streams at once on one connection.
    pub streams_max: u32,
    /// Streams beyond that, or malformed ones, that a client may ask for before it loses its connection.
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

/// Serves a connection until one side ends it.
pub(super) async fn serve(
    socket: Socket,
    live: Arc<Live>,
    proxy: Arc<HttpProxy<Phases>>,
    stop: watch::Receiver<bool>,
) {
    let edge = live.edge();
    let ended = run(socket, live, proxy, stop).await;
    edge.metrics.http2_ended.with_label_values(&[ended]).inc();
}

/// The connection's frames; they move only while it is asked for the next stream.
type Frames = h2::server::Connection<Stream, Bytes>;

async fn begin(socket: Socket, edge: &Edge) -> Option<(Frames, Arc<Digest>)> {
    let config = &edge.config.accept;
    let mut connection = Connection::new(socket);
    // Whatever comes are frames, for h2 to judge.
    connection.begin(0, Framing::Upgrade, u64::MAX).ok()?;
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
    Some((shaken.ok()?.ok()?, digest))
}

/// Why the connection ended, as a metric label.
async fn run(
    socket: Socket,
    live: Arc<Live>,
    proxy: Arc<HttpProxy<Phases>>,
    mut stop: watch::Receiver<bool>,
) -> &'static str {
    let mut edge = live.edge();
    let Some((mut frames, digest)) = begin(socket, &edge).await else {
        return "handshake";
    };
    let active = Arc::new(AtomicUsize::new(0));
    let (mut served, mut refused, mut is_leaving) = (0_u32, 0_u32, false);
    loop {
        let config = &edge.config.accept;
        let idle = Duration::from_millis(config.idle_timeout_ms);
        let next = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop), if !is_leaving => {
                frames.graceful_shutdown();
                is_leaving = true;
                continue;
            }
            next = HttpSession::from_h2_conn(&mut frames, Arc::clone(&digest)) => next,
            () = tokio::time::sleep(idle) => match active.load(Ordering::Relaxed) {
                0 => return "idle",
                _ => continue,
            },
        };
        edge = live.edge();
        let config = &edge.config.accept;
        match next {
            Ok(None) => return "closed",
            Err(_) => return "error",
            Ok(Some(H2Accept::Session(mut session))) => {
                served += 1;
                if served >= config.requests_per_connection_max && !is_leaving {
                    frames.graceful_shutdown();
                    is_leaving = true;
                }
                let place = Place::take(&active);
                if active.load(Ordering::Relaxed) > config.http2.streams_max as usize {
                    session.shutdown_with_reason(Reason::REFUSED_STREAM);
                    count_stream(&edge, "refused");
                    refused += 1;
                } else {
                    let one = one_stream(
                        session,
                        Arc::clone(&edge),
                        Arc::clone(&proxy),
                        stop.clone(),
                        place,
                    );
                    tokio::spawn(one);
                }
            }
            Ok(Some(H2Accept::Rejected)) => {
                count_stream(&edge, "malformed");
                refused += 1;
            }
        }
        if refused > config.http2.refused_streams_max {
            frames.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
            // So that the client hears why.
            let _ = timeout(idle, HttpSession::from_h2_conn(&mut frames, digest)).await;
            return "too_many_refused";
        }
    }
}

fn count_stream(edge: &Edge, outcome: &str) {
    edge.metrics
        .http2_streams
        .with_label_values(&[outcome])
        .inc();
}

/// A stream's place among those at work.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(active: &Arc<AtomicUsize>) -> Self {
        active.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(active))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn one_stream(
    mut session: HttpSession,
    edge: Arc<Edge>,
    proxy: Arc<HttpProxy<Phases>>,
    stop: watch::Receiver<bool>,
    _place: Place,
) {
    let config = &edge.config.accept;
    let within = Duration::from_millis(config.body_timeout_ms);
    session.set_write_timeout(Some(within));
    if let Err(refusal) = judge(session.req_header_mut(), config.body_bytes_max) {
        count_stream(&edge, "malformed");
        edge.metrics
            .heads_refused
            .with_label_values(&[refusal.reason])
            .inc();
        return refuse(session, refusal).await;
    }
    let watch = BodyWatch::new(config.body_bytes_max, session.is_body_empty());
    let session = ServerSession::new_http2(session);
    let proxied = body_watch::with(Arc::clone(&watch), proxy.process_new_http(session, &stop));
    let outcome = tokio::select! {
        _ = proxied => "served",
        // Dropped, the stream is reset.
        () = watch.stalled(within) => "body_too_slow",
    };
    count_stream(&edge, outcome);
}

/// Judges a stream's head as one of HTTP/1 is judged, and brings it into the same shape: a path, and a Host.
fn judge(request: &mut RequestHeader, body_bytes_max: u64) -> Result<(), Refusal> {
    let bad = |reason| Refusal {
        status: StatusCode::BAD_REQUEST,
        reason,
    };
    if request.method == Method::CONNECT {
        return Err(head::NO_CONNECT);
    }
    if request.headers.len() > head::FIELDS_MAX {
        return Err(head::TOO_MANY_FIELDS);
    }
    // RFC 9113 8.2.2: fields of a connection have no place here.
    let of_connection = [
        "connection",
        "keep-alive",
        "proxy-connection",
        "transfer-encoding",
        "upgrade",
    ];
    if of_connection
        .iter()
        .any(|name| request.headers.contains_key(*name))
    {
        return Err(bad("a field of HTTP/1 connections"));
    }
    let te = request.headers.get_all(header::TE);
    if te.iter().any(|value| value.as_bytes() != b"trailers") {
        return Err(bad("TE must be exactly: trailers"));
    }
    let authority = request.uri.authority().map(ToString::to_string);
    let host = request
        .headers
        .get(header::HOST)
        .map(|value| value.to_str().map(str::to_owned));
    let host = match (authority, host) {
        (_, Some(Err(_))) => return Err(bad("Host is not text")),
        (Some(authority), Some(Ok(host))) if !authority.eq_ignore_ascii_case(&host) => {
            return Err(bad("request target and Host differ"));
        }
        (Some(authority), _) => authority,
        (None, Some(Ok(host))) => host,
        (None, None) => return Err(bad("Host is missing")),
    };
    if !head::is_host(&host) {
        return Err(bad("Host is malformed"));
    }
    let length = request.headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > body_bytes_max) {
        return Err(head::BODY_TOO_LARGE);
    }
    let path = request
        .uri
        .path_and_query()
        .map_or("/", |path| path.as_str());
    let is_path = path.starts_with('/') || (path == "*" && request.method == Method::OPTIONS);
    let path = http::Uri::try_from(path).ok().filter(|_| is_path);
    request.set_uri(path.ok_or(bad("malformed request target"))?);
    request.set_version(Version::HTTP_2);
    let host = HeaderValue::try_from(host).map_err(|_| bad("Host is malformed"))?;
    request
        .insert_header(header::HOST, host)
        .map_err(|_| bad("Host is malformed"))
}

/// Answers a stream that was refused; its client may be gone.
async fn refuse(mut session: HttpSession, refusal: Refusal) {
    let problem = Problem::new(refusal.status, "malformed_request", refusal.reason);
    let id = request_id::generate();
    let (mut fields, body) = problem.render(None, &id);
    fields.extend(
        HeaderValue::try_from(id)
            .ok()
            .map(|id| (headers::REQUEST_ID, id)),
    );
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    let Ok(head) = crate::respond::send::head(refusal.status, &fields) else {
        return;
    };
    if session.write_response_header(Box::new(head), false).is_ok() {
        let _ = session.write_body(Bytes::from(body), true).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str, fields: &[(&'static str, &str)]) -> RequestHeader {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        request.set_uri(uri.parse().unwrap());
        for (name, value) in fields {
            request.append_header(*name, *value).unwrap();
        }
        request
    }

    fn verdict(uri: &str, fields: &[(&'static str, &str)]) -> Result<(String, String), u16> {
        let mut request = request(uri, fields);
        judge(&mut request, 1000).map_err(|refusal| refusal.status.as_u16())?;
        let host = request.headers[header::HOST].to_str().unwrap().to_owned();
        Ok((request.uri.to_string(), host))
    }

    #[test]
    fn a_stream_gets_the_shape_of_a_message() {
        let shape = Ok(("/a?b=c".to_owned(), "shop:8443".to_owned()));
        assert_eq!(verdict("https://shop:8443/a?b=c", &[]), shape);
        assert_eq!(
            verdict("https://shop:8443/a?b=c", &[("host", "SHOP:8443")]),
            shape
        );
        assert_eq!(
            verdict("/a?b=c", &[("host", "shop:8443"), ("te", "trailers")]),
            shape
        );
    }

    #[test]
    fn what_could_mean_two_things_is_refused() {
        for (uri, fields, status) in [
            ("https://a/", &[("host", "b")][..], 400),
            ("/", &[], 400),
            ("https://a@b/", &[], 400),
            ("https://a/", &[("connection", "close")], 400),
            ("https://a/", &[("keep-alive", "5")], 400),
            ("https://a/", &[("proxy-connection", "close")], 400),
            ("https://a/", &[("transfer-encoding", "chunked")], 400),
            ("https://a/", &[("upgrade", "h2c")], 400),
            ("https://a/", &[("te", "gzip")], 400),
            ("https://a/", &[("te", "trailers, gzip")], 400),
            ("https://a/", &[("content-length", "1001")], 413),
        ] {
            assert_eq!(verdict(uri, fields), Err(status), "{uri} {fields:?}");
        }
        let many: Vec<_> = (0..=head::FIELDS_MAX).map(|_| ("x", "y")).collect();
        assert_eq!(verdict("https://a/", &many), Err(431));
        let mut connect = request("https://a/", &[]);
        connect.set_method(Method::CONNECT);
        assert_eq!(judge(&mut connect, 9).unwrap_err().status, 405);
    }
}
