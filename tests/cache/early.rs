//! Hits that are answered without Pingora: the same answers, counted the same.

use anyhow::Result;
use crackers_tests::raw;
use crackers_tests::stack::Stack;

/// Makes the edge take the long way, and changes nothing else.
const LONG_WAY: &str = "Connection: keep-alive, x-slow\r\n";

/// The same in both, since problems repeat it in their bodies.
const ID: &str = "X-Request-Id: one-and-the-same\r\n";

/// Ends the connection after the request before it was answered.
const LAST: &str = "GET /health HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n";

const LINES: [&str; 15] = [
    "GET /api/categories HTTP/1.1",
    "HEAD /api/categories HTTP/1.1",
    "GET /api/products?limit=5&sort=name HTTP/1.1",
    "GET /api/products?sort=name&limit=5 HTTP/1.1",
    "GET /?utm_source=mail&gclid=1 HTTP/1.1",
    "GET / HTTP/1.1",
    "GET /api/price-list.csv HTTP/1.1",
    "GET /api/products?unknown=1 HTTP/1.1",
    "GET /api/products/no-such HTTP/1.1",
    "GET /health HTTP/1.1",
    "GET //api/categories HTTP/1.1",
    "GET /api/%63ategories HTTP/1.1",
    "GET /api/categories#part HTTP/1.1",
    "GET http://shop/api/categories HTTP/1.1",
    "DELETE /api/categories HTTP/1.1",
];

const FIELDS: [&str; 18] = [
    "",
    "Accept-Encoding: gzip\r\n",
    "Accept-Encoding: br;q=0.5, gzip;q=0.9\r\n",
    "Accept-Encoding: gzip\r\nAccept-Encoding: br\r\n",
    "accept-encoding:identity\r\n",
    "If-None-Match: *\r\n",
    "If-None-Match: \"other\", W/\"more\"\r\n",
    "If-Modified-Since: Sun, 06 Nov 2094 08:49:37 GMT\r\n",
    "Range: bytes=0-9\r\n",
    "Cache-Control: only-if-cached\r\n",
    "Cache-Control: no-cache\r\nPragma: no-cache\r\n",
    "Authorization: Bearer a\r\n",
    "Cookie: crackers_session=made.up; a=b\r\n",
    "Origin: https://elsewhere.example\r\n",
    "Content-Length: 0\r\n",
    "Expect: 100-continue\r\n",
    "X-Forwarded-For: 198.51.100.7\r\nX-Request-Id: short\r\n",
    "X-Odd: \u{e9}\r\nX-Empty:\r\n",
];

/// What may differ between two answers to the same request: time, ids, what is left of a budget.
fn steady(answer: &str) -> String {
    let varies = [
        "date:",
        "age:",
        "x-request-id:",
        "ratelimit:",
        "cache-status:",
    ];
    let lines = answer.split("\r\n").map(|line| {
        let small = line.to_ascii_lowercase();
        match varies.iter().find(|name| small.starts_with(**name)) {
            Some(_) => line
                .chars()
                .filter(|c| !c.is_ascii_hexdigit() && *c != '-')
                .collect(),
            None => line.to_owned(),
        }
    });
    let mut lines: Vec<String> = lines.collect();
    // The names of days and months are words, too.
    for line in &mut lines {
        if line.starts_with("Dt:") || line.starts_with("Date:") {
            "Date".clone_into(line);
        }
    }
    lines.join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_the_same_whichever_way_it_took() -> Result<()> {
    let shop = Stack::start(1, "").await?;
    for line in LINES {
        // Whatever can be stored is stored now.
        raw::exchange(
            shop.port,
            format!("{line}\r\nHost: shop\r\n\r\n{LAST}").as_bytes(),
        )?;
        for fields in FIELDS {
            let [short, long] = ["", LONG_WAY].map(|way| {
                let request = format!("{line}\r\nHost: shop\r\n{ID}{fields}{way}\r\n{LAST}");
                raw::exchange(shop.port, request.as_bytes())
            });
            let ((short, short_closed), (long, long_closed)) = (short?, long?);
            assert_eq!(steady(&short), steady(&long), "{line} {fields:?}");
            assert_eq!(short_closed, long_closed, "{line} {fields:?}");
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
