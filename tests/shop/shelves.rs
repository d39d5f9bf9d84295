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
    a_category_is_archived_and_comes_back(desk).await?;
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

/// Replaces it, by whoever saw it as it is now; the answer's status and code.
async fn put_now(desk: &Desk<'_>, path: &str, terms: &Value) -> Result<(u16, Value)> {
    let answer = desk.change("PUT", path, Some(terms)).await?;
    Ok((answer.status, answer.json()?["code"].clone()))
}

/// Waits until a category has these statuses in the API and as a page, and stands in the sitemap if they are 200.
async fn shown_as(desk: &Desk<'_>, slug: &str, status: u16) -> Result<()> {
    let (api, page) = (
        format!("/api/categories/{slug}"),
        format!("/catalogue/{slug}"),
    );
    desk.shop
        .wait_for("the public sees it so", async || {
            let is_shown = status == 200;
            let list = desk.shop.get("/api/categories").await?.json()?.to_string();
            let sitemap = desk.shop.get("/sitemap.xml").await?;
            let sitemap = String::from_utf8_lossy(&sitemap.body).into_owned();
            Ok(desk.shop.get(&api).await?.status == status
                && desk.shop.get(&page).await?.status == status
                && list.contains(&format!("\"{slug}\"")) == is_shown
                && sitemap.contains(&format!("{page}<")) == is_shown)
        })
        .await
}

async fn a_category_is_archived_and_comes_back(desk: &Desk<'_>) -> Result<()> {
    let path = "/api/admin/categories/torches";
    let product = json!({ "product": { "sku": "T-1", "slug": "one-torch", "name": "One torch", "category": "torches",
        "mrp_paise": 100, "price_paise": 90 }, "stock": 10, "low_at": 2 });
    let made = desk.post("/api/admin/products", product).await?;
    assert_eq!(made.status, 201, "{}", made.json()?);
    shown_as(desk, "torches", 200).await?;
    let terms = |active: bool| json!({ "name": "Hand torches", "active": active });
    // Not while something is sold in it.
    let (status, code) = put_now(desk, path, &terms(false)).await?;
    assert_eq!((status, code), (409, json!("category_in_use")));
    let one = "/api/admin/products/T-1";
    let set = async |active: bool| {
        let patch = json!({ "active": active });
        desk.change("PATCH", one, Some(&patch)).await
    };
    assert_eq!(set(false).await?.status, 200);
    assert_eq!(put_now(desk, path, &terms(false)).await?.0, 200);
    shown_as(desk, "torches", 404).await?;
    assert_eq!(desk.get(path).await?["active"], false);
    // And nothing comes back into it, by hand or by a sheet, before it does itself.
    let refused = set(true).await?;
    let said = refused.json()?;
    assert_eq!(refused.status, 400, "{said}");
    assert_eq!(said["errors"][0]["pointer"], "/category", "{said}");
    assert_eq!(said["errors"][0]["code"], "archived_category", "{said}");
    let sheet = "sku,active\nT-1,yes\n";
    let import = "/api/admin/products/import?dry_run=true";
    let answer = desk
        .send_bytes("POST", import, "text/csv", sheet.as_bytes(), "")
        .await?;
    let said = answer.json()?.to_string();
    assert!(said.contains("archived_category"), "{said}");
    assert_eq!(put_now(desk, path, &terms(true)).await?.0, 200);
    // A part that the category does not have, and one twice, are none.
    for (parts, code) in [
        (json!(["long"]), "unknown_sub_category"),
        (json!(["long", "long"]), "invalid_field"),
    ] {
        let patch = json!({ "sub_categories": parts });
        let refused = desk.change("PATCH", one, Some(&patch)).await?;
        let said = refused.json()?;
        assert_eq!(
            (refused.status, &said["errors"][0]["code"]),
            (400, &json!(code)),
            "{said}"
        );
        assert_eq!(said["errors"][0]["pointer"], "/sub_categories", "{said}");
    }
    shown_as(desk, "torches", 200).await?;
    assert_eq!(set(true).await?.status, 200);
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
    // Those of the demo, and the torch.
    assert_eq!((ids.len(), distinct.len()), (151, 151));
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
