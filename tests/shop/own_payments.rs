//! Customers pay for the orders of their own account while they are logged in, and for nobody else's.

use anyhow::Result;
use crackers_tests::gateway::Gateway;
use crackers_tests::stack::Stack;
use serde_json::{Value, json};

use super::accounts::{LoggedIn, log_in};
use super::both_databases::on_mongodb;
use super::orders::{order_of, selling, stocked, text};
use super::proofs::PICTURE;
use super::staff::Desk;

/// An order of Meena's, and somebody whose it is not.
struct Scene<'a> {
    shop: &'a Stack,
    meena: &'a LoggedIn,
    ravi: &'a LoggedIn,
    id: String,
}

impl<'a> Scene<'a> {
    /// Of an order that is paid in this way.
    async fn of(shop: &'a Stack, [meena, ravi]: [&'a LoggedIn; 2], payment: &str) -> Result<Self> {
        let product = stocked(shop, 20).await?;
        let mut order = order_of(shop, text(&product, "/id")?, 15).await?;
        order["payment"] = payment.into();
        let key = format!("a-key-for-a-{payment}");
        let [cookie, _] = meena.fields();
        let fields = [("idempotency-key", &*key), cookie];
        let placed = shop.post("/api/orders", &order, &fields).await?;
        anyhow::ensure!(placed.status == 201, "{}", placed.json()?);
        let hers = shop.get_with("/api/orders", &meena.fields()).await?;
        let id = text(&hers.json()?, "/items/0/id")?.to_owned();
        Ok(Self {
            shop,
            meena,
            ravi,
            id,
        })
    }

    /// Changes nothing for nobody and for others, who learn not even that it is there; what it is for her.
    async fn hers(&self, method: &str, rest: &str, kind: &str, body: &[u8]) -> Result<Value> {
        let order = format!("/api/orders/{}", self.id);
        let path = &format!("{order}{rest}");
        let before = self.shop.get_with(&order, &self.meena.fields()).await?;
        let send = async |who: Option<&LoggedIn>| {
            let mut fields = vec![("content-type", kind)];
            fields.extend(who.iter().flat_map(|who| who.fields()));
            self.shop.send(method, path, body, &fields).await
        };
        assert_eq!(send(None).await?.status, 401, "{path}");
        assert_eq!(send(Some(self.ravi)).await?.status, 404, "{path}");
        let after = self.shop.get_with(&order, &self.meena.fields()).await?;
        assert_eq!(after.json()?, before.json()?, "{path}");
        let hers = send(Some(self.meena)).await?;
        assert_eq!(hers.status, 200, "{path}: {}", hers.json()?);
        hers.json()
    }

    async fn hers_in_json(&self, rest: &str, body: Value) -> Result<Value> {
        let body = body.to_string();
        self.hers("POST", rest, "application/json", body.as_bytes())
            .await
    }
}

async fn own_orders_are_paid(origin: &str) -> Result<()> {
    let gateway = Gateway::start().await?;
    let shop = &selling(&format!("{origin}{}", gateway.settings("")), 1).await?;
    let meena = &log_in(shop, "meena@example.in").await?;
    let ravi = &log_in(shop, "ravi@example.in").await?;

    let scene = Scene::of(shop, [meena, ravi], "gateway").await?;
    let begun = scene.hers_in_json("/gateway", json!({})).await?;
    let order = text(&begun, "/gateway_order_id")?;
    assert_eq!(gateway.orders().len(), 1, "others began nothing");
    let payment = gateway.pay(order, &begun["amount"]["amount_paise"], "INR", "captured");
    let back = json!({ "gateway_order_id": order, "payment_id": payment,
        "signature": gateway.checkout_signature(order, &payment) });
    let confirmed = scene.hers_in_json("/gateway/confirm", back).await?;
    assert_eq!(confirmed["state"], "confirmed");

    let scene = Scene::of(shop, [meena, ravi], "bank_transfer").await?;
    let paid = json!({ "method": "bank_transfer", "reference": "UTR123457", "amount_paise": 100 });
    let paid = scene.hers_in_json("/payments", paid).await?;
    assert_eq!(paid["state"], "payment_review");
    let picture = scene
        .hers("PUT", "/payments/proof", "image/png", PICTURE)
        .await?;
    assert_eq!(picture["state"], "payment_review");
    let desk = &Desk::open(shop).await?;
    let shown = format!("/api/admin/orders/{}/proof", scene.id);
    let shown = desk.ask("GET", &shown, None, "").await?;
    assert_eq!(
        (shown.status, shown.field("content-type")),
        (200, "image/jpeg")
    );
    what_came_is_what_staff_found(desk, &scene).await
}

/// She said something else than it costs: staff say what came, and that is what she can get back.
async fn what_came_is_what_staff_found(desk: &Desk<'_>, scene: &Scene<'_>) -> Result<()> {
    let path = format!("/api/admin/orders/{}", scene.id);
    let say = async |amount: Option<i64>| {
        let seen = desk.ask("GET", &path, None, "").await?;
        let payment = &seen.json()?["payments"][0]["id"];
        let mut said = json!({ "payment_id": payment, "decision": "approve" });
        if let Some(amount) = amount {
            said["amount_paise"] = amount.into();
        }
        let (to, etag) = (format!("{path}/payment"), seen.field("etag"));
        let answer = desk.ask("POST", &to, Some(&said), etag).await?;
        Ok::<_, anyhow::Error>((answer.status, answer.json()?))
    };
    for amount in [None, Some(0), Some(100_000_000_001)] {
        let (status, said) = say(amount).await?;
        assert_eq!(status, 400, "{said}");
        assert_eq!(said["errors"][0]["pointer"], "/amount_paise", "{said}");
    }
    let (status, approved) = say(Some(123_400)).await?;
    assert_eq!((status, &approved["state"]), (200, &json!("confirmed")));
    let payment = &approved["payments"][0];
    assert_eq!(payment["amount"]["amount_paise"], 123_400, "{payment}");
    let audit = desk.get("/api/admin/audit").await?.to_string();
    assert!(audit.contains("1234.00 came for order"), "{audit}");
    // Her answer was lost: she says it again.
    let paid = json!({ "method": "bank_transfer", "reference": "UTR123457", "amount_paise": 100 });
    let again = scene.hers_in_json("/payments", paid).await?;
    assert_eq!(again["state"], "confirmed");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_of_an_order_pays_for_it_and_nobody_else_on_sqlite() -> Result<()> {
    own_orders_are_paid("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_of_an_order_pays_for_it_and_nobody_else_on_mongodb() -> Result<()> {
    on_mongodb(own_orders_are_paid).await
}
