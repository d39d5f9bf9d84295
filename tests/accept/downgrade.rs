//! HTTP/2 in, HTTP/1 out: whatever a frame can carry and a line cannot must not become a second request, and what both can carry
//! arrives as it was sent.

use anyhow::Result;
use crackers_tests::careless_origin::CarelessOrigin;
use crackers_tests::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, HELLO, RST_STREAM, field, frame,
    kinds,
};
use crackers_tests::process::PATIENCE;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::http2::{NAME, Place};

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: smuggled\r\n\r\n";

/// What a request has besides its method, path, scheme and authority, or instead of one of them.
type Fields<'a> = &'a [(&'a str, &'a str)];

fn head(method: &str, fields: Fields<'_>) -> Vec<u8> {
    let usual = [
        (":method", method),
        (":path", "/x"),
        (":scheme", "https"),
        (":authority", NAME),
    ];
    let is_replaced = |name: &str| fields.iter().any(|(other, _)| *other == name);
    let usual = usual.iter().filter(|(name, _)| !is_replaced(name));
    // What begins with a colon goes first, unless a test has it behind an ordinary field.
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    let mut is_ordinary = false;
    for (name, value) in usual.chain(fields) {
        is_ordinary |= !name.starts_with(':');
        let into = if is_ordinary { &mut rest } else { &mut first };
        into.extend(field(name.as_bytes(), value.as_bytes()));
    }
    [first, rest].concat()
}

/// Sends frames on a connection of their own, and reads until the first stream or the connection is over; the frames that came.
async fn exchange(place: &Place, frames: &[u8]) -> Result<Vec<(u8, u32)>> {
    let mut stream = place.stream().await?;
    // The edge may close the connection while it is still being written to.
    let _ = stream.write_all(&[HELLO, frames].concat()).await;
    let (mut all, mut part) = (Vec::new(), vec![0; 16_384]);
    loop {
        let over = kinds(&all);
        let is_over = |(kind, of): &(u8, u32)| {
            matches!((*kind, *of), (HEADERS | RST_STREAM, 1) | (GOAWAY, 0))
        };
        if over.iter().any(is_over) {
            return Ok(over);
        }
        match tokio::time::timeout(PATIENCE, stream.read(&mut part)).await? {
            Ok(read) if read > 0 => all.extend_from_slice(&part[..read]),
            _ => return Ok(over),
        }
    }
}

/// A request, whole.
fn frames(head: &[u8], body: &str) -> Vec<u8> {
    if body.is_empty() {
        return frame(HEADERS, END_STREAM | END_HEADERS, 1, head);
    }
    let head = frame(HEADERS, END_HEADERS, 1, head);
    let (first, last) = body.as_bytes().split_at(body.len() / 2);
    let first = frame(DATA, 0, 1, first);
    let last = frame(DATA, END_STREAM, 1, last);
    [head, first, last].concat()
}

/// What the origin has seen lately: the line of each request, and its body as far as it came whole.
fn taken(origin: &CarelessOrigin) -> Vec<(String, String)> {
    let seen = origin.take().into_iter();
    let seen = seen.map(|(head, body)| {
        let line = head.lines().next().unwrap_or_default().to_owned();
        (line, String::from_utf8_lossy(&body).into_owned())
    });
    seen.collect()
}

/// What the origin has seen once this request was over.
async fn seen(
    place: &Place,
    origin: &CarelessOrigin,
    head: &[u8],
    body: &str,
) -> Result<Vec<(String, String)>> {
    exchange(place, &frames(head, body)).await?;
    Ok(taken(origin))
}

/// One request that was seen.
fn only(method: &str, path: &str, body: &str) -> [(String, String); 1] {
    [(format!("{method} {path} HTTP/1.1"), body.to_owned())]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_line_can_carry_reaches_no_origin() -> Result<()> {
    let (place, origin) = (Place::new()?, CarelessOrigin::start()?);
    let _edge = place.edge_of(origin.port, "", "")?;
    let split = format!("a\r\n\r\n{SMUGGLED}");
    let line = format!("/x HTTP/1.1\r\nHost: a\r\n\r\n{SMUGGLED}");
    let method = format!("GET /x HTTP/1.1\r\nHost: a\r\n\r\n{SMUGGLED}GET");
    let cases: &[Fields<'_>] = &[
        &[("x", "a\r\nb: c")],
        &[("x", "a\nb")],
        &[("x", "a\rb")],
        &[("x", "a\0b")],
        &[("x", &split)],
        &[("x\r\nb", "c")],
        &[("x: a\r\nb", "c")],
        &[("x:", "a")],
        &[("x y", "a")],
        &[("X", "a")],
        &[("", "a")],
        &[("x\0", "a")],
        &[(":path", "/x y")],
        &[(":path", &line)],
        &[(":path", "/\r\n")],
        &[(":path", "/\0")],
        &[(":path", "")],
        &[(":path", "x")],
        &[(":path", "http://b/x")],
        &[(":path", "*")],
        &[(":method", &method)],
        &[(":method", "G T")],
        &[(":method", "")],
        &[(":method", "GET\r\n")],
        &[(":authority", "a\r\nb")],
        &[(":authority", "a b")],
        &[(":authority", "x@a")],
        &[(":authority", "a/b")],
        &[("host", "other")],
        &[("host", NAME), ("host", "other")],
        &[("host", NAME), ("host", NAME)],
        &[(":path", "/x"), (":path", "/smuggled")],
        &[(":method", "GET"), (":method", "POST")],
        &[(":authority", NAME), (":authority", "b")],
        &[("a", "b"), (":path", "/x")],
        &[(":x", "a")],
        &[(":status", "200")],
        &[("connection", "close")],
        &[("connection", "x")],
        &[("keep-alive", "5")],
        &[("proxy-connection", "close")],
        &[("transfer-encoding", "chunked")],
        &[("transfer-encoding", "identity")],
        &[("upgrade", "h2c")],
        &[("te", "gzip")],
        &[("te", "trailers, gzip")],
        &[("content-length", "+0")],
        &[("content-length", "0x0")],
        &[("content-length", "-1")],
        &[("content-length", "")],
        &[("content-length", "0, 0")],
        &[("content-length", "0"), ("content-length", "0")],
        &[("content-length", "0"), ("content-length", "42")],
        &[("content-length", "42")],
    ];
    for fields in cases {
        let found = seen(&place, &origin, &head("GET", fields), "").await?;
        assert!(found.is_empty(), "{fields:?} {found:?}");
    }
    // The same edge, the same origin: it is those cases that were refused.
    let found = seen(&place, &origin, &head("GET", &[("te", "trailers")]), "").await?;
    assert_eq!(found, only("GET", "/x", ""));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_as_long_as_it_says_never_becomes_a_second_request() -> Result<()> {
    let (place, origin) = (Place::new()?, CarelessOrigin::start()?);
    let _edge = place.edge_of(origin.port, "body_timeout_ms: 1000, ", "")?;
    let cases = [
        &[][..],
        &[("content-length", "42")],
        &[("content-length", "0")],
        &[("content-length", "5")],
        &[("content-length", "41")],
        &[("content-length", "43")],
        &[("content-length", "42"), ("content-length", "0")],
        &[("content-length", "0"), ("content-length", "42")],
        &[("transfer-encoding", "chunked"), ("content-length", "42")],
        &[("x", "y\r\ntransfer-encoding: chunked")],
    ];
    for (number, fields) in cases.iter().enumerate() {
        for method in ["POST", "GET"] {
            let path = format!("/{method}-{number}");
            let fields = [&[(":path", path.as_str())], *fields].concat();
            exchange(&place, &frames(&head(method, &fields), SMUGGLED)).await?;
        }
    }
    // Those that the edge has broken off may arrive late, but before one that is asked for after them is answered at last.
    let mut found = seen(&place, &origin, &head("GET", &[]), "").await?;
    found.sort();
    let lines: Vec<_> = found.iter().map(|(line, _)| line.as_str()).collect();
    let mut once = lines.clone();
    once.dedup();
    assert_eq!(once, lines);
    // As long as they say, or without a word on that.
    let good = [
        "GET /GET-0 HTTP/1.1",
        "GET /GET-1 HTTP/1.1",
        "POST /POST-0 HTTP/1.1",
        "POST /POST-1 HTTP/1.1",
    ];
    for line in good.iter().chain(&["GET /x HTTP/1.1"]) {
        assert!(lines.contains(line), "{line} {lines:?}");
    }
    for (line, body) in &found {
        // The others never come whole.
        let is_good = good.contains(&line.as_str());
        let expected = if is_good { SMUGGLED } else { "" };
        assert_eq!(body, expected, "{line}");
        assert!(!line.contains("smuggled"), "{line}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_arrives_as_it_was_sent() -> Result<()> {
    let (place, origin) = (Place::new()?, CarelessOrigin::start()?);
    let _edge = place.edge_of(origin.port, "", "")?;
    for path in [
        "/",
        "//",
        "//smuggled",
        "/%2e%2e/smuggled",
        "/..%2fsmuggled",
        "/%00",
        "/%0d%0aX:y",
        "/a//b",
        "/a/./b",
        "/a/../b",
        "/;x=y",
        "/%c0%ae",
        "/%ff",
        "/a%20b",
        "/?a?b",
        "/??",
        "/x?b=1&a=2",
        "/&",
        "/~x",
        "/%2525",
        "/.",
        "/..",
    ] {
        for method in ["GET", "POST"] {
            let head = head(method, &[(":path", path)]);
            let found = seen(&place, &origin, &head, "").await?;
            assert_eq!(found, only(method, path, ""));
        }
    }
    // The library cuts a fragment off before anybody sees it: nothing arrives of it, nor is it in any key.
    let head = head("POST", &[(":path", "/a#b")]);
    let found = seen(&place, &origin, &head, "").await?;
    assert_eq!(found, only("POST", "/a", ""));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_arrives_byte_for_byte_whatever_the_method_and_whether_its_length_is_known()
-> Result<()> {
    let (place, origin) = (Place::new()?, CarelessOrigin::start()?);
    let _edge = place.edge_of(origin.port, "", "")?;
    let known = &[("content-length", "42")][..];
    for (method, fields) in [
        ("GET", known),
        ("HEAD", known),
        ("POST", known),
        ("PUT", known),
        ("PATCH", known),
        ("DELETE", known),
        ("OPTIONS", known),
        // A cache must not answer these two as if there were no body.
        ("GET", &[]),
        ("HEAD", &[]),
        ("POST", &[]),
        ("PUT", &[]),
        ("PATCH", &[]),
        ("DELETE", &[]),
        ("OPTIONS", &[]),
    ] {
        let found = seen(&place, &origin, &head(method, fields), SMUGGLED).await?;
        assert_eq!(found, only(method, "/x", SMUGGLED), "{fields:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_that_come_in_pieces_reach_the_origin_as_one_field() -> Result<()> {
    let (place, origin) = (Place::new()?, CarelessOrigin::start()?);
    let _edge = place.edge_of(origin.port, "", "")?;
    let fields = [("cookie", "a=b"), ("cookie", "c=d"), ("authorization", "x")];
    let frames = frame(HEADERS, END_STREAM | END_HEADERS, 1, &head("GET", &fields));
    exchange(&place, &frames).await?;
    let seen = origin.take();
    let head = seen
        .first()
        .map(|(head, _)| head.to_ascii_lowercase())
        .unwrap_or_default();
    assert_eq!(head.matches("\ncookie: ").count(), 1, "{head}");
    assert!(head.contains("cookie: a=b; c=d\r\n"), "{head}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_without_end_costs_its_client_the_connection_and_others_nothing() -> Result<()> {
    let (place, origin) = (Place::new()?, CarelessOrigin::start()?);
    let _edge = place.edge_of(origin.port, "", "")?;
    let mut stream = place.stream().await?;
    stream.write_all(HELLO).await?;
    stream
        .write_all(&frame(HEADERS, 0, 1, &head("GET", &[])))
        .await?;
    let more = frame(CONTINUATION, 0, 1, &field(b"x", &[b'y'; 4000]));
    let mut sent = 0;
    // It must end long before this.
    while sent < 10_000 && stream.write_all(&more).await.is_ok() {
        sent += 1;
    }
    assert!(sent < 10_000, "nobody minds");
    let found = seen(&place, &origin, &head("GET", &[]), "").await?;
    assert_eq!(found, only("GET", "/x", ""));
    Ok(())
}
