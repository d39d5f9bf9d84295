//! Paying through a gateway: the money is counted once, whoever tells of it, in whatever order, and goes back once.

use std::time::Duration;

use anyhow::{Context as _, Result};
use crackers_tests::gateway::{Gateway, Mood};
use crackers_tests::stack::{Answer, Stack};
use serde_json::{Value, json};

use super::both_databases::on_mongodb;
use super::orders::{order_of, selling, stocked};
use super::staff::Desk;

/// An order that is paid through the gateway: where it is followed, and what it costs.
pub(super) async fn ordered(shop: &Stack, key: &str) -> Result<(String, Value)> {
    let product = stocked(shop, 20).await?;
    let mut order = order_of(shop, product["id"].as_str().context("no id")?, 15).await?;
    order["payment"] = "gateway".into();
    let placed = shop
        .post("/api/orders", &order, &[("idempotency-key", key)])
        .await?;
    anyhow::ensure!(placed.status == 201, "{}", placed.json()?);
    let placed = placed.json()?;
    let token = placed["tracking_token"].as_str().context("no token")?;
    Ok((
        format!("/api/track/{token}"),
        placed["total"]["amount_paise"].clone(),
    ))
}

/// Opens the checkout; answers with the gateway's own order.
pub(super) async fn begun(shop: &Stack, path: &str) -> Result<String> {
    let begun = shop
        .post(&format!("{path}/gateway"), &json!({}), &[])
        .await?;
    anyhow::ensure!(begun.status == 200, "{}", begun.json()?);
    let id = begun.json()?["gateway_order_id"].clone();
    Ok(id.as_str().context("no gateway order")?.to_owned())
}

async fn tell(shop: &Stack, body: &str, signature: &str) -> Result<Answer> {
    let url = format!("{}/api/payments/webhook", shop.url);
    let sent = reqwest::Client::new()
        .post(url)
        .header("content-type", "application/json")
        .header("x-razorpay-signature", signature)
        .body(body.to_owned());
    let sent = sent.send().await?;
    let (status, headers) = (sent.status().as_u16(), sent.headers().clone());
    Ok(Answer {
        status,
        headers,
        body: sent.bytes().await?,
    })
}

/// What a message leads to.
pub(super) async fn told(shop: &Stack, gateway: &Gateway, payment: &str) -> Result<Value> {
    let (body, signature) = gateway.message("payment.captured", payment)?;
    let heard = tell(shop, &body, &signature).await?;
    anyhow::ensure!(heard.status == 200, "{}", heard.json()?);
    Ok(heard.json()?["outcome"].clone())
}

async fn states(shop: &Stack, path: &str) -> Result<Vec<String>> {
    let seen = shop.get(path).await?.json()?;
    let history = seen["history"].as_array().context("no history")?;
    let states = history.iter().map(|step| step["state"].as_str());
    Ok(states.flatten().map(str::to_owned).collect())
}

async fn confirm(shop: &Stack, path: &str, ids: [&str; 2], signature: &str) -> Result<Answer> {
    let given = json!({ "gateway_order_id": ids[0], "payment_id": ids[1], "signature": signature });
    shop.post(&format!("{path}/gateway/confirm"), &given, &[])
        .await
}

async fn money_counts_once(own: &str) -> Result<()> {
    let gateway = Gateway::start().await?;
    let shop = &selling(&format!("{own}{}", gateway.settings("")), 1).await?;
    let (path, total) = &ordered(shop, "a-key-of-the-client-1").await?;
    // Once over the exact amount, however often the checkout is opened; the answer that was lost was nobody's.
    gateway.next(&[Mood::LosesTheAnswer]);
    let order = &begun(shop, path).await?;
    assert_eq!(*order, begun(shop, path).await?);
    let made = gateway.orders();
    assert_eq!((made.len(), &made[1]["id"]), (2, &json!(order)));
    assert_eq!(
        (&made[1]["amount"], &made[1]["currency"]),
        (total, &json!("INR"))
    );

    let reference = json!({ "reference": "UTR123456" });
    let by_reference = shop
        .post(&format!("{path}/payment"), &reference, &[])
        .await?;
    assert_eq!(by_reference.status, 409);
    what_is_not_the_gateways_word_changes_nothing(shop, &gateway, path, order, total).await?;
    assert_eq!(states(shop, path).await?, ["awaiting_payment"]);

    // All at once, by both ways, from a customer who also clicks twice.
    let payment = &gateway.pay(order, total, "INR", "captured");
    let signature = &gateway.checkout_signature(order, payment);
    let messages = (0..10).map(|_| told(shop, &gateway, payment));
    let returns = (0..5).map(|_| confirm(shop, path, [order, payment], signature));
    let (outcomes, answers) = tokio::try_join!(
        futures_util::future::try_join_all(messages),
        futures_util::future::try_join_all(returns)
    )?;
    for answer in &answers {
        assert_eq!(
            (answer.status, &answer.json()?["state"]),
            (200, &json!("confirmed"))
        );
    }
    let confirmed = outcomes.iter().filter(|outcome| **outcome == "confirmed");
    assert!(confirmed.count() <= 1, "{outcomes:?}");
    assert_eq!(told(shop, &gateway, payment).await?, "known");
    assert_eq!(states(shop, path).await?, ["awaiting_payment", "confirmed"]);
    let late = shop
        .post(&format!("{path}/gateway"), &json!({}), &[])
        .await?;
    assert_eq!(
        (late.status, &late.json()?["code"]),
        (409, &json!("not_awaiting_payment"))
    );

    paid_twice_goes_back_once(shop, &gateway, path, order, total).await
}

/// Wrong signatures, wrong amounts, money that is not there yet, and payments of others.
async fn what_is_not_the_gateways_word_changes_nothing(
    shop: &Stack,
    gateway: &Gateway,
    path: &str,
    order: &str,
    total: &Value,
) -> Result<()> {
    let pending = &gateway.pay(order, total, "INR", "authorized");
    let signature = &gateway.checkout_signature(order, pending);
    let other = gateway.checkout_signature(order, "pay_of_another");
    for (ids, signature, status, code) in [
        ([order, pending], &*other, 400, "wrong_signature"),
        ([order, pending], "", 400, "wrong_signature"),
        (
            ["order_of_another", pending],
            signature,
            400,
            "invalid_field",
        ),
        ([order, "../orders"], signature, 400, "invalid_field"),
    ] {
        let answer = confirm(shop, path, ids, signature).await?;
        assert_eq!(
            (answer.status, &answer.json()?["code"]),
            (status, &json!(code))
        );
    }
    let early = confirm(shop, path, [order, pending], signature).await?;
    assert_eq!(
        (early.status, &early.json()?["state"]),
        (200, &json!("awaiting_payment"))
    );
    assert_eq!(told(shop, gateway, pending).await?, "not_yet");

    let less = &gateway.pay(order, &json!(100), "INR", "captured");
    let dollars = &gateway.pay(order, total, "USD", "captured");
    for payment in [less, dollars] {
        assert_eq!(told(shop, gateway, payment).await?, "other_amount");
        let signature = gateway.checkout_signature(order, payment);
        let answer = confirm(shop, path, [order, payment], &signature).await?;
        assert_eq!(
            (answer.status, &answer.json()?["code"]),
            (409, &json!("other_amount"))
        );
    }
    let of_another = &gateway.pay("order_of_another", total, "INR", "captured");
    assert_eq!(told(shop, gateway, of_another).await?, "unknown");

    let (body, signature) = gateway.message("payment.captured", pending)?;
    let (changed, zeros) = (body.replace("authorized", "captured"), "0".repeat(64));
    for (body, signature) in [(&changed, &*signature), (&body, ""), (&body, &*zeros)] {
        let heard = tell(shop, body, signature).await?;
        assert_eq!(
            (heard.status, &heard.json()?["code"]),
            (400, &json!("wrong_signature"))
        );
    }
    let (body, signature) = gateway.message("payment.failed", pending)?;
    assert_eq!(
        tell(shop, &body, &signature).await?.json()?["outcome"],
        "ignored"
    );
    Ok(())
}

/// A second payment of what is paid is noted, and staff send it back; the order stays as it is.
async fn paid_twice_goes_back_once(
    shop: &Stack,
    gateway: &Gateway,
    path: &str,
    order: &str,
    total: &Value,
) -> Result<()> {
    let again = &gateway.pay(order, total, "INR", "captured");
    assert_eq!(told(shop, gateway, again).await?, "noted");
    assert_eq!(told(shop, gateway, again).await?, "known");
    let desk = Desk::open(shop).await?;
    send_back(&desk, again).await?;
    shop.wait_for("the second payment went back", async || {
        let order = &desk.get("/api/admin/orders").await?["items"][0];
        Ok(order["payments"][1]["state"] == "refunded"
            && order["payments"][0]["state"] == "approved")
    })
    .await?;
    assert_eq!(states(shop, path).await?, ["awaiting_payment", "confirmed"]);
    // What the order is paid by does not go back while it is wanted.
    let order = &desk.get("/api/admin/orders").await?["items"][0];
    let decision = json!({ "payment_id": order["payments"][0]["id"], "decision": "refund" });
    let address = format!(
        "/api/admin/orders/{}/payment",
        order["id"].as_str().context("no id")?
    );
    let etag = format!("\"{}\"", order["version"]);
    let kept = desk.ask("POST", &address, Some(&decision), &etag).await?;
    assert_eq!(
        (kept.status, &kept.json()?["code"]),
        (409, &json!("no_such_step"))
    );
    assert_eq!(gateway.refunds().len(), 1);
    Ok(())
}

/// Staff say that the money of a payment goes back; a second time is refused, and so is an order seen before it changed.
async fn send_back(desk: &Desk<'_>, payment: &str) -> Result<()> {
    let order = &desk.get("/api/admin/orders").await?["items"][0];
    let decision =
        json!({ "payment_id": payment, "decision": "refund", "note": "as the customer asks" });
    let address = format!(
        "/api/admin/orders/{}/payment",
        order["id"].as_str().context("no id")?
    );
    let etag = format!("\"{}\"", order["version"]);
    let stale = desk.ask("POST", &address, Some(&decision), "\"1\"").await?;
    assert_eq!(stale.status, 412, "{}", stale.json()?);
    let asked = desk.ask("POST", &address, Some(&decision), &etag).await?;
    assert_eq!(asked.status, 200, "{}", asked.json()?);
    let again = desk.ask("POST", &address, Some(&decision), &etag).await?;
    assert!(matches!(again.status, 409 | 412), "{}", again.json()?);
    Ok(())
}

async fn late_money_goes_back(own: &str) -> Result<()> {
    let gateway = Gateway::start().await?;
    let soon = "commerce: {payment_window_seconds: 15, expiry_interval_ms: 50}\n";
    let shop = &selling(&format!("{own}{soon}{}", gateway.settings("")), 2).await?;
    let (path, total) = &ordered(shop, "a-key-of-the-client-1").await?;
    let order = &begun(shop, path).await?;
    let payment = &gateway.pay(order, total, "INR", "captured");
    shop.wait_for("the order is over", async || {
        Ok(states(shop, path).await? == ["awaiting_payment", "expired"])
    })
    .await?;
    let signature = gateway.checkout_signature(order, payment);
    let back = confirm(shop, path, [order, payment], &signature).await?;
    assert_eq!(
        (back.status, &back.json()?["state"]),
        (200, &json!("refund_due"))
    );
    assert_eq!(told(shop, &gateway, payment).await?, "known");

    // The gateway sends the money, and its answer is lost; a second origin looks at the same time.
    let desk = Desk::open(shop).await?;
    gateway.next(&[Mood::Fine, Mood::LosesTheAnswer, Mood::Fails]);
    send_back(&desk, payment).await?;
    shop.wait_for("the money went back", async || {
        Ok(states(shop, path).await? == ["awaiting_payment", "expired", "refund_due", "refunded"])
    })
    .await?;
    let went = gateway.refunds();
    assert_eq!(went.len(), 1);
    assert_eq!(
        (went[0].0.as_str(), &went[0].1["amount"]),
        (&*format!("refund-{payment}"), total)
    );
    shop.wait_for("it is written down", async || {
        let refunds = desk.get("/api/admin/refunds").await?;
        Ok(refunds["items"][0]["done_at"].is_string())
    })
    .await?;
    let again = format!("/api/admin/refunds/{payment}/again");
    assert_eq!(desk.ask("POST", &again, None, "").await?.status, 200);
    let refunds = desk.get("/api/admin/refunds").await?;
    assert!(
        refunds["items"][0]["next_try_at"].is_null(),
        "what is done stays done"
    );
    assert_eq!(shop.get("/api/admin/refunds").await?.status, 401);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn money_counts_once_whoever_tells_of_it_on_sqlite() -> Result<()> {
    money_counts_once("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn money_counts_once_whoever_tells_of_it_on_mongodb() -> Result<()> {
    on_mongodb(money_counts_once).await
}

#[tokio::test(flavor = "multi_thread")]
async fn money_for_an_order_that_is_over_goes_back_once_on_sqlite() -> Result<()> {
    late_money_goes_back("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn money_for_an_order_that_is_over_goes_back_once_on_mongodb() -> Result<()> {
    on_mongodb(late_money_goes_back).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_fails_is_left_alone_and_the_shop_goes_on() -> Result<()> {
    let gateway = Gateway::start().await?;
    let calls = "timeout_ms: 2000, tries_max: 2, breaker_failures_max: 4, breaker_pause_ms: 60000";
    let shop = &selling(&gateway.settings(calls), 1).await?;
    let (path, _) = ordered(shop, "a-key-of-the-client-1").await?;
    let open = format!("{path}/gateway");
    gateway.next(&[Mood::Slow(Duration::from_secs(8)); 2]);
    for is_down in [false, true, true, true] {
        gateway.set_down(is_down);
        let answer = shop.post(&open, &json!({}), &[]).await?;
        assert_eq!(
            (answer.status, &answer.json()?["code"]),
            (503, &json!("gateway_unavailable"))
        );
        assert!(!answer.field("retry-after").is_empty());
    }
    // Two tries each, and after the fourth failure none.
    assert_eq!(gateway.requests(), 4);
    let product = stocked(shop, 20).await?;
    let order = order_of(shop, product["id"].as_str().context("no id")?, 15).await?;
    let key = [("idempotency-key", "a-key-of-the-client-2")];
    assert_eq!(shop.post("/api/orders", &order, &key).await?.status, 201);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_without_a_gateway_offers_none() -> Result<()> {
    let shop = &selling("", 1).await?;
    let product = stocked(shop, 20).await?;
    let mut order = order_of(shop, product["id"].as_str().context("no id")?, 15).await?;
    order["payment"] = "gateway".into();
    let key = [("idempotency-key", "a-key-of-the-client-1")];
    let refused = shop.post("/api/orders", &order, &key).await?;
    let said = refused.json()?;
    assert_eq!(
        (refused.status, &said["errors"][0]["pointer"]),
        (422, &json!("/payment"))
    );
    let heard = tell(shop, "{}", &"0".repeat(64)).await?;
    assert_eq!(
        (heard.status, &heard.json()?["code"]),
        (409, &json!("gateway_off"))
    );
    let payments = shop.get("/api/shop").await?.json()?["payments"].clone();
    assert_eq!(payments, json!(["cash_on_delivery", "bank_transfer"]));
    Ok(())
}
