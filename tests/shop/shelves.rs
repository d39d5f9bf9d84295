//! Categories, bundles and gift boxes, as staff make and change them.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::both_databases::on_mongodb;
use super::orders::{selling, stocked};
use super::staff::Desk;

async fn shelves(origin: &str) -> Result<()> {
    let shop = &selling(origin, 1).await?;
    let desk = &Desk::open(shop).await?;
    a_category_is_made_and_changed(desk).await?;
    let product = stocked(shop, 100).await?;
    for kind in ["bundles", "giftboxes"] {
        a_combo_is_made_changed_and_switched_off(desk, kind, &product).await?;
    }
    every_product_is_listed_once(desk).await
}

/// Wrong bodies are refused by their place and leave nothing behind.
async fn refused(desk: &Desk<'_>, path: &str, good: &Value, wrong: &[(&str, Value)]) -> Result<()> {
    for (pointer, value) in wrong {
        let mut body = good.clone();
        let (parent, field) = pointer.rsplit_once('/').context("no pointer")?;
        body.pointer_mut(parent).context("no parent")?[field] = value.clone();
        let answer = desk.post(path, body).await?;
        let said = answer.json()?;
        assert_eq!(answer.status, 400, "{pointer}: {said}");
        assert_eq!(said["errors"][0]["pointer"], *pointer, "{said}");
    }
    Ok(())
}

/// Replaced by whoever saw it last, and by nobody else.
async fn replaced(desk: &Desk<'_>, path: &str, new: &Value, etag: &str) -> Result<()> {
    for (etag, status) in [("", 428), (etag, 200), (etag, 412)] {
        let answer = desk.ask("PUT", path, Some(new), etag).await?;
        assert_eq!(answer.status, status, "{path}: {}", answer.json()?);
    }
    Ok(())
}

async fn a_category_is_made_and_changed(desk: &Desk<'_>) -> Result<()> {
    let path = "/api/admin/categories";
    let new = json!({ "slug": "torches", "terms": {
        "name": "Torches", "sub_categories": [{ "slug": "long", "name": "Long ones" }] } });
    let wrong = [
        ("/slug", json!("No Slug")),
        ("/terms/name", json!(" ")),
        ("/terms/name", json!("x".repeat(101))),
        ("/terms/position", json!(1.5)),
        ("/terms/colour", json!("red")),
        ("/terms/sub_categories/0/slug", json!("")),
    ];
    refused(desk, path, &new, &wrong).await?;
    let one = "/api/admin/categories/torches";
    assert_eq!(desk.ask("GET", one, None, "").await?.status, 404);
    let made = desk.post(path, new.clone()).await?;
    assert_eq!(made.status, 201, "{}", made.json()?);
    assert_eq!(desk.post(path, new).await?.status, 409);
    let terms = json!({ "name": "Hand torches", "position": 99 });
    replaced(desk, one, &terms, made.field("etag")).await?;
    desk.shop
        .wait_for("the public sees the category", async || {
            let seen = desk.shop.get("/api/categories/torches").await?;
            Ok(seen.status == 200 && seen.json()?["name"] == "Hand torches")
        })
        .await?;
    // A part with products in it stays.
    let all = desk.get(path).await?;
    let items = all["items"].as_array().context("no items")?;
    let is_divided = |one: &&Value| {
        one["sub_categories"]
            .as_array()
            .is_some_and(|parts| !parts.is_empty())
    };
    let used = items.iter().find(is_divided).context("none with parts")?;
    let path = format!("{path}/{}", used["slug"].as_str().context("no slug")?);
    let etag = format!("\"{}\"", used["version"]);
    let bare = json!({ "name": used["name"] });
    let answer = desk.ask("PUT", &path, Some(&bare), &etag).await?;
    let code = &answer.json()?["code"];
    assert_eq!((answer.status, code), (409, &json!("sub_category_in_use")));
    Ok(())
}

async fn a_combo_is_made_changed_and_switched_off(
    desk: &Desk<'_>,
    kind: &str,
    product: &Value,
) -> Result<()> {
    let path = format!("/api/admin/{kind}");
    let sku = format!("NEW-{kind}");
    let new = json!({ "sku": sku, "slug": "all-of-it", "name": "All of it", "mrp_paise": 50_000, "price_paise": 40_000,
        "components": [{ "product_id": product["id"], "quantity": 2 }], "active": true });
    let wrong = [
        ("/price_paise", json!(50_001)),
        ("/price_paise", json!(-1)),
        ("/price_paise", json!(0.5)),
        ("/mrp_paise", json!("dear")),
        ("/name", json!("x".repeat(201))),
        ("/components", json!([])),
        ("/components/0/product_id", json!("nothing")),
        ("/components/0/quantity", json!(0)),
        ("/id", json!("mine")),
    ];
    refused(desk, &path, &new, &wrong).await?;
    let made = desk.post(&path, new.clone()).await?;
    let view = made.json()?;
    assert_eq!(made.status, 201, "{view}");
    assert_eq!(desk.post(&path, new.clone()).await?.status, 409);
    let public = format!("/api/{kind}/all-of-it");
    desk.shop
        .wait_for("the public sees the combo", async || {
            let seen = desk.shop.get(&public).await?;
            Ok(seen.status == 200 && seen.json()?["availability"] == "in_stock")
        })
        .await?;
    let one = format!("{path}/{}", view["id"].as_str().context("no id")?);
    let mut off = new;
    off["active"] = json!(false);
    replaced(desk, &one, &off, made.field("etag")).await?;
    desk.shop
        .wait_for("the public sees it no more", async || {
            Ok(desk.shop.get(&public).await?.status == 404)
        })
        .await?;
    assert_eq!(desk.get(&one).await?["active"], false);
    let listed = desk.get(&format!("{path}?limit=100")).await?;
    let items = listed["items"].as_array().context("no items")?;
    assert!(items.iter().any(|item| item["sku"] == sku.as_str()));
    Ok(())
}

async fn every_product_is_listed_once(desk: &Desk<'_>) -> Result<()> {
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = desk
            .get(&format!("/api/admin/products?limit=40{cursor}"))
            .await?;
        let items = page["items"].as_array().context("no items")?;
        ids.extend(
            items
                .iter()
                .filter_map(|one| one["id"].as_str().map(str::to_owned)),
        );
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!((ids.len(), distinct.len()), (150, 150));
    let found = desk
        .get(&format!("/api/admin/products?q={}", ids[0]))
        .await?;
    assert_eq!(found["items"][0]["id"], ids[0].as_str());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn categories_bundles_and_gift_boxes_are_what_staff_say_on_sqlite() -> Result<()> {
    shelves("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn categories_bundles_and_gift_boxes_are_what_staff_say_on_mongodb() -> Result<()> {
    on_mongodb(shelves).await
}
