//! Judges HTTP/1 heads, before anything else in the program believes them. Two programs that read one message
//! differently are how requests are smuggled (RFC 9112 11.2), so whatever could be read in two ways is refused.

use std::mem::MaybeUninit;

use http::StatusCode;
use http::uri::Authority;

/// A head of more fields is refused.
pub(super) const FIELDS_MAX: usize = 100;

/// How the body that follows a head is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    Empty,
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
    /// The connection may change to another protocol: whatever follows passes.
    Upgrade,
}

/// A head that is refused: the connection is closed after the answer, for nobody knows where the message ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// Status of the answer.
    pub status: StatusCode,
    /// For the client, and as a metric label.
    pub reason: &'static str,
}

const fn bad(reason: &'static str) -> Refusal {
    Refusal {
        status: StatusCode::BAD_REQUEST,
        reason,
    }
}

/// What a line without anything in it is.
pub(super) const EMPTY_LINE: &[u8] = b"\r\n";

pub(super) const TOO_MANY_FIELDS: Refusal = Refusal {
    status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    reason: "too many header fields",
};
pub(super) const NO_CONNECT: Refusal = Refusal {
    status: StatusCode::METHOD_NOT_ALLOWED,
    reason: "CONNECT is not offered",
};
pub(super) const BODY_TOO_LARGE: Refusal = Refusal {
    status: StatusCode::PAYLOAD_TOO_LARGE,
    reason: "the body is too large",
};

/// How many bytes the head at the beginning of `bytes` has; `None` while its end is not there. Bare line feeds end no
/// head: [`judge`] refuses them, and a head that never ends is refused for its size.
pub fn length(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .map(|at| at + 4)
}

/// Judges a whole head (its final empty line included) and says how its body is framed.
///
/// # Errors
/// [`Refusal`] for whatever is not plainly correct HTTP/1.1.
pub fn judge(head: &[u8], body_bytes_max: u64) -> Result<Framing, Refusal> {
    judge_then(head, body_bytes_max, |_, _| ()).map(|(framing, ())| framing)
}

/// The same, and shows the parsed head to whoever wants to look at it without parsing it again.
///
/// # Errors
/// As [`judge`].
pub fn judge_then<R>(
    head: &[u8],
    body_bytes_max: u64,
    then: impl FnOnce(&httparse::Request<'_, '_>, Framing) -> R,
) -> Result<(Framing, R), Refusal> {
    if head.starts_with(EMPTY_LINE) {
        return Err(bad("empty lines before the head"));
    }
    if !is_plainly_clean(head) {
        check_lines(head)?;
    }
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(head, &mut fields) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Err(httparse::Error::TooManyHeaders) => {
            return Err(TOO_MANY_FIELDS);
        }
        Err(httparse::Error::Version) => {
            return Err(Refusal {
                status: StatusCode::HTTP_VERSION_NOT_SUPPORTED,
                reason: "only HTTP/1.0 and HTTP/1.1 are spoken here",
            });
        }
        _ => return Err(bad("malformed head")),
    }
    let known = Fields::of(request.headers)?;
    let method = request.method.unwrap_or_default();
    let is_old = request.version == Some(0);
    check_target(method, request.path.unwrap_or_default(), &known, is_old)?;
    let framing = framing(&known, is_old, body_bytes_max)?;
    Ok((framing, then(&request, framing)))
}

/// Whether [`check_lines`] has nothing to find, told in a way that takes many bytes at once.
fn is_plainly_clean(head: &[u8]) -> bool {
    let is_clean = |line: &[u8]| {
        let bad = |byte: u8| (byte < b' ') | (byte == 127);
        !line.starts_with(b" ") && !line.iter().fold(false, |found, byte| found | bad(*byte))
    };
    head.strip_suffix(b"\n").is_some_and(|lines| {
        lines
            .split(|byte| *byte == b'\n')
            .all(|line| line.strip_suffix(b"\r").is_some_and(is_clean))
    })
}

/// Every line ends in CRLF and no line begins with white space: no bare line feed, no folding, no control characters.
fn check_lines(head: &[u8]) -> Result<(), Refusal> {
    let mut before = 0;
    for (at, byte) in head.iter().copied().enumerate() {
        match byte {
            b'\n' if before != b'\r' => return Err(bad("bare line feed")),
            b' ' | b'\t' if before == b'\n' => return Err(bad("folded or indented line")),
            b'\r' if head.get(at + 1) != Some(&b'\n') => return Err(bad("bare carriage return")),
            0..=8 | 11 | 12 | 14..=31 | 127 => return Err(bad("control character in the head")),
            _ => {}
        }
        before = byte;
    }
    Ok(())
}

/// The fields that decide how a message is read.
#[derive(Default)]
struct Fields<'a> {
    host: Option<&'a str>,
    content_length: Option<u64>,
    is_chunked: bool,
    upgrades: bool,
}

impl<'a> Fields<'a> {
    fn of(fields: &[httparse::Header<'a>]) -> Result<Self, Refusal> {
        let mut known = Self::default();
        for field in fields {
            // Nothing but these two is white space here (RFC 9110 5.6.3): `str::trim` would take more.
            let trimmed = |text: &'a str| text.trim_matches([' ', '\t']);
            let value = || std::str::from_utf8(field.value).map(trimmed);
            let is = |name: &str| field.name.eq_ignore_ascii_case(name);
            match field.name.len() {
                4 if is("host") => {
                    let value = value().map_err(|_| bad("Host is not text"))?;
                    if known.host.replace(value).is_some() {
                        return Err(bad("more than one Host"));
                    }
                }
                14 if is("content-length") => {
                    let digits = value()
                        .ok()
                        .filter(|v| !v.is_empty() && v.bytes().all(|b| b.is_ascii_digit()));
                    let length = digits.and_then(|digits| digits.parse().ok());
                    let length = length.ok_or(bad("Content-Length is not a number"))?;
                    if known.content_length.replace(length).is_some() {
                        return Err(bad("more than one Content-Length"));
                    }
                }
                17 if is("transfer-encoding") => {
                    if known.is_chunked
                        || !value().is_ok_and(|value| value.eq_ignore_ascii_case("chunked"))
                    {
                        return Err(Refusal {
                            status: StatusCode::NOT_IMPLEMENTED,
                            reason: "Transfer-Encoding must be exactly: chunked",
                        });
                    }
                    known.is_chunked = true;
                }
                7 if is("upgrade") => known.upgrades = true,
                _ => {}
            }
        }
        Ok(known)
    }
}

fn check_target(
    method: &str,
    target: &str,
    fields: &Fields<'_>,
    is_old: bool,
) -> Result<(), Refusal> {
    if fields.host.is_none() && !is_old {
        return Err(bad("Host is missing"));
    }
    if fields.host.is_some_and(|host| !is_host(host)) {
        return Err(bad("Host is malformed"));
    }
    if method == "CONNECT" {
        return Err(NO_CONNECT);
    }
    if target.contains('#') {
        // Some would take it off, others would send it on (RFC 9112 3.2: it has no place here).
        return Err(bad("fragment in the request target"));
    }
    if target.starts_with('/') || (target == "*" && method == "OPTIONS") {
        return Ok(());
    }
    let absolute = target.split_once("://").filter(|(scheme, _)| {
        scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
    });
    let Some((_, rest)) = absolute else {
        return Err(bad("malformed request target"));
    };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    // Pingora would tell apart what only differs in upper case, too, without a word in our log.
    if fields.host.is_some_and(|host| host != authority) {
        return Err(bad("request target and Host differ"));
    }
    if !is_host(authority) || authority.parse::<Authority>().is_err() {
        return Err(bad("malformed request target"));
    }
    Ok(())
}

pub(super) fn is_host(host: &str) -> bool {
    !host.is_empty()
        && host.len() <= 255
        && host.bytes().all(|b| {
            b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']')
        })
}

fn framing(fields: &Fields<'_>, is_old: bool, body_bytes_max: u64) -> Result<Framing, Refusal> {
    match (fields.is_chunked, fields.content_length) {
        (true, Some(_)) => Err(bad("both Content-Length and Transfer-Encoding")),
        (true, None) if is_old => Err(bad("Transfer-Encoding in HTTP/1.0")),
        (true, None) => Ok(Framing::Chunked),
        (false, Some(length)) if length > body_bytes_max => Err(BODY_TOO_LARGE),
        (false, Some(length)) if length > 0 => Ok(Framing::Length(length)),
        (false, _) if fields.upgrades => Ok(Framing::Upgrade),
        (false, _) => Ok(Framing::Empty),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn verdict(head: &str) -> Result<Framing, u16> {
        judge(head.as_bytes(), 1000).map_err(|refusal| refusal.status.as_u16())
    }

    #[test]
    fn plain_heads_pass() {
        assert_eq!(
            verdict("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
            Ok(Framing::Empty)
        );
        assert_eq!(verdict("GET / HTTP/1.0\r\n\r\n"), Ok(Framing::Empty));
        assert_eq!(
            verdict("POST /a?b HTTP/1.1\r\nHost: a:8080\r\nContent-Length: 5\r\n\r\n"),
            Ok(Framing::Length(5))
        );
        assert_eq!(
            verdict("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
            Ok(Framing::Chunked)
        );
        assert_eq!(
            verdict("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
            Ok(Framing::Empty)
        );
        assert_eq!(
            verdict(
                "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
            ),
            Ok(Framing::Upgrade)
        );
    }

    #[test]
    fn whatever_can_be_read_in_two_ways_is_refused() {
        for (fields, status) in [
            (
                "Host: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                400,
            ),
            (
                "Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n",
                400,
            ),
            ("Host: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n", 400),
            ("Host: a\r\nContent-Length: 5, 5\r\n", 400),
            ("Host: a\r\nContent-Length: +5\r\n", 400),
            ("Host: a\r\nContent-Length: 0x5\r\n", 400),
            ("Host: a\r\nContent-Length:\r\n", 400),
            ("Host: a\r\nContent-Length: 99999999999999999999\r\n", 400),
            ("Host: a\r\nContent-Length: 1001\r\n", 413),
            ("Host: a\r\nTransfer-Encoding: gzip, chunked\r\n", 501),
            ("Host: a\r\nTransfer-Encoding: xchunked\r\n", 501),
            ("Host: a\r\nTransfer-Encoding: \u{a0}chunked\r\n", 501),
            ("Host: a\r\nContent-Length: \u{2003}5\r\n", 400),
            ("Host: a\u{a0}\r\n", 400),
            (
                "Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                501,
            ),
            ("Host: a\r\nTransfer-Encoding : chunked\r\n", 400),
            ("Host: a\r\n Transfer-Encoding: chunked\r\n", 400),
            ("Host: a\r\nHost: b\r\n", 400),
            ("Host: a\r\nHost: a\r\n", 400),
            ("Host: a/b\r\n", 400),
            ("Host: a@b\r\n", 400),
            ("Host:\r\n", 400),
            ("", 400),
            ("Host: a\r\nX: a\nb\r\n", 400),
            ("Host: a\r\nX: a\rb\r\n", 400),
            ("Host: a\r\nX: a\0b\r\n", 400),
        ] {
            let head = format!("POST / HTTP/1.1\r\n{fields}\r\n");
            assert_eq!(verdict(&head), Err(status), "{fields:?}");
        }
    }

    #[test]
    fn strange_request_lines_are_refused() {
        for (line, status) in [
            ("CONNECT a:1 HTTP/1.1", 405),
            ("GET a HTTP/1.1", 400),
            ("GET ftp://a/ HTTP/1.1", 400),
            ("GET http://b/ HTTP/1.1", 400),
            ("GET http://a@b/ HTTP/1.1", 400),
            ("GET http://A/ HTTP/1.1", 400),
            ("GET / HTTP/2.0", 505),
            ("GET  / HTTP/1.1", 400),
            ("GET /", 400),
        ] {
            assert_eq!(
                verdict(&format!("{line}\r\nHost: a\r\n\r\n")),
                Err(status),
                "{line:?}"
            );
        }
        let old = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(verdict(old), Err(400));
        assert_eq!(verdict("\r\nGET / HTTP/1.0\r\n\r\n"), Err(400));
    }

    #[test]
    fn what_pingora_would_refuse_is_refused_here_and_counted() {
        let host = |host: &str| format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n");
        for good in ["a", "A", "a:80", "[::1]:80"] {
            assert_eq!(verdict(&host(good)), Ok(Framing::Empty), "{good}");
        }
        for bad in ["a:1:2", "[a", "a]"] {
            assert_eq!(verdict(&host(bad)), Err(400), "{bad}");
        }
        for target in ["http:///x", "http://?x", "http://a@b/", "http://a\\b/"] {
            let old = format!("GET {target} HTTP/1.0\r\n\r\n");
            assert_eq!(verdict(&old), Err(400), "{target}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_judge(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = length(&bytes);
            let _ = judge(&bytes, 10);
        }

        #[test]
        fn what_is_plainly_clean_is_clean(bytes in "[a \\t\\r\\n\\x01\\x7f]{0,12}(\\r\\n)?") {
            if is_plainly_clean(bytes.as_bytes()) {
                prop_assert_eq!(check_lines(bytes.as_bytes()), Ok(()));
            }
        }
    }
}
