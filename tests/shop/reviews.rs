//! What buyers think: written by who has received a product, read by staff, then seen by everybody.

use anyhow::{Context as _, Result};
use crackers_tests::stack::Stack;
use serde_json::{Value, json};

use super::accounts::{LoggedIn, log_in};
use super::both_databases::on_mongodb;
use super::orders::{order_of, selling};
use super::staff::Desk;

/// A shop with a product that nobody has judged, an account that ordered it, and one that did not.
struct Scene<'a> {
    shop: &'a Stack,
    desk: Desk<'a>,
    meena: LoggedIn,
    ravi: LoggedIn,
    product: String,
}

impl Scene<'_> {
    fn path(&self) -> String {
        format!("/api/products/{}/reviews", self.product)
    }

    async fn write(&self, who: &LoggedIn, body: &Value) -> Result<(u16, Value)> {
        let path = self.path();
        let answer = self
            .shop
            .ask("POST", &path, Some(body), &who.fields())
            .await?;
        Ok((answer.status, answer.json()?))
    }

    /// The rating as the public sees it.
    async fn rating(&self) -> Result<Value> {
        let path = format!("/api/products/{}", self.product);
        Ok(self.shop.get(&path).await?.json()?["rating"].clone())
    }

    /// The only review that waits.
    async fn pending(&self) -> Result<(String, String)> {
        let list = self.desk.get("/api/admin/reviews").await?;
        let items = list["items"].as_array().context("no items")?;
        anyhow::ensure!(items.len() == 1, "{list}");
        let id = items[0]["id"].as_str().context("no id")?;
        Ok((id.to_owned(), format!("\"{}\"", items[0]["version"])))
    }

    async fn decide(&self, id: &str, body: Value, etag: &str) -> Result<(u16, Value)> {
        let path = format!("/api/admin/reviews/{id}/decision");
        let answer = self.desk.ask("POST", &path, Some(&body), etag).await?;
        Ok((answer.status, answer.json()?))
    }

    /// Waits until everybody sees this rating, and so many reviews.
    async fn seen(&self, what: &str, rating: Value, reviews: usize) -> Result<()> {
        self.shop
            .wait_for(what, async || {
                let list = self.shop.get(&self.path()).await?.json()?;
                let count = list["items"].as_array().map(Vec::len);
                Ok(self.rating().await? == rating && count == Some(reviews))
            })
            .await
    }
}

/// A product that only this test knows.
async fn new_product(desk: &Desk<'_>) -> Result<String> {
    let new = json!({
        "product": { "sku": "NEW-1", "slug": "new-rocket", "name": "New rocket", "category": "rockets",
            "mrp_paise": 100_000, "price_paise": 80_000 },
        "stock": 30, "low_at": 5,
    });
    let made = desk.post("/api/admin/products", new).await?;
    anyhow::ensure!(made.status == 201, "{}", made.json()?);
    Ok(made.json()?["id"].as_str().context("no id")?.to_owned())
}

/// Only who has received it may write: not who ordered it, not who did not.
async fn only_receivers_write(scene: &Scene<'_>) -> Result<()> {
    let shop = scene.shop;
    let good = json!({ "rating": 5, "text": "Bright and loud." });
    let mut order = order_of(shop, &scene.product, 15).await?;
    order["payment"] = "cash_on_delivery".into();
    let [cookie, _] = scene.meena.fields();
    let key = ("idempotency-key", "a-key-of-the-client-1");
    let placed = shop.post("/api/orders", &order, &[key, cookie]).await?;
    assert_eq!(placed.status, 201, "{}", placed.json()?);
    for state in ["packed", "dispatched"] {
        shop.command(&["order", "step", "CR000001", state])?;
    }
    for who in [&scene.meena, &scene.ravi] {
        let (status, said) = scene.write(who, &good).await?;
        assert_eq!((status, &said["code"]), (403, &json!("not_received")));
    }
    assert_eq!(shop.post(&scene.path(), &good, &[]).await?.status, 401);
    shop.command(&["order", "step", "CR000001", "delivered"])?;
    for (wrong, pointer) in [
        (json!({ "rating": 0, "text": "Bright" }), "/rating"),
        (json!({ "rating": 6, "text": "Bright" }), "/rating"),
        (json!({ "rating": 4.5, "text": "Bright" }), "/rating"),
        (json!({ "rating": 5, "text": " x " }), "/text"),
        (json!({ "rating": 5, "text": "x".repeat(2001) }), "/text"),
        (
            json!({ "rating": 5, "text": "Bright", "state": "approved" }),
            "/state",
        ),
    ] {
        let (status, said) = scene.write(&scene.meena, &wrong).await?;
        assert_eq!(
            (status, &said["errors"][0]["pointer"]),
            (400, &json!(pointer)),
            "{said}"
        );
    }
    let (status, written) = scene.write(&scene.meena, &good).await?;
    assert_eq!(
        (status, &written["state"]),
        (201, &json!("pending")),
        "{written}"
    );
    assert_eq!(written["by"], "Meena");
    assert_eq!(scene.write(&scene.ravi, &good).await?.0, 403);
    Ok(())
}

/// Approved by two at once it counts once, and exactly what shows it goes stale.
async fn approved_once(scene: &Scene<'_>) -> Result<()> {
    let shop = scene.shop;
    let others = shop
        .get("/api/products?category=sparklers&limit=1")
        .await?
        .json()?;
    let other = format!(
        "/api/products/{}",
        others["items"][0]["id"].as_str().context("no id")?
    );
    for path in [&other, &scene.path()] {
        shop.get(path).await?;
        assert!(
            shop.get(path).await?.field("cache-status").contains("hit"),
            "{path}"
        );
    }
    let (id, etag) = scene.pending().await?;
    let approve = json!({ "decision": "approve" });
    assert_eq!(scene.decide(&id, approve.clone(), "").await?.0, 428);
    let unasked = json!({ "decision": "approve", "reason": "nice" });
    assert_eq!(scene.decide(&id, unasked, &etag).await?.0, 400);
    let (one, two) = tokio::try_join!(
        scene.decide(&id, approve.clone(), &etag),
        scene.decide(&id, approve, &etag)
    )?;
    let mut statuses = [one.0, two.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412], "{one:?} {two:?}");
    scene
        .seen("it is seen", json!({ "average": 5.0, "count": 1 }), 1)
        .await?;
    assert!(
        shop.get(&other)
            .await?
            .field("cache-status")
            .contains("hit")
    );
    let best = shop
        .get("/api/products?sort=rating&limit=100")
        .await?
        .json()?;
    let best = best["items"].as_array().context("no items")?;
    let averages: Vec<_> = best
        .iter()
        .map(|one| one["rating"]["average"].as_f64().unwrap_or(0.0))
        .collect();
    assert!(
        averages.is_sorted_by(|one, next| one >= next),
        "{averages:?}"
    );
    assert!(best.iter().any(|one| one["id"] == scene.product.as_str()));
    Ok(())
}

/// Written anew it waits again and does not count; rejected, its writer is told why.
async fn written_anew(scene: &Scene<'_>) -> Result<()> {
    let worse = json!({ "rating": 2, "text": "<b>Damp</b>, half of them." });
    let before = scene.desk.get("/api/admin/reviews?state=approved").await?;
    let old = format!("\"{}\"", before["items"][0]["version"]);
    let (status, again) = scene.write(&scene.meena, &worse).await?;
    assert_eq!((status, &again["state"]), (200, &json!("pending")));
    scene
        .seen(
            "it is seen no more",
            json!({ "average": null, "count": 0 }),
            0,
        )
        .await?;
    let (id, etag) = scene.pending().await?;
    assert_eq!(
        scene
            .decide(&id, json!({ "decision": "approve" }), &old)
            .await?
            .0,
        412
    );
    assert_eq!(
        scene
            .decide(&id, json!({ "decision": "reject" }), &etag)
            .await?
            .0,
        400
    );
    let no = json!({ "decision": "reject", "reason": "Not about this product." });
    let (status, decided) = scene.decide(&id, no.clone(), &etag).await?;
    assert_eq!(
        (status, &decided["state"]),
        (200, &json!("rejected")),
        "{decided}"
    );
    let now = format!("\"{}\"", decided["version"]);
    let (status, said) = scene.decide(&id, no, &now).await?;
    assert_eq!((status, &said["code"]), (409, &json!("already_decided")));
    let own = format!("{}/own", scene.path());
    let hers = scene.shop.get_with(&own, &scene.meena.fields()).await?;
    assert_eq!(hers.field("cache-control"), "private, no-store");
    assert_eq!(hers.json()?["reason"], "Not about this product.");
    assert_eq!(
        scene
            .shop
            .get_with(&own, &scene.ravi.fields())
            .await?
            .status,
        404
    );
    // Staff may come to another mind.
    assert_eq!(
        scene
            .decide(&id, json!({ "decision": "approve" }), &now)
            .await?
            .0,
        200
    );
    scene
        .seen("it counts", json!({ "average": 2.0, "count": 1 }), 1)
        .await?;
    let list = scene.shop.get(&scene.path()).await?;
    assert_eq!(list.json()?["items"][0]["text"], worse["text"]);
    assert!(!String::from_utf8_lossy(&list.body).contains("customer"));
    Ok(())
}

async fn everything(origin: &str) -> Result<()> {
    let shop = &selling(origin, 1).await?;
    let desk = Desk::open(shop).await?;
    let product = new_product(&desk).await?;
    let meena = log_in(shop, "meena@example.in").await?;
    let ravi = log_in(shop, "ravi@example.in").await?;
    let name = json!({ "name": "Meena Kumari" });
    let told = shop
        .ask("PATCH", "/api/auth/me", Some(&name), &meena.fields())
        .await?;
    assert_eq!(told.status, 200);
    let scene = Scene {
        shop,
        desk,
        meena,
        ravi,
        product,
    };
    only_receivers_write(&scene).await?;
    approved_once(&scene).await?;
    written_anew(&scene).await
}

#[tokio::test(flavor = "multi_thread")]
async fn reviews_are_their_receivers_and_count_once_staff_approve_on_sqlite() -> Result<()> {
    everything("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn reviews_are_their_receivers_and_count_once_staff_approve_on_mongodb() -> Result<()> {
    on_mongodb(everything).await
}
