//! Stage `respond`: what every answer carries, which coding it comes in, and what the origin and the edge say only to each other.

use anyhow::{Context as _, Result};
use bytes::Bytes;
use crackers_tests::lone_edge::lone_edge;
use crackers_tests::process::Process;
use crackers_tests::recording_origin::RecordingOrigin;
use http::{Request, Response};
use reqwest::{Client, ClientBuilder};

const WORDS: &str = "Ground chakras and flower pots, rockets and sparklers. ";

/// An answer for each way a body can be: never to be stored, of the kind and length that its path says.
fn answer(request: &Request<Bytes>) -> Response<Bytes> {
    let kind = match request.uri().path() {
        "/picture" => "image/png",
        "/events" => "text/event-stream",
        _ => "text/html; charset=utf-8",
    };
    let length = if request.uri().path() == "/short" {
        1
    } else {
        200
    };
    let mut answer = Response::new(Bytes::from(WORDS.repeat(length)));
    let fields = [
        ("content-type", kind),
        ("cache-control", "private, no-store"),
        ("etag", "\"version-7\""),
        ("cache-tag", "product-1"),
        ("cdn-cache-control", "max-age=0"),
        ("x-memory-usage", "1000"),
        ("x-frame-options", "ALLOWALL"),
    ];
    for (name, value) in fields {
        let value = http::HeaderValue::from_static(value);
        answer.headers_mut().insert(name, value);
    }
    answer
}

struct Shop {
    origin: RecordingOrigin,
    url: String,
    _edge: Process,
    _folder: tempfile::TempDir,
}

async fn shop() -> Result<Shop> {
    let folder = tempfile::tempdir()?;
    let origin = RecordingOrigin::start(answer).await?;
    let (edge, port) = lone_edge(folder.path(), origin.port)?;
    Ok(Shop {
        origin,
        url: format!("http://127.0.0.1:{port}"),
        _edge: edge,
        _folder: folder,
    })
}

/// A client that shows codings instead of taking them off.
fn plain() -> ClientBuilder {
    Client::builder().no_gzip().no_brotli()
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_is_not_stored_comes_in_the_clients_best_coding() -> Result<()> {
    let shop = shop().await?;
    let whole = WORDS.repeat(200);
    for (accepted, coding, tag) in [
        ("gzip", "gzip", "\"version-7-gzip\""),
        ("gzip;q=0.5, br", "br", "\"version-7-br\""),
        ("gzip;q=0, br;q=0", "", "\"version-7\""),
        ("identity", "", "\"version-7\""),
    ] {
        let asked = plain().build()?.get(format!("{}/text", shop.url));
        let answer = asked.header("accept-encoding", accepted).send().await?;
        let fields = answer.headers().clone();
        let field = |name: &str| {
            fields
                .get(name)
                .map_or("", |one| one.to_str().unwrap_or("?"))
        };
        assert_eq!(field("content-encoding"), coding, "{accepted}");
        assert_eq!(field("etag"), tag, "{accepted}");
        assert!(
            field("vary")
                .to_ascii_lowercase()
                .contains("accept-encoding"),
            "{accepted}: {fields:?}"
        );
        let body = answer.bytes().await?;
        assert_eq!(body == whole, coding.is_empty(), "{accepted}");
        assert_eq!(
            body.len() < whole.len() / 10,
            !coding.is_empty(),
            "{accepted}"
        );
    }
    for client in [Client::builder().no_brotli(), Client::builder().no_gzip()] {
        let decoded = client.build()?.get(format!("{}/text", shop.url));
        assert_eq!(decoded.send().await?.text().await?, whole);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_gains_nothing_from_a_coding_comes_as_it_is() -> Result<()> {
    let shop = shop().await?;
    for (path, length) in [("/picture", 200), ("/events", 200), ("/short", 1)] {
        let asked = plain().build()?.get(format!("{}{path}", shop.url));
        let answer = asked.header("accept-encoding", "gzip, br").send().await?;
        assert!(!answer.headers().contains_key("content-encoding"), "{path}");
        assert_eq!(answer.bytes().await?, WORDS.repeat(length), "{path}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn security_fields_stand_above_the_origins_and_internal_ones_stay_inside() -> Result<()> {
    let shop = shop().await?;
    let answer = reqwest::get(format!("{}/text", shop.url)).await?;
    let method = reqwest::Method::TRACE;
    let asked = Client::new().request(method, format!("{}/text", shop.url));
    let refused = asked.send().await?;
    assert_eq!(refused.status(), 405);
    for fields in [answer.headers(), refused.headers()] {
        let frames: Vec<_> = fields.get_all("x-frame-options").iter().collect();
        assert_eq!(frames, ["DENY"]);
        let policy = fields["content-security-policy"].to_str()?;
        assert!(policy.starts_with("default-src 'self'"), "{policy}");
        assert_eq!(fields["x-content-type-options"], "nosniff");
        for internal in ["cache-tag", "cdn-cache-control", "x-memory-usage", "server"] {
            assert!(!fields.contains_key(internal), "{internal}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_goes_on_at_the_origin_and_one_is_begun_where_there_is_none() -> Result<()> {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let shop = shop().await?;
    let asked = reqwest::Client::new().get(format!("{}/traced", shop.url));
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    asked.header("traceparent", &parent).send().await?;
    let asked = reqwest::Client::new().get(format!("{}/broken", shop.url));
    asked.header("traceparent", "00-nonsense").send().await?;
    let seen = shop.origin.seen();
    let parts = |path: &str| -> Result<Vec<String>> {
        let request = seen.iter().find(|one| one.uri().path() == path);
        let field = request.and_then(|one| one.headers().get("traceparent"));
        let text = field.context("no traceparent")?.to_str()?;
        Ok(text.split('-').map(str::to_owned).collect())
    };
    let traced = parts("/traced")?;
    assert_eq!((traced[0].as_str(), traced[1].as_str()), ("00", TRACE));
    assert_eq!((traced[2].len(), traced[3].as_str()), (16, "01"));
    let begun = parts("/broken")?;
    assert_eq!((begun[1].len(), begun[2].len()), (32, 16));
    assert!(begun[1].bytes().any(|digit| digit != b'0'));
    Ok(())
}
