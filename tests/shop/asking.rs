//! What visitors ask the shop for: word when a product is back, an answer, an estimate.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use crackers_tests::stack::{Setup, Stack};
use serde_json::{Value, json};

use super::accounts::{log_in, mails};
use super::both_databases::on_mongodb;
use super::orders::{UNLIMITED, selling, stocked};
use super::papers;
use super::staff::Desk;

/// How many mails with this subject went to an address.
fn told(shop: &Stack, email: &str, subject: &str) -> Result<usize> {
    let of = |text: &&String| {
        text.contains(&format!("To: {email}\r\n"))
            && text.contains(&format!("Subject: {subject}\r\n"))
    };
    Ok(mails(shop)?.iter().filter(of).count())
}

async fn set_stock(shop: &Stack, product: &Value, pieces: u32) -> Result<()> {
    let sku = product["sku"].as_str().context("no SKU")?;
    shop.command(&["stock", "set", sku, &pieces.to_string()])?;
    let path = format!("/api/products/{}", product["id"].as_str().context("no id")?);
    let word = if pieces == 0 { "sold_out" } else { "in_stock" };
    shop.wait_for(word, async || {
        Ok(shop.get(&path).await?.json()?["availability"] == word)
    })
    .await
}

async fn a_product_comes_back(origin: &str) -> Result<()> {
    let shop = &selling(origin, 2).await?;
    let product = &stocked(shop, 100).await?;
    let subject = format!("{} is back", product["name"].as_str().context("no name")?);
    let path = format!(
        "/api/products/{}/notify",
        product["id"].as_str().context("no id")?
    );
    let anonymous = json!({ "email": "Asha@Example.in" });
    let early = shop.post(&path, &anonymous, &[]).await?;
    assert_eq!(
        (early.status, &early.json()?["code"]),
        (409, &json!("in_stock"))
    );
    set_stock(shop, product, 0).await?;
    let meena = log_in(shop, "meena@example.in").await?;
    let [cookie, _] = meena.fields();
    let other_path = "/api/products/nothing/notify";
    for (path, body, fields, status) in [
        (path.as_str(), anonymous.clone(), &[][..], 202),
        (&path, anonymous.clone(), &[], 202),
        (&path, json!({}), &[cookie][..], 202),
        (&path, json!({}), &[], 400),
        (&path, json!({ "email": "no address" }), &[], 400),
        (&path, json!({ "email": ["a@b.in"] }), &[], 400),
        (other_path, anonymous.clone(), &[], 404),
    ] {
        let answer = shop.post(path, &body, fields).await?;
        assert_eq!(answer.status, status, "{path} {body}");
        if status == 202 {
            assert_eq!(answer.json()?, json!({}));
        }
    }
    set_stock(shop, product, 100).await?;
    for email in ["asha@example.in", "meena@example.in"] {
        shop.wait_for("they are told", async || {
            Ok(told(shop, email, &subject)? == 1)
        })
        .await?;
    }
    // Told once: when it comes back again, only who asked again is told.
    set_stock(shop, product, 0).await?;
    let ravi = json!({ "email": "ravi@example.in" });
    assert_eq!(shop.post(&path, &ravi, &[]).await?.status, 202);
    set_stock(shop, product, 100).await?;
    shop.wait_for("he is told", async || {
        Ok(told(shop, "ravi@example.in", &subject)? == 1)
    })
    .await?;
    for email in ["asha@example.in", "meena@example.in"] {
        assert_eq!(told(shop, email, &subject)?, 1, "{email}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_product_is_told_once_on_sqlite() -> Result<()> {
    a_product_comes_back("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_product_is_told_once_on_mongodb() -> Result<()> {
    on_mongodb(a_product_comes_back).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_reaches_the_shop_as_text_and_a_flood_of_them_does_not() -> Result<()> {
    let shop = &Stack::start(1, "").await?;
    let message = json!({
        "name": "Meena", "email": "meena@example.in", "phone": "98765 43210",
        "message": "Do you have <b>green</b> rockets?\nFor a wedding.",
    });
    for (field, value) in [
        ("name", json!("a\nBcc: b@c.in")),
        ("email", json!("a@b.in\r\nBcc: c@d.in")),
        ("phone", json!("12345")),
        ("message", json!("short")),
    ] {
        let mut wrong = message.clone();
        wrong[field] = value;
        let answer = shop.post("/api/contact", &wrong, &[]).await?;
        let said = answer.json()?;
        assert_eq!(
            (answer.status, &said["errors"][0]["pointer"]),
            (400, &json!(format!("/{field}")))
        );
    }
    assert_eq!(shop.post("/api/contact", &message, &[]).await?.status, 202);
    let to = shop.get("/api/shop").await?.json()?["contact"]["email"].clone();
    let to = to.as_str().context("no address")?;
    shop.wait_for("the shop has it", async || {
        Ok(told(shop, to, "Message from Meena")? == 1)
    })
    .await?;
    let mail = mails(shop)?.pop().context("no mail")?;
    assert!(mail.contains("Reply-To: meena@example.in\r\n"), "{mail}");
    assert!(mail.contains("&lt;b&gt;green&lt;/b&gt;"), "{mail}");
    // The budget for messages is its own: who has used it up can still buy.
    let mut statuses = BTreeSet::new();
    for _ in 0..20 {
        statuses.insert(shop.post("/api/contact", &message, &[]).await?.status);
    }
    assert_eq!(statuses, BTreeSet::from([202, 429]));
    let late = shop.post("/api/contact", &message, &[]).await?;
    assert!(late.status == 429 && !late.field("retry-after").is_empty());
    let track = json!({ "number": "CR000001", "contact": "9876543210" });
    assert_eq!(
        shop.post("/api/orders/track", &track, &[]).await?.status,
        404
    );
    Ok(())
}

/// What Meena wants to know the price of.
pub(super) fn enquiry(product: &Value) -> Value {
    json!({
        "lines": [{ "kind": "product", "id": product["id"], "quantity": 15 }],
        "contact": { "name": "Meena", "phone": "+91 98765 43210", "email": "meena@example.in" },
        "destination": { "state": "Tamil Nadu", "pincode": "626123" },
        "message": "Before Deepavali?", "is_adult": true,
    })
}

/// Sent once, whatever the shop says afterwards; refused in every wrong form.
async fn sent_once(shop: &Stack, product: &Value) -> Result<Value> {
    let asked = enquiry(product);
    assert_eq!(shop.post("/api/enquiries", &asked, &[]).await?.status, 400);
    let key = [("idempotency-key", "a-key-of-the-client-0")];
    for (field, value, pointer) in [
        ("is_adult", json!(false), "/is_adult"),
        ("lines", json!([]), "/lines"),
        ("message", json!("x".repeat(1001)), "/message"),
        (
            "contact",
            json!({ "name": "", "phone": "+91 98765 43210", "email": "meena@example.in" }),
            "/contact/name",
        ),
        (
            "destination",
            json!({ "state": "Tamil\nNadu", "pincode": "626123" }),
            "/destination/state",
        ),
        (
            "destination",
            json!({ "state": "Tamil Nadu", "pincode": "626" }),
            "/destination/pincode",
        ),
    ] {
        let mut wrong = asked.clone();
        wrong[field] = value;
        let answer = shop.post("/api/enquiries", &wrong, &key).await?;
        let said = answer.json()?;
        assert_eq!(
            (answer.status, &said["errors"][0]["pointer"]),
            (422, &json!(pointer)),
            "{said}"
        );
    }
    let sent = shop.post("/api/enquiries", &asked, &key).await?;
    assert_eq!(sent.status, 201, "{}", sent.json()?);
    let first = sent.json()?;
    shop.command(&["shop", "mode", "order"])?;
    let again = shop.post("/api/enquiries", &asked, &key).await?;
    assert_eq!((again.status, again.json()?), (201, first.clone()));
    let new = shop
        .post(
            "/api/enquiries",
            &asked,
            &[("idempotency-key", "a-key-of-the-client-1")],
        )
        .await?;
    assert_eq!(
        (new.status, &new.json()?["code"]),
        (409, &json!("no_enquiries"))
    );
    shop.command(&["shop", "mode", "enquiry"])?;
    let mut other = asked.clone();
    other["message"] = "Another".into();
    let reused = shop.post("/api/enquiries", &other, &key).await?;
    assert_eq!(
        (reused.status, &reused.json()?["code"]),
        (422, &json!("idempotency_key_reused"))
    );
    Ok(first)
}

/// Eight at once, each key twice: eight numbers, and nothing is held.
async fn numbered(shop: &Stack, desk: &Desk<'_>, product: &Value) -> Result<()> {
    let asked = enquiry(product);
    let keys: Vec<_> = (0..16)
        .map(|n| format!("a-key-at-the-same-time-{}", n / 2))
        .collect();
    let all = keys.iter().map(async |key| {
        let sent = shop
            .post("/api/enquiries", &asked, &[("idempotency-key", key)])
            .await?;
        anyhow::ensure!(sent.status == 201, "{}", sent.json()?);
        Ok(sent.json()?["number"].to_string())
    });
    let numbers: BTreeSet<_> = futures_util::future::try_join_all(all)
        .await?
        .into_iter()
        .collect();
    assert_eq!(numbers.len(), 8, "{numbers:?}");
    let path = format!(
        "/api/admin/products/{}/stock",
        product["id"].as_str().context("no id")?
    );
    assert_eq!(desk.get(&path).await?["available"], 20);
    Ok(())
}

/// Found, contacted, converted; each step by who saw the last one.
async fn taken_on(desk: &Desk<'_>, number: &str) -> Result<()> {
    let found = desk
        .get(&format!("/api/admin/enquiries?q={number}"))
        .await?;
    let found = &found["items"][0];
    assert_eq!(
        (&found["name"], &found["message"]),
        (&json!("Meena"), &json!("Before Deepavali?"))
    );
    let of_phone = desk
        .get("/api/admin/enquiries?q=9876543210&limit=5")
        .await?;
    assert_eq!(of_phone["items"].as_array().map(Vec::len), Some(5));
    assert!(of_phone["next_cursor"].is_string());
    let path = format!(
        "/api/admin/enquiries/{}",
        found["id"].as_str().context("no id")?
    );
    let to = format!("{path}/step");
    let step = async |state: &str, etag: &str| {
        let body = json!({ "state": state, "note": "by phone" });
        let answer = desk.ask("POST", &to, Some(&body), etag).await?;
        anyhow::Ok((answer.status, answer.json()?))
    };
    assert_eq!(step("contacted", "").await?.0, 428);
    let (status, early) = step("converted", "\"1\"").await?;
    assert_eq!((status, &early["code"]), (409, &json!("no_such_step")));
    assert_eq!(step("contacted", "\"1\"").await?.0, 200);
    assert_eq!(step("converted", "\"1\"").await?.0, 412);
    let (status, done) = step("converted", "\"2\"").await?;
    assert_eq!(
        (status, &done["history"][1]["by"]),
        (200, &json!("owner@example.in")),
        "{done}"
    );
    let converted = desk.get("/api/admin/enquiries?state=converted").await?;
    assert_eq!(converted["items"].as_array().map(Vec::len), Some(1));
    Ok(())
}

async fn estimates(origin: &str) -> Result<()> {
    let shop = &Stack::of(Setup {
        edge: UNLIMITED,
        origin,
        ..Setup::default()
    })
    .await?;
    let desk = Desk::open(shop).await?;
    let product = stocked(shop, 20).await?;
    let first = sent_once(shop, &product).await?;
    let number = first["number"].as_str().context("no number")?;
    let path = format!(
        "/api/enquiries/{}",
        first["token"].as_str().context("no token")?
    );
    let seen = shop.get(&path).await?;
    assert_eq!(
        (seen.status, seen.field("cache-control")),
        (200, "private, no-store")
    );
    assert_eq!(seen.json()?, first);
    let text = String::from_utf8_lossy(&seen.body).into_owned();
    for secret in ["Meena", "9876543210", "example.in", "Deepavali"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    assert_eq!(shop.get("/api/enquiries/nothing").await?.status, 404);
    let paper = papers::read(&shop.get(&format!("{path}/estimate.pdf")).await?)?;
    assert!(paper.contains(&format!("Estimate {number}")), "{paper}");
    assert!(paper.contains(product["sku"].as_str().context("no SKU")?));
    for secret in ["Meena", "9876543210", "Deepavali"] {
        assert!(!paper.contains(secret), "{secret}: {paper}");
    }
    let nobodys = shop.get("/api/enquiries/nothing/estimate.pdf").await?;
    assert_eq!(nobodys.status, 404);
    numbered(shop, &desk, &product).await?;
    taken_on(&desk, number).await?;
    shop.wait_for("Meena has her estimate", async || {
        Ok(told(
            shop,
            "meena@example.in",
            &format!("{number}: your estimate"),
        )? == 1)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_estimate_is_numbered_once_and_taken_on_by_staff_on_sqlite() -> Result<()> {
    estimates("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_estimate_is_numbered_once_and_taken_on_by_staff_on_mongodb() -> Result<()> {
    on_mongodb(estimates).await
}
