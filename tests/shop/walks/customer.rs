//! The customer's walk: looks around, logs in, fills a cart, orders, pays, follows, judges, and leaves.

use anyhow::Result;
use serde_json::{Value, json};

use super::super::accounts::log_in;
use super::super::both_databases::on_mongodb;
use super::super::orders::{order_of, selling, stocked};
use super::{Walk, text};

/// Routes that need more than a customer, each shown by the test named.
const ELSEWHERE: &[(&str, &str)] = &[
    // shop::proofs
    ("PUT", "/api/track/{token}/payment/proof"),
    // shop::gateway
    ("POST", "/api/track/{token}/gateway"),
    ("POST", "/api/track/{token}/gateway/confirm"),
    ("POST", "/api/payments/webhook"),
    // shop::own_payments
    ("POST", "/api/orders/{id}/gateway"),
    ("POST", "/api/orders/{id}/gateway/confirm"),
    ("PUT", "/api/orders/{id}/payments/proof"),
    // shop::live
    ("GET", "/api/track/{token}/events"),
    ("GET", "/api/orders/{id}/events"),
    // shop::asking: only a shop that sells by enquiry takes them
    ("POST", "/api/enquiries"),
    ("GET", "/api/enquiries/{token}"),
    ("GET", "/api/enquiries/{token}/estimate.pdf"),
];

async fn a_customer(origin: &str) -> Result<()> {
    let shop = &selling(origin, 1).await?;
    let product = stocked(shop, 1000).await?;
    let id = text(&product, "/id")?;
    let visitor = Walk::of(shop, None);
    looks_around(&visitor, &id).await?;
    visitor.walked().extend([
        ("POST".to_owned(), "/api/auth/otp".to_owned()),
        ("POST".to_owned(), "/api/auth/otp/verify".to_owned()),
    ]);
    let meena = Walk::of(shop, Some(log_in(shop, "meena@example.in").await?));
    says_who_she_is(&meena).await?;
    fills_a_cart(&meena, &id).await?;
    let delivered = orders_pays_and_follows(&meena, &id).await?;
    for state in ["packed", "dispatched", "delivered"] {
        shop.command(&["order", "step", &delivered, state])?;
    }
    judges(&meena, &id).await?;
    let sessions = meena.get("/api/auth/sessions").await?;
    assert_eq!(sessions["items"].as_array().map(Vec::len), Some(1));
    meena.send("POST", "/api/auth/logout", json!({})).await?;
    let again = Walk::of(shop, Some(log_in(shop, "meena@example.in").await?));
    again
        .send("DELETE", "/api/auth/sessions", json!({}))
        .await?;
    visitor.takes_over(&meena);
    visitor.takes_over(&again);
    let is_customers = |path: &str| path.starts_with("/api/") && !path.starts_with("/api/admin");
    visitor.has_seen_everything(is_customers, ELSEWHERE).await
}

/// Everything that can be seen without saying who one is.
async fn looks_around(visitor: &Walk<'_>, product: &str) -> Result<()> {
    for path in [
        "/api/shop",
        "/api/shop/zones",
        "/api/products?category=rockets&sort=price",
        "/api/products/suggest?q=rock",
        "/api/categories",
        "/api/categories/rockets",
        "/api/bundles",
        "/api/giftboxes",
        "/api/price-list",
        "/api/pages/terms",
        "/api/health",
        "/api/health/live",
        "/api/openapi.json",
    ] {
        let seen = visitor.get(path).await?;
        assert!(seen.is_object(), "{path}: {seen}");
    }
    for path in ["/api/price-list.csv", "/api/price-list.pdf", "/api/docs"] {
        let seen = visitor.with("GET", path, None, &[]).await?;
        assert!(!seen.body.is_empty(), "{path}");
    }
    for kind in ["bundles", "giftboxes"] {
        let all = visitor.get(&format!("/api/{kind}")).await?;
        let slug = text(&all, "/items/0/slug")?;
        visitor.get(&format!("/api/{kind}/{slug}")).await?;
    }
    let path = format!("/api/products/{product}");
    assert_eq!(visitor.get(&path).await?["id"], product);
    visitor.get(&format!("{path}/related")).await?;
    let gone = visitor.get("/api/products?stock=sold_out&limit=1").await?;
    let notify = format!("/api/products/{}/notify", text(&gone, "/items/0/id")?);
    let asha = json!({ "email": "asha@example.in" });
    visitor.with("POST", &notify, Some(&asha), &[]).await?;
    let word =
        json!({ "name": "Asha", "email": "asha@example.in", "message": "Do you have long ones?" });
    visitor
        .with("POST", "/api/contact", Some(&word), &[])
        .await?;
    visitor.get(&format!("{path}/reviews")).await?;
    Ok(())
}

async fn says_who_she_is(meena: &Walk<'_>) -> Result<()> {
    let about = json!({ "name": "Meena", "phone": "+91 98765 43210" });
    meena.send("PATCH", "/api/auth/me", about).await?;
    assert_eq!(meena.get("/api/auth/me").await?["name"], "Meena");
    let place = json!({ "line1": "1, Main Street", "city": "Sivakasi", "state": "Tamil Nadu", "pincode": "626123" });
    let home = json!({ "label": "Home", "address": place });
    let added = meena.send("POST", "/api/addresses", home.clone()).await?;
    let path = format!("/api/addresses/{}", text(&added, "/id")?);
    assert_eq!(meena.get(&path).await?["address"]["city"], "Sivakasi");
    let mut moved = home;
    moved["address"]["city"] = "Virudhunagar".into();
    meena.send("PUT", &path, moved).await?;
    let all = meena.get("/api/addresses").await?;
    assert_eq!(all["items"][0]["address"]["city"], "Virudhunagar");
    meena.with("DELETE", &path, None, &[]).await?;
    assert_eq!(meena.get("/api/addresses").await?["items"], json!([]));
    Ok(())
}

async fn fills_a_cart(meena: &Walk<'_>, product: &str) -> Result<()> {
    let line = format!("/api/cart/lines/product:{product}");
    let lines = json!({ "lines": [{ "kind": "product", "id": product, "quantity": 3 }] });
    meena.send("POST", "/api/cart/merge", lines.clone()).await?;
    meena.send("PATCH", "/api/cart/lines", lines).await?;
    let cart = meena.send("PUT", &line, json!({ "quantity": 15 })).await?;
    assert_eq!(cart["lines"][0]["quantity"], 15);
    let code = json!({ "code": "nothing-10" });
    meena.send("POST", "/api/cart/coupon", code).await?;
    meena.with("DELETE", "/api/cart/coupon", None, &[]).await?;
    assert!(meena.get("/api/cart").await?["quote"].is_object());
    meena.with("DELETE", &line, None, &[]).await?;
    meena.with("DELETE", "/api/cart", None, &[]).await?;
    let wish = format!("/api/wishlist/{product}");
    meena.with("PUT", &wish, None, &[]).await?;
    assert_eq!(meena.get("/api/wishlist").await?["items"][0]["id"], product);
    meena.with("DELETE", &wish, None, &[]).await?;
    Ok(())
}

/// Places an order; its number, its token and its id.
async fn ordered(meena: &Walk<'_>, order: &Value, key: &str) -> Result<[String; 3]> {
    let key = [("idempotency-key", key)];
    let placed = meena.with("POST", "/api/orders", Some(order), &key).await?;
    let placed = placed.json()?;
    let own = meena.get("/api/orders").await?;
    assert_eq!(own["items"][0]["number"], placed["number"]);
    Ok([
        text(&placed, "/number")?,
        text(&placed, "/tracking_token")?,
        text(&own, "/items/0/id")?,
    ])
}

/// Two orders called off, one paid both ways, one paid on delivery: the number of that one.
async fn orders_pays_and_follows(meena: &Walk<'_>, product: &str) -> Result<String> {
    meena
        .walked()
        .push(("POST".to_owned(), "/api/cart/quote".to_owned()));
    let mut order = order_of(meena.shop, product, 15).await?;
    let [_, _, id] = ordered(meena, &order, "a-key-of-a-first-order").await?;
    let cancel = format!("/api/orders/{id}/cancel");
    meena.send("POST", &cancel, json!({})).await?;
    let [_, token, _] = ordered(meena, &order, "a-key-of-a-second-order").await?;
    let cancel = format!("/api/track/{token}/cancel");
    meena.send("POST", &cancel, json!({})).await?;

    let [_, token, _] = ordered(meena, &order, "a-key-of-a-third-order").await?;
    let paid = json!({ "reference": "UTR123456" });
    let pay = format!("/api/track/{token}/payment");
    assert_eq!(
        meena.send("POST", &pay, paid).await?["state"],
        "payment_review"
    );
    let [number, _, id] = ordered(meena, &order, "a-key-of-a-fourth-order").await?;
    let paid = json!({ "method": "bank_transfer", "reference": "UTR123457", "amount_paise": 100 });
    meena
        .send("POST", &format!("/api/orders/{id}/payments"), paid)
        .await?;
    let own = meena.get(&format!("/api/orders/{id}")).await?;
    assert_eq!(own["state"], "payment_review");
    let asked = json!({ "number": number, "contact": "meena@example.in" });
    let seen = meena.send("POST", "/api/orders/track", asked).await?;
    assert_eq!(seen["state"], "payment_review");

    order["payment"] = "cash_on_delivery".into();
    let [number, token, id] = ordered(meena, &order, "a-key-of-a-fifth-order").await?;
    for path in [
        format!("/api/orders/{id}/invoice.pdf"),
        format!("/api/track/{token}/invoice.pdf"),
    ] {
        let paper = meena.with("GET", &path, None, &[]).await?;
        assert!(paper.body.starts_with(b"%PDF-"), "{path}");
    }
    let seen = meena.get(&format!("/api/track/{token}")).await?;
    assert_eq!(seen["state"], "confirmed");
    Ok(number)
}

async fn judges(meena: &Walk<'_>, product: &str) -> Result<()> {
    let path = format!("/api/products/{product}/reviews");
    let review = json!({ "rating": 5, "text": "Bright and loud." });
    meena.send("POST", &path, review).await?;
    assert_eq!(meena.get(&format!("{path}/own")).await?["rating"], 5);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_goes_through_everything_on_sqlite() -> Result<()> {
    a_customer("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_goes_through_everything_on_mongodb() -> Result<()> {
    on_mongodb(a_customer).await
}
