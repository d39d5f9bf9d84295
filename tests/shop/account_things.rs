//! What an account would like some day, and what its owner does to orders.

use anyhow::{Context as _, Result};
use crackers_tests::stack::Stack;
use serde_json::{Value, json};

use super::accounts::{LoggedIn, log_in};
use super::both_databases::on_mongodb;
use super::orders::{order_of, selling, stocked};

/// Sends as somebody; the status and the answer.
async fn send(
    shop: &Stack,
    who: &LoggedIn,
    method: &str,
    path: &str,
    body: Option<Value>,
) -> Result<(u16, Value)> {
    let answer = shop.ask(method, path, body.as_ref(), &who.fields()).await?;
    assert_eq!(answer.field("cache-control"), "private, no-store", "{path}");
    Ok((answer.status, answer.json()?))
}

/// Each of these is refused with a status and a place, and changes nothing.
async fn refused(
    shop: &Stack,
    who: &LoggedIn,
    (method, path): (&str, &str),
    cases: &[(Value, u16, &str)],
) -> Result<()> {
    for (body, status, pointer) in cases {
        let (given, answer) = send(shop, who, method, path, Some(body.clone())).await?;
        assert_eq!(
            (given, answer["errors"][0]["pointer"].as_str()),
            (*status, Some(*pointer)),
            "{path} {body}: {answer}"
        );
    }
    Ok(())
}

async fn wishes(shop: &Stack, meena: &LoggedIn, id: &str) -> Result<()> {
    let path = format!("/api/wishlist/{id}");
    for _ in 0..2 {
        let (status, list) = send(shop, meena, "PUT", &path, None).await?;
        assert_eq!((status, &list["items"][0]["id"]), (200, &json!(id)));
        assert_eq!(list["items"].as_array().map(Vec::len), Some(1));
    }
    assert_eq!(
        send(shop, meena, "PUT", "/api/wishlist/none", None)
            .await?
            .0,
        404
    );
    let (_, list) = send(shop, meena, "DELETE", &path, None).await?;
    assert_eq!(list["items"], json!([]));
    Ok(())
}

async fn own_orders(shop: &Stack, meena: &LoggedIn, ravi: &LoggedIn, id: &str) -> Result<()> {
    let order = order_of(shop, id, 15).await?;
    let [cookie, _] = meena.fields();
    let key = ("idempotency-key", "a-key-of-the-client-1");
    assert_eq!(
        shop.post("/api/orders", &order, &[key, cookie])
            .await?
            .status,
        201
    );
    let (_, hers) = send(shop, meena, "GET", "/api/orders", None).await?;
    let own = hers["items"][0]["id"].as_str().context("no order")?;
    let (pay, cancel) = (
        format!("/api/orders/{own}/payments"),
        format!("/api/orders/{own}/cancel"),
    );
    let payment = |amount: Value| json!({ "method": "bank_transfer", "reference": "UTR123456789", "amount_paise": amount });
    let mut other = payment(json!(100));
    other["method"] = "cash_on_delivery".into();
    let mut short = payment(json!(100));
    short["reference"] = "x".into();
    refused(
        shop,
        meena,
        ("POST", &pay),
        &[
            (payment(json!(0)), 400, "/amount_paise"),
            (payment(json!(-1)), 400, "/amount_paise"),
            (payment(json!(1.5)), 400, "/amount_paise"),
            (other, 400, "/method"),
            (short, 400, "/reference"),
        ],
    )
    .await?;
    for (path, body) in [(&pay, payment(json!(100))), (&cancel, json!({}))] {
        assert_eq!(send(shop, ravi, "POST", path, Some(body)).await?.0, 404);
    }
    let (status, paid) = send(shop, meena, "POST", &pay, Some(payment(json!(100)))).await?;
    assert_eq!((status, &paid["state"]), (200, &json!("payment_review")));
    // Said again, as whoever lost the answer does, it counts once.
    let again = send(shop, meena, "POST", &pay, Some(payment(json!(100)))).await?;
    assert_eq!(again, (status, paid));
    let more = send(shop, meena, "POST", &pay, Some(payment(json!(101)))).await?;
    assert_eq!(
        (more.0, &more.1["code"]),
        (409, &json!("not_awaiting_payment"))
    );
    // Staff look for the money: only they call it off now.
    let late = send(shop, meena, "POST", &cancel, Some(json!({}))).await?;
    assert_eq!((late.0, &late.1["code"]), (409, &json!("cannot_cancel")));
    let key = ("idempotency-key", "a-key-of-the-client-2");
    assert_eq!(
        shop.post("/api/orders", &order, &[key, cookie])
            .await?
            .status,
        201
    );
    let (_, hers) = send(shop, meena, "GET", "/api/orders", None).await?;
    let second = hers["items"][0]["id"].as_str().context("no order")?;
    let cancel = format!("/api/orders/{second}/cancel");
    let wrong = [(json!({ "refund": true }), 400, "/refund")];
    refused(shop, meena, ("POST", &cancel), &wrong).await?;
    let (status, off) = send(shop, meena, "POST", &cancel, Some(json!({}))).await?;
    assert_eq!((status, &off["state"]), (200, &json!("cancelled")), "{off}");
    let again = send(shop, meena, "POST", &cancel, Some(json!({}))).await?;
    assert_eq!((again.0, &again.1["code"]), (409, &json!("cannot_cancel")));
    Ok(())
}

async fn everything(origin: &str) -> Result<()> {
    let shop = selling(origin, 1).await?;
    let product = stocked(&shop, 40).await?;
    let id = product["id"].as_str().context("no id")?;
    let meena = log_in(&shop, "meena@example.in").await?;
    let ravi = log_in(&shop, "ravi@example.in").await?;
    wishes(&shop, &meena, id).await?;
    own_orders(&shop, &meena, &ravi, id).await
}

#[tokio::test(flavor = "multi_thread")]
async fn wishes_and_orders_are_their_owners_on_sqlite() -> Result<()> {
    everything("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn wishes_and_orders_are_their_owners_on_mongodb() -> Result<()> {
    on_mongodb(everything).await
}
