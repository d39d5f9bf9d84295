//! What is refused before any stage has seen it is answered, counted and written down like everything else.

use anyhow::{Context as _, Result};
use crackers_tests::gated::Gated;
use crackers_tests::lone_edge::{lone_edge_of, overlay};
use crackers_tests::raw::exchange;
use serde_json::{Value, json};

use super::http2::{NAME, Place, ask, request};

const LOG: &str = "telemetry: {access_log: {enabled: true, file: access.log, addresses: true}}\n";

fn lines(folder: &std::path::Path) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(folder.join("access.log"))?;
    Ok(text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?)
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_heads_carry_what_every_answer_does_and_leave_a_line() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, Gated::start()?);
    let own = format!("accept: {{head_timeout_ms: 1000}}\n{LOG}");
    let mut edge = lone_edge_of(folder.path(), &overlay(origin.port), &own)?;
    let refused = [
        ("GET /a?name=x HTTP/1.1\r\n\r\n", 400, "GET", "/a"),
        ("GET http://A/x HTTP/1.1\r\nHost: a\r\n\r\n", 400, "GET", ""),
        ("GET /late HTTP/1.1\r\n", 408, "GET", "/late"),
        (
            "PUT /large HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n",
            413,
            "PUT",
            "/large",
        ),
        ("GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505, "GET", "/"),
        ("\u{16}\u{3}\u{1}\r\n\r\n", 400, "", ""),
    ];
    for (head, status, ..) in refused {
        let (answer, _) = exchange(edge.port, head.as_bytes())?;
        let answer = answer.to_ascii_lowercase();
        let (said, body) = answer.split_once("\r\n\r\n").context("no head")?;
        assert!(said.starts_with(&format!("http/1.1 {status} ")), "{answer}");
        for field in [
            "x-content-type-options: nosniff",
            "content-security-policy: default-src 'self';",
            "date: ",
            "x-request-id: ",
            "connection: close",
            &format!("content-length: {}", body.len()),
        ] {
            assert_eq!(said.matches(field).count(), 1, "{field}: {answer}");
        }
        assert!(!said.contains("strict-transport"), "{answer}");
    }
    let counted = "requests_total{method=\"GET\",status=\"400\"}";
    edge.metric_is(counted, 2).await?;
    let counted = "requests_total{method=\"other\",status=\"400\"}";
    edge.metric_is(counted, 1).await?;
    assert!(edge.process.terminate()?.success());
    let told = lines(folder.path())?;
    let told: Vec<_> = told
        .iter()
        .map(|line| {
            let known = [&line["method"], &line["path"], &line["status"]];
            (json!(known), line["host"].clone(), line["client"].clone())
        })
        .collect();
    let expected: Vec<_> = refused
        .iter()
        .map(|(_, status, method, path)| {
            (json!([method, path, status]), json!(""), json!("127.0.0.1"))
        })
        .collect();
    assert_eq!(told, expected);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_streams_do_too() -> Result<()> {
    let (place, origin) = (Place::new()?, Gated::start()?);
    let mut edge = place.edge_of(origin.port, "", LOG)?;
    let client = place.connect().await?;
    let mut fields = vec![("x-request-id", "one-and-the-same")];
    fields.extend([("x", "y"); 101]);
    let (answer, body) = ask(&client, request("GET", "/a?name=x", &fields)?, b"").await?;
    assert_eq!(answer.status(), 431);
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-request-id", "one-and-the-same"),
        ("content-type", "application/problem+json"),
        (
            "strict-transport-security",
            "max-age=31536000; includeSubDomains",
        ),
    ] {
        assert_eq!(answer.headers()[name], value);
    }
    assert!(answer.headers().contains_key("date"));
    let (answer, nothing) = ask(&client, request("HEAD", "/a", &fields)?, b"").await?;
    assert_eq!((answer.status().as_u16(), nothing.len()), (431, 0));
    let counted = "requests_total{method=\"GET\",status=\"431\"}";
    edge.metric_is(counted, 1).await?;
    assert!(edge.process.terminate()?.success());
    let told = lines(place.folder())?;
    let first = told.first().context("no line")?;
    let known = ["request_id", "method", "host", "path", "status", "bytes"];
    let known = known.map(|name| &first[name]);
    let expected = json!(["one-and-the-same", "GET", NAME, "/a", 431, body.len()]);
    assert_eq!(json!(known), expected);
    Ok(())
}
