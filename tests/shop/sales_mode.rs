//! How the shop sells, as staff say it: each setting shows to everybody, and quotes, enquiries and orders go by it.

use anyhow::{Context as _, Result};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::asking::enquiry;
use super::both_databases::on_mongodb;
use super::orders::{order_of, selling, stocked};
use super::staff::Desk;

/// The owner, who changes settings, and a product, which is bought.
struct Trade<'a> {
    desk: &'a Desk<'a>,
    product: Value,
}

/// A status, and the code of an answer that is no ordinary one.
type Outcome = (u16, Value);

fn placed() -> Outcome {
    (201, Value::Null)
}

fn refused(status: u16, code: &str) -> Outcome {
    (status, json!(code))
}

impl Trade<'_> {
    /// Changes settings; the public sees them where these pointers say.
    async fn set(&self, change: Value, shown: &[(&str, Value)]) -> Result<()> {
        let (desk, path) = (self.desk, "/api/admin/shop");
        let changed = desk.change("PATCH", path, Some(&change)).await?;
        assert_eq!(changed.status, 200, "{change}: {}", changed.json()?);
        let shows = |seen: &Value| {
            let mut shown = shown.iter();
            shown.all(|(pointer, value)| seen.pointer(pointer) == Some(value))
        };
        assert!(shows(&changed.json()?), "{change}: {}", changed.json()?);
        let what = format!("the public sees {change}");
        let public = async || Ok(shows(&desk.shop.get("/api/shop").await?.json()?));
        desk.shop.wait_for(&what, public).await
    }

    fn id(&self) -> Result<&str> {
        self.product["id"].as_str().context("no id")
    }

    /// What fifteen pieces cost.
    async fn quote(&self) -> Result<Value> {
        let lines = json!([{ "kind": "product", "id": self.id()?, "quantity": 15 }]);
        let wanted = json!({ "lines": lines });
        let quote = self.desk.shop.post("/api/cart/quote", &wanted, &[]).await?;
        anyhow::ensure!(quote.status == 200, "{}", quote.json()?);
        quote.json()
    }

    /// What fifteen pieces cost, once the settings that were changed are known there.
    async fn quote_with(&self, pointer: &str, value: Value) -> Result<Value> {
        let mut quote = Value::Null;
        let known = async || {
            quote = self.quote().await?;
            Ok(quote.pointer(pointer) == Some(&value))
        };
        self.desk.shop.wait_for(pointer, known).await?;
        Ok(quote)
    }

    /// What comes of sending something that must be sent with a key.
    async fn send(&self, path: &str, body: &Value) -> Result<(Outcome, Value)> {
        let key = crackers_shared::request_id::generate();
        let key = [("idempotency-key", key.as_str())];
        let answer = self.desk.shop.post(path, body, &key).await?;
        let said = answer.json()?;
        Ok(((answer.status, said["code"].clone()), said))
    }

    /// What comes of ordering fifteen pieces at the price that is quoted.
    async fn order(&self) -> Result<(Outcome, Value)> {
        let order = order_of(self.desk.shop, self.id()?, 15).await?;
        self.send("/api/orders", &order).await
    }

    async fn modes(&self) -> Result<()> {
        for (mode, ordered, enquired) in [
            ("enquiry", refused(409, "not_selling"), placed()),
            (
                "closed",
                refused(409, "not_selling"),
                refused(409, "no_enquiries"),
            ),
            ("order", placed(), refused(409, "no_enquiries")),
        ] {
            let shown = [("/mode", json!(mode))];
            self.set(json!({ "mode": mode }), &shown).await?;
            let (outcome, said) = self.order().await?;
            assert_eq!(outcome, ordered, "{mode}: {said}");
            let asked = enquiry(&self.product);
            let (outcome, said) = self.send("/api/enquiries", &asked).await?;
            assert_eq!(outcome, enquired, "{mode}: {said}");
        }
        Ok(())
    }

    async fn packing(&self) -> Result<()> {
        let goods = self.goods().await?;
        for percent in [0, 7, 50] {
            let change = json!({ "packing_percent": percent });
            let shown = [("/charges/packing_percent", json!(percent))];
            self.set(change, &shown).await?;
            // What is left of a paisa is one.
            let packing = json!((goods * percent + 99) / 100);
            let line = "/packing/amount_paise";
            let quote = self.quote_with(line, packing.clone()).await?;
            let (outcome, order) = self.order().await?;
            assert_eq!(outcome, placed(), "{order}");
            assert_eq!(order.pointer(line), Some(&packing), "{order}");
            assert_eq!(order["total"], quote["total"]);
        }
        Ok(())
    }

    async fn goods(&self) -> Result<i64> {
        let quote = self.quote().await?;
        quote["goods"]["amount_paise"].as_i64().context("no goods")
    }

    async fn minimum(&self) -> Result<()> {
        let goods = self.goods().await?;
        for (minimum, is_met) in [(goods + 1, false), (goods, true)] {
            let change = json!({ "minimum_order_paise": minimum });
            let pointer = "/minimum_order/amount_paise";
            let shown = [("/charges/minimum_order/amount_paise", json!(minimum))];
            self.set(change, &shown).await?;
            let quote = self.quote_with(pointer, json!(minimum)).await?;
            assert_eq!(quote["meets_minimum"], is_met);
            let (outcome, said) = self.order().await?;
            if is_met {
                assert_eq!(outcome, placed(), "{said}");
            } else {
                assert_eq!(outcome, refused(422, "below_minimum_order"));
                assert_eq!(said["errors"][0]["pointer"], "/lines");
            }
        }
        Ok(())
    }

    async fn season(&self) -> Result<()> {
        let now = Timestamp::from_second(Timestamp::now().as_second())?;
        let at = |minutes: Option<i64>| {
            minutes.map(|minutes| (now + SignedDuration::from_mins(minutes)).to_string())
        };
        let closed = || refused(409, "not_selling");
        for (opens, closes, ordered) in [
            (Some(60), None, closed()),
            (Some(60), Some(120), closed()),
            (None, Some(-60), closed()),
            (Some(-120), Some(-60), closed()),
            (Some(-60), Some(10), placed()),
            (None, None, placed()),
        ] {
            let (opens, closes) = (json!(at(opens)), json!(at(closes)));
            let change = json!({ "opens_at": opens, "closes_at": closes });
            let shown = [
                ("/season/opens_at", opens),
                ("/season/closes_at", closes.clone()),
            ];
            self.set(change.clone(), &shown).await?;
            let (outcome, said) = self.order().await?;
            assert_eq!(outcome, ordered, "{change}: {said}");
            if outcome == placed() && closes.is_string() {
                // It sells for ten minutes more, and no quote promises anything beyond that.
                self.quote_with("/valid_until", closes).await?;
            }
        }
        Ok(())
    }
}

async fn what_staff_say(origin: &str) -> Result<()> {
    let shop = &selling(origin, 1).await?;
    let desk = &Desk::open(shop).await?;
    let product = stocked(shop, 1000).await?;
    let trade = Trade { desk, product };
    trade.modes().await?;
    trade.packing().await?;
    trade.minimum().await?;
    trade.season().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shop_sells_as_staff_say_on_sqlite() -> Result<()> {
    what_staff_say("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shop_sells_as_staff_say_on_mongodb() -> Result<()> {
    on_mongodb(what_staff_say).await
}
