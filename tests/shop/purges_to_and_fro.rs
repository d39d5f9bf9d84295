//! What comes and goes shows within a second, on both databases: stock and the words for it, archived things, reviews, orders that take
//! the last pieces. `purges.rs` tries what changes words.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use crackers_tests::stack::Stack;
use serde_json::{Value, json};

use super::accounts::{LoggedIn, log_in};
use super::both_databases::on_mongodb;
use super::inside::all_have_heard;
use super::orders::{order_of, selling, text};
use super::staff::Desk;

/// A shop with a product of which 15 make an order, alone in its category and in a bundle and a gift box.
struct Scene<'a> {
    shop: &'a Stack,
    desk: Desk<'a>,
    product: String,
    meena: LoggedIn,
    combos: [(&'static str, String); 2],
}

/// What is done each second time, and what in between.
#[derive(Clone, Copy, Debug)]
enum Turn {
    Stock,
    Order,
    Product,
    Bundle,
    GiftBox,
    Category,
    Review,
}

impl Turn {
    /// What says something else after each turn.
    fn changed(self) -> &'static [&'static str] {
        match self {
            Self::Stock | Self::Order => &[
                "/api/products/torch",
                "/product/torch",
                "/api/products?category=torches",
                "/api/bundles",
                "/api/bundles/torch-bundles",
                "/api/giftboxes/torch-giftboxes",
            ],
            Self::Product => &[
                "/api/products/torch",
                "/product/torch",
                "/api/products?category=torches",
                "/api/price-list",
                "/api/categories",
                "/sitemap.xml",
            ],
            Self::Bundle => &["/api/bundles", "/api/bundles/torch-bundles"],
            Self::GiftBox => &["/api/giftboxes", "/api/giftboxes/torch-giftboxes"],
            Self::Category => &[
                "/api/categories",
                "/api/categories/wicks",
                "/catalogue/wicks",
                "/sitemap.xml",
            ],
            Self::Review => &["/api/products/torch", "/api/products/torch/reviews"],
        }
    }
}

impl<'a> Scene<'a> {
    async fn of(shop: &'a Stack) -> Result<Self> {
        let desk = Desk::open(shop).await?;
        let made = async |path: &str, body: Value| {
            let made = desk.post(path, body).await?;
            ensure!(made.status == 201, "{path}: {}", made.json()?);
            made.json()
        };
        for slug in ["torches", "wicks"] {
            let category = json!({ "slug": slug, "terms": { "name": slug } });
            made("/api/admin/categories", category).await?;
        }
        let torch = json!({
            "product": { "sku": "torch", "slug": "torch", "name": "Torch", "category": "torches",
                "mrp_paise": 100_000, "price_paise": 90_000 },
            "stock": 15, "low_at": 0,
        });
        let torch = made("/api/admin/products", torch).await?;
        let product = text(&torch, "/id")?.to_owned();
        let mut combos = Vec::new();
        for kind in ["bundles", "giftboxes"] {
            let combo = made(&format!("/api/admin/{kind}"), combo(kind, &product, true)).await?;
            combos.push((kind, text(&combo, "/id")?.to_owned()));
        }
        let combos = combos.try_into().ok().context("not two")?;
        Ok(Self {
            shop,
            desk,
            product,
            meena: log_in(shop, "meena@example.in").await?,
            combos,
        })
    }

    /// Writes as whoever saw it as it is now.
    async fn put(&self, method: &str, path: &str, body: &Value) -> Result<()> {
        let put = self.desk.change(method, path, Some(body)).await?;
        ensure!(put.status == 200, "{path}: {}", put.json()?);
        Ok(())
    }

    /// Takes a turn: away, or back.
    async fn take(&self, turn: Turn, is_back: bool, number: u32) -> Result<()> {
        match turn {
            Turn::Stock => {
                let path = format!("/api/admin/products/{}/stock", self.product);
                let to = json!({ "to": if is_back { 15 } else { 0 }, "reason": "counted again" });
                let counted = self.desk.post(&path, to).await?;
                ensure!(counted.status == 200, "{}", counted.json()?);
                Ok(())
            }
            Turn::Order if is_back => {
                let orders = self.desk.get("/api/admin/orders?limit=1").await?;
                let path = format!("/api/admin/orders/{}", text(&orders, "/items/0/id")?);
                let seen = self.desk.ask("GET", &path, None, "").await?;
                let off = json!({ "state": "cancelled" });
                let (step, etag) = (format!("{path}/step"), seen.field("etag"));
                let off = self.desk.ask("POST", &step, Some(&off), etag).await?;
                ensure!(off.status == 200, "{}", off.json()?);
                Ok(())
            }
            Turn::Order => self.order(number, None).await,
            Turn::Product => {
                let active = json!({ "active": is_back });
                self.put("PATCH", "/api/admin/products/torch", &active)
                    .await
            }
            Turn::Bundle | Turn::GiftBox => {
                let at = usize::from(matches!(turn, Turn::GiftBox));
                let (kind, id) = &self.combos[at];
                let body = combo(kind, &self.product, is_back);
                self.put("PUT", &format!("/api/admin/{kind}/{id}"), &body)
                    .await
            }
            Turn::Category => {
                let terms = json!({ "name": "wicks", "active": is_back });
                self.put("PUT", "/api/admin/categories/wicks", &terms).await
            }
            Turn::Review => self.review(is_back).await,
        }
    }

    /// Orders all there is.
    async fn order(&self, number: u32, cookie: Option<(&str, &str)>) -> Result<()> {
        let mut order = order_of(self.shop, &self.product, 15).await?;
        order["payment"] = "cash_on_delivery".into();
        let key = format!("a-key-of-the-client-{number}");
        let fields = std::iter::once(("idempotency-key", &*key)).chain(cookie);
        let fields: Vec<_> = fields.collect();
        let placed = self.shop.post("/api/orders", &order, &fields).await?;
        ensure!(placed.status == 201, "{}", placed.json()?);
        Ok(())
    }

    /// Staff say that the only review is seen by all, or by nobody.
    async fn review(&self, is_back: bool) -> Result<()> {
        let state = if is_back { "rejected" } else { "approved" };
        let path = format!("/api/products/{}/reviews", self.product);
        if is_back {
            // Written anew it waits again, and is seen by nobody.
            let other = json!({ "rating": 4, "text": "Bright, and loud." });
            let written = self
                .shop
                .ask("POST", &path, Some(&other), &self.meena.fields())
                .await?;
            ensure!(written.status == 200, "{state}: {}", written.json()?);
            return Ok(());
        }
        let list = self.desk.get("/api/admin/reviews").await?;
        let id = text(&list, "/items/0/id")?;
        let path = format!("/api/admin/reviews/{id}/decision");
        let etag = format!("\"{}\"", list["items"][0]["version"]);
        let approve = json!({ "decision": "approve" });
        let done = self.desk.ask("POST", &path, Some(&approve), &etag).await?;
        ensure!(done.status == 200, "{}", done.json()?);
        Ok(())
    }

    /// Meena has received all there was, and has written of it.
    async fn received(&self) -> Result<()> {
        let [cookie, _] = self.meena.fields();
        self.order(1, Some(cookie)).await?;
        let orders = self.shop.command(&["order", "list"])?;
        let number = orders.split_whitespace().next().context("no order")?;
        for state in ["packed", "dispatched", "delivered"] {
            self.shop.command(&["order", "step", number, state])?;
        }
        let path = format!("/api/products/{}/reviews", self.product);
        let good = json!({ "rating": 5, "text": "Bright and loud." });
        let written = self
            .shop
            .ask("POST", &path, Some(&good), &self.meena.fields())
            .await?;
        ensure!(written.status == 201, "{}", written.json()?);
        self.take(Turn::Stock, true, 0).await
    }
}

fn combo(kind: &str, product: &str, active: bool) -> Value {
    json!({ "sku": format!("torch-{kind}"), "slug": format!("torch-{kind}"), "name": "Torches", "mrp_paise": 500_000,
        "price_paise": 400_000, "components": [{ "product_id": product, "quantity": 2 }], "active": active })
}

/// What the edge says of each path: status and body, as soon as it has it.
async fn said(shop: &Stack, paths: &[&str]) -> Result<Vec<(u16, Bytes)>> {
    let mut said = Vec::new();
    for path in paths {
        let answer = shop.get(path).await?;
        said.push((answer.status, answer.body));
    }
    Ok(said)
}

/// Takes a turn; how long it took until everybody saw it everywhere.
async fn seen_after(scene: &Scene<'_>, turn: Turn, is_back: bool, number: u32) -> Result<Duration> {
    let paths = turn.changed();
    let before = said(scene.shop, paths).await?;
    scene.take(turn, is_back, number).await?;
    let begun = Instant::now();
    for (path, before) in paths.iter().zip(&before) {
        let what = format!("{path} after {turn:?}, back: {is_back}");
        let is_other = async || {
            let answer = scene.shop.get(path).await?;
            Ok((answer.status, answer.body) != *before)
        };
        scene.shop.wait_for(&what, is_other).await?;
    }
    let took = begun.elapsed();
    // An origin that has not heard of it yet would say what was, and the next turn back makes just that true again.
    all_have_heard(scene.shop).await?;
    Ok(took)
}

async fn to_and_fro(origin: &str) -> Result<()> {
    let shop = &selling(origin, 2).await?;
    let scene = &Scene::of(shop).await?;
    scene.received().await?;
    let mut number = 10;
    for turn in [
        Turn::Stock,
        Turn::Order,
        Turn::Product,
        Turn::Bundle,
        Turn::GiftBox,
        Turn::Category,
        Turn::Review,
    ] {
        let mut quickest = [Duration::MAX; 2];
        // The promise, asked of the quickest of ten: the machine may be busy with something else once, not each time.
        for _ in 0..10 {
            number += 1;
            for (quickest, is_back) in quickest.iter_mut().zip([false, true]) {
                let took = seen_after(scene, turn, is_back, number).await?;
                *quickest = took.min(*quickest);
            }
            if quickest.iter().all(|took| *took <= Duration::from_secs(1)) {
                break;
            }
        }
        let is_kept = quickest.iter().all(|took| *took <= Duration::from_secs(1));
        assert!(is_kept, "{turn:?}: {quickest:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_and_goes_shows_within_a_second_on_sqlite() -> Result<()> {
    to_and_fro("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_and_goes_shows_within_a_second_on_mongodb() -> Result<()> {
    on_mongodb(to_and_fro).await
}
