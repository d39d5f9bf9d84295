//! A fresh answer of the cache without Pingora: one look at the judged head, one look-up, one write. Only what is plainly
//! safe is taken; every decision is made by the functions that decide for all other requests, too.

use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};

use crackers_shared::headers;

use crate::admit::{Admission, https};
use crate::cache::hit;
use crate::context::{Arrival, Context};
use crate::edge::Edge;
use crate::record;
use crate::request;
use crate::respond::head::{Ending, write_end, write_field};
use crate::respond::stored::Choice;
use crate::telemetry::traces::Stage;

/// Fields that ask for more than a stored answer, or of which two programs might think differently.
const NOT_PLAIN: [&str; 13] = [
    "authorization",
    "cache-control",
    "content-length",
    "expect",
    "if-match",
    "if-range",
    "if-unmodified-since",
    "pragma",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Fields that decide something of such a request. The others are not even copied: whoever lets another one decide adds it
/// here, and to the fields in `tests/cache/early.rs`.
static LOOKED_AT: [HeaderName; 9] = [
    header::HOST,
    header::ACCEPT_ENCODING,
    header::COOKIE,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::ORIGIN,
    headers::FORWARDED_FOR,
    headers::REQUEST_ID,
    headers::TRACEPARENT,
];

/// An answer that is ready to be sent.
pub(super) struct Hit {
    /// Length of the request.
    pub request_bytes: usize,
    /// What is sent.
    pub answer: Answer,
    status: StatusCode,
    request: Parts,
    context: Context,
}

/// The parts of an answer, in their order.
pub(super) struct Answer([Bytes; 4]);

impl Answer {
    /// For a write of all of them at once.
    pub(super) fn parts(&self) -> [&[u8]; 4] {
        self.0.each_ref().map(|part| &part[..])
    }
}

impl Hit {
    /// Counts the request, of whose answer so many bytes were sent, and writes its line.
    pub(super) fn record(&self, edge: &Edge, sent: u64) {
        let [head @ .., _] = &self.answer.0;
        let head_bytes: usize = head.iter().map(Bytes::len).sum();
        let body_bytes = sent.saturating_sub(head_bytes as u64);
        let body_bytes = usize::try_from(body_bytes).unwrap_or(usize::MAX);
        let status = self.status.as_u16();
        record::record(edge, &self.request, &self.context, status, body_bytes);
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
    let now = edge.clock.now_microseconds();
    let entry = edge.cache.fresh(&key, now)?;
    let request = parts(method, uri, parsed)?;
    let choice = Choice::of(&request, &entry);
    let head = edge.respond.head(&choice)?;
    let mut context = Context::new(now);
    request::identify(edge, &request.headers, arrival, &mut context);
    let is_elsewhere = https::address(&edge.config.accept.tls, &request, &context).is_some();
    if is_elsewhere || !edge.respond.is_apart(&context) {
        return None;
    }
    let Admission::Passes(fields) = request::admit(edge, &request, &context) else {
        return None;
    };
    context.own_fields = fields;
    context.age_seconds = Some(entry.age_seconds(now));
    context.cache_status = Some(hit::status(&entry, now));
    context.enter(Stage::Respond);
    edge.cache.count_hit();
    let body = choice.body(&request.method).unwrap_or_default();
    let security = edge.respond.security_text.clone();
    Some(Box::new(Hit {
        request_bytes,
        answer: Answer([head, security, end_of_head(&context), body]),
        status: choice.status(),
        request,
        context,
    }))
}

/// The fields of this one answer, and those that Pingora would add.
fn end_of_head(context: &Context) -> Bytes {
    let mut text = BytesMut::with_capacity(384);
    context.each_field(|name, value| write_field(&mut text, name, value));
    write_end(&mut text, Ending::KeepAlive);
    text.freeze()
}

/// Method, target and host of a request that asks for nothing but an answer.
fn plain<'a>(parsed: &httparse::Request<'_, 'a>) -> Option<(Method, Uri, &'a str)> {
    let method = match parsed.method? {
        "GET" => Method::GET,
        "HEAD" => Method::HEAD,
        _ => return None,
    };
    let uri = target(parsed)?;
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
    Some((method, uri, host?))
}

/// The target of a request that cannot be read in two ways.
pub(super) fn target(parsed: &httparse::Request<'_, '_>) -> Option<Uri> {
    let target = parsed.path.filter(|path| path.starts_with('/'))?;
    let is_plain = target.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
    if parsed.version != Some(1) || !is_plain {
        return None;
    }
    Some(Uri::from(PathAndQuery::try_from(target).ok()?))
}

/// The request as every stage looks at it.
fn parts(method: Method, uri: Uri, parsed: &httparse::Request<'_, '_>) -> Option<Parts> {
    let (mut request, ()) = http::Request::new(()).into_parts();
    request.method = method;
    request.uri = uri;
    for field in parsed.headers.iter() {
        let name = LOOKED_AT
            .iter()
            .find(|name| field.name.eq_ignore_ascii_case(name.as_str()));
        if let Some(name) = name {
            let value = HeaderValue::from_bytes(field.value).ok()?;
            request.headers.append(name, value);
        }
    }
    Some(request)
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
