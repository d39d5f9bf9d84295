//! A fresh answer of the cache without Pingora: one look at the judged head, one look-up, one write. Only what is plainly
//! safe is taken; every decision is made by the functions that decide for all other requests, too.

use std::time::{Duration, SystemTime};

use bytes::{BufMut as _, Bytes, BytesMut};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};

use crate::admit::{Admission, https};
use crate::context::{Arrival, Context};
use crate::edge::Edge;
use crate::record;
use crate::request;
use crate::respond::send;

/// Fields that ask for more than a stored answer, or of which two programs might think differently.
const NOT_PLAIN: [&str; 14] = [
    "authorization",
    "cache-control",
    "content-length",
    "expect",
    "if-match",
    "if-modified-since",
    "if-range",
    "if-unmodified-since",
    "pragma",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// An answer that is ready to be sent.
pub(super) struct Hit {
    /// Length of the request.
    pub request_bytes: usize,
    /// Status line and fields.
    pub head: Bytes,
    /// What follows; nothing for HEAD and 304.
    pub body: Bytes,
    status: StatusCode,
    request: Parts,
    context: Context,
}

impl Hit {
    /// Counts the request and writes its line.
    pub(super) fn record(&mut self, edge: &Edge) {
        let status = self.status.as_u16();
        let (request, context) = (&self.request, &mut self.context);
        record::record(edge, request, context, status, self.body.len());
    }
}

/// The answer to a request without a body, if it is at hand and the client may have it. Whatever is not answered here has
/// left no trace in any budget or counter.
pub(super) fn find(
    edge: &Edge,
    parsed: &httparse::Request<'_, '_>,
    request_bytes: usize,
    arrival: Arrival,
) -> Option<Box<Hit>> {
    let (method, uri, host) = plain(parsed)?;
    let (key, _) = request::key(edge, arrival.scheme(), host, &uri)?;
    let (entry, cache_status) = edge.cache.hit(&key)?;
    let request = parts(method, uri, parsed)?;
    let now = edge.clock.now_microseconds();
    let mut context = Context::new(now);
    request::identify(edge, &request.headers, arrival, &mut context);
    if https::address(&edge.config.accept.tls, &request, &context).is_some() {
        return None;
    }
    let Admission::Passes(fields) = request::admit(edge, &request, &context) else {
        return None;
    };
    context.own_fields = fields;
    context.cache_status = Some(cache_status);
    edge.cache.count_hit();
    let (status, mut fields, body) = send::of_entry(&request, &entry, now);
    edge.respond.finish(&mut fields, &context.fields());
    fields.insert(header::DATE, date(now)?);
    fields.insert(header::CONNECTION, HeaderValue::from_static("keep-alive"));
    Some(Box::new(Hit {
        request_bytes,
        head: head(status, &fields)?,
        body: body.unwrap_or_default(),
        status,
        request,
        context,
    }))
}

/// Method, target and host of a request that asks for nothing but an answer.
fn plain<'a>(parsed: &httparse::Request<'_, 'a>) -> Option<(Method, Uri, &'a str)> {
    let method = match parsed.method? {
        "GET" => Method::GET,
        "HEAD" => Method::HEAD,
        _ => return None,
    };
    let target = parsed.path.filter(|path| path.starts_with('/'))?;
    if parsed.version != Some(1) || !target.bytes().all(|b| b.is_ascii_graphic() && b != b'#') {
        return None;
    }
    let mut host = None;
    for field in parsed.headers.iter() {
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        if is("host") {
            host = std::str::from_utf8(field.value).ok();
        }
        let closes = is("connection") && !field.value.eq_ignore_ascii_case(b"keep-alive");
        if closes || NOT_PLAIN.iter().any(|name| is(name)) {
            return None;
        }
    }
    let uri = Uri::from(PathAndQuery::try_from(target).ok()?);
    Some((method, uri, host?))
}

/// The request as every stage looks at it.
fn parts(method: Method, uri: Uri, parsed: &httparse::Request<'_, '_>) -> Option<Parts> {
    let (mut request, ()) = http::Request::new(()).into_parts();
    request.method = method;
    request.uri = uri;
    request.headers.reserve(parsed.headers.len());
    for field in parsed.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        let value = HeaderValue::from_bytes(field.value).ok()?;
        request.headers.append(name, value);
    }
    Some(request)
}

fn date(now_microseconds: i64) -> Option<HeaderValue> {
    let since = Duration::from_micros(u64::try_from(now_microseconds).ok()?);
    HeaderValue::from_str(&httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + since)).ok()
}

/// Status line and fields, spelled as Pingora spells them.
fn head(status: StatusCode, fields: &http::HeaderMap) -> Option<Bytes> {
    let mut head = BytesMut::with_capacity(1024);
    head.put_slice(b"HTTP/1.1 ");
    head.put_slice(status.as_str().as_bytes());
    head.put_u8(b' ');
    head.put_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    head.put_slice(b"\r\n");
    send::head(status, fields)
        .ok()?
        .header_to_h1_wire(&mut head);
    head.put_slice(b"\r\n");
    Some(head.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_plain(line: &str, fields: &str) -> bool {
        let head = format!("{line}\r\nHost: shop\r\n{fields}\r\n");
        let mut space = [httparse::EMPTY_HEADER; 16];
        let mut parsed = httparse::Request::new(&mut space);
        parsed.parse(head.as_bytes()).is_ok() && plain(&parsed).is_some()
    }

    #[test]
    fn what_browsers_ask_is_plain() {
        let fields = "Accept-Encoding: gzip, br\r\nCookie: a=b\r\nIf-None-Match: \"a\"\r\n";
        for line in ["GET / HTTP/1.1", "HEAD /a%20b?c=d&utm_x=1 HTTP/1.1"] {
            assert!(is_plain(line, fields), "{line}");
        }
        assert!(is_plain("GET / HTTP/1.1", "connection: Keep-Alive\r\n"));
    }

    #[test]
    fn whatever_asks_for_more_is_left_to_pingora() {
        for line in [
            "POST / HTTP/1.1",
            "GET / HTTP/1.0",
            "GET http://shop/ HTTP/1.1",
            "OPTIONS * HTTP/1.1",
            "GET /#a HTTP/1.1",
            "get / HTTP/1.1",
        ] {
            assert!(!is_plain(line, ""), "{line}");
        }
        for name in NOT_PLAIN {
            let name = name.to_ascii_uppercase();
            assert!(
                !is_plain("GET / HTTP/1.1", &format!("{name}: 0\r\n")),
                "{name}"
            );
        }
        for value in ["close", "keep-alive, x-slow", "upgrade", ""] {
            let field = format!("Connection: {value}\r\n");
            assert!(!is_plain("GET / HTTP/1.1", &field), "{value:?}");
        }
    }
}
