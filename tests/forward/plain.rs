//! Plain requests are forwarded without Pingora: the same answers, and the same requests at the origin.

use std::path::Path;

use anyhow::Result;
use crackers_tests::lone_edge::{LoneEdge, lone_edge_of};
use crackers_tests::raw;
use crackers_tests::scripted::{Script, Scripted};

const LAST: &str =
    "GET /health HTTP/1.1\r\nHost: shop\r\nX-Request-Id: the-last-one\r\nConnection: close\r\n\r\n";

/// No budget, breaker or ejection that a test of hundreds of failures would meet.
const SETTINGS: &str = "admit:\n  rate_limits: [{name: all, methods: [], path_prefixes: [], requests_max: 1000000, window_ms: 60000}]\n\
    dispatch:\n  breaker: {window_ms: 10000, requests_min: 20, failures_percent: 0, slow_ms: 10000, slow_percent: 0, open_ms: 2000, probes: 3}\n";

const REQUESTS: [&str; 25] = [
    "GET /x HTTP/1.1\r\n",
    "GET /x HTTP/1.1\r\nAccept-Encoding: br, gzip\r\n",
    "GET /x HTTP/1.1\r\nCookie: a=b\r\nCookie: c=\u{e9}\r\nUser-Agent: t\r\nX-Odd:\r\n",
    "GET /x HTTP/1.1\r\nAuthorization: Bearer none\r\nCache-Control: no-cache\r\n",
    "GET /x HTTP/1.1\r\nRange: bytes=0-1\r\nIf-Range: \"a\"\r\n",
    "GET /x HTTP/1.1\r\nIf-None-Match: \"a-gzip\", W/\"b-br\"\r\nIf-Match: \"c\"\r\n",
    "GET /x HTTP/1.1\r\nX-Forwarded-For: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\nX-Forwarded-Host: other\r\n",
    "GET /x HTTP/1.1\r\nX-Original-URL: /y\r\nX-HTTP-Method-Override: PUT\r\nX-Real-IP: 1.2.3.4\r\nX-Request-Id: x\r\n",
    "GET /x HTTP/1.1\r\nKeep-Alive: 5\r\nProxy-Authorization: Basic x\r\nConnection: keep-alive\r\n",
    "GET /x HTTP/1.1\r\nTE: trailers\r\n",
    "GET /x HTTP/1.1\r\nAccept: text/event-stream\r\n",
    "GET /x HTTP/1.1\r\nContent-Length: 2\r\n\r\nok",
    "HEAD /x HTTP/1.1\r\nAccept-Encoding: gzip\r\n",
    "POST /x HTTP/1.1\r\nContent-Length: 0\r\n",
    "POST /x HTTP/1.1\r\n",
    "POST /x HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"a\":\"b\\n\"}",
    "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "PUT /x HTTP/1.1\r\nContent-Length: 2\r\nIf-Match: \"a-br\"\r\n\r\nok",
    "PUT /x HTTP/1.1\r\nContent-Length: 2\r\nIf-Match: \"a,b-br\"\r\nIf-Match: \"c\"\r\n\r\nok",
    "PUT /x HTTP/1.1\r\nContent-Length: 2\r\nIf-Match: \"\u{e9}\"\r\nIf-Match: \"c\"\r\n\r\nok",
    "PATCH /x HTTP/1.1\r\nContent-Length: 2\r\n\r\nok",
    "DELETE /x HTTP/1.1\r\n",
    "OPTIONS /x HTTP/1.1\r\n",
    "TRACE /x HTTP/1.1\r\n",
    "GET /x HTTP/1.1\r\nConnection: close\r\n",
];

/// Answers that both ways have to pass on alike, and whether the connection ends behind them.
fn answers() -> Vec<(String, bool)> {
    let (text, long) = ("0123456789abcdef".repeat(40), "x".repeat(300_000));
    let sized = |fields: &str, body: &str| {
        let length = body.len();
        format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {length}\r\n\r\n{body}")
    };
    let chunked = |fields: &str, chunks: &str| {
        format!("HTTP/1.1 200 OK\r\n{fields}Transfer-Encoding: chunked\r\n\r\n{chunks}")
    };
    let status = |line: &str, fields: &str| {
        format!("HTTP/1.1 {line}\r\n{fields}Content-Length: 2\r\n\r\nok")
    };
    let kept = [
        sized("", "ok"),
        sized("", ""),
        sized("Content-Type: text/plain\r\nETag: \"a\"\r\n", &text),
        sized(
            "Content-Type: text/plain\r\nContent-Encoding: gzip\r\n",
            &text,
        ),
        sized("Content-Type: image/png\r\n", &long),
        sized("Content-Type: text/plain\r\n", &long),
        sized(
            "Set-Cookie: a=b\r\nSet-Cookie: c=d\r\nX-Request-Id: own\r\nCache-Tag: t\r\nServer: s\r\n",
            "ok",
        ),
        sized(
            "X-Frame-Options: ALLOW\r\nVary: Accept\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nAge: 5\r\n",
            "ok",
        ),
        chunked(
            "Content-Type: text/plain\r\n",
            "2\r\nok\r\n3;a=b\r\nyes\r\n0\r\n\r\n",
        ),
        chunked(
            "Content-Type: text/event-stream\r\n",
            "9\r\ndata: a\n\n\r\n0\r\n\r\n",
        ),
        chunked("", "2\r\nok\r\n0\r\nX-Trailer: y\r\n\r\n"),
        chunked("", "0\r\n\r\n"),
        "HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n".to_owned(),
        "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n".to_owned(),
        format!(
            "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nCache-Tag: t\r\n\r\n\
             HTTP/1.1 102 Processing\r\n\r\n{}",
            sized("", "after hints")
        ),
        status("201 Created", "Location: /y\r\n"),
        status("302 Found", "Location: /y\r\n"),
        status("299 Odd", ""),
        status("404", ""),
        status("500 Internal Server Error", ""),
        status("502 Bad Gateway", ""),
        status("503 Service Unavailable", "Retry-After: 5\r\n"),
    ];
    let ended = [
        "HTTP/1.1 200 OK\r\n\r\nuntil the end".to_owned(),
        "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nold".to_owned(),
        "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold".to_owned(),
        sized("Connection: close\r\n", "ok"),
        chunked("", "9\r\nhalf"),
        chunked("", "2\r\nok\r\n"),
        String::new(),
        "HTTP/1.1 200 O".to_owned(),
    ];
    let kept = kept.into_iter().map(|answer| (answer, false));
    kept.chain(ended.into_iter().map(|answer| (answer, true)))
        .collect()
}

/// Answers that could be read in two ways, or not at all.
const MALFORMED: [&str; 14] = [
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "HTTP/1.1 200 OK\r\nX : a\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    "HTTP/2 200\r\n\r\n",
    "SSH-2.0-OpenSSH\r\n\r\n",
];

pub(super) fn scripts(answers: &[(String, bool)]) -> Vec<Script> {
    let each = answers.iter().enumerate();
    each.map(|(number, (answer, closes))| Script {
        path: format!("/api/cart/{number}"),
        answer: answer.clone().into_bytes(),
        closes: *closes,
    })
    .collect()
}

/// An edge in front of an origin that tries as often as it may.
pub(super) fn edge(folder: &Path, origin: u16, is_plain: bool) -> Result<LoneEdge> {
    std::fs::create_dir_all(folder)?;
    let groups = format!(
        "forward:\n  retry_budget: {{percent: 100, floor: 1000000, window_ms: 10000}}\n  groups:\n    - name: origin\n      \
         servers: [{{address: '127.0.0.1:{origin}', weight: 1}}]\n      \
         health: {{path: /api/health/live, interval_ms: 1000, timeout_ms: 1000, healthy_after: 1, unhealthy_after: 9}}\n"
    );
    let own = format!("accept: {{forward_plain_requests: {is_plain}}}\n{SETTINGS}");
    lone_edge_of(folder, &groups, &own)
}

/// One message: its lines in order, what may differ taken out, and its body without chunks.
fn messages(mut text: &str) -> Vec<String> {
    let mut found = Vec::new();
    while let Some((head, rest)) = text.split_once("\r\n\r\n") {
        let small = head.to_ascii_lowercase();
        let varies = |line: &&str| {
            let line = line.to_ascii_lowercase();
            !(line.starts_with("date: ") || line.starts_with("ratelimit: "))
        };
        let mut lines: Vec<_> = head.split("\r\n").filter(varies).collect();
        lines.sort_unstable();
        let length = small
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        let has_next = rest.starts_with("HTTP/1.1 ");
        let (body, after) = if small.contains("transfer-encoding: chunked") && !has_next {
            unchunked(rest)
        } else if has_next {
            (String::new(), rest)
        } else {
            let end = length.unwrap_or(rest.len()).min(rest.len());
            let (body, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            (body.to_owned(), after)
        };
        found.push(format!("{}\n\n{body}", lines.join("\n")));
        text = after;
    }
    found.push(text.to_owned());
    found
}

fn unchunked(mut text: &str) -> (String, &str) {
    let mut body = String::new();
    while let Some((size, rest)) = text.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap_or(0);
        let end = size.min(rest.len());
        let (Some(chunk), Some(after)) = (rest.get(..end), rest.get(end..)) else {
            // What the edge has compressed is no text, and may be cut into other pieces.
            return (body + "|compressed", "");
        };
        body.push_str(chunk);
        text = after.strip_prefix("\r\n").unwrap_or_default();
        if size == 0 {
            return (body + "|whole", text);
        }
    }
    (body + "|broken", "")
}

/// What a client got, whether he was left, and what the origin saw.
pub(super) type Seen = (Vec<String>, bool, Vec<String>);

pub(super) fn ask(edge: &LoneEdge, origin: &Scripted, request: &str) -> Result<Seen> {
    let (answer, is_closed) = raw::exchange(edge.port, request.as_bytes())?;
    Ok((messages(&answer), is_closed, origin.seen()))
}

/// A request for one of the answers, another one behind it.
pub(super) fn request(text: &str, number: usize) -> String {
    let own = "Host: shop\r\nX-Request-Id: one-and-the-same\r\n\
               traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";
    let (line, rest) = text.split_once("\r\n").unwrap_or_default();
    let line = line.replacen("/x", &format!("/api/cart/{number}"), 1);
    let (fields, body) = rest
        .split_once("\r\n\r\n")
        .map_or((rest, ""), |(fields, body)| (fields, body));
    let ending = if fields.is_empty() || fields.ends_with("\r\n") {
        ""
    } else {
        "\r\n"
    };
    format!("{line}\r\n{own}{fields}{ending}\r\n{body}{LAST}")
}

#[test]
fn answers_and_what_the_origin_sees_are_the_same_with_pingora_and_without() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let answers = answers();
    let ways = [true, false].map(|is_plain| -> Result<_> {
        let origin = Scripted::start(&scripts(&answers))?;
        let edge = edge(
            &folder.path().join(is_plain.to_string()),
            origin.port,
            is_plain,
        )?;
        Ok((edge, origin))
    });
    let [short, long] = ways;
    let (short, long) = (short?, long?);
    let mut differing = Vec::new();
    for (number, (answer, _)) in answers.iter().enumerate() {
        for text in REQUESTS {
            let request = request(text, number);
            let [one, other] = [&short, &long].map(|(edge, origin)| ask(edge, origin, &request));
            let start = &answer[..answer.len().min(200)];
            let (one, other) = (one?, other?);
            if one != other {
                differing.push(format!(
                    "{request:?}\nanswered with {start:?}\nwithout: {one:?}\nwith:    {other:?}"
                ));
            }
        }
    }
    let count = differing.len();
    assert!(differing.is_empty(), "{count}:\n{}", differing.join("\n\n"));
    Ok(())
}

#[test]
fn an_answer_that_could_be_read_in_two_ways_reaches_nobody() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let answers = MALFORMED.map(|answer| (answer.to_owned(), true));
    let origin = Scripted::start(&scripts(&answers))?;
    let edge = edge(folder.path(), origin.port, true)?;
    for (number, answer) in MALFORMED.iter().enumerate() {
        for text in [
            "GET /x HTTP/1.1\r\n",
            "POST /x HTTP/1.1\r\nContent-Length: 2\r\n\r\nok",
        ] {
            let (answers, is_closed, seen) = ask(&edge, &origin, &request(text, number))?;
            assert!(
                answers[0].contains("HTTP/1.1 502 Bad Gateway"),
                "{answer:?}: {answers:?}"
            );
            assert!(
                is_closed && answers[0].contains("origin_broke_off"),
                "{answers:?}"
            );
            // An answer was there, if a bad one: a POST is not sent again.
            let most = if text.starts_with("POST") { 1 } else { 2 };
            assert!((1..=most).contains(&seen.len()), "{seen:?}");
        }
    }
    Ok(())
}
