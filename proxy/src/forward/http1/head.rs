//! Judges the heads of answers. An answer that two programs could read in two ways would let one client's answer become
//! another one's (RFC 9112 11.1), so such an origin gets 502 said in its name, and its connection is closed.

use std::mem::MaybeUninit;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::forward::headers::{connection_options, remove_hop_by_hop};

/// A head of more fields is refused.
const FIELDS_MAX: usize = 100;

/// How the body behind a head is framed (RFC 9112 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    Empty,
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
    /// Whatever comes until the connection ends.
    UntilClose,
}

/// The head of an answer.
#[derive(Clone, Debug)]
pub struct Head {
    /// Status.
    pub status: StatusCode,
    /// All fields but those of the connection.
    pub fields: HeaderMap,
    /// How its body is framed.
    pub framing: Framing,
    /// Whether the connection may be used again after it.
    pub keeps_connection: bool,
    /// Whether it names WebSocket as what the connection changes to.
    pub names_websocket: bool,
}

/// A head that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadHead(pub &'static str);

/// Judges the head at the beginning of `bytes`, an answer to a request with this method; says how many bytes it has. `None`
/// while its end is not there.
///
/// # Errors
/// [`BadHead`] for whatever is not plainly correct HTTP/1.
pub fn judge(bytes: &[u8], asked: &Method) -> Result<Option<(usize, Head)>, BadHead> {
    if !b"HTTP/1.".starts_with(&bytes[..bytes.len().min(7)]) && !bytes.starts_with(b"HTTP/1.") {
        return Err(BadHead("no HTTP/1"));
    }
    let mut space = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut parsed = httparse::Response::new(&mut []);
    let parser = httparse::ParserConfig::default();
    let length = match parser.parse_response_with_uninit_headers(&mut parsed, bytes, &mut space) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(BadHead("too many fields")),
        Err(_) => return Err(BadHead("malformed head")),
    };
    // The parser takes lines that end without a carriage return.
    let is_bare = |two: &[u8]| two[1] == b'\n' && two[0] != b'\r';
    if bytes[..length].windows(2).any(is_bare) {
        return Err(BadHead("bare line feed"));
    }
    let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or(BadHead("no such status"))?;
    let fields = fields(parsed.headers)?;
    Ok(Some((
        length,
        read(status, fields, asked, parsed.version == Some(0))?,
    )))
}

fn fields(parsed: &[httparse::Header<'_>]) -> Result<HeaderMap, BadHead> {
    let mut fields = HeaderMap::with_capacity(parsed.len());
    for field in parsed {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let value = HeaderValue::from_bytes(field.value);
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(BadHead("malformed field"));
        };
        fields.append(name, value);
    }
    Ok(fields)
}

fn read(
    status: StatusCode,
    mut fields: HeaderMap,
    asked: &Method,
    is_old: bool,
) -> Result<Head, BadHead> {
    let framing = framing(status, &fields, asked, is_old)?;
    let closes = is_old || says_close(&fields) || framing == Framing::UntilClose;
    let protocol = fields.get(header::UPGRADE).map(HeaderValue::as_bytes);
    let names_websocket = protocol.is_some_and(|name| name.eq_ignore_ascii_case(b"websocket"));
    remove_hop_by_hop(&mut fields);
    Ok(Head {
        status,
        fields,
        framing,
        keeps_connection: !closes,
        names_websocket,
    })
}

/// How the body behind a head is framed, by its fields; also for heads that somebody else has read.
///
/// # Errors
/// [`BadHead`] where two programs could think differently of it.
pub fn framing(
    status: StatusCode,
    fields: &HeaderMap,
    asked: &Method,
    is_old: bool,
) -> Result<Framing, BadHead> {
    let (length, is_chunked) = (length(fields)?, is_chunked(fields)?);
    if is_chunked && (length.is_some() || is_old) {
        return Err(BadHead("Transfer-Encoding where it may not be"));
    }
    let has_none = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if has_none || status.is_informational() || asked == Method::HEAD {
        return Ok(Framing::Empty);
    }
    Ok(match length {
        _ if is_chunked => Framing::Chunked,
        Some(0) => Framing::Empty,
        Some(length) => Framing::Length(length),
        None => Framing::UntilClose,
    })
}

fn length(fields: &HeaderMap) -> Result<Option<u64>, BadHead> {
    let mut said = fields.get_all(header::CONTENT_LENGTH).iter();
    let Some(first) = said.next() else {
        return Ok(None);
    };
    if said.next().is_some() {
        return Err(BadHead("more than one Content-Length"));
    }
    let digits = first.to_str().ok().filter(|value| {
        let mut bytes = value.bytes();
        !value.is_empty() && bytes.all(|byte| byte.is_ascii_digit())
    });
    let length = digits.and_then(|digits| digits.parse().ok());
    let length = length.ok_or(BadHead("Content-Length is not a number"))?;
    Ok(Some(length))
}

fn is_chunked(fields: &HeaderMap) -> Result<bool, BadHead> {
    let mut said = fields.get_all(header::TRANSFER_ENCODING).iter();
    let Some(first) = said.next() else {
        return Ok(false);
    };
    if said.next().is_some() || !first.as_bytes().eq_ignore_ascii_case(b"chunked") {
        return Err(BadHead("Transfer-Encoding is not exactly: chunked"));
    }
    Ok(true)
}

fn says_close(fields: &HeaderMap) -> bool {
    connection_options(fields).any(|option| option.eq_ignore_ascii_case("close"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: &Method, head: &str) -> Result<Option<(Framing, bool)>, BadHead> {
        let judged = judge(head.as_bytes(), method)?;
        Ok(judged.map(|(_, head)| (head.framing, head.keeps_connection)))
    }

    fn framed(line: &str, fields: &str) -> Result<Option<(Framing, bool)>, BadHead> {
        of(&Method::GET, &format!("HTTP/1.{line}\r\n{fields}\r\n"))
    }

    #[test]
    fn a_body_ends_where_its_head_says() {
        for (line, fields, framing, keeps) in [
            (
                "1 200 OK",
                "Content-Length: 5\r\n",
                Framing::Length(5),
                true,
            ),
            ("1 200", "Content-Length: 0\r\n", Framing::Empty, true),
            (
                "1 200 ",
                "transfer-encoding: Chunked\r\n",
                Framing::Chunked,
                true,
            ),
            ("1 200 OK", "", Framing::UntilClose, false),
            (
                "1 204 No Content",
                "Content-Length: 5\r\n",
                Framing::Empty,
                true,
            ),
            (
                "1 304 Not Modified",
                "Content-Length: 5\r\n",
                Framing::Empty,
                true,
            ),
            ("1 103 Early Hints", "Link: </a>\r\n", Framing::Empty, true),
            (
                "1 200 OK",
                "Content-Length: 5\r\nConnection: x, Close\r\n",
                Framing::Length(5),
                false,
            ),
            (
                "0 200 OK",
                "Content-Length: 5\r\n",
                Framing::Length(5),
                false,
            ),
        ] {
            assert_eq!(
                framed(line, fields),
                Ok(Some((framing, keeps))),
                "{line} {fields}"
            );
        }
        let long = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
        assert_eq!(of(&Method::HEAD, long), Ok(Some((Framing::Empty, true))));
    }

    #[test]
    fn an_answer_that_can_be_read_in_two_ways_is_refused() {
        for (line, fields) in [
            ("1 200 OK", "Content-Length: 5\r\nContent-Length: 5\r\n"),
            ("1 200 OK", "Content-Length: 5, 5\r\n"),
            ("1 200 OK", "Content-Length: +5\r\n"),
            ("1 200 OK", "Content-Length:\r\n"),
            ("1 200 OK", "Content-Length: 99999999999999999999\r\n"),
            (
                "1 200 OK",
                "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            ),
            ("1 200 OK", "Transfer-Encoding: gzip, chunked\r\n"),
            (
                "1 200 OK",
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            ),
            ("0 200 OK", "Transfer-Encoding: chunked\r\n"),
            ("1 200 OK", "Transfer-Encoding : chunked\r\n"),
            ("1 200 OK", "X: a\r\n folded\r\n"),
            ("1 200 OK", "X: a\nY: b\r\n"),
            ("1 200 OK", "X: a\0b\r\n"),
            ("1 200 OK", "no colon\r\n"),
            ("1 20 OK", ""),
            ("1 099 OK", ""),
            ("2 200 OK", ""),
        ] {
            assert!(framed(line, fields).is_err(), "{line} {fields:?}");
        }
        for bytes in [
            "\r\nHTTP/1.1 200 OK\r\n\r\n",
            "SSH-2.0-x",
            "H2",
            "HTTP/2 200\r\n",
        ] {
            assert!(of(&Method::GET, bytes).is_err(), "{bytes:?}");
        }
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(101));
        assert_eq!(of(&Method::GET, &many), Err(BadHead("too many fields")));
    }

    #[test]
    fn a_head_is_not_judged_before_its_end_is_there() {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
        for length in 0..head.len() {
            assert_eq!(of(&Method::GET, &head[..length]), Ok(None), "{length}");
        }
    }
}
