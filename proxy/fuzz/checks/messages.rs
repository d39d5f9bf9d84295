//! What clients and origins send.

use std::io::Cursor;

use crackers_proxy::accept::body::Follower;
use crackers_proxy::accept::head::{self, Framing};
use crackers_proxy::accept::proxy_protocol;
use crackers_proxy::admit::client_address;
use crackers_proxy::forward::http1::head as answer;
use crackers_proxy::path_pattern;
use http::{HeaderMap, HeaderValue, Method, header};
use pingora::protocols::http::ServerSession;

use super::fields;

/// A head that our judge takes is the same message to httparse and to Pingora, or Pingora refuses it.
pub(crate) fn head(bytes: &[u8]) {
    let Some(length) = head::length(bytes) else {
        return;
    };
    let Ok(framing) = head::judge(&bytes[..length], 1 << 20) else {
        return;
    };
    let mut space = [httparse::EMPTY_HEADER; 128];
    let mut parsed = httparse::Request::new(&mut space);
    let status = parsed.parse(&bytes[..length]);
    assert_eq!(status, Ok(httparse::Status::Complete(length)));
    let count = |name: &str| {
        let fields = parsed.headers.iter();
        fields
            .filter(|field| field.name.eq_ignore_ascii_case(name))
            .count()
    };
    assert!(count("host") <= 1 && count("content-length") <= 1);
    assert!(count("transfer-encoding") + count("content-length") <= 1);
    assert_eq!(framing == Framing::Chunked, count("transfer-encoding") == 1);
    let Some(mut session) = as_pingora_reads(&bytes[..length]) else {
        return;
    };
    let read = session.req_header();
    assert_eq!(Some(read.method.as_str()), parsed.method);
    assert_eq!(read.raw_path(), parsed.path.unwrap_or_default().as_bytes());
    assert_eq!(read.headers.len(), parsed.headers.len());
    for field in parsed.headers.iter() {
        let same = |other: &&httparse::Header<'_>| other.name.eq_ignore_ascii_case(field.name);
        let values = parsed.headers.iter().filter(same).map(|one| one.value);
        let read = read.headers.get_all(field.name).iter();
        assert!(values.eq(read.map(HeaderValue::as_bytes)), "{}", field.name);
    }
    match framing {
        Framing::Empty => assert!(session.is_body_empty()),
        Framing::Length(length) => {
            let said = read.headers[header::CONTENT_LENGTH]
                .to_str()
                .unwrap_or_default();
            assert_eq!(said.trim().parse(), Ok(length));
        }
        Framing::Chunked => assert!(!session.is_body_empty()),
        Framing::Upgrade => {}
    }
}

fn as_pingora_reads(head: &[u8]) -> Option<ServerSession> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.ok()?.block_on(async {
        let mut session = ServerSession::new_http1(Box::new(Cursor::new(head.to_vec())));
        let read = session.read_request().await;
        read.is_ok_and(|whole| whole).then_some(session)
    })
}

/// How a body of chunks is cut does not matter, nothing behind it belongs to it, and Pingora finds the same end. The first
/// byte says how it is cut.
pub(crate) fn body(bytes: &[u8]) {
    let Some((cut, bytes)) = bytes.split_first() else {
        return;
    };
    let follow = |cut: usize| {
        let (mut follower, mut at) = (Follower::new(Framing::Chunked, 1 << 16), 0);
        for part in bytes.chunks(cut) {
            let taken = follower.advance(part).ok()?;
            at += taken;
            if follower.has_ended() {
                break;
            }
            assert_eq!(taken, part.len());
        }
        Some((at, follower.has_ended()))
    };
    let whole = follow(bytes.len().max(1));
    assert_eq!(follow(usize::from(*cut % 7) + 1), whole);
    let Some((length, true)) = whole else {
        return;
    };
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let message = [head, &bytes[..length], b"GET /next HTTP/1.1\r\n"].concat();
    assert!(pingora_reads_to_the_end(&message), "{message:?}");
}

fn pingora_reads_to_the_end(message: &[u8]) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else { return true };
    runtime.block_on(async {
        let mut session = ServerSession::new_http1(Box::new(Cursor::new(message.to_vec())));
        if !session.read_request().await.is_ok_and(|whole| whole) {
            return false;
        }
        while session
            .read_request_body()
            .await
            .is_ok_and(|part| part.is_some())
        {}
        session.is_body_done()
    })
}

/// A stranger's word counts for nothing, and what one of our proxies says of its client, the next one finds in it again. Each
/// line is a field.
pub(crate) fn client_address(bytes: &[u8]) {
    let fields = fields(bytes);
    let Ok(trusted) = "10.0.0.0/8".parse::<ipnet::IpNet>() else {
        return;
    };
    let is_trusted = |ip: &std::net::IpAddr| trusted.contains(ip);
    let stranger = [203, 0, 113, 9].into();
    let of = |connection, fields: &HeaderMap| {
        client_address::of(Some(connection), fields, std::slice::from_ref(&trusted))
    };
    assert_eq!(of(stranger, &fields).ip, Some(stranger));
    let found = of([10, 0, 0, 1].into(), &fields);
    assert!(found.through_trusted);
    let Some(ip) = found.ip else {
        panic!("a connection with an address has a client");
    };
    let name = crackers_shared::headers::FORWARDED_FOR;
    let said = fields.get_all(&name).iter().map(HeaderValue::as_bytes);
    let own = ip.to_string();
    let lines: Vec<_> = said.chain([own.as_bytes()]).collect();
    let line = lines.join(&b", "[..]);
    // On a line of its own, and behind what others have said.
    for lines in [lines, vec![&line[..]]] {
        let mut passed_on = HeaderMap::new();
        for line in lines {
            let line = HeaderValue::from_bytes(line).expect("fields of fields");
            passed_on.append(&name, line);
        }
        let again = of([10, 0, 0, 2].into(), &passed_on).ip;
        assert!(is_trusted(&ip) || again == Some(ip), "{ip} {again:?}");
    }
    assert_eq!(
        client_address::limit_key(client_address::limit_key(ip)),
        client_address::limit_key(ip)
    );
}

/// A PROXY protocol header is as long as it says, says the same when nothing follows it, and nothing shorter is one.
pub(crate) fn proxy_protocol(bytes: &[u8]) {
    let Ok((client, length)) = proxy_protocol::parse(bytes) else {
        return;
    };
    let own = &bytes[..length];
    assert_eq!(proxy_protocol::parse(own), Ok((client, length)));
    assert!(proxy_protocol::parse(&own[..length - 1]).is_err());
    assert_eq!(
        length,
        16 + usize::from(u16::from_be_bytes([own[14], own[15]]))
    );
    if let Some(client) = client {
        // It stands where it belongs, and is never an IPv4 address in disguise.
        let port = if own[13] == 0x11 { 24 } else { 48 };
        assert_eq!(own[port..port + 2], client.port().to_be_bytes());
        assert_eq!(client.ip(), client.ip().to_canonical());
    }
}

/// A head of an answer that is taken is whole, ends where httparse finds its end, and names nothing of the connection. The first
/// byte says what was asked.
pub(crate) fn answer_head(bytes: &[u8]) {
    let Some((asked, bytes)) = bytes.split_first() else {
        return;
    };
    let asked = if asked % 2 == 0 {
        Method::GET
    } else {
        Method::HEAD
    };
    let Ok(Some((length, head))) = answer::judge(bytes, &asked) else {
        return;
    };
    assert!(bytes[..length].ends_with(b"\r\n\r\n"));
    let mut space = [httparse::EMPTY_HEADER; 128];
    let mut parsed = httparse::Response::new(&mut space);
    let status = parsed.parse(&bytes[..length]);
    assert_eq!(status, Ok(httparse::Status::Complete(length)));
    assert_eq!(parsed.code, Some(head.status.as_u16()));
    let count = |name: &str| {
        let fields = parsed.headers.iter();
        fields
            .filter(|field| field.name.eq_ignore_ascii_case(name))
            .count()
    };
    assert!(count("content-length") + count("transfer-encoding") <= 1);
    for name in [
        "connection",
        "transfer-encoding",
        "upgrade",
        "keep-alive",
        "te",
        "trailer",
    ] {
        assert!(!head.fields.contains_key(name), "{name}");
    }
    assert!(!head.keeps_connection || head.framing != answer::Framing::UntilClose);
    assert!(asked == Method::GET || head.framing == answer::Framing::Empty);
    for cut in 0..length {
        assert!(
            !matches!(answer::judge(&bytes[..cut], &asked), Ok(Some(_))),
            "{cut}"
        );
    }
}

/// A path that a rule names fits it in every disguise, each byte of which is chosen by one of these.
pub(crate) fn path(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for pattern in ["/api/admin/**", "/api/orders/*/pay", "/**"] {
        let fits = path_pattern::matches(pattern, &text);
        assert!(
            !fits || path_pattern::matches_however_read(pattern, &text),
            "{text:?}"
        );
    }
    let mut disguised = String::new();
    let mut choices = bytes.iter().copied().chain(std::iter::repeat(0));
    for letter in "/api/admin/orders".chars() {
        let code = u32::from(letter);
        match (letter, choices.next().unwrap_or(0) % 8) {
            ('/', 1) => disguised.push_str("//"),
            ('/', 2) => disguised.push_str("/./"),
            ('/', 3) => disguised.push_str("/x/../"),
            ('/', 4) => disguised.push_str("/x/%2e%2E/"),
            ('/', 5) if !disguised.is_empty() => disguised.push('\\'),
            ('/', 6) if !disguised.is_empty() => disguised.push_str(";a=b/"),
            ('/', _) => disguised.push('/'),
            (_, 1) => disguised.push_str(&format!("%{code:02x}")),
            (_, 2) => disguised.push_str(&format!("%{code:02X}")),
            (_, _) => disguised.push(letter),
        }
    }
    assert!(
        path_pattern::matches_however_read("/api/admin/**", &disguised),
        "{disguised}"
    );
}
