//! Stage `telemetry`: what is written of a request, and the interface that the edge is steered by.

mod admin;
mod reload;
mod traces;

use anyhow::{Context as _, Result};
use crackers_tests::stack::{Setup, Stack};
use serde_json::{Value, json};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// The line of one request, and only one.
fn line<'a>(lines: &'a [Value], id: &str) -> Result<&'a Value> {
    let found: Vec<_> = lines
        .iter()
        .filter(|line| line["request_id"] == id)
        .collect();
    assert_eq!(found.len(), 1, "{id}: {lines:?}");
    found.first().copied().context("no line")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_leaves_one_json_line_without_what_people_typed() -> Result<()> {
    let setup = Setup {
        edge: "telemetry: {access_log: {enabled: true, file: access.log}}\n",
        ..Setup::default()
    };
    let mut shop = Stack::of(setup).await?;
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let path = "/api/products?q=secret+rocket";
    let fields = |id| [("x-request-id", id), ("traceparent", parent.as_str())];
    let miss = shop.get_with(path, &fields("first-request")).await?;
    shop.get_with(path, &fields("second-request")).await?;
    let post = reqwest::Client::new().post(format!("{}/api/nothing", shop.url));
    post.header("x-request-id", "third-request").send().await?;
    assert!(shop.edge.terminate()?.success());

    let text = std::fs::read_to_string(shop.folder.path().join("access.log"))?;
    assert!(
        !text.contains("secret"),
        "a query stands in the log: {text}"
    );
    let lines: Vec<Value> = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let first = line(&lines, "first-request")?;
    let told = json!([
        first["method"],
        first["path"],
        first["status"],
        first["client"],
        first["cache"]
    ]);
    assert_eq!(
        told,
        json!([
            "GET",
            "/api/products",
            200,
            null,
            miss.field("cache-status")
        ])
    );
    assert!(
        first["traceparent"]
            .as_str()
            .is_some_and(|own| own.contains(TRACE)),
        "{first}"
    );
    for measured in ["bytes", "duration_us"] {
        assert!(first[measured].as_u64() > Some(0), "{measured}: {first}");
    }
    let second = line(&lines, "second-request")?;
    assert!(
        second["cache"]
            .as_str()
            .is_some_and(|status| status.contains("hit")),
        "{second}"
    );
    assert!(
        second["upstream"].is_null(),
        "a hit has no origin: {second}"
    );
    let third = line(&lines, "third-request")?;
    let origin = format!("127.0.0.1:{}", shop.origin_ports[0]);
    assert_eq!(
        json!([third["status"], third["upstream"]]),
        json!([404, origin])
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_edge_counts_what_it_answers() -> Result<()> {
    let shop = Stack::start(1, "").await?;
    let counted = "crackers_edge_requests_total{method=\"GET\",status=\"404\"}";
    let before = shop.edge_metric(counted).await?;
    for _ in 0..3 {
        shop.get_with("/api/nothing", &[("cookie", "a=b")]).await?;
    }
    shop.wait_for("they are counted", async || {
        Ok(shop.edge_metric(counted).await? >= before + 3.0)
    })
    .await?;
    assert_eq!(shop.edge_metric(counted).await?, before + 3.0);
    Ok(())
}
