//! HTTP/2 in, HTTP/1 out: whatever a frame can carry and a line cannot must not become a second request.

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

/// The request lines that the origin has seen once this request was over.
async fn seen(
    place: &Place,
    origin: &CarelessOrigin,
    head: &[u8],
    body: &str,
) -> Result<Vec<String>> {
    let flags = if body.is_empty() {
        END_STREAM | END_HEADERS
    } else {
        END_HEADERS
    };
    let mut frames = frame(HEADERS, flags, 1, head);
    if !body.is_empty() {
        frames.extend(frame(DATA, END_STREAM, 1, body.as_bytes()));
    }
    exchange(place, &frames).await?;
    let seen = origin.take().into_iter();
    Ok(seen
        .map(|(head, _)| head.lines().next().unwrap_or_default().to_owned())
        .collect())
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
        assert_eq!(found, [""; 0], "{fields:?}");
    }
    // The same edge, the same origin: it is those cases that were refused.
    let found = seen(&place, &origin, &head("GET", &[("te", "trailers")]), "").await?;
    assert_eq!(found, ["GET /x HTTP/1.1"]);
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
    let mut found = Vec::new();
    for (number, fields) in cases.iter().enumerate() {
        for method in ["POST", "GET"] {
            let path = format!("/{method}-{number}");
            let fields = [&[(":path", path.as_str())], *fields].concat();
            found.extend(seen(&place, &origin, &head(method, &fields), SMUGGLED).await?);
        }
    }
    // Those that the edge has broken off may arrive late, but before one that is asked for after them is answered at last.
    found.extend(seen(&place, &origin, &head("GET", &[]), "").await?);
    found.sort();
    let all = found.clone();
    found.dedup();
    assert_eq!(found, all);
    assert!(
        found.iter().all(|line| !line.contains("smuggled")),
        "{found:?}"
    );
    for good in [
        "GET /GET-0 HTTP/1.1",
        "POST /POST-1 HTTP/1.1",
        "GET /x HTTP/1.1",
    ] {
        assert!(found.iter().any(|line| line == good), "{good} {found:?}");
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
    assert_eq!(found, ["GET /x HTTP/1.1"]);
    Ok(())
}
