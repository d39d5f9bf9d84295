//! What customers keep: a cart and addresses, their own and nobody else's.

use std::time::Instant;

use anyhow::{Context as _, Result};
use crackers_tests::stack::{Answer, PATIENCE, Stack};
use serde_json::{Value, json};

use super::accounts::{LoggedIn, log_in};
use super::both_databases::on_mongodb;
use super::orders::{selling, stocked};

/// A customer at home.
struct Home<'a> {
    shop: &'a Stack,
    who: LoggedIn,
}

impl Home<'_> {
    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Result<Answer> {
        let fields = self.who.fields();
        self.shop.ask(method, path, body.as_ref(), &fields).await
    }

    async fn put(&self, path: &str, body: Value) -> Result<Answer> {
        self.ask("PUT", path, Some(body)).await
    }

    /// Of many at once, one may hear that others were quicker for too long: he asks again.
    async fn at_last(&self, method: &str, path: &str, body: Value) -> Result<Answer> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.ask(method, path, Some(body.clone())).await?;
            if answer.status != 412 || Instant::now() > deadline {
                return Ok(answer);
            }
        }
    }

    async fn cart(&self) -> Result<Value> {
        let answer = self.ask("GET", "/api/cart", None).await?;
        assert_eq!(answer.field("cache-control"), "private, no-store");
        answer.json()
    }
}

async fn carts_and_addresses(origin: &str) -> Result<()> {
    let shop = &selling(origin, 1).await?;
    let meena = Home {
        shop,
        who: log_in(shop, "meena@example.in").await?,
    };
    let ravi = Home {
        shop,
        who: log_in(shop, "ravi@example.in").await?,
    };
    assert_eq!(shop.get("/api/cart").await?.status, 401);
    a_cart_is_what_was_said_last(&meena, &ravi).await?;
    many_hands_lose_nothing(&meena).await?;
    wrong_lines_change_nothing(&meena).await?;
    addresses_are_their_owners(&meena, &ravi).await
}

/// Said twice it is the same; merged twice, too; the price is the shop's.
async fn a_cart_is_what_was_said_last(meena: &Home<'_>, ravi: &Home<'_>) -> Result<()> {
    let product = stocked(meena.shop, 1000).await?;
    let id = product["id"].as_str().context("no id")?;
    let line = format!("/api/cart/lines/product:{id}");
    for _ in 0..2 {
        let put = meena.put(&line, json!({ "quantity": 12 })).await?;
        assert_eq!(put.status, 200, "{}", put.json()?);
    }
    let cart = meena.cart().await?;
    assert_eq!(cart["lines"].as_array().map(Vec::len), Some(1));
    assert_eq!(cart["lines"][0]["quantity"], 12);
    let price = product["price"]["amount_paise"]
        .as_i64()
        .context("no price")?;
    assert_eq!(cart["quote"]["goods"]["amount_paise"], 12 * price);
    assert_eq!(ravi.cart().await?["lines"], json!([]));
    let brought = json!({ "lines": [{ "kind": "product", "id": id, "quantity": 15 }] });
    for _ in 0..2 {
        let merged = meena
            .ask("POST", "/api/cart/merge", Some(brought.clone()))
            .await?;
        assert_eq!(merged.json()?["lines"][0]["quantity"], 15);
    }
    // A coupon that does not exist takes the quote away, not the lines.
    let code = json!({ "code": "nothing-10" });
    let with = meena
        .ask("POST", "/api/cart/coupon", Some(code))
        .await?
        .json()?;
    assert_eq!(
        (&with["coupon"], &with["quote"]),
        (&json!("NOTHING-10"), &Value::Null)
    );
    assert!(
        with["refused"]
            .as_str()
            .is_some_and(|why| why.contains("not valid"))
    );
    let without = meena
        .ask("DELETE", "/api/cart/coupon", None)
        .await?
        .json()?;
    assert!(without["quote"].is_object());
    // More than an order may have is kept and explained.
    let many = meena
        .put(&line, json!({ "quantity": 100_000 }))
        .await?
        .json()?;
    assert!(many["lines"][0]["refused"].is_string() && many["quote"].is_null());
    let gone = meena.ask("DELETE", &line, None).await?.json()?;
    assert_eq!(gone["lines"], json!([]));
    Ok(())
}

/// Ten lines at once from one customer: all of them are there.
async fn many_hands_lose_nothing(meena: &Home<'_>) -> Result<()> {
    let list = meena.shop.get("/api/products?limit=10").await?.json()?;
    let items = list["items"].as_array().context("no items")?;
    let puts = items.iter().map(async |item| {
        let id = item["id"].as_str().context("no id")?;
        let line = format!("/api/cart/lines/product:{id}");
        let put = meena.at_last("PUT", &line, json!({ "quantity": 1 }));
        anyhow::ensure!(put.await?.status == 200);
        Ok(())
    });
    futures_util::future::try_join_all(puts).await?;
    let cart = meena.cart().await?;
    assert_eq!(cart["lines"].as_array().map(Vec::len), Some(10));
    Ok(())
}

async fn wrong_lines_change_nothing(meena: &Home<'_>) -> Result<()> {
    let before = meena.cart().await?;
    let id = before["lines"][0]["id"]
        .as_str()
        .context("no id")?
        .to_owned();
    for (path, body, status) in [
        ("product:nothing", json!({ "quantity": 1 }), 400),
        ("toy:1", json!({ "quantity": 1 }), 404),
        ("nothing", json!({ "quantity": 1 }), 404),
        (&*format!("product:{id}"), json!({ "quantity": -1 }), 400),
        (&*format!("product:{id}"), json!({ "quantity": 1.5 }), 400),
        (
            &*format!("product:{id}"),
            json!({ "quantity": 100_001 }),
            400,
        ),
        (
            &*format!("product:{id}"),
            json!({ "quantity": { "$gt": 0 } }),
            400,
        ),
        (
            &*format!("product:{id}"),
            json!({ "quantity": 1, "price": 1 }),
            400,
        ),
    ] {
        let answer = meena
            .put(&format!("/api/cart/lines/{path}"), body.clone())
            .await?;
        assert_eq!(answer.status, status, "{path} {body}: {}", answer.json()?);
    }
    let unknown = json!({ "lines": [{ "kind": "product", "id": "nothing", "quantity": 1 }] });
    let patched = meena.ask("PATCH", "/api/cart/lines", Some(unknown)).await?;
    assert_eq!(patched.json()?["errors"][0]["pointer"], "/lines/0/id");
    assert_eq!(meena.cart().await?["lines"], before["lines"]);
    Ok(())
}

async fn addresses_are_their_owners(meena: &Home<'_>, ravi: &Home<'_>) -> Result<()> {
    let home = json!({ "label": "Home", "address": {
        "line1": "1, Main Street", "city": "Sivakasi", "state": "Tamil Nadu", "pincode": "626123" } });
    let made = meena
        .ask("POST", "/api/addresses", Some(home.clone()))
        .await?;
    assert_eq!(made.status, 201, "{}", made.json()?);
    let id = made.json()?["id"].as_str().context("no id")?.to_owned();
    let path = format!("/api/addresses/{id}");
    for method in ["GET", "PUT", "DELETE"] {
        let body = (method == "PUT").then(|| home.clone());
        assert_eq!(ravi.ask(method, &path, body).await?.status, 404, "{method}");
    }
    let mut wrong = home.clone();
    wrong["address"]["pincode"] = json!("012345");
    let refused = meena.put(&path, wrong).await?;
    assert_eq!(refused.json()?["errors"][0]["pointer"], "/address/pincode");
    let mut moved = home.clone();
    moved["address"]["line1"] = json!("2, Main Street");
    assert_eq!(meena.put(&path, moved).await?.status, 200);
    let seen = meena.ask("GET", &path, None).await?.json()?;
    assert_eq!(seen["address"]["line1"], "2, Main Street");
    // Thirty at once: twenty in all, and no more.
    let adds = (0..30).map(async |_| meena.at_last("POST", "/api/addresses", home.clone()).await);
    let answers = futures_util::future::try_join_all(adds).await?;
    assert_eq!(answers.iter().filter(|one| one.status == 201).count(), 19);
    assert!(answers.iter().all(|one| matches!(one.status, 201 | 409)));
    assert_eq!(meena.ask("DELETE", &path, None).await?.status, 200);
    let left = meena.ask("GET", "/api/addresses", None).await?.json()?;
    assert_eq!(left["items"].as_array().map(Vec::len), Some(19));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn carts_and_addresses_are_their_customers_on_sqlite() -> Result<()> {
    carts_and_addresses("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn carts_and_addresses_are_their_customers_on_mongodb() -> Result<()> {
    on_mongodb(carts_and_addresses).await
}
