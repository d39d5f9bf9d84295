//! One stream of HTTP/2: its head is judged by the rules of HTTP/1 heads, its body watched, its request handed to Pingora.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use pingora::apps::HttpServerApp as _;
use pingora::http::RequestHeader;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::HttpSession;
use pingora_proxy::HttpProxy;
use tokio::sync::watch;

use super::streams::Place;
use crate::accept::head::{self, Refusal};
use crate::accept::pace::Pace;
use crate::accept::stream_watch::{self, StreamWatch};
use crate::context::{Arrival, Context};
use crate::edge::Edge;
use crate::phases::Phases;
use crate::record;
use crate::request;
use crate::respond::Problem;

/// Judges a stream and lets Pingora answer it.
pub(super) async fn serve(
    mut session: HttpSession,
    edge: Arc<Edge>,
    proxy: Arc<HttpProxy<Phases>>,
    stop: watch::Receiver<bool>,
    place: Place,
) {
    let config = &edge.config.accept;
    let within = Duration::from_millis(config.body_timeout_ms);
    session.set_write_timeout(Some(within));
    let begun = edge.clock.now_microseconds();
    let arrival = Arrival {
        ip: session
            .client_addr()
            .and_then(|address| Some(address.as_inet()?.ip())),
        is_tls: true,
    };
    if let Err(refusal) = judge(session.req_header_mut(), config.body_bytes_max) {
        place.count_malformed();
        return refuse(session, &edge, refusal, arrival).await;
    }
    let watch = StreamWatch::new(
        config.body_bytes_max,
        session.is_body_empty(),
        Pace::new(config),
    );
    // Only who has a body can be slow to send it; nobody else needs his head twice.
    let slow = (!session.is_body_empty()).then(|| session.req_header().clone());
    let session = ServerSession::new_http2(session);
    let proxied = stream_watch::with(Arc::clone(&watch), proxy.process_new_http(session, &stop));
    tokio::select! {
        _ = proxied => {
            let outcome = if watch.is_taken_back() { "taken_back" } else { "served" };
            super::count_stream(&edge, outcome);
            if watch.is_taken_back() {
                place.count_taken_back();
            }
        }
        // Dropped, the stream is reset, and nobody else writes of it.
        () = watch.stalled(within) => {
            super::count_stream(&edge, "body_too_slow");
            if let Some(request) = slow {
                let mut context = Context::new(begun);
                request::identify(&edge, &request.headers, arrival, &mut context);
                record::record(&edge, &request, &context, 0, 0);
            }
        }
    }
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
    if request.headers.get_all(header::HOST).iter().count() > 1 {
        return Err(bad("more than one Host"));
    }
    join_cookies(request)?;
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
    if content_length(&request.headers)? > body_bytes_max {
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

/// Cookies that came in pieces, which HTTP/2 allows and HTTP/1 does not, become one field (RFC 9113 8.2.3).
fn join_cookies(request: &mut RequestHeader) -> Result<(), Refusal> {
    let pieces = request.headers.get_all(header::COOKIE).iter();
    let pieces: Vec<_> = pieces.map(HeaderValue::as_bytes).collect();
    if pieces.len() < 2 {
        return Ok(());
    }
    let whole = HeaderValue::from_bytes(&pieces.join(&b"; "[..])).ok();
    let joined = whole.and_then(|whole| request.insert_header(header::COOKIE, whole).ok());
    joined.ok_or(Refusal {
        status: StatusCode::BAD_REQUEST,
        reason: "malformed cookies",
    })
}

/// How long a body says that it is; 0 where it says nothing.
fn content_length(fields: &HeaderMap) -> Result<u64, Refusal> {
    let bad = |reason| Refusal {
        status: StatusCode::BAD_REQUEST,
        reason,
    };
    let mut values = fields.get_all(header::CONTENT_LENGTH).iter();
    let length = match (values.next(), values.next()) {
        (None, _) => return Ok(0),
        (Some(_), Some(_)) => return Err(bad("more than one Content-Length")),
        (Some(value), None) => value.to_str().unwrap_or_default(),
    };
    let digits = Some(length).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let length = digits.and_then(|digits| digits.parse().ok());
    length.ok_or(bad("Content-Length is not a number"))
}

/// Answers a stream that was refused, counts it and writes its line; its client may be gone.
async fn refuse(mut session: HttpSession, edge: &Edge, refusal: Refusal, arrival: Arrival) {
    super::count_stream(edge, "malformed");
    edge.metrics
        .heads_refused
        .with_label_values(&[refusal.reason])
        .inc();
    let mut context = Context::new(edge.clock.now_microseconds());
    let fields = &session.req_header().headers;
    request::identify(edge, fields, arrival, &mut context);
    let problem = Problem::new(refusal.status, "malformed_request", refusal.reason);
    let (mut fields, body) = problem.render(None, &context.request_id);
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    edge.respond.finish(&mut fields, &context.fields());
    let Ok(head) = crate::respond::send::head(refusal.status, &fields) else {
        return;
    };
    let is_head = session.req_header().method == Method::HEAD;
    let (mut status, mut bytes) = (0, 0);
    if session
        .write_response_header(Box::new(head), is_head)
        .is_ok()
    {
        status = refusal.status.as_u16();
        let length = body.len();
        if !is_head && session.write_body(Bytes::from(body), true).await.is_ok() {
            bytes = length;
        }
    }
    record::record(edge, session.req_header(), &context, status, bytes);
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
            (
                "https://a/",
                &[("content-length", "5"), ("content-length", "5")],
                400,
            ),
            ("https://a/", &[("content-length", "+5")], 400),
            ("https://a/", &[("content-length", "")], 400),
            ("https://a/", &[("host", "a"), ("host", "a")], 400),
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
