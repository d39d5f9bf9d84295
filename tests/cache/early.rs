//! Hits that are answered without Pingora: the same answers, counted the same. What is compared here is compared over TLS by
//! `early_tls`.

use anyhow::Result;
use crackers_tests::raw;
use crackers_tests::stack::Stack;

/// Makes the edge take the long way, and changes nothing else.
const LONG_WAY: &str = "Connection: keep-alive, x-slow\r\n";

/// The same in both, since problems repeat it in their bodies.
const ID: &str = "X-Request-Id: one-and-the-same\r\n";

/// Ends the connection after the request before it was answered.
const LAST: &str = "GET /health HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n";

/// No budget that a test would meet, and a site that may ask across origins.
pub(super) const SETTINGS: &str = "admit:\n  rate_limits: [{name: all, methods: [], path_prefixes: [], requests_max: 1000000, window_ms: 60000}]\n  \
    cors: {origins: ['https://admin.example'], methods: [GET], headers: [], max_age_seconds: 5}\n";

pub(super) const LINES: [&str; 22] = [
    "GET /api/categories HTTP/1.1",
    "HEAD /api/categories HTTP/1.1",
    "GET /api/products?limit=5&sort=name HTTP/1.1",
    "GET /api/products?sort=name&limit=5 HTTP/1.1",
    "GET /?utm_source=mail&gclid=1 HTTP/1.1",
    "GET / HTTP/1.1",
    "HEAD / HTTP/1.1",
    "GET /api/price-list.csv HTTP/1.1",
    "GET /api/products?unknown=1 HTTP/1.1",
    "GET /api/products/no-such HTTP/1.1",
    "GET /health HTTP/1.1",
    "GET //api/categories HTTP/1.1",
    "GET /api/%63ategories HTTP/1.1",
    "GET /api/categories#part HTTP/1.1",
    "GET /api/categories? HTTP/1.1",
    "GET /api/categories/../categories HTTP/1.1",
    "GET /api/\"categories HTTP/1.1",
    "GET /api/caf\u{e9} HTTP/1.1",
    "GET http://shop/api/categories HTTP/1.1",
    "GET http://other/api/categories HTTP/1.1",
    "GET /api/categories HTTP/1.0",
    "DELETE /api/categories HTTP/1.1",
];

pub(super) const FIELDS: [&str; 48] = [
    "",
    "Accept-Encoding: gzip\r\n",
    "Accept-Encoding: br;q=0.5, gzip;q=0.9\r\n",
    "Accept-Encoding: gzip\r\nAccept-Encoding: br\r\n",
    "Accept-Encoding: *;q=0, \u{e9}\r\n",
    "Accept-Encoding: br\r\n",
    "accept-encoding:identity\r\n",
    "If-None-Match: *\r\n",
    "If-None-Match: \"other\", W/\"more\"\r\n",
    "If-None-Match: ETAG\r\n",
    "If-None-Match: W/ETAG\r\n",
    "If-None-Match: \"x\"\r\nIf-None-Match: ETAG\r\n",
    "if-none-match:   ETAG  \r\n",
    "If-Modified-Since: Sat, 06 Nov 2094 08:49:37 GMT\r\n",
    "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
    "If-Modified-Since: yesterday\r\n",
    "If-Modified-Since: Sat, 06 Nov 2094 08:49:37 GMT\r\nIf-Modified-Since: x\r\n",
    "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
    "If-Match: \"other\"\r\n",
    "Range: bytes=0-9\r\n",
    "Range: bytes=0-9\r\nIf-Range: ETAG\r\n",
    "Range: bytes=-9\r\nAccept-Encoding: br\r\n",
    "Range: bytes=99999999-\r\n",
    "Cache-Control: only-if-cached\r\n",
    "Cache-Control: no-cache\r\nPragma: no-cache\r\n",
    "Authorization: Bearer a\r\n",
    "Cookie: crackers_session=made.up; a=b\r\n",
    "Cookie: crackers_session=a.b.c.d\r\nCookie: \u{e9}\r\n",
    "Origin: https://elsewhere.example\r\n",
    "Origin: https://admin.example\r\n",
    "Origin: null\r\nAccess-Control-Request-Method: GET\r\n",
    "Content-Length: 0\r\n",
    "Content-Length: 0\r\nContent-Length: 0\r\n",
    "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding : chunked\r\n",
    "Expect: 100-continue\r\n",
    "Upgrade: h2c\r\n",
    "TE: trailers\r\nTrailer: X-A\r\n",
    "X-Forwarded-For: 198.51.100.7\r\nX-Request-Id: short\r\n",
    "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n",
    "Host: other\r\n",
    "X-Odd: \u{e9}\r\nX-Empty:\r\n",
    "X-Tab:\ta\tb\r\n",
    " folded\r\n",
    "X-Line: a\nb\r\n",
    "X-Null: a\0b\r\n",
    "No colon\r\n",
    ": no name\r\n",
];

/// What may differ between two answers to the same request: time, ids, what is left of a budget; and the order of fields.
fn steady(answer: &str) -> String {
    let varies = [
        "date:",
        "age:",
        "x-request-id:",
        "ratelimit:",
        "cache-status:",
    ];
    let mut messages = Vec::new();
    // Problems repeat the id of a request that nobody else named.
    let instance = answer.split_once("\"instance\":\"").map(|(_, rest)| rest);
    let id = instance
        .and_then(|rest| rest.split('"').next())
        .unwrap_or("-");
    for part in answer.replace(id, "-").split("\r\n\r\n") {
        let lines = part.split("\r\n").map(|line| {
            let small = line.to_ascii_lowercase();
            match varies.iter().find(|name| small.starts_with(**name)) {
                Some(name) if *name == "date:" => line[..5].to_owned(),
                Some(_) => line
                    .chars()
                    .filter(|c| !c.is_ascii_hexdigit() && *c != '-')
                    .collect(),
                None => line.to_owned(),
            }
        });
        let mut lines: Vec<String> = lines.collect();
        lines.sort();
        messages.push(lines.join("\n"));
    }
    messages.join("\n\n")
}

/// The same request for the short way and for the long one.
pub(super) fn ways(line: &str, fields: &str) -> [String; 2] {
    ["", LONG_WAY].map(|way| format!("{line}\r\nHost: shop\r\n{ID}{fields}{way}\r\n{LAST}"))
}

/// Holds what came on the short way, and whether the connection was closed then, against the same of the long one.
pub(super) fn assert_same(short: &(String, bool), long: &(String, bool), asked: &str) {
    assert_eq!(steady(&short.0), steady(&long.0), "{asked}");
    assert_eq!(short.1, long.1, "{asked}");
}

/// Sends a request on both ways.
fn both(port: u16, line: &str, fields: &str) -> Result<()> {
    let [short, long] = ways(line, fields);
    let short = raw::exchange(port, short.as_bytes())?;
    let long = raw::exchange(port, long.as_bytes())?;
    assert_same(&short, &long, &format!("{line} {fields:?}"));
    Ok(())
}

/// A request without anything else.
pub(super) fn bare(line: &str, accepted: &str) -> String {
    format!("{line}\r\nHost: shop\r\n{accepted}\r\n{LAST}")
}

/// The entity tag that an answer carries; one that nothing has where it carries none.
pub(super) fn etag_in(answer: &str) -> String {
    let head = answer.split("\r\n\r\n").next().unwrap_or_default();
    let etag = head.lines().find_map(|line| line.strip_prefix("etag: "));
    etag.unwrap_or("\"none\"").to_owned()
}

fn etag_of(port: u16, line: &str, accepted: &str) -> Result<String> {
    let (answer, _) = raw::exchange(port, bare(line, accepted).as_bytes())?;
    Ok(etag_in(&answer))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_the_same_whichever_way_it_took() -> Result<()> {
    let shop = Stack::start(1, SETTINGS).await?;
    for line in LINES {
        // Whatever can be stored is stored now.
        let etag = etag_of(shop.port, line, "")?;
        for fields in FIELDS {
            both(shop.port, line, &fields.replace("ETAG", &etag))?;
        }
    }
    Ok(())
}

/// Four hundred heads of several fields each, thrown together from the same table.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_a_made_up_head_is_the_same_whichever_way_it_took() -> Result<()> {
    let shop = Stack::start(1, SETTINGS).await?;
    let mut state: u64 = 20_261_125;
    let mut draw = |below: usize| {
        // A linear congruential generator: the same heads in every run.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 33).unwrap_or(0) % below
    };
    for line in LINES {
        // Whatever can be stored is stored now.
        etag_of(shop.port, line, "")?;
    }
    let etag = etag_of(shop.port, LINES[0], "Accept-Encoding: gzip\r\n")?;
    for _ in 0..400 {
        // Mostly what can be a hit, with fields that are mostly harmless.
        let line = if draw(3) > 0 {
            LINES[draw(4)]
        } else {
            LINES[draw(LINES.len())]
        };
        let mut fields = String::new();
        for _ in 0..=draw(4) {
            let among = if draw(5) > 0 { 16 } else { FIELDS.len() };
            fields.push_str(&FIELDS[draw(among)].replace("ETAG", &etag));
        }
        both(shop.port, line, &fields)?;
    }
    Ok(())
}

/// What an operator's own fields say stands above what is stored, and above what the edge adds, on both ways.
#[tokio::test(flavor = "multi_thread")]
async fn configured_fields_replace_stored_ones_whichever_way_the_answer_took() -> Result<()> {
    for own in [
        "{name: Content-Type, value: text/odd}, {name: ETag, value: '\"o\"'}, {name: X-Own, value: a}",
        // Policies add up.
        "{name: Content-Security-Policy, value: img-src a}, {name: Content-Security-Policy, value: font-src b}",
        "{name: Strict-Transport-Security, value: max-age=1}, {name: X-Request-Id, value: of-the-settings}",
    ] {
        let own = format!("respond: {{security_headers: [{own}]}}\n");
        let shop = Stack::start(1, &format!("{SETTINGS}{own}")).await?;
        etag_of(shop.port, LINES[0], "")?;
        for fields in ["", "Accept-Encoding: gzip\r\n", "If-None-Match: *\r\n"] {
            both(shop.port, LINES[0], fields)?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entity_tag_is_met_with_304_and_requests_that_arrive_together_are_answered_in_order()
-> Result<()> {
    let shop = Stack::start(1, "").await?;
    let etag = shop.get("/api/categories").await?.field("etag").to_owned();
    let one = |fields: &str| {
        format!(
            "GET /api/categories HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n{fields}\r\n",
            shop.port
        )
    };
    let known = format!("Accept-Encoding: br, gzip\r\nIf-None-Match: {etag}\r\n");
    let [short, long] = ["", LONG_WAY].map(|way| {
        let (first, second) = (one(&format!("{known}{way}")), one(way));
        raw::exchange(
            shop.port,
            format!("{first}{second}{first}{LAST}").as_bytes(),
        )
    });
    let (short, long) = (short?.0, long?.0);
    let statuses = |answer: &str| -> Vec<String> {
        let starts = answer
            .match_indices("HTTP/1.1 ")
            .map(|(at, start)| at + start.len());
        starts.map(|at| answer[at..at + 3].to_owned()).collect()
    };
    assert_eq!(statuses(&short), ["304", "200", "304", "200"], "{short}");
    assert_eq!(steady(&short), steady(&long));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn hits_are_counted_and_limited_the_same_whichever_way_they_took() -> Result<()> {
    let limits = "admit: {rate_limits: [{name: reads, methods: [GET], path_prefixes: [/api/categories], requests_max: 5, window_ms: 60000}]}\n";
    for way in ["", LONG_WAY] {
        let shop = Stack::start(1, limits).await?;
        let hit = "crackers_edge_cache_requests_total{outcome=\"hit\"}";
        let served = "crackers_edge_requests_total{method=\"GET\",status=\"200\"}";
        let request = format!("GET /api/categories HTTP/1.1\r\nHost: shop\r\n{way}\r\n");
        raw::exchange(shop.port, format!("{request}{LAST}").as_bytes())?;
        let before = [
            shop.edge_metric(hit).await?,
            shop.edge_metric(served).await?,
        ];
        let (answers, _) =
            raw::exchange(shop.port, format!("{}{LAST}", request.repeat(6)).as_bytes())?;
        assert_eq!(answers.matches("HTTP/1.1 429").count(), 2, "{way:?}");
        assert_eq!(shop.edge_metric(hit).await? - before[0], 4.0, "{way:?}");
        // The last one asked for /health.
        assert_eq!(shop.edge_metric(served).await? - before[1], 5.0, "{way:?}");
    }
    Ok(())
}
