//! From a list to a delivered order, and everything that is refused on the way.

use anyhow::{Context as _, Result};
use crackers_tests::stack::{Setup, Stack};
use serde_json::{Value, json};

use super::both_databases::on_mongodb;
use super::secrets::said;

/// No limits: one test asks for as much as a hundred people.
pub(super) const UNLIMITED: &str = "admit: {rate_limits: []}\n";

/// A shop that takes orders.
pub(super) async fn selling(origin: &str, origins: usize) -> Result<Stack> {
    let edge = UNLIMITED;
    let shop = Stack::of(Setup {
        origins,
        edge,
        origin,
    })
    .await?;
    shop.command(&["shop", "mode", "order"])?;
    Ok(shop)
}

/// An order of so many pieces of a product, at the price that the shop quotes.
pub(super) async fn order_of(shop: &Stack, product: &str, quantity: u32) -> Result<Value> {
    let line = json!({ "kind": "product", "id": product, "quantity": quantity });
    order_of_lines(shop, &json!([line])).await
}

/// An order of these lines, at the price that the shop quotes.
pub(super) async fn order_of_lines(shop: &Stack, lines: &Value) -> Result<Value> {
    let quote = shop
        .post("/api/cart/quote", &json!({ "lines": lines }), &[])
        .await?;
    anyhow::ensure!(quote.status == 200, "no quote: {}", quote.json()?);
    Ok(json!({
        "lines": lines,
        "contact": { "name": "Meena", "phone": "+91 98765 43210", "email": "meena@example.in" },
        "address": { "line1": "1, Main Street", "city": "Sivakasi", "state": "Tamil Nadu", "pincode": "626123" },
        "payment": "bank_transfer",
        "is_adult": true,
        "expected_total_paise": quote.json()?["total"]["amount_paise"],
    }))
}

/// The dearest product that is there and for sale, so that it costs enough for one order.
pub(super) async fn for_sale(shop: &Stack) -> Result<Value> {
    let list = shop
        .get("/api/products?limit=50&sort=-price&stock=in_stock")
        .await?
        .json()?;
    let mut products = list["items"].as_array().into_iter().flatten();
    let product = products.find(|product| product["restricted"] == false);
    product.context("nothing is for sale").cloned()
}

/// The product that is [`for_sale`], with so many pieces of it.
pub(super) async fn stocked(shop: &Stack, pieces: u32) -> Result<Value> {
    let product = for_sale(shop).await?;
    let sku = product["sku"].as_str().context("no SKU")?;
    shop.command(&["stock", "set", sku, &pieces.to_string()])?;
    Ok(product)
}

pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> Result<&'a str> {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .with_context(|| format!("no {pointer}: {value}"))
}

async fn the_whole_way(origin: &str) -> Result<()> {
    let shop = selling(origin, 1).await?;
    let product = stocked(&shop, 20).await?;
    let order = order_of(&shop, text(&product, "/id")?, 15).await?;
    let placed = placed_once(&shop, &order).await?;
    let path = format!("/api/track/{}", text(&placed, "/tracking_token")?);
    followed_to_delivery(&shop, &path).await?;
    found_by_number_and_contact(&shop).await
}

/// Places it; the same key gets the same answer, whatever happened meanwhile, and nothing else.
async fn placed_once(shop: &Stack, order: &Value) -> Result<Value> {
    let key = [("idempotency-key", "a-key-of-the-client-1")];
    let placed = shop.post("/api/orders", order, &key).await?;
    assert_eq!(placed.status, 201, "{}", placed.json()?);
    assert_eq!(placed.field("cache-control"), "private, no-store");
    let first = placed.json()?;
    assert_eq!(
        (text(&first, "/number")?, text(&first, "/state")?),
        ("CR000001", "awaiting_payment")
    );

    shop.command(&["shop", "mode", "closed"])?;
    let again = shop.post("/api/orders", order, &key).await?;
    assert_eq!((again.status, again.json()?), (201, first.clone()));
    shop.command(&["shop", "mode", "order"])?;
    let mut other = order.clone();
    other["contact"]["name"] = "Ravi".into();
    let reused = shop.post("/api/orders", &other, &key).await?;
    assert_eq!(
        (reused.status, text(&reused.json()?, "/code")?),
        (422, "idempotency_key_reused")
    );

    let short = shop
        .post(
            "/api/orders",
            order,
            &[("idempotency-key", "a-key-of-the-client-2")],
        )
        .await?;
    let problem = short.json()?;
    assert_eq!(
        (short.status, text(&problem, "/code")?),
        (409, "stock_too_low")
    );
    assert_eq!(text(&problem, "/errors/0/pointer")?, "/lines/0/quantity");
    Ok(first)
}

/// Pays, is packed, sent and delivered; the public page tells the states and nothing of the person.
async fn followed_to_delivery(shop: &Stack, path: &str) -> Result<()> {
    let reference = json!({ "reference": "UTR123456789" });
    let paid = shop
        .post(&format!("{path}/payment"), &reference, &[])
        .await?;
    assert_eq!(
        (paid.status, text(&paid.json()?, "/state")?),
        (200, "payment_review")
    );
    for state in ["confirmed", "packed", "dispatched", "delivered"] {
        shop.command(&["order", "step", "CR000001", state])?;
    }
    let seen = shop.get(path).await?;
    let history = seen.json()?["history"].clone();
    let steps: Vec<_> = history
        .as_array()
        .context("no history")?
        .iter()
        .map(|step| &step["state"])
        .collect();
    assert_eq!(
        json!(steps),
        json!([
            "awaiting_payment",
            "payment_review",
            "confirmed",
            "packed",
            "dispatched",
            "delivered"
        ])
    );
    let told = said(&seen)?;
    for secret in ["Meena", "9876543210", "Main Street", "UTR123456789"] {
        assert!(!told.contains(secret), "tracking tells {secret}: {told}");
    }
    let cancel = shop
        .post(&format!("{path}/cancel"), &json!({}), &[])
        .await?;
    assert_eq!(
        (cancel.status, text(&cancel.json()?, "/code")?),
        (409, "cannot_cancel")
    );
    let back = shop.command(&["order", "step", "CR000001", "packed"]);
    let refused = back.err().context("it stepped back")?.to_string();
    assert!(
        refused.contains("an order that is delivered cannot become packed"),
        "{refused}"
    );
    let older = shop.command(&["order", "list", "--before", "CR000001"])?;
    assert_eq!(older, "");
    let refused = shop.command(&["order", "list", "--before", "CRx"]).err();
    let refused = refused.context("CRx is a number")?.to_string();
    assert!(refused.contains("\"CRx\" is no order number"), "{refused}");
    Ok(())
}

async fn found_by_number_and_contact(shop: &Stack) -> Result<()> {
    for (number, contact, status) in [
        ("cr000001", "098765 43210", 200),
        ("1", "MEENA@example.in", 200),
        ("CR000001", "9876543211", 404),
        ("CR000002", "9876543210", 404),
    ] {
        let asked = shop
            .post(
                "/api/orders/track",
                &json!({ "number": number, "contact": contact }),
                &[],
            )
            .await?;
        assert_eq!(asked.status, status, "{number} {contact}");
        // Whoever knows a number and a contact is told nothing else of them.
        let told = said(&asked)?;
        for private in [
            "Main Street",
            "626123",
            "Meena",
            "98765",
            "example.in",
            "note",
        ] {
            assert!(!told.contains(private), "{private}: {told}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_orders_pays_and_follows_until_delivery() -> Result<()> {
    the_whole_way("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_orders_pays_and_follows_until_delivery_on_mongodb() -> Result<()> {
    on_mongodb(the_whole_way).await
}

/// A good order with one value changed, and how it is refused: status, code, pointer.
type Wrong = (&'static str, Value, u16, &'static str, &'static str);

fn of_a_wrong_kind() -> Vec<Wrong> {
    let field = |at: &'static str, value: Value| (at, value, 400, "invalid_field", at);
    vec![
        field("/lines/0/quantity", json!(-1)),
        field("/lines/0/quantity", json!(1.5)),
        field("/lines/0/quantity", json!("15")),
        field("/lines/0/quantity", json!({ "$gt": 0 })),
        field("/lines/0/kind", json!("anything")),
        field("/contact/email", json!({ "$ne": null })),
        field("/payment", json!("free")),
    ]
}

fn of_a_wrong_value() -> Vec<Wrong> {
    let line = |n: usize| json!({ "kind": "product", "id": n.to_string(), "quantity": 1 });
    let many: Vec<_> = (0..201).map(line).collect();
    vec![
        (
            "/lines/0/quantity",
            json!(0),
            422,
            "quantity_out_of_range",
            "/lines/0/quantity",
        ),
        (
            "/lines/0/id",
            json!("nothing"),
            422,
            "unknown_item",
            "/lines/0/id",
        ),
        (
            "/lines/0/kind",
            json!("bundle"),
            422,
            "unknown_item",
            "/lines/0/id",
        ),
        ("/lines", json!([]), 422, "empty_list", "/lines"),
        ("/lines", json!(many), 422, "list_too_long", "/lines"),
        ("/is_adult", json!(false), 422, "adults_only", "/is_adult"),
        (
            "/contact/phone",
            json!("12345"),
            422,
            "invalid_field",
            "/contact/phone",
        ),
        (
            "/address/pincode",
            json!("06261"),
            422,
            "invalid_field",
            "/address/pincode",
        ),
        (
            "/expected_total_paise",
            json!(100),
            409,
            "price_changed",
            "none",
        ),
    ]
}

const KEY: (&str, &str) = ("idempotency-key", "a-key-of-the-client-1");

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_order_is_refused_with_its_place_and_changes_nothing() -> Result<()> {
    let shop = selling("", 1).await?;
    let product = stocked(&shop, 20).await?;
    let good = order_of(&shop, text(&product, "/id")?, 15).await?;
    for (at, value, status, code, pointer) in
        of_a_wrong_kind().into_iter().chain(of_a_wrong_value())
    {
        let mut order = good.clone();
        *order.pointer_mut(at).context("no such place")? = value;
        let answer = shop.post("/api/orders", &order, &[KEY]).await?;
        let problem = answer.json()?;
        assert_eq!(
            (answer.status, text(&problem, "/code")?),
            (status, code),
            "{problem}"
        );
        let place = problem.pointer("/errors/0/pointer").and_then(Value::as_str);
        assert_eq!(place.unwrap_or("none"), pointer, "{problem}");
    }
    let mut unknown = good.clone();
    unknown["price"] = 1.into();
    assert_eq!(
        text(
            &shop.post("/api/orders", &unknown, &[KEY]).await?.json()?,
            "/errors/0/pointer"
        )?,
        "/price"
    );
    assert_eq!(shop.command(&["order", "list"])?, "", "an order was placed");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_needs_a_key_plain_json_enough_goods_and_an_open_shop() -> Result<()> {
    let shop = selling("", 1).await?;
    let product = stocked(&shop, 20).await?;
    let good = order_of(&shop, text(&product, "/id")?, 15).await?;
    let refused = async |order: &Value, fields: &[(&str, &str)]| -> Result<(u16, String)> {
        let answer = shop.post("/api/orders", order, fields).await?;
        Ok((answer.status, text(&answer.json()?, "/code")?.to_owned()))
    };
    let is = |status: u16, code: &str| (status, code.to_owned());
    assert_eq!(refused(&good, &[]).await?, is(400, "invalid_header"));
    assert_eq!(
        refused(&good, &[("idempotency-key", "short")]).await?,
        is(400, "invalid_header")
    );
    assert_eq!(
        refused(&good, &[KEY, ("content-encoding", "gzip")]).await?,
        is(415, "unsupported_media_type")
    );
    let cheap = shop
        .get("/api/products?limit=1&sort=price&stock=in_stock")
        .await?
        .json()?;
    let few = order_of(&shop, text(&cheap, "/items/0/id")?, 1).await?;
    assert_eq!(refused(&few, &[KEY]).await?, is(422, "below_minimum_order"));
    shop.command(&["shop", "mode", "enquiry"])?;
    assert_eq!(refused(&good, &[KEY]).await?, is(409, "not_selling"));
    assert_eq!(shop.command(&["order", "list"])?, "", "an order was placed");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_not_paid_in_time_frees_its_stock_and_the_edge_shows_it() -> Result<()> {
    let shop = selling(
        "commerce: {payment_window_seconds: 20, expiry_interval_ms: 100}\n",
        1,
    )
    .await?;
    let product = stocked(&shop, 15).await?;
    let id = text(&product, "/id")?;
    let path = format!("/api/products/{id}");
    let word = async |word: &str| {
        shop.wait_for(word, async || {
            Ok(shop.get(&path).await?.json()?["availability"] == word)
        })
        .await
    };
    let order = order_of(&shop, id, 15).await?;
    let placed = shop
        .post(
            "/api/orders",
            &order,
            &[("idempotency-key", "a-key-of-the-client-1")],
        )
        .await?;
    assert_eq!(placed.status, 201);
    word("sold_out").await?;
    let track = format!("/api/track/{}", text(&placed.json()?, "/tracking_token")?);
    shop.wait_for("the order expires", async || {
        Ok(shop.get(&track).await?.json()?["state"] == "expired")
    })
    .await?;
    shop.wait_for("it can be had again", async || {
        Ok(shop.get(&path).await?.json()?["availability"] != "sold_out")
    })
    .await
}
