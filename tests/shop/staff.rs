//! Staff: who they are, what each may do, and that everything they do is written down.

use anyhow::{Context as _, Result};
use crackers_tests::stack::{Answer, Stack};
use serde_json::{Value, json};

use super::accounts::LoggedIn;
use super::both_databases::on_mongodb;
use super::orders::{order_of, selling, stocked};

pub(super) const PASSWORD: &str = "a long enough password";

pub(super) async fn log_in(shop: &Stack, email: &str, password: &str) -> Result<Answer> {
    let given = json!({ "email": email, "password": password });
    shop.post("/api/admin/login", &given, &[]).await
}

async fn owner(shop: &Stack) -> Result<LoggedIn> {
    shop.command_with(PASSWORD, &["admin", "create", "owner@example.in"])?;
    LoggedIn::of(&log_in(shop, "owner@example.in", PASSWORD).await?)
}

/// A member of staff at work.
pub(super) struct Desk<'a> {
    pub(super) shop: &'a Stack,
    who: LoggedIn,
}

impl<'a> Desk<'a> {
    /// The owner's.
    pub(super) async fn open(shop: &'a Stack) -> Result<Self> {
        let who = owner(shop).await?;
        Ok(Self { shop, who })
    }

    /// That of whoever this log-in let in.
    pub(super) fn of(shop: &'a Stack, answer: &Answer) -> Result<Self> {
        let who = LoggedIn::of(answer)?;
        Ok(Self { shop, who })
    }

    /// What their browser sends.
    pub(super) fn fields(&self) -> [(&str, &str); 2] {
        self.who.fields()
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value> {
        let answer = self.ask("GET", path, None, "").await?;
        anyhow::ensure!(answer.status == 200, "{path}: {}", answer.json()?);
        answer.json()
    }

    /// Changes something that it is decided on as it stands now.
    pub(super) async fn change(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer> {
        let seen = self.ask("GET", path, None, "").await?;
        self.ask(method, path, body, seen.field("etag")).await
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Result<Answer> {
        self.ask("POST", path, Some(&body), "").await
    }

    /// Anything but JSON.
    pub(super) async fn send(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        body: &[u8],
    ) -> Result<Answer> {
        self.send_bytes(method, path, content_type, body, "").await
    }

    /// With the entity tag that it was decided on; none where that is empty.
    pub(super) async fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        etag: &str,
    ) -> Result<Answer> {
        let mut fields = self.who.fields().to_vec();
        if !etag.is_empty() {
            fields.push(("if-match", etag));
        }
        self.shop.ask(method, path, body, &fields).await
    }

    /// Bytes of a kind, with the entity tag that they were decided on; none where that is empty.
    pub(super) async fn send_bytes(
        &self,
        method: &str,
        path: &str,
        kind: &str,
        body: &[u8],
        etag: &str,
    ) -> Result<Answer> {
        let mut fields = self.who.fields().to_vec();
        fields.push(("content-type", kind));
        if !etag.is_empty() {
            fields.push(("if-match", etag));
        }
        self.shop.send(method, path, body, &fields).await
    }
}

async fn a_day_of_staff(origin: &str) -> Result<()> {
    let shop = &selling(origin, 1).await?;
    let desk = Desk::open(shop).await?;
    let path = a_product_comes_and_is_changed(&desk).await?;
    its_stock_is_adjusted(&desk, &format!("{path}/stock")).await?;
    an_order_is_paid_and_sent(&desk).await?;
    // All of it is written down, without what it said.
    let audit = desk.get("/api/admin/audit").await?;
    let all = audit["items"].as_array().context("nothing")?;
    let first = all.iter().rev().find(|entry| entry["action"] != "log-in");
    let first = first.context("nothing")?;
    assert_eq!(first["by"], "owner@example.in");
    assert_eq!(first["action"], "POST /api/admin/products");
    Ok(())
}

/// Changed once, and not by whoever saw an older one.
async fn a_product_comes_and_is_changed(desk: &Desk<'_>) -> Result<String> {
    let new = json!({
        "product": { "sku": "NEW-1", "slug": "new-rocket", "name": "New rocket", "category": "rockets",
            "mrp_paise": 100_000, "price_paise": 80_000 },
        "stock": 30, "low_at": 5,
    });
    let made = desk.post("/api/admin/products", new.clone()).await?;
    assert_eq!(made.status, 201, "{}", made.json()?);
    let again = desk.post("/api/admin/products", new).await?;
    assert_eq!(again.status, 409, "{}", again.json()?);
    let id = made.json()?["id"].as_str().context("no id")?.to_owned();
    let path = format!("/api/admin/products/{id}");
    let change = json!({ "price_paise": 70_000 });
    let first = made.field("etag");
    let missing = desk.ask("PATCH", &path, Some(&change), "").await?;
    assert_eq!(missing.status, 428);
    let changed = desk.ask("PATCH", &path, Some(&change), first).await?;
    assert_eq!(changed.status, 200, "{}", changed.json()?);
    let stale = desk.ask("PATCH", &path, Some(&change), first).await?;
    assert_eq!(stale.status, 412);
    let dear = json!({ "price_paise": 170_000, "slug": "No Slug" });
    let wrong = desk
        .ask("PATCH", &path, Some(&dear), changed.field("etag"))
        .await?;
    let wrong = wrong.json()?;
    assert_eq!(wrong["errors"][0]["pointer"], "/slug");
    assert_eq!(wrong["errors"][1]["pointer"], "/price_paise");
    desk.shop
        .wait_for("the public sees it", async || {
            let seen = desk.shop.get("/api/products/new-rocket").await?;
            Ok(seen.status == 200 && seen.json()?["price"]["amount_paise"] == 70_000)
        })
        .await?;
    Ok(path)
}

/// With a reason, and never below nothing.
async fn its_stock_is_adjusted(desk: &Desk<'_>, path: &str) -> Result<()> {
    let less = json!({ "by": -10, "reason": "broken in store" });
    let adjusted = desk.post(path, less).await?.json()?;
    assert_eq!(adjusted["available"], 20);
    assert_eq!(adjusted["movements"][0]["delta"], -10);
    assert_eq!(
        adjusted["movements"][0]["reason"],
        "broken in store (owner@example.in)"
    );
    for (body, status) in [
        (json!({ "by": -21, "reason": "broken in store" }), 409),
        (json!({ "by": i64::MIN, "reason": "broken in store" }), 400),
        (
            json!({ "by": 1, "to": 1, "reason": "broken in store" }),
            400,
        ),
        (json!({ "by": 1.5, "reason": "broken in store" }), 400),
        (json!({ "by": 1, "reason": "" }), 400),
    ] {
        let answer = desk.post(path, body.clone()).await?;
        assert_eq!(answer.status, status, "{body}: {}", answer.json()?);
    }
    assert_eq!(desk.get(path).await?["available"], 20);
    Ok(())
}

/// Money that is not there, money that is, and the way to the customer.
async fn an_order_is_paid_and_sent(desk: &Desk<'_>) -> Result<()> {
    let product = stocked(desk.shop, 20).await?;
    let order = order_of(desk.shop, product["id"].as_str().context("no id")?, 15).await?;
    let key = [("idempotency-key", "a-key-of-the-client-1")];
    let placed = desk.shop.post("/api/orders", &order, &key).await?.json()?;
    let token = placed["tracking_token"].as_str().context("no token")?;
    let found = desk.get("/api/admin/orders?q=9876543210").await?;
    assert_eq!(found["items"][0]["contact"]["name"], "Meena");
    let id = found["items"][0]["id"].as_str().context("no order")?;
    let path = format!("/api/admin/orders/{id}");
    for (decision, state) in [("reject", "awaiting_payment"), ("approve", "confirmed")] {
        let pay = format!("/api/track/{token}/payment");
        let paid = desk
            .shop
            .post(&pay, &json!({ "reference": "UTR123456" }), &[])
            .await?;
        assert_eq!(paid.status, 200, "{}", paid.json()?);
        decided_once(desk, &path, decision, state).await?;
    }
    for state in ["packed", "dispatched", "delivered"] {
        let taken = step(desk, &path, state).await?;
        assert_eq!(
            (taken.status, &taken.json()?["state"]),
            (200, &json!(state))
        );
    }
    // What money says is decided on a payment, and what was sent is not called off.
    assert_eq!(step(desk, &path, "refunded").await?.status, 400);
    assert_eq!(step(desk, &path, "packed").await?.status, 409);
    Ok(())
}

async fn etag(desk: &Desk<'_>, path: &str) -> Result<String> {
    let answer = desk.ask("GET", path, None, "").await?;
    Ok(answer.field("etag").to_owned())
}

async fn step(desk: &Desk<'_>, path: &str, state: &str) -> Result<Answer> {
    let etag = etag(desk, path).await?;
    let body = json!({ "state": state, "note": "" });
    desk.ask("POST", &format!("{path}/step"), Some(&body), &etag)
        .await
}

/// Says something to the latest payment; a second time it is refused.
async fn decided_once(desk: &Desk<'_>, path: &str, decision: &str, state: &str) -> Result<()> {
    let seen = desk.get(path).await?;
    let payments = seen["payments"].as_array().context("no payments")?;
    let payment = &payments.last().context("no payment")?["id"];
    let said =
        json!({ "payment_id": payment, "decision": decision, "note": "looked at the account" });
    let to = format!("{path}/payment");
    let decided = desk
        .ask("POST", &to, Some(&said), &etag(desk, path).await?)
        .await?;
    assert_eq!(decided.status, 200, "{}", decided.json()?);
    let after = decided.json()?;
    assert_eq!(after["state"], state);
    // Whoever was refused has the whole window again; whoever has paid needs none.
    assert_eq!(after["expires_at"].is_null(), decision == "approve");
    let again = desk
        .ask("POST", &to, Some(&said), &etag(desk, path).await?)
        .await?;
    assert_eq!(
        (again.status, &again.json()?["code"]),
        (409, &json!("already_decided"))
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_run_the_shop_on_sqlite() -> Result<()> {
    a_day_of_staff("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_run_the_shop_on_mongodb() -> Result<()> {
    on_mongodb(a_day_of_staff).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_may_do_what_it_is_for_and_nothing_else() -> Result<()> {
    let shop = &selling("", 1).await?;
    let desk = Desk::open(shop).await?;
    let new = json!({ "email": "packer@example.in", "name": "Packer", "role": "moderator", "password": PASSWORD });
    let added = desk.post("/api/admin/staff", new).await?;
    assert_eq!(added.status, 201, "{}", added.json()?);
    let shown = added.json()?.to_string();
    assert!(
        !shown.contains("\"password\"") && !shown.contains(PASSWORD),
        "{shown}"
    );
    let packer = Desk {
        shop,
        who: LoggedIn::of(&log_in(shop, "packer@example.in", PASSWORD).await?)?,
    };
    for (path, status) in [
        ("/api/admin/orders", 200),
        ("/api/admin/me", 200),
        ("/api/admin/reviews", 200),
        ("/api/admin/pages", 403),
        ("/api/admin/products/x", 403),
        ("/api/admin/staff", 403),
        ("/api/admin/audit", 403),
        ("/api/admin/mails", 403),
    ] {
        let answer = packer.ask("GET", path, None, "").await?;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(shop.get(path).await?.status, 401, "{path}");
    }
    // Access that is ended is ended now, not when the session is over.
    let id = added.json()?["id"].as_str().context("no id")?.to_owned();
    let path = format!("/api/admin/staff/{id}");
    let etag = added.field("etag");
    for (etag, status) in [("", 428), ("\"9\"", 412), (etag, 200)] {
        let ended = desk.ask("DELETE", &path, None, etag).await?;
        assert_eq!(ended.status, status, "{etag}: {}", ended.json()?);
    }
    assert_eq!(
        packer.ask("GET", "/api/admin/me", None, "").await?.status,
        401
    );
    let late = log_in(shop, "packer@example.in", PASSWORD).await?;
    assert_eq!(late.status, 401);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_guessed_at_is_locked_and_says_no_more_than_before() -> Result<()> {
    let shop = selling("", 1).await?;
    owner(&shop).await?;
    let unknown = log_in(&shop, "nobody@example.in", PASSWORD).await?;
    for _ in 0..5 {
        let wrong = log_in(&shop, "owner@example.in", "not the password").await?;
        assert_eq!(
            (wrong.status, &wrong.json()?["detail"]),
            (401, &unknown.json()?["detail"])
        );
    }
    assert_eq!(
        log_in(&shop, "owner@example.in", PASSWORD).await?.status,
        401
    );
    // Whoever has the machine lets themselves in again.
    shop.command_with(PASSWORD, &["admin", "create", "owner@example.in"])?;
    assert_eq!(
        log_in(&shop, "owner@example.in", PASSWORD).await?.status,
        200
    );
    assert!(
        shop.command_with("short", &["admin", "create", "x@example.in"])
            .is_err()
    );
    Ok(())
}
