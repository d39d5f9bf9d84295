//! The walk of a member of staff: sets up the shop, fills it, sends orders out, reads reviews and what was done, and leaves.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::super::accounts::LoggedIn;
use super::super::both_databases::on_mongodb;
use super::super::orders::{order_of, selling, stocked};
use super::super::staff::{PASSWORD, log_in};
use super::{Walk, text};

/// Routes that need more than an owner with a full shop, each shown by the test named.
const ELSEWHERE: &[(&str, &str)] = &[
    // shop::proofs
    ("GET", "/api/admin/orders/{id}/proof"),
    // shop::asking
    ("GET", "/api/admin/enquiries/{id}"),
    ("POST", "/api/admin/enquiries/{id}/step"),
    // shop::live
    ("GET", "/api/admin/events"),
    // shop::pictures
    ("POST", "/api/admin/products/{id}/images"),
    ("PUT", "/api/admin/products/{id}/images"),
    ("PUT", "/api/admin/categories/{slug}/image"),
    ("PUT", "/api/admin/bundles/{id}/image"),
    ("PUT", "/api/admin/giftboxes/{id}/image"),
    // shop::many
    ("GET", "/api/admin/customers/{id}"),
    ("PATCH", "/api/admin/customers/{id}"),
    // shop::sheets
    ("POST", "/api/admin/products/import"),
    // shop::gateway
    ("GET", "/api/admin/refunds"),
    ("POST", "/api/admin/refunds/{id}/again"),
    // shop::reviews
    ("POST", "/api/admin/reviews/{id}/decision"),
    // shop::staff_accounts
    ("POST", "/api/admin/totp"),
    ("POST", "/api/admin/totp/confirm"),
    ("POST", "/api/admin/totp/off"),
    // shop::mails
    ("POST", "/api/admin/mails/{id}/again"),
];

async fn a_member_of_staff(origin: &str) -> Result<()> {
    let shop = &selling(origin, 1).await?;
    shop.command_with(PASSWORD, &["admin", "create", "owner@example.in"])?;
    let who = LoggedIn::of(&log_in(shop, "owner@example.in", PASSWORD).await?)?;
    let owner = Walk::of(shop, Some(who));
    owner
        .walked()
        .push(("POST".to_owned(), "/api/admin/login".to_owned()));
    assert_eq!(
        owner.get("/api/admin/me").await?["email"],
        "owner@example.in"
    );
    sets_up_the_shop(&owner).await?;
    hires_and_lets_go(&owner).await?;
    let product = fills_the_shelves(&owner).await?;
    puts_things_together(&owner, &product).await?;
    sends_an_order(&owner).await?;
    owner.get("/api/admin/reviews").await?;
    owner.get("/api/admin/enquiries").await?;
    owner.get("/api/admin/customers").await?;
    owner.get("/api/admin/mails").await?;
    let numbers = owner.get("/api/admin/dashboard").await?;
    assert!(numbers.is_object(), "{numbers}");
    for table in ["orders", "products"] {
        let path = format!("/api/admin/{table}/export.csv");
        let table = owner.with("GET", &path, None, &[]).await?;
        assert!(table.field("content-type").starts_with("text/csv"));
    }
    let audit = owner.get("/api/admin/audit?limit=100").await?;
    let done = audit["items"].as_array().context("no audit log")?;
    assert!(done.len() > 15, "{audit}");
    let change = json!({ "old_password": PASSWORD, "new_password": "another long password" });
    owner.send("POST", "/api/admin/password", change).await?;
    owner.send("POST", "/api/admin/logout", json!({})).await?;
    owner
        .has_seen_everything(|path| path.starts_with("/api/admin"), ELSEWHERE)
        .await
}

async fn sets_up_the_shop(owner: &Walk<'_>) -> Result<()> {
    let path = "/api/admin/shop";
    let notice =
        json!({ "notices": [{ "level": "info", "text": "Orders by the 20th arrive in time." }] });
    owner.change("PATCH", path, notice, path).await?;
    let code = json!({ "code": "DIWALI-10", "terms": { "discount": { "percent": { "percent": 10 } }, "active": true }, "uses": 3 });
    owner.send("POST", "/api/admin/coupons", code).await?;
    let path = "/api/admin/coupons/DIWALI-10";
    let terms = json!({ "discount": { "percent": { "percent": 5 } }, "active": true });
    owner.change("PUT", path, terms, path).await?;
    let uses = format!("{path}/uses");
    let more = owner.send("POST", &uses, json!({ "by": 2 })).await?;
    assert_eq!(more["uses_left"], 5);
    owner.get("/api/admin/coupons").await?;
    owner.get("/api/admin/pages").await?;
    let path = "/api/admin/pages/terms";
    let page = json!({ "title": "Our terms", "blocks": [{ "kind": "paragraph", "text": "Paid before sent." }] });
    owner.change("PUT", path, page, path).await?;
    Ok(())
}

async fn hires_and_lets_go(owner: &Walk<'_>) -> Result<()> {
    let new = json!({ "email": "packer@example.in", "name": "Packer", "role": "moderator", "password": PASSWORD });
    let added = owner.send("POST", "/api/admin/staff", new).await?;
    let path = format!("/api/admin/staff/{}", text(&added, "/id")?);
    let role = json!({ "role": "admin" });
    owner.change("PATCH", &path, role, &path).await?;
    owner
        .change("POST", &format!("{path}/reset"), json!({}), &path)
        .await?;
    owner.change("DELETE", &path, json!({}), &path).await?;
    let all = owner.get("/api/admin/staff").await?;
    assert_eq!(all["items"].as_array().map(Vec::len), Some(2));
    Ok(())
}

/// A category and a product with stock: the product's id.
async fn fills_the_shelves(owner: &Walk<'_>) -> Result<String> {
    let category = json!({ "slug": "torches", "terms": { "name": "Torches" } });
    owner
        .send("POST", "/api/admin/categories", category)
        .await?;
    let path = "/api/admin/categories/torches";
    let terms = json!({ "name": "Hand torches" });
    owner.change("PUT", path, terms, path).await?;
    owner.get("/api/admin/categories").await?;
    let new = json!({
        "product": { "sku": "NEW-1", "slug": "new-torch", "name": "New torch", "category": "torches",
            "mrp_paise": 100_000, "price_paise": 80_000 },
        "stock": 30, "low_at": 5,
    });
    let made = owner.send("POST", "/api/admin/products", new).await?;
    let id = text(&made, "/id")?;
    let path = format!("/api/admin/products/{id}");
    let price = json!({ "price_paise": 70_000 });
    owner.change("PATCH", &path, price, &path).await?;
    let stock = format!("{path}/stock");
    let less = json!({ "by": -10, "reason": "broken in store" });
    owner.send("POST", &stock, less).await?;
    assert_eq!(owner.get(&stock).await?["available"], 20);
    owner.get("/api/admin/products?limit=10").await?;
    let found =
        json!({ "reason": "found behind a shelf", "lines": [{ "product_id": id, "by": 5 }] });
    owner.send("POST", "/api/admin/stock", found).await?;
    assert_eq!(owner.get(&stock).await?["available"], 25);
    let terms = json!({ "what": "both", "change": { "percent": 10 }, "rounding": { "to_paise": 100, "way": "nearest" } });
    let mut bulk = json!({ "select": { "category": "torches" }, "terms": terms });
    let path = "/api/admin/products/bulk-price";
    let shown = owner.send("POST", path, bulk.clone()).await?;
    bulk["preview_token"] = shown["preview_token"].clone();
    assert_eq!(owner.send("POST", path, bulk).await?["done"], true);
    Ok(id)
}

async fn puts_things_together(owner: &Walk<'_>, product: &str) -> Result<()> {
    for kind in ["bundles", "giftboxes"] {
        let path = format!("/api/admin/{kind}");
        let new = json!({ "sku": format!("ALL-{kind}"), "slug": "all-of-it", "name": "All of it", "mrp_paise": 50_000,
            "price_paise": 40_000, "components": [{ "product_id": product, "quantity": 2 }], "active": true });
        let made = owner.send("POST", &path, new.clone()).await?;
        let one = format!("{path}/{}", text(&made, "/id")?);
        let mut off = new;
        off["active"] = false.into();
        owner.change("PUT", &one, off, &one).await?;
        owner.get(&path).await?;
    }
    Ok(())
}

/// An order that is paid, looked at, packed and brought.
async fn sends_an_order(owner: &Walk<'_>) -> Result<()> {
    let product = stocked(owner.shop, 100).await?;
    let order = order_of(owner.shop, &text(&product, "/id")?, 15).await?;
    let key = [("idempotency-key", "a-key-of-the-client-1")];
    let placed = owner.shop.post("/api/orders", &order, &key).await?.json()?;
    let token = text(&placed, "/tracking_token")?;
    let paid = json!({ "reference": "UTR123456" });
    let pay = format!("/api/track/{token}/payment");
    owner.shop.post(&pay, &paid, &[]).await?;
    let found = owner.get("/api/admin/orders?q=9876543210").await?;
    let path = format!("/api/admin/orders/{}", text(&found, "/items/0/id")?);
    let paper = format!("{path}/invoice.pdf");
    let payment = owner.get(&path).await?["payments"][0]["id"].clone();
    let approve = json!({ "payment_id": payment, "decision": "approve", "note": "it is there" });
    let pay = format!("{path}/payment");
    let approved = owner.change("POST", &pay, approve, &path).await?;
    assert_eq!(approved["state"], "confirmed");
    let paper = owner.with("GET", &paper, None, &[]).await?;
    assert!(paper.body.starts_with(b"%PDF-"));
    for state in ["packed", "dispatched", "delivered"] {
        let step = json!({ "state": state, "note": "" });
        let taken: Value = owner
            .change("POST", &format!("{path}/step"), step, &path)
            .await?;
        assert_eq!(taken["state"], state);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_staff_goes_through_everything_on_sqlite() -> Result<()> {
    a_member_of_staff("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_staff_goes_through_everything_on_mongodb() -> Result<()> {
    on_mongodb(a_member_of_staff).await
}
