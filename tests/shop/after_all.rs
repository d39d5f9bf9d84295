//! What comes when an order seems to be over: its money, itself, and the word of the gateway when nobody may buy any more.

use anyhow::{Context as _, Result};
use crackers_tests::gateway::Gateway;
use crackers_tests::stack::Stack;
use serde_json::{Value, json};

use super::both_databases::on_mongodb;
use super::gateway::{begun, ordered as ordered_by_gateway, told};
use super::orders::selling;
use super::proofs::ordered;
use super::refunds::TheOrder;
use super::staff::Desk;

/// Pays by transfer, and says so again, as a client does whose answer was lost.
async fn says_it_is_paid(shop: &Stack, token: &str, order: &TheOrder<'_>) -> Result<()> {
    let paid = json!({ "reference": "UTR123456" });
    let pay = format!("/api/track/{token}/payment");
    let (first, again) = (
        shop.post(&pay, &paid, &[]).await?,
        shop.post(&pay, &paid, &[]).await?,
    );
    assert_eq!((first.status, again.status), (200, 200));
    assert_eq!(first.json()?, again.json()?);
    let other = json!({ "reference": "UTR999999" });
    assert_eq!(shop.post(&pay, &other, &[]).await?.status, 409);
    let payments = order.seen().await?["payments"].clone();
    assert_eq!(payments.as_array().map(Vec::len), Some(1), "{payments}");
    Ok(())
}

async fn states(order: &TheOrder<'_>) -> Result<[Value; 2]> {
    let seen = order.seen().await?;
    Ok([seen["state"].clone(), seen["payments"][0]["state"].clone()])
}

/// Pieces of the one product that was ordered.
async fn pieces(desk: &Desk<'_>, order: &TheOrder<'_>) -> Result<Value> {
    let id = order.seen().await?["lines"][0]["id"].clone();
    let id = id.as_str().context("no product")?;
    let rows = desk.get(&format!("/api/admin/products/{id}/stock")).await?;
    let deltas = rows["movements"].as_array().context("no ledger")?;
    let deltas = deltas.iter().filter_map(|row| row["delta"].as_i64());
    Ok(deltas.sum::<i64>().into())
}

async fn over_and_not_over(own: &str) -> Result<()> {
    let shop = &selling(own, 1).await?;
    let desk = &Desk::open(shop).await?;
    let token = ordered(shop, "a-key-of-the-client-1").await?;
    let order = &TheOrder::of(desk).await?;
    says_it_is_paid(shop, &token, order).await?;

    // Called off before anybody had looked; then the money came after all.
    order.step("cancelled").await?;
    assert_eq!(states(order).await?, ["cancelled", "submitted"]);
    order.says("approve", None).await?;
    assert_eq!(states(order).await?, ["refund_due", "approved"]);
    order.says("refund", None).await?;
    assert_eq!(states(order).await?, ["refunded", "refunded"]);

    // The next one is sent, arrives, and comes back: staff look at the goods before they are on the shelf again.
    let token = ordered(shop, "a-key-of-the-client-2").await?;
    let order = &TheOrder::of(desk).await?;
    says_it_is_paid(shop, &token, order).await?;
    order.says("approve", None).await?;
    let before = pieces(desk, order).await?;
    for state in ["packed", "dispatched", "delivered", "returned"] {
        order.step(state).await?;
    }
    assert_eq!(pieces(desk, order).await?, before);
    order.says("refund", None).await?;
    assert_eq!(states(order).await?[1], "refunded");
    assert_eq!(pieces(desk, order).await?, before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn late_money_is_owed_back_and_returned_goods_are_looked_at_on_sqlite() -> Result<()> {
    over_and_not_over("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn late_money_is_owed_back_and_returned_goods_are_looked_at_on_mongodb() -> Result<()> {
    on_mongodb(over_and_not_over).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_that_only_lets_look_hears_of_money_that_is_there() -> Result<()> {
    let gateway = Gateway::start().await?;
    let shop = &selling(&gateway.settings(""), 1).await?;
    let desk = &Desk::open(shop).await?;
    let (path, total) = ordered_by_gateway(shop, "a-key-of-the-client-1").await?;
    let asked = begun(shop, &path).await?;
    let payment = gateway.pay(&asked, &total, "INR", "captured");
    let closed = json!({ "read_only": true });
    let put = desk
        .change("PATCH", "/api/admin/shop", Some(&closed))
        .await?;
    assert_eq!(put.status, 200);
    shop.wait_for("customers are kept out", async || {
        let pay = format!("{path}/gateway");
        Ok(shop.post(&pay, &json!({}), &[]).await?.status == 503)
    })
    .await?;
    assert_eq!(told(shop, &gateway, &payment).await?, "confirmed");
    assert_eq!(
        states(&TheOrder::of(desk).await?).await?,
        ["confirmed", "approved"]
    );
    Ok(())
}
