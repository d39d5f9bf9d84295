//! Stage `accept`: what is refused before anything else looks at it.

mod connections;
mod dawdling;
mod dawdling_http2;
mod deadlines;
mod downgrade;
mod floods;
mod hostile;
pub(crate) mod http2;
mod leaving;
mod malformed;
mod malformed_streams;
mod proxy_protocol;
mod rapid_reset;
mod refusals;
mod slow_origin;
mod starting;
mod stopping;
mod streams;
mod tls;
mod turned_away;
mod upgrade;
mod workers;

use anyhow::Result;
use crackers_tests::raw::exchange;
use crackers_tests::stack::Stack;

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_are_refused_and_their_connection_is_closed() -> Result<()> {
    let shop = Stack::start(1, "").await?;
    for (request, status) in [
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\nHost: a\n\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n", 400),
        (
            "POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (
            "POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
            400,
        ),
        (
            "POST /api/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n7fffffff\r\n",
            413,
        ),
        (
            "POST /api/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
            501,
        ),
        (
            "POST /api/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            400,
        ),
        (
            "POST /api/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
            400,
        ),
        (
            "POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n",
            413,
        ),
        ("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        ("GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
    ] {
        let smuggled = format!("{request}GET /health HTTP/1.1\r\nHost: smuggled\r\n\r\n");
        let (answer, closed) = exchange(shop.port, smuggled.as_bytes())?;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request:?}: {answer}"
        );
        assert!(closed, "{request:?}: the connection stays open");
        assert_eq!(
            answer.matches("Content-Length: ").count(),
            1,
            "{request:?}: {answer}"
        );
        assert!(
            answer.contains("application/problem+json"),
            "{request:?}: {answer}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oversize_head_is_answered_431() -> Result<()> {
    let shop = Stack::start(1, "").await?;
    let request = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
        "x".repeat(20_000)
    );
    let (answer, closed) = exchange(shop.port, request.as_bytes())?;
    assert!(answer.starts_with("HTTP/1.1 431 ") && closed, "{answer}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_requests_are_answered_in_order_on_one_connection() -> Result<()> {
    let shop = Stack::start(1, "").await?;
    let requests = "GET /health HTTP/1.1\r\nHost: a\r\n\r\n\
                    POST /api/products HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n\
                    GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let (answer, closed) = exchange(shop.port, requests.as_bytes())?;
    let statuses: Vec<_> = answer
        .match_indices("HTTP/1.1 ")
        .map(|(at, _)| &answer[at + 9..at + 12])
        .collect();
    assert_eq!(
        (statuses, closed),
        (vec!["200", "405", "200"], true),
        "{answer}"
    );
    Ok(())
}
