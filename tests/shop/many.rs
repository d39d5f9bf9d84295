//! What staff do to many things at once, what they are told of by mail, and the customers whom they serve no more.

use anyhow::{Context as _, Result};
use crackers_tests::stack::Stack;
use serde_json::{Value, json};

use super::accounts::{log_in, mails};
use super::both_databases::on_mongodb;
use super::orders::{order_of, selling, stocked};
use super::staff::Desk;

const BULK_PRICE: &str = "/api/admin/products/bulk-price";

fn ten_percent(select: &Value, token: &Value) -> Value {
    json!({
        "select": select,
        "terms": { "what": "both", "change": { "percent": 10 }, "rounding": { "to_paise": 100, "way": "nearest" } },
        "preview_token": token,
    })
}

/// Looked at, done exactly so, and not a second time.
async fn prices_change_as_they_were_looked_at(desk: &Desk<'_>) -> Result<()> {
    let select = json!({ "category": "rockets" });
    let all = desk
        .shop
        .get("/api/products?category=rockets&limit=100&sort=name")
        .await?
        .json()?;
    let before = all["items"].as_array().context("no items")?.clone();
    let looked = desk
        .post(BULK_PRICE, ten_percent(&select, &Value::Null))
        .await?;
    assert_eq!(looked.status, 200, "{}", looked.json()?);
    let looked = looked.json()?;
    assert_eq!(
        (&looked["done"], &looked["changed"]),
        (&json!(false), &json!(before.len()))
    );
    let line = &looked["lines"][0];
    let id = line["id"].as_str().context("no id")?;
    let path = format!("/api/admin/products/{id}");
    assert_eq!(desk.get(&path).await?["price"], line["price_before"]);
    // Somebody else changes one of them in between: what was looked at is not done.
    let other = json!({ "featured": true });
    desk.change("PATCH", &path, Some(&other)).await?;
    let token = &looked["preview_token"];
    let stale = desk.post(BULK_PRICE, ten_percent(&select, token)).await?;
    assert_eq!(
        (stale.status, &stale.json()?["code"]),
        (409, &json!("preview_stale"))
    );
    let after = they_change_once(desk, &select).await?;
    let id = line["id"].clone();
    desk.shop
        .wait_for("the public sees it", async || {
            let list = desk
                .shop
                .get("/api/products?category=rockets&limit=100&sort=name")
                .await?
                .json()?;
            let items = list["items"].as_array().context("no items")?;
            Ok(items
                .iter()
                .any(|item| item["id"] == id && item["price"] == after))
        })
        .await
}

/// Exactly as looked at; the price of the first one afterwards.
async fn they_change_once(desk: &Desk<'_>, select: &Value) -> Result<Value> {
    let look = ten_percent(select, &Value::Null);
    let looked = desk.post(BULK_PRICE, look).await?.json()?;
    let token = &looked["preview_token"];
    let done = desk.post(BULK_PRICE, ten_percent(select, token)).await?;
    let done = done.json()?;
    assert_eq!(
        (&done["done"], &done["lines"]),
        (&json!(true), &looked["lines"])
    );
    let again = desk.post(BULK_PRICE, ten_percent(select, token)).await?;
    assert_eq!(again.status, 409);
    let paise = |amount: &Value| amount["amount_paise"].as_i64().context("no price");
    for line in looked["lines"].as_array().context("no lines")? {
        let (old, new) = (paise(&line["price_before"])?, paise(&line["price_after"])?);
        assert_eq!(new, (old * 110 + 5000) / 10_000 * 100, "{line}");
    }
    Ok(looked["lines"][0]["price_after"].clone())
}

/// Terms that cannot be, and prices that would break the rules.
async fn bad_prices_are_refused(desk: &Desk<'_>) -> Result<()> {
    let terms = |percent: i64, what: &str| json!({ "what": what, "change": { "percent": percent }, "rounding": { "to_paise": 1, "way": "up" } });
    let rockets = json!({ "category": "rockets" });
    for (select, terms, pointer) in [
        (json!({}), terms(10, "price"), "/select"),
        (
            json!({ "category": "rockets", "ids": ["a"] }),
            terms(10, "price"),
            "/select",
        ),
        (rockets.clone(), terms(0, "price"), "/terms/change"),
        (rockets.clone(), terms(-100, "price"), "/terms/change"),
    ] {
        let body = json!({ "select": select, "terms": terms });
        let refused = desk.post(BULK_PRICE, body).await?;
        assert_eq!(
            (refused.status, &refused.json()?["errors"][0]["pointer"]),
            (400, &json!(pointer))
        );
    }
    // An MRP far below the price: said of each product, and no token is given to do it with.
    let body = json!({ "select": rockets, "terms": terms(-90, "mrp") });
    let looked = desk.post(BULK_PRICE, body).await?.json()?;
    assert!(looked["preview_token"].is_null());
    assert!(
        looked["lines"][0]["problem"]
            .as_str()
            .is_some_and(|text| text.contains("at most the MRP"))
    );
    Ok(())
}

/// All of a delivery or nothing.
async fn stocks_are_adjusted_together(desk: &Desk<'_>) -> Result<()> {
    let list = desk
        .shop
        .get("/api/products?limit=2&sort=name&stock=in_stock")
        .await?
        .json()?;
    let ids = [&list["items"][0]["id"], &list["items"][1]["id"]];
    let of = async |id: &Value| -> Result<Value> {
        let path = format!(
            "/api/admin/products/{}/stock",
            id.as_str().context("no id")?
        );
        desk.get(&path).await
    };
    let before = of(ids[0]).await?;
    let change = |second: Value| {
        json!({ "reason": "delivery of Friday", "lines": [
        { "product_id": ids[0], "by": 7 }, second,
    ] })
    };
    let too_much = change(json!({ "product_id": ids[1], "by": -9_000_000 }));
    let refused = desk.post("/api/admin/stock", too_much).await?;
    let problem = refused.json()?;
    assert_eq!(
        json!([
            refused.status,
            problem["code"],
            problem["errors"][0]["pointer"]
        ]),
        json!([409, "stock_too_low", "/lines/1"])
    );
    let unknown = change(json!({ "product_id": "none", "by": 1 }));
    assert_eq!(desk.post("/api/admin/stock", unknown).await?.status, 404);
    let doubled = change(json!({ "product_id": ids[0], "by": 1 }));
    assert_eq!(desk.post("/api/admin/stock", doubled).await?.status, 400);
    assert_eq!(of(ids[0]).await?, before);
    let good = change(json!({ "product_id": ids[1], "to": 40 }));
    let done = desk.post("/api/admin/stock", good).await?;
    assert_eq!(done.status, 200, "{}", done.json()?);
    let after = of(ids[0]).await?;
    let available = before["available"].as_i64().context("no stock")?;
    assert_eq!(after["available"], available + 7);
    assert_eq!(
        after["movements"][0]["reason"],
        "delivery of Friday (owner@example.in)"
    );
    assert_eq!(done.json()?["items"][1]["available"], 40);
    Ok(())
}

/// The mails that tell of an article that is running out.
fn alerts(shop: &Stack, sku: &str) -> usize {
    let all = mails(shop).unwrap_or_default().into_iter();
    let line = format!("{sku} ");
    all.filter(|text| text.contains("running out") && text.contains(&line))
        .count()
}

/// One mail for a fall, however often the stock changes below its mark, and whoever of the two origins looks.
async fn a_stock_that_falls_is_told_once(desk: &Desk<'_>) -> Result<()> {
    let shop = desk.shop;
    let list = shop
        .get("/api/products?limit=2&sort=-price&stock=in_stock")
        .await?
        .json()?;
    let field = |place: usize, name: &str| -> Result<String> {
        let text = list["items"][place][name].as_str();
        Ok(text.context("no such field")?.to_owned())
    };
    let (id, first, second) = (field(0, "id")?, field(0, "sku")?, field(1, "sku")?);
    let seen = desk.get(&format!("/api/admin/products/{id}")).await?;
    let low_at = seen["low_at"].as_i64().context("no mark")?;
    let set = |sku: &str, pieces: i64| shop.command(&["stock", "set", sku, &pieces.to_string()]);
    set(&first, low_at + 15)?;
    // The order takes it to the mark.
    let order = order_of(shop, &id, 15).await?;
    let key = [("idempotency-key", "a-key-of-the-client-low")];
    assert_eq!(shop.post("/api/orders", &order, &key).await?.status, 201);
    shop.wait_for("a mail", async || Ok(alerts(shop, &first) == 1))
        .await?;
    set(&first, 1)?;
    set(&first, 0)?;
    // By the time that this is told, what is told twice would have been.
    set(&second, 0)?;
    shop.wait_for("another mail", async || Ok(alerts(shop, &second) == 1))
        .await?;
    assert_eq!(alerts(shop, &first), 1);
    Ok(())
}

/// Found by mail and phone, shown with orders, and let in no more.
async fn a_customer_is_served_no_more(desk: &Desk<'_>) -> Result<()> {
    let shop = desk.shop;
    let meena = log_in(shop, "meena@example.in").await?;
    let told = json!({ "name": "Meena", "phone": "9876543210" });
    shop.ask("PATCH", "/api/auth/me", Some(&told), &meena.fields())
        .await?;
    for query in ["", "?q=Meena@example.in", "?q=%2B91%2098765%2043210"] {
        let found = desk.get(&format!("/api/admin/customers{query}")).await?;
        assert_eq!(found["items"][0]["name"], "Meena", "{query}");
        assert_eq!(found["items"].as_array().map(Vec::len), Some(1), "{query}");
    }
    let none = desk.get("/api/admin/customers?q=ravi@example.in").await?;
    assert_eq!(none["items"], json!([]));
    let wrong = desk
        .ask("GET", "/api/admin/customers?q=Meena", None, "")
        .await?;
    assert_eq!(wrong.status, 400);
    let id = desk.get("/api/admin/customers").await?["items"][0]["id"].clone();
    let path = format!("/api/admin/customers/{}", id.as_str().context("no id")?);
    let product = stocked(shop, 100).await?;
    let order = order_of(shop, product["id"].as_str().context("no id")?, 15).await?;
    let [cookie, _] = meena.fields();
    let key = ("idempotency-key", "a-key-of-the-client-meena");
    assert_eq!(
        shop.post("/api/orders", &order, &[key, cookie])
            .await?
            .status,
        201
    );
    let shown = desk.ask("GET", &path, None, "").await?;
    assert_eq!(shown.json()?["orders"].as_array().map(Vec::len), Some(1));
    let block = json!({ "blocked": true });
    assert_eq!(
        desk.ask("PATCH", &path, Some(&block), "").await?.status,
        428
    );
    let etag = shown.field("etag");
    let blocked = desk.ask("PATCH", &path, Some(&block), etag).await?;
    assert_eq!(
        (blocked.status, &blocked.json()?["blocked"]),
        (200, &json!(true))
    );
    assert_eq!(
        desk.ask("PATCH", &path, Some(&block), etag).await?.status,
        412
    );
    assert_eq!(
        shop.get_with("/api/auth/me", &meena.fields()).await?.status,
        401
    );
    assert!(log_in(shop, "meena@example.in").await.is_err());
    let free = json!({ "blocked": false });
    let freed = desk
        .ask("PATCH", &path, Some(&free), blocked.field("etag"))
        .await?;
    assert_eq!(freed.status, 200);
    log_in(shop, "meena@example.in").await?;
    Ok(())
}

async fn many(origin: &str) -> Result<()> {
    let shop = &selling(origin, 2).await?;
    let desk = Desk::open(shop).await?;
    prices_change_as_they_were_looked_at(&desk).await?;
    bad_prices_are_refused(&desk).await?;
    stocks_are_adjusted_together(&desk).await?;
    a_customer_is_served_no_more(&desk).await?;
    a_stock_that_falls_is_told_once(&desk).await
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_do_many_things_at_once_on_sqlite() -> Result<()> {
    many("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_do_many_things_at_once_on_mongodb() -> Result<()> {
    on_mongodb(many).await
}
