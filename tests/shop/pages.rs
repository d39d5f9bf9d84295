//! Pages that staff write, and what is shown beside a product.

use anyhow::{Context as _, Result};
use crackers_tests::stack::Stack;
use serde_json::{Value, json};

use super::both_databases::on_mongodb;
use super::orders::selling;
use super::staff::Desk;

/// Every page has a text from the first day; staff write another, and everybody sees it.
async fn a_page_is_written(shop: &Stack, desk: &Desk<'_>) -> Result<()> {
    for slug in ["about", "privacy", "safety", "shipping", "terms"] {
        let path = format!("/api/pages/{slug}");
        let first = shop.get(&path).await?;
        assert_eq!(first.status, 200, "{path}");
        assert_eq!(first.json()?["updated_at"], Value::Null);
        assert!(shop.get(&path).await?.field("cache-status").contains("hit"));
    }
    assert_eq!(shop.get("/api/pages/imprint").await?.status, 404);
    let path = "/api/admin/pages/terms";
    let seen = desk.ask("GET", path, None, "").await?;
    assert_eq!(seen.json()?["version"], 0);
    let text = "<script>alert(1)</script> & more";
    let new = json!({ "title": "Our terms", "blocks": [{ "kind": "paragraph", "text": text }] });
    assert_eq!(desk.ask("PUT", path, Some(&new), "").await?.status, 428);
    for (wrong, pointer) in [
        (json!({ "title": "", "blocks": new["blocks"] }), "/title"),
        (json!({ "title": "x", "blocks": [] }), "/blocks"),
        (
            json!({ "title": "x", "blocks": [{ "kind": "html", "text": "x" }] }),
            "/blocks/0/kind",
        ),
        (
            json!({ "title": "x", "blocks": [{ "kind": "list", "items": [" "] }] }),
            "/blocks/0/items",
        ),
    ] {
        let answer = desk.ask("PUT", path, Some(&wrong), "\"0\"").await?;
        let said = answer.json()?;
        assert_eq!(
            (answer.status, &said["errors"][0]["pointer"]),
            (400, &json!(pointer)),
            "{said}"
        );
    }
    let put = desk
        .ask("PUT", path, Some(&new), seen.field("etag"))
        .await?;
    assert_eq!((put.status, &put.json()?["version"]), (200, &json!(1)));
    // Whoever has not seen that text does not write over it.
    for stale in ["\"0\"", "\"7\""] {
        assert_eq!(desk.ask("PUT", path, Some(&new), stale).await?.status, 412);
    }
    shop.wait_for("everybody sees it", async || {
        let seen = shop.get("/api/pages/terms").await?.json()?;
        Ok(seen["blocks"] == new["blocks"] && seen["updated_at"].is_string())
    })
    .await?;
    // The other pages were not touched.
    let other = shop.get("/api/pages/safety").await?;
    assert!(other.field("cache-status").contains("hit"));
    assert_eq!(
        desk.ask("PUT", path, Some(&new), "\"1\"").await?.status,
        200
    );
    let all = desk.get("/api/admin/pages").await?;
    let versions: Vec<_> = all["items"]
        .as_array()
        .context("no pages")?
        .iter()
        .map(|page| &page["version"])
        .collect();
    assert_eq!(json!(versions), json!([0, 0, 0, 0, 2]));
    Ok(())
}

/// What is in stock goes first, and what is sold out goes behind it as soon as it is.
async fn others_are_shown_beside_a_product(shop: &Stack) -> Result<()> {
    let list = shop
        .get("/api/products?category=rockets&sort=popular&limit=1")
        .await?
        .json()?;
    let id = list["items"][0]["id"].as_str().context("no product")?;
    let path = format!("/api/products/{id}/related");
    let beside = async || -> Result<Vec<Value>> {
        let seen = shop.get(&path).await?;
        anyhow::ensure!(seen.status == 200, "{}", seen.json()?);
        Ok(seen.json()?["items"]
            .as_array()
            .context("no items")?
            .clone())
    };
    let first = beside().await?;
    assert!((1..=8).contains(&first.len()), "{first:?}");
    for one in &first {
        assert_eq!(one["category"]["slug"], "rockets");
        assert!(
            one["id"] != id && one["availability"] != "sold_out",
            "{one}"
        );
    }
    assert!(shop.get(&path).await?.field("cache-status").contains("hit"));
    let gone = first[0]["sku"].as_str().context("no SKU")?;
    shop.command(&["stock", "set", gone, "0"])?;
    shop.wait_for("it is first no more", async || {
        Ok(beside()
            .await?
            .first()
            .is_some_and(|one| one["sku"] != gone))
    })
    .await?;
    assert_eq!(shop.get("/api/products/nothing/related").await?.status, 404);
    assert_eq!(shop.get(&format!("{path}?limit=100")).await?.status, 400);
    Ok(())
}

async fn everything(origin: &str) -> Result<()> {
    let shop = &selling(origin, 1).await?;
    let desk = Desk::open(shop).await?;
    a_page_is_written(shop, &desk).await?;
    others_are_shown_beside_a_product(shop).await
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_what_stands_beside_a_product_are_shown_on_sqlite() -> Result<()> {
    everything("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_what_stands_beside_a_product_are_shown_on_mongodb() -> Result<()> {
    on_mongodb(everything).await
}
