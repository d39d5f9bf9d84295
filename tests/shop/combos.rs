//! Bundles and gift boxes are sold as what is in them, and what is not sold alone is not sold in them.

use anyhow::{Context as _, Result};
use crackers_tests::stack::{Answer, Stack};
use serde_json::{Value, json};

use super::both_databases::on_mongodb;
use super::inside::ledger_holds;
use super::orders::{order_of_lines, selling, text};
use super::staff::Desk;

/// The ids of the three dearest products that are there and for sale.
async fn three_for_sale(shop: &Stack) -> Result<[String; 3]> {
    let list = shop
        .get("/api/products?limit=50&sort=-price&stock=in_stock")
        .await?
        .json()?;
    let products = list["items"].as_array().into_iter().flatten();
    let sold = products.filter(|product| product["restricted"] == false);
    let ids = sold.take(3).map(|product| text(product, "/id"));
    let ids: Vec<_> = ids.map(|id| id.map(str::to_owned)).collect::<Result<_>>()?;
    ids.try_into().ok().context("fewer than three are for sale")
}

/// Makes a bundle or gift box of so many pieces of these products: its id.
async fn made(desk: &Desk<'_>, kind: &str, parts: [(&String, u32); 2]) -> Result<String> {
    let components = parts.map(|(id, pieces)| json!({ "product_id": id, "quantity": pieces }));
    let new = json!({ "sku": format!("BOTH-{kind}"), "slug": "both-of-them", "name": "Both of them",
        "mrp_paise": 500_000, "price_paise": 400_000, "components": components, "active": true });
    let made = desk.post(&format!("/api/admin/{kind}"), new).await?;
    anyhow::ensure!(made.status == 201, "{}", made.json()?);
    Ok(text(&made.json()?, "/id")?.to_owned())
}

/// Counts what is there of each product.
async fn counted(desk: &Desk<'_>, stocks: &[(&String, i64)]) -> Result<()> {
    for (product, pieces) in stocks {
        let path = format!("/api/admin/products/{product}/stock");
        let said = json!({ "to": pieces, "reason": "counted again" });
        let counted = desk.post(&path, said).await?;
        anyhow::ensure!(counted.status == 200, "{}", counted.json()?);
    }
    Ok(())
}

/// Status, code and the places that a refusal names.
fn refusal(answer: &Answer) -> Result<(u16, Value, Vec<Value>)> {
    let said = answer.json()?;
    let errors = said["errors"].as_array().context("no errors")?.iter();
    let places = errors.map(|error| error["pointer"].clone()).collect();
    Ok((answer.status, said["code"].clone(), places))
}

async fn combos_are_sold(origin: &str) -> Result<()> {
    let shop = &selling(origin, 1).await?;
    let desk = &Desk::open(shop).await?;
    let [direct, shared, rare] = &three_for_sale(shop).await?;
    let bundle = made(desk, "bundles", [(direct, 2), (shared, 3)]).await?;
    let gift_box = made(desk, "giftboxes", [(shared, 1), (rare, 4)]).await?;
    let lines = json!([
        { "kind": "bundle", "id": bundle, "quantity": 4 },
        { "kind": "product", "id": direct, "quantity": 15 },
        { "kind": "gift_box", "id": gift_box, "quantity": 5 },
    ]);
    // Exactly what all of it takes.
    let taken = [(direct, 4 * 2 + 15), (shared, 4 * 3 + 5), (rare, 5 * 4)];
    counted(desk, &taken).await?;
    let order = order_of_lines(shop, &lines).await?;
    let place = async |key: &str| {
        let key = format!("a-key-of-the-client-{key}");
        shop.post("/api/orders", &order, &[("idempotency-key", &key)])
            .await
    };
    let short_of = [(direct, &[0, 1][..]), (shared, &[0, 2]), (rare, &[2])];
    for ((product, pieces), (_, places)) in taken.into_iter().zip(short_of) {
        counted(desk, &[(product, pieces - 1)]).await?;
        let places = places
            .iter()
            .map(|at| json!(format!("/lines/{at}/quantity")));
        let wanted = (409, json!("stock_too_low"), places.collect());
        assert_eq!(refusal(&place(product).await?)?, wanted);
        counted(desk, &[(product, pieces)]).await?;
    }
    assert_eq!(shop.command(&["order", "list"])?, "", "an order was placed");
    for (product, pieces) in taken {
        ledger_holds(shop, product, pieces).await?;
    }
    let placed = place("1").await?;
    assert_eq!(placed.status, 201, "{}", placed.json()?);
    for (product, _) in taken {
        ledger_holds(shop, product, 0).await?;
    }
    let cancel = format!(
        "/api/track/{}/cancel",
        text(&placed.json()?, "/tracking_token")?
    );
    assert_eq!(shop.post(&cancel, &json!({}), &[]).await?.status, 200);
    for (product, pieces) in taken {
        ledger_holds(shop, product, pieces).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn combos_take_what_is_in_them_and_bring_it_back_on_sqlite() -> Result<()> {
    combos_are_sold("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn combos_take_what_is_in_them_and_bring_it_back_on_mongodb() -> Result<()> {
    on_mongodb(combos_are_sold).await
}

async fn what_is_restricted_is_not_sold(origin: &str) -> Result<()> {
    let shop = &selling(origin, 1).await?;
    let desk = &Desk::open(shop).await?;
    let [restricted, other, _] = &three_for_sale(shop).await?;
    counted(desk, &[(restricted, 100), (other, 100)]).await?;
    let parts = [(restricted, 1), (other, 1)];
    let line =
        |kind: &str, id: &str, pieces: u32| json!({ "kind": kind, "id": id, "quantity": pieces });
    let beside = line("product", other, 15);
    let mut lists = vec![(json!([line("product", restricted, 15)]), "/lines/0")];
    for (kind, path) in [("bundle", "bundles"), ("gift_box", "giftboxes")] {
        let id = made(desk, path, parts).await?;
        lists.push((json!([beside, line(kind, &id, 1)]), "/lines/1"));
    }
    // Until then all of it can be had.
    let mut orders = Vec::new();
    for (lines, pointer) in &lists {
        orders.push((order_of_lines(shop, lines).await?, *pointer));
    }
    let path = format!("/api/admin/products/{restricted}");
    let change = json!({ "restricted": true });
    let changed = desk.change("PATCH", &path, Some(&change)).await?;
    assert_eq!(changed.status, 200, "{}", changed.json()?);
    let wanted = |pointer: &str| (422, json!("not_for_sale"), vec![json!(pointer)]);
    for (place, (order, pointer)) in orders.iter().enumerate() {
        let key = format!("a-key-of-the-client-{place}");
        let answer = shop
            .post("/api/orders", order, &[("idempotency-key", &key)])
            .await?;
        assert_eq!(refusal(&answer)?, wanted(pointer));
    }
    // What a quote is made from is a moment behind.
    for (lines, pointer) in &lists {
        let wish = json!({ "lines": lines });
        shop.wait_for("the quote is refused, too", async || {
            let quote = shop.post("/api/cart/quote", &wish, &[]).await?;
            Ok(refusal(&quote)? == wanted(pointer))
        })
        .await?;
    }
    // Nor is it said that it could be had.
    for path in ["bundles", "giftboxes"] {
        let path = format!("/api/{path}/both-of-them");
        shop.wait_for(&path, async || {
            Ok(shop.get(&path).await?.json()?["availability"] == "sold_out")
        })
        .await?;
    }
    assert_eq!(shop.command(&["order", "list"])?, "", "an order was placed");
    ledger_holds(shop, restricted, 100).await?;
    ledger_holds(shop, other, 100).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_restricted_is_sold_neither_alone_nor_in_a_combo_on_sqlite() -> Result<()> {
    what_is_restricted_is_not_sold("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_restricted_is_sold_neither_alone_nor_in_a_combo_on_mongodb() -> Result<()> {
    on_mongodb(what_is_restricted_is_not_sold).await
}
