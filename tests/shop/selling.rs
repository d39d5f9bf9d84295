//! What staff say about how the shop sells: coupons, zones, notices, and nothing at all for a while.

use anyhow::{Context as _, Result};
use crackers_tests::stack::Stack;
use serde_json::{Value, json};

use super::both_databases::on_mongodb;
use super::orders::{selling, stocked};
use super::staff::Desk;

/// An order of one product by whoever lives there, with a coupon, at the total that the shop quotes.
async fn order_with(
    shop: &Stack,
    product: &Value,
    coupon: &str,
    pincode: &str,
) -> Result<(Value, Value)> {
    let lines = json!([{ "kind": "product", "id": product["id"], "quantity": 15 }]);
    let destination = json!({ "state": "Tamil Nadu", "pincode": pincode });
    let wish = json!({ "lines": lines, "coupon": coupon, "destination": destination });
    let quote = shop.post("/api/cart/quote", &wish, &[]).await?;
    anyhow::ensure!(quote.status == 200, "{}", quote.json()?);
    let quote = quote.json()?;
    let order = json!({
        "lines": lines, "coupon": coupon, "payment": "cash_on_delivery", "is_adult": true,
        "contact": { "name": "Meena", "phone": "9876543210", "email": "meena@example.in" },
        "address": { "line1": "1, Main Street", "line2": "", "city": "Sivakasi", "state": "Tamil Nadu", "pincode": pincode },
        "expected_total_paise": quote["total"]["amount_paise"],
    });
    Ok((quote, order))
}

async fn coupons_and_zones(origin: &str) -> Result<()> {
    let shop = &selling(origin, 2).await?;
    let desk = &Desk::open(shop).await?;
    a_shop_is_changed_by_whoever_saw_it_last(desk).await?;
    let new = json!({
        "code": "diwali-10", "uses": 3,
        "terms": { "discount": { "percent": { "percent": 10 } }, "minimum_goods_paise": 100, "active": true },
    });
    let made = desk.post("/api/admin/coupons", new.clone()).await?;
    assert_eq!(made.status, 201, "{}", made.json()?);
    assert_eq!(desk.post("/api/admin/coupons", new).await?.status, 409);

    let product = stocked(shop, 1000).await?;
    // Each origin hears of the zones a moment after the write.
    let mut wanted = None;
    shop.wait_for("every origin knows the zones", async || {
        let mut all = Vec::new();
        for _ in 0..4 {
            all.push(order_with(shop, &product, "Diwali-10", "626123").await?);
        }
        let is_known = |(quote, _): &(Value, Value)| quote["delivery"]["amount_paise"] == 15_000;
        let is_all = all.iter().all(is_known);
        wanted = all.pop();
        Ok(is_all)
    })
    .await?;
    let (quote, order) = wanted.context("no quote")?;
    let goods = quote["goods"]["amount_paise"].as_i64();
    let tenth = goods.context("no goods")? / 10;
    assert_eq!(quote["discount"]["amount_paise"], tenth);
    a_counted_coupon_is_used_as_often_as_it_may_be(shop, desk, &order).await?;

    let path = "/api/admin/coupons/DIWALI-10";
    let seen = desk.ask("GET", path, None, "").await?;
    let off = json!({ "discount": { "percent": { "percent": 10 } }, "active": false });
    let put = desk
        .ask("PUT", path, Some(&off), seen.field("etag"))
        .await?;
    assert_eq!((put.status, &put.json()?["active"]), (200, &json!(false)));
    let stale = desk
        .ask("PUT", path, Some(&off), seen.field("etag"))
        .await?;
    assert_eq!(stale.status, 412);
    let refused = order_with(shop, &product, "DIWALI-10", "626123").await;
    let refused = refused.err().context("it is valid")?.to_string();
    assert!(refused.contains("coupon_not_valid"), "{refused}");
    let far = order_with(shop, &product, "DIWALI-10", "110001").await;
    assert!(far.is_err());
    Ok(())
}

/// Zones and notices show to the public; an older sight of the settings changes nothing, nor does a wrong zone.
async fn a_shop_is_changed_by_whoever_saw_it_last(desk: &Desk<'_>) -> Result<()> {
    let seen = desk.ask("GET", "/api/admin/shop", None, "").await?;
    let etag = seen.field("etag").to_owned();
    let zones = json!([
        { "name": "Home", "pincodes": ["626"], "served": true, "delivery_paise": 15_000 },
        { "name": "Delhi", "pincodes": ["11"], "served": false },
    ]);
    let notices = json!([{ "level": "info", "text": "Orders by the 20th arrive in time." }]);
    let change = json!({ "zones": zones, "notices": notices });
    let path = "/api/admin/shop";
    assert_eq!(
        desk.ask("PATCH", path, Some(&change), "").await?.status,
        428
    );
    for (wrong, pointer) in [
        (
            json!({ "zones": [{ "name": "", "served": true }] }),
            "/zones/0/name",
        ),
        (
            json!({ "notices": [{ "level": "info", "text": " " }] }),
            "/notices/0/text",
        ),
        (json!({ "packing_percent": 51 }), "/packing_percent"),
        (json!({ "minimum_order_paise": -1 }), "/minimum_order_paise"),
        (
            json!({ "opens_at": "2026-11-01T00:00:00Z", "closes_at": "2026-10-01T00:00:00Z" }),
            "/closes_at",
        ),
    ] {
        let answer = desk.ask("PATCH", path, Some(&wrong), &etag).await?;
        assert_eq!(answer.status, 400, "{wrong}");
        assert_eq!(answer.json()?["errors"][0]["pointer"], pointer);
    }
    let changed = desk.ask("PATCH", path, Some(&change), &etag).await?;
    assert_eq!(changed.status, 200, "{}", changed.json()?);
    assert_eq!(
        desk.ask("PATCH", path, Some(&change), &etag).await?.status,
        412
    );
    desk.shop
        .wait_for("the public sees the zones", async || {
            let seen = desk.shop.get("/api/shop/zones").await?.json()?;
            Ok(seen["items"]
                .as_array()
                .is_some_and(|zones| zones.len() == 2))
        })
        .await
}

/// Eight at once want it, three get it; called off, a use comes back.
async fn a_counted_coupon_is_used_as_often_as_it_may_be(
    shop: &Stack,
    desk: &Desk<'_>,
    order: &Value,
) -> Result<()> {
    let keys: Vec<_> = (0..8).map(|n| format!("a-key-with-a-coupon-{n}")).collect();
    let tries = keys.iter().map(async |key| {
        let key = [("idempotency-key", key.as_str())];
        shop.post("/api/orders", order, &key).await
    });
    let answers: Vec<_> = futures_util::future::try_join_all(tries).await?;
    let placed: Vec<_> = answers.iter().filter(|one| one.status == 201).collect();
    assert_eq!(placed.len(), 3);
    for refused in answers.iter().filter(|one| one.status != 201) {
        let said = refused.json()?;
        assert_eq!(
            (refused.status, &said["code"]),
            (409, &json!("coupon_used_up"))
        );
        assert_eq!(said["errors"][0]["pointer"], "/coupon");
    }
    let path = "/api/admin/coupons/DIWALI-10";
    assert_eq!(desk.get(path).await?["uses_left"], 0);
    let token = placed[0].json()?["tracking_token"].clone();
    let token = token.as_str().context("no token")?;
    let cancel = format!("/api/track/{token}/cancel");
    assert_eq!(shop.post(&cancel, &json!({}), &[]).await?.status, 200);
    assert_eq!(desk.get(path).await?["uses_left"], 1);
    let more = desk
        .post(&format!("{path}/uses"), json!({ "by": 4 }))
        .await?;
    assert_eq!(more.json()?["uses_left"], 5);
    let fewer = desk
        .post(&format!("{path}/uses"), json!({ "by": -6 }))
        .await?;
    assert_eq!(
        (fewer.status, &fewer.json()?["code"]),
        (409, &json!("stock_too_low"))
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn coupons_and_zones_are_what_staff_say_on_sqlite() -> Result<()> {
    coupons_and_zones("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn coupons_and_zones_are_what_staff_say_on_mongodb() -> Result<()> {
    on_mongodb(coupons_and_zones).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_that_only_lets_look_takes_nothing_from_customers_and_everything_from_staff()
-> Result<()> {
    let shop = &selling("", 1).await?;
    let desk = &Desk::open(shop).await?;
    let product = stocked(shop, 100).await?;
    let seen = desk.ask("GET", "/api/admin/shop", None, "").await?;
    let closed = json!({ "read_only": true });
    let put = desk
        .ask(
            "PATCH",
            "/api/admin/shop",
            Some(&closed),
            seen.field("etag"),
        )
        .await?;
    assert_eq!(put.status, 200);
    let code = json!({ "email": "meena@example.in" });
    shop.wait_for("customers are told", async || {
        let asked = shop.post("/api/auth/otp", &code, &[]).await?;
        Ok(asked.status == 503
            && asked.json()?["code"] == "read_only"
            && !asked.field("retry-after").is_empty())
    })
    .await?;
    let lines = json!([{ "kind": "product", "id": product["id"], "quantity": 15 }]);
    assert_eq!(
        shop.post("/api/cart/quote", &json!({ "lines": lines }), &[])
            .await?
            .status,
        200
    );
    let open = json!({ "read_only": false });
    let put = desk
        .ask("PATCH", "/api/admin/shop", Some(&open), put.field("etag"))
        .await?;
    assert_eq!(put.status, 200, "staff work on");
    shop.wait_for("customers can go on", async || {
        Ok(shop.post("/api/auth/otp", &code, &[]).await?.status == 202)
    })
    .await
}

/// What a coupon leaves nothing to pay of is confirmed at once, and called off it is over: no money is owed back.
async fn nothing_is_left_to_pay(origin: &str) -> Result<()> {
    let shop = &selling(origin, 1).await?;
    let desk = &Desk::open(shop).await?;
    let path = "/api/admin/shop";
    let free = json!({ "packing_percent": 0, "minimum_order_paise": 0, "zones": [] });
    let set = desk.change("PATCH", path, Some(&free)).await?;
    assert_eq!(set.status, 200);
    let gift = json!({ "code": "GIFT", "terms": { "discount": { "percent": { "percent": 100 } }, "active": true } });
    let made = desk.post("/api/admin/coupons", gift).await?;
    assert_eq!(made.status, 201, "{}", made.json()?);
    let product = stocked(shop, 100).await?;
    let mut wanted = Value::Null;
    shop.wait_for("it costs nothing", async || {
        let (quote, order) = order_with(shop, &product, "GIFT", "626123").await?;
        wanted = order;
        Ok(quote["total"]["amount_paise"] == 0)
    })
    .await?;
    wanted["payment"] = "bank_transfer".into();
    let key = [("idempotency-key", "a-key-of-a-gift-1")];
    let placed = shop.post("/api/orders", &wanted, &key).await?.json()?;
    assert_eq!(placed["state"], "confirmed", "{placed}");
    let order = super::refunds::TheOrder::of(desk).await?;
    order.step("cancelled").await?;
    assert_eq!(order.seen().await?["state"], "cancelled");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_costs_nothing_is_confirmed_at_once_on_sqlite() -> Result<()> {
    nothing_is_left_to_pay("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_costs_nothing_is_confirmed_at_once_on_mongodb() -> Result<()> {
    on_mongodb(nothing_is_left_to_pay).await
}
