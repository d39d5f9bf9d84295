//! Papers: the price list and invoices as PDF, read back by a reader of others.

use anyhow::{Context as _, Result};
use crackers_tests::stack::{Answer, Stack};
use serde_json::json;

use super::accounts::log_in;
use super::both_databases::on_mongodb;
use super::orders::{order_of, selling, stocked};
use super::staff::Desk;

/// All that stands on a paper.
pub(super) fn read(answer: &Answer) -> Result<String> {
    anyhow::ensure!(answer.status == 200, "{}", answer.json()?);
    assert_eq!(answer.field("content-type"), "application/pdf");
    let document = lopdf::Document::load_mem(&answer.body)?;
    let pages: Vec<_> = document.get_pages().keys().copied().collect();
    Ok(document.extract_text(&pages)?)
}

async fn the_price_list_is_kept_until_a_price_changes(shop: &Stack) -> Result<()> {
    let first = shop.get("/api/price-list.pdf").await?;
    let text = read(&first)?;
    let products = shop.get("/api/products?limit=100").await?.json()?;
    let products = products["items"].as_array().context("no products")?;
    for product in products {
        let sku = product["sku"].as_str().context("no SKU")?;
        assert!(text.lines().any(|line| line == sku), "{sku} is missing");
    }
    // What opening the shop has changed may be told after the first one was made.
    shop.wait_for("the price list is kept", async || {
        let again = shop.get("/api/price-list.pdf").await?;
        Ok(again.field("cache-status").contains("hit") && again.body == first.body)
    })
    .await?;
    let sku = products[0]["sku"].as_str().context("no SKU")?;
    shop.command(&["product", "set-price", sku, "321"])?;
    shop.wait_for("the new price is on paper", async || {
        let text = read(&shop.get("/api/price-list.pdf").await?)?;
        Ok(text.lines().any(|line| line == "3.21"))
    })
    .await
}

async fn papers(origin: &str) -> Result<()> {
    let shop = &selling(origin, 1).await?;
    the_price_list_is_kept_until_a_price_changes(shop).await?;

    let product = stocked(shop, 20).await?;
    let order = order_of(shop, product["id"].as_str().context("no id")?, 15).await?;
    let meena = log_in(shop, "meena@example.in").await?;
    let ravi = log_in(shop, "ravi@example.in").await?;
    let [cookie, _] = meena.fields();
    let key = ("idempotency-key", "a-key-of-the-client-1");
    let placed = shop
        .post("/api/orders", &order, &[key, cookie])
        .await?
        .json()?;
    let token = placed["tracking_token"].as_str().context("no token")?;
    let desk = Desk::open(shop).await?;
    let found = desk.get("/api/admin/orders").await?;
    let id = found["items"][0]["id"].as_str().context("no order")?;
    let by_token = format!("/api/track/{token}/invoice.pdf");
    let own = format!("/api/orders/{id}/invoice.pdf");
    let for_staff = format!("/api/admin/orders/{id}/invoice.pdf");

    let early = shop.get(&by_token).await?;
    assert_eq!(
        (early.status, &early.json()?["code"]),
        (409, &json!("not_confirmed"))
    );
    shop.command(&["order", "step", "CR000001", "payment_review"])?;
    shop.command(&["order", "step", "CR000001", "confirmed"])?;

    let hers = shop.get_with(&own, &meena.fields()).await?;
    assert_eq!(hers.field("cache-control"), "private, no-store");
    assert_eq!(
        hers.field("content-disposition"),
        "attachment; filename=\"invoice-CR000001.pdf\""
    );
    let staffs = desk.ask("GET", &for_staff, None, "").await?;
    let total = placed["total"]["amount_paise"]
        .as_i64()
        .context("no total")?
        / 100;
    for answer in [&hers, &staffs] {
        let text = read(answer)?;
        for part in [
            "Invoice CR000001",
            "Meena",
            "1, Main Street",
            product["sku"].as_str().unwrap_or("-"),
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let digits: String = text.chars().filter(|c| *c != ',').collect();
        assert!(
            digits.contains(&format!("Rs. {total}.00")),
            "{total}: {digits}"
        );
    }
    // Whoever has only the token sees what was ordered, and nobody's name.
    let strangers = read(&shop.get(&by_token).await?)?;
    assert!(strangers.contains("Invoice CR000001"));
    for name in ["Meena", "Main Street", "98765"] {
        assert!(!strangers.contains(name), "{name}: {strangers}");
    }
    assert_eq!(shop.get_with(&own, &ravi.fields()).await?.status, 404);
    assert_eq!(shop.get(&own).await?.status, 401);
    assert_eq!(
        shop.get_with(&for_staff, &meena.fields()).await?.status,
        401
    );
    assert_eq!(shop.get("/api/track/nobody/invoice.pdf").await?.status, 404);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn papers_say_what_the_shop_says_on_sqlite() -> Result<()> {
    papers("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn papers_say_what_the_shop_says_on_mongodb() -> Result<()> {
    on_mongodb(papers).await
}
