//! What an origin says, well or badly, is the answer to one request and to no other.

use anyhow::{Context as _, Result};
use crackers_tests::careless_origin::CarelessOrigin;
use crackers_tests::lone_edge::lone_edge_with;
use crackers_tests::raw::exchange;

/// What must never be taken for an answer of its own.
const SMUGGLED: &str = "HTTP/1.1 200 OK\r\nX-Smuggled: 1\r\nContent-Length: 8\r\n\r\nsmuggled";

/// Heads that two programs could read in two ways, each before a body that looks like an answer.
const HEADS: [&str; 19] = [
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 72\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 72\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 0, 72\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: +0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 0x0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 204 No Content\r\nContent-Length: 72\r\n\r\n",
    "HTTP/1.1 304 Not Modified\r\nContent-Length: 72\r\n\r\n",
    "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "HTTP/1.1 200 OK\r\nX: a\r\n folded: b\r\nContent-Length: 0\r\n\r\n",
];

/// Says the head that the path names, and more than belongs to it.
fn answer(head: &str) -> Vec<u8> {
    let path = head.split(' ').nth(1).unwrap_or_default();
    let number = path.trim_start_matches('/').parse::<usize>();
    let said = number.ok().and_then(|number| HEADS.get(number));
    match said {
        Some(said) => format!("{said}{SMUGGLED}").into_bytes(),
        None => b"HTTP/1.1 200 OK\r\nX-Next: 1\r\nCache-Control: no-store\r\nContent-Length: 4\r\n\r\nnext".to_vec(),
    }
}

/// One message off the beginning of these: its head and body, and what follows.
fn message(answers: &str) -> Result<(&str, &str, &str)> {
    let (head, rest) = answers.split_once("\r\n\r\n").context("no head")?;
    let small = head.to_ascii_lowercase();
    if small.contains("\r\ntransfer-encoding: chunked") {
        let end = rest.find("0\r\n\r\n").map_or(rest.len(), |at| at + 5);
        return Ok((head, &rest[..end], &rest[end..]));
    }
    let length = small
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let has_body = !small.starts_with("http/1.1 204") && !small.starts_with("http/1.1 304");
    let length = length.filter(|_| has_body).unwrap_or(0).min(rest.len());
    Ok((head, &rest[..length], &rest[length..]))
}

#[test]
fn whatever_an_origin_says_the_next_request_gets_its_own_answer() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, CarelessOrigin::answering(answer)?);
    let own = "admit: {rate_limits: []}\ncache: {routes: [{path_prefix: /, enabled: true, query: [], ignored_query: [], ttl_seconds: null}]}\n\
        forward: {retries_max: 0}\ndispatch: {breaker: {failures_percent: 0}}\n";
    let (_edge, port) = lone_edge_with(folder.path(), origin.port, own)?;
    for (number, said) in HEADS.iter().enumerate() {
        for method in ["GET", "POST"] {
            let length = if method == "POST" {
                "Content-Length: 0\r\n"
            } else {
                ""
            };
            let text = format!(
                "{method} /{number} HTTP/1.1\r\nHost: a\r\n{length}\r\nPOST /next HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            let (answers, _) = exchange(port, text.as_bytes())?;
            let (first, _, rest) =
                message(&answers).with_context(|| format!("{method} {said:?} {answers}"))?;
            let told = format!("{method} {said:?}: {answers}");
            assert!(
                first.starts_with("HTTP/1.1 ") && !first.contains("X-Smuggled"),
                "{told}"
            );
            // The edge may also have given the connection up.
            if !rest.is_empty() {
                let (second, _, last) = message(rest).with_context(|| told.clone())?;
                assert!(
                    second.to_lowercase().contains("x-next: 1") && last.is_empty(),
                    "{told}"
                );
            }
            // Nobody else gets what was left over on a connection to the origin.
            for _ in 0..2 {
                let next = "POST /next HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                let (next, _) = exchange(port, next.as_bytes())?;
                assert!(
                    next.to_lowercase().contains("x-next: 1") && !next.contains("muggled"),
                    "{told}\n{next}"
                );
            }
        }
    }
    Ok(())
}
