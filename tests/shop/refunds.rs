//! Money that goes back in parts: never more than was paid, whoever sends it, however often and at once.

use anyhow::{Context as _, Result};
use crackers_tests::gateway::{Gateway, Mood};
use crackers_tests::stack::{Answer, Stack};
use serde_json::{Value, json};

use super::accounts::mails;
use super::both_databases::on_mongodb;
use super::gateway::{begun, ordered as ordered_by_gateway, told};
use super::orders::selling;
use super::proofs::ordered;
use super::staff::Desk;

/// The newest order.
pub(super) struct TheOrder<'a> {
    desk: &'a Desk<'a>,
    path: String,
}

impl<'a> TheOrder<'a> {
    pub(super) async fn of(desk: &'a Desk<'a>) -> Result<Self> {
        let found = desk.get("/api/admin/orders").await?;
        let id = found["items"][0]["id"].as_str().context("no order")?;
        let path = format!("/api/admin/orders/{id}");
        Ok(Self { desk, path })
    }

    pub(super) async fn seen(&self) -> Result<Value> {
        self.desk.get(&self.path).await
    }

    /// Says something to its first payment, as somebody does who has seen it so.
    async fn say(&self, seen: &Value, decision: &str, amount: Option<i64>) -> Result<Answer> {
        let mut said = json!({ "payment_id": seen["payments"][0]["id"], "decision": decision, "note": "broken" });
        if let Some(amount) = amount {
            said["amount_paise"] = amount.into();
        }
        let etag = format!("\"{}\"", seen["version"]);
        let address = format!("{}/payment", self.path);
        self.desk.ask("POST", &address, Some(&said), &etag).await
    }

    /// The same, as it stands now; it is carried out.
    pub(super) async fn says(&self, decision: &str, amount: Option<i64>) -> Result<Value> {
        let answer = self.say(&self.seen().await?, decision, amount).await?;
        anyhow::ensure!(answer.status == 200, "{decision}: {}", answer.json()?);
        answer.json()
    }

    /// The same, and it is refused.
    async fn is_refused(&self, amount: Option<i64>, status: u16, code: &str) -> Result<()> {
        let before = self.seen().await?;
        let answer = self.say(&before, "refund", amount).await?;
        let said = answer.json()?;
        assert_eq!(
            (answer.status, &said["code"]),
            (status, &json!(code)),
            "{said}"
        );
        assert_eq!(self.seen().await?, before);
        Ok(())
    }

    pub(super) async fn step(&self, state: &str) -> Result<()> {
        let etag = format!("\"{}\"", self.seen().await?["version"]);
        let address = format!("{}/step", self.path);
        let said = json!({ "state": state });
        let answer = self.desk.ask("POST", &address, Some(&said), &etag).await?;
        anyhow::ensure!(answer.status == 200, "{state}: {}", answer.json()?);
        Ok(())
    }

    /// State of the order, state of the payment, what of it went back, and in how many parts.
    async fn stands(&self) -> Result<(Value, Value, i64, usize)> {
        let seen = self.seen().await?;
        let payment = &seen["payments"][0];
        let parts = payment["given_back"].as_array().context("no parts")?;
        let sum = parts
            .iter()
            .filter_map(|part| part["amount"]["amount_paise"].as_i64());
        let back = payment["refunded"]["amount_paise"].as_i64();
        assert_eq!(Some(sum.sum()), back, "{payment}");
        let back = back.context("no amount")?;
        Ok((
            seen["state"].clone(),
            payment["state"].clone(),
            back,
            parts.len(),
        ))
    }
}

async fn each_part_is_told(shop: &Stack) -> Result<()> {
    shop.wait_for("her customer is told of each part", async || {
        let mails = mails(shop)?;
        let is_of_a_part = |mail: &&String| mail.contains("Subject: CR000001: money sent back");
        Ok(mails.iter().filter(is_of_a_part).count() == 3)
    })
    .await
}

async fn transferred(own: &str) -> Result<()> {
    let shop = &selling(own, 2).await?;
    let desk = &Desk::open(shop).await?;
    let token = ordered(shop, "a-key-of-the-client-1").await?;
    let paid = json!({ "reference": "UTR123456" });
    let pay = format!("/api/track/{token}/payment");
    assert_eq!(shop.post(&pay, &paid, &[]).await?.status, 200);
    let order = TheOrder::of(desk).await?;
    order.is_refused(Some(100), 409, "already_decided").await?;
    let approved = order.says("approve", None).await?;
    let total = approved["total"]["amount_paise"]
        .as_i64()
        .context("no total")?;

    // A part of what is wanted: whoever asks for it ten times at once gets it once.
    let seen = order.seen().await?;
    let asked = (0..10).map(|_| order.say(&seen, "refund", Some(300)));
    let answers = futures_util::future::try_join_all(asked).await?;
    let done = answers.iter().filter(|answer| answer.status == 200);
    assert_eq!(done.count(), 1);
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer.status, 200 | 412))
    );
    assert_eq!(
        order.stands().await?,
        (json!("confirmed"), json!("approved"), 300, 1)
    );
    for (amount, status, code) in [
        (Some(0), 400, "invalid_field"),
        (Some(-300), 400, "invalid_field"),
        (Some(total - 299), 409, "more_than_is_left"),
        (Some(i64::MAX), 409, "more_than_is_left"),
        // All that is left, while it is wanted.
        (Some(total - 300), 409, "no_such_step"),
        (None, 409, "no_such_step"),
    ] {
        order.is_refused(amount, status, code).await?;
    }
    let odd = order
        .say(&order.seen().await?, "approve", Some(300))
        .await?;
    assert_eq!(odd.status, 409, "{}", odd.json()?);

    // Called off, what is left is owed, and it is over with the last paisa.
    order.step("cancelled").await?;
    order.says("refund", Some(500)).await?;
    assert_eq!(
        order.stands().await?,
        (json!("refund_due"), json!("approved"), 800, 2)
    );
    order.says("refund", None).await?;
    assert_eq!(
        order.stands().await?,
        (json!("refunded"), json!("refunded"), total, 3)
    );
    order.is_refused(None, 409, "already_decided").await?;
    each_part_is_told(shop).await?;
    let parts = &order.seen().await?["payments"][0]["given_back"];
    assert_eq!(
        (&parts[0]["by"], &parts[0]["note"]),
        (&json!("owner@example.in"), &json!("broken"))
    );
    let audit = desk.get("/api/admin/audit?limit=100").await?;
    let audit = audit["items"].as_array().context("no audit log")?;
    let lines = audit.iter().filter_map(|line| line["action"].as_str());
    let wanted = "refund of ₹5.00 of order CR000001";
    assert!(
        lines.filter(|line| *line == wanted).count() == 1,
        "{audit:?}"
    );
    Ok(())
}

async fn through_the_gateway(own: &str) -> Result<()> {
    let gateway = Gateway::start().await?;
    let shop: &Stack = &selling(&format!("{own}{}", gateway.settings("")), 2).await?;
    let desk = &Desk::open(shop).await?;
    let (path, total) = &ordered_by_gateway(shop, "a-key-of-the-client-1").await?;
    let payment = &gateway.pay(&begun(shop, path).await?, total, "INR", "captured");
    assert_eq!(told(shop, &gateway, payment).await?, "confirmed");
    let total = total.as_i64().context("no total")?;
    let order = TheOrder::of(desk).await?;

    // Sent once, though its answer is lost, though two origins look, and though it is asked for by many at once.
    gateway.next(&[Mood::Fine, Mood::LosesTheAnswer, Mood::Fails]);
    let seen = order.seen().await?;
    let asked = (0..10).map(|_| order.say(&seen, "refund", Some(300)));
    let answers = futures_util::future::try_join_all(asked).await?;
    let taken = answers.iter().filter(|answer| answer.status == 200);
    assert_eq!(taken.count(), 1);
    shop.wait_for("the first part went back", async || {
        Ok(order.stands().await? == (json!("confirmed"), json!("approved"), 300, 1))
    })
    .await?;
    let late = order.say(&seen, "refund", Some(300)).await?;
    assert!(matches!(late.status, 409 | 412), "{}", late.json()?);
    shop.wait_for("it is settled", async || {
        let refunds = desk.get("/api/admin/refunds").await?;
        Ok(refunds["items"][0]["done_at"].is_string())
    })
    .await?;
    order
        .is_refused(Some(total - 299), 409, "more_than_is_left")
        .await?;
    order.is_refused(None, 409, "no_such_step").await?;
    order.step("cancelled").await?;
    order.says("refund", None).await?;
    shop.wait_for("all of it went back", async || {
        Ok(order.stands().await? == (json!("refunded"), json!("refunded"), total, 2))
    })
    .await?;
    let went: Vec<_> = gateway.refunds();
    let went: Vec<_> = went
        .iter()
        .map(|(key, body)| (key.as_str(), &body["amount"]))
        .collect();
    let keys = [format!("refund-{payment}"), format!("refund-{payment}.1")];
    assert_eq!(
        went,
        [(&*keys[0], &json!(300)), (&*keys[1], &json!(total - 300))]
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_goes_back_in_parts_and_never_more_of_it_on_sqlite() -> Result<()> {
    transferred("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_goes_back_in_parts_and_never_more_of_it_on_mongodb() -> Result<()> {
    on_mongodb(transferred).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_sends_parts_back_once_each_on_sqlite() -> Result<()> {
    through_the_gateway("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_sends_parts_back_once_each_on_mongodb() -> Result<()> {
    on_mongodb(through_the_gateway).await
}
