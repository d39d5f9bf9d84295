//! Stage `cache`: hits, codings, purges, stale answers.

mod conditions;
mod early;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use crackers_tests::stack::Stack;
use tokio::sync::Barrier;

const CATALOGUE: [&str; 9] = [
    "/api/products?limit=5",
    "/api/products?q=rockt",
    "/api/categories",
    "/api/bundles",
    "/api/giftboxes",
    "/api/price-list",
    "/api/price-list.csv",
    "/api/shop",
    "/",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_second_request_of_any_catalogue_url_is_a_hit_in_the_clients_best_coding() -> Result<()>
{
    let shop = Stack::start(1, "").await?;
    for path in CATALOGUE {
        assert!(
            shop.get(path)
                .await?
                .field("cache-status")
                .contains("fwd=uri-miss"),
            "{path}"
        );
        let before = shop.edge_metric("crackers_edge_cache_fills_total").await?;
        for (accepted, coding) in [("br, gzip", "br"), ("gzip", "gzip"), ("identity", "")] {
            let answer = raw_get(&shop, path, accepted).await?;
            assert_eq!(answer.0, coding, "{path} {accepted}");
            assert!(answer.1.contains("crackers; hit"), "{path}: {}", answer.1);
        }
        assert_eq!(
            shop.edge_metric("crackers_edge_cache_fills_total").await?,
            before,
            "{path}"
        );
    }
    Ok(())
}

/// Content coding and cache status, without a client that decodes.
async fn raw_get(shop: &Stack, path: &str, accepted: &str) -> Result<(String, String)> {
    let client = reqwest::Client::builder().no_gzip().no_brotli().build()?;
    let request = client
        .get(format!("{}{path}", shop.url))
        .header("accept-encoding", accepted);
    let answer = request.send().await?;
    let field = |name: &str| {
        answer
            .headers()
            .get(name)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    Ok((field("content-encoding"), field("cache-status")))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_coding_has_an_entity_tag_that_is_met_with_304() -> Result<()> {
    let shop = Stack::start(1, "").await?;
    let first = shop
        .get_with("/api/categories", &[("accept-encoding", "gzip")])
        .await?;
    let etag = first.field("etag").to_owned();
    assert!(etag.ends_with("-gzip\""), "{etag}");
    let again = shop
        .get_with(
            "/api/categories",
            &[("accept-encoding", "gzip"), ("if-none-match", &etag)],
        )
        .await?;
    assert_eq!((again.status, again.body.len()), (304, 0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_clients_asking_one_cold_url_cause_one_origin_request() -> Result<()> {
    let shop = Arc::new(Stack::start(1, "").await?);
    let before = shop.edge_metric("crackers_edge_cache_fills_total").await?;
    let together = Arc::new(Barrier::new(1000));
    let asked: Vec<_> = (0..1000)
        .map(|_| {
            let (shop, together) = (Arc::clone(&shop), Arc::clone(&together));
            tokio::spawn(async move {
                together.wait().await;
                shop.get("/api/products?limit=99&sort=name")
                    .await
                    .map(|answer| answer.status)
            })
        })
        .collect();
    for one in asked {
        assert_eq!(one.await??, 200);
    }
    assert_eq!(
        shop.edge_metric("crackers_edge_cache_fills_total").await? - before,
        1.0
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_and_a_stock_changed_by_another_process_show_within_a_second() -> Result<()> {
    let shop = Stack::start(1, "").await?;
    let list = shop
        .get("/api/products?limit=1&stock=in_stock")
        .await?
        .json()?;
    let (id, sku) = (
        list["items"][0]["id"].as_str().unwrap_or_default(),
        list["items"][0]["sku"].as_str().unwrap_or_default(),
    );
    let path = format!("/api/products/{id}");
    let seen = async |what: &str, pointer: &str, value: serde_json::Value| -> Result<()> {
        let begun = Instant::now();
        shop.wait_for(what, async || {
            Ok(shop.get(&path).await?.json()?.pointer(pointer) == Some(&value))
        })
        .await?;
        // Not a measurement: a bound of the promise, with room for a loaded machine.
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{what} took {:?}",
            begun.elapsed()
        );
        Ok(())
    };
    shop.get(&path).await?;
    shop.command(&["product", "set-price", sku, "123"])?;
    seen("the new price", "/price/amount_paise", 123.into()).await?;
    shop.command(&["stock", "set", sku, "0"])?;
    seen("sold out", "/availability", "sold_out".into()).await?;
    shop.command(&["stock", "set", sku, "500"])?;
    seen("in stock again", "/availability", "in_stock".into()).await?;
    // What the change did not touch is still a hit.
    shop.get("/api/shop").await?;
    shop.command(&["product", "set-price", sku, "124"])?;
    seen("the newer price", "/price/amount_paise", 124.into()).await?;
    assert!(
        shop.get("/api/shop")
            .await?
            .field("cache-status")
            .contains("hit")
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_origin_leaves_cached_pages_and_a_clean_503() -> Result<()> {
    let overlay = "cache:\n  routes:\n    - {path_prefix: /, enabled: true, query: [], ignored_query: [], ttl_seconds: 1}\n";
    let mut shop = Stack::start(1, overlay).await?;
    shop.get("/api/categories").await?;
    shop.origins[0].kill();
    shop.wait_for("the entry is stale and stands in", async || {
        let answer = shop.get("/api/categories").await?;
        Ok(answer.status == 200 && answer.field("cache-status").contains("detail=stale-"))
    })
    .await?;
    let cold = shop.get("/api/bundles").await?;
    assert_eq!(cold.status, 503);
    assert_eq!(cold.json()?["code"], "origin_unavailable");
    assert!(!cold.field("retry-after").is_empty());
    assert_eq!(shop.get("/health").await?.status, 200);
    shop.restart_origin(0)?;
    shop.wait_for("the shop is back", async || {
        Ok(shop.get("/api/bundles").await?.status == 200)
    })
    .await
}
