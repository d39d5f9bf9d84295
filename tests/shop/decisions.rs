//! Many who decide on one payment at one moment, at two origins: one of them does, and what he said is what stands.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::both_databases::on_mongodb;
use super::orders::selling;
use super::proofs::ordered;
use super::staff::Desk;

/// So many approve and as many reject, all having seen the same.
const OF_EACH: usize = 5;

async fn decided_by_one(origin: &str) -> Result<()> {
    let shop = &selling(origin, 2).await?;
    let desk = &Desk::open(shop).await?;
    for round in 0..4 {
        let token = ordered(shop, &format!("a-key-of-the-client-{round}")).await?;
        let paid = json!({ "reference": format!("UTR12345{round}") });
        let pay = format!("/api/track/{token}/payment");
        assert_eq!(shop.post(&pay, &paid, &[]).await?.status, 200);
        let orders = desk.get("/api/admin/orders?limit=1").await?;
        let id = orders["items"][0]["id"].as_str().context("no order")?;
        let path = format!("/api/admin/orders/{id}");
        let seen = desk.ask("GET", &path, None, "").await?;
        let payment = seen.json()?["payments"][0]["id"].clone();
        let (to, etag) = (format!("{path}/payment"), seen.field("etag").to_owned());
        let decisions = ["approve", "reject"].repeat(OF_EACH);
        let all = decisions.iter().map(async |decision| {
            let said = json!({ "payment_id": payment, "decision": decision });
            let answer = desk.ask("POST", &to, Some(&said), &etag).await?;
            Ok::<_, anyhow::Error>((*decision, answer.status))
        });
        let answers = futures_util::future::try_join_all(all).await?;
        let (done, late): (Vec<_>, Vec<_>) =
            answers.into_iter().partition(|(_, status)| *status == 200);
        ensure!(done.len() == 1, "round {round}: {done:?}");
        // Too late, or decided on already: nothing else.
        ensure!(
            late.iter().all(|(_, status)| matches!(status, 409 | 412)),
            "{late:?}"
        );
        stands(desk, &path, done[0].0).await?;
    }
    Ok(())
}

/// The order stands as the one decision left it, which is the only one in its history.
async fn stands(desk: &Desk<'_>, path: &str, decision: &str) -> Result<()> {
    let (state, payment) = match decision {
        "approve" => ("confirmed", "approved"),
        _ => ("awaiting_payment", "rejected"),
    };
    let order = desk.get(path).await?;
    assert_eq!(order["state"], state, "{order}");
    assert_eq!(order["payments"][0]["state"], payment, "{order}");
    let states: Vec<&Value> = order["history"]
        .as_array()
        .context("no history")?
        .iter()
        .map(|event| &event["state"])
        .collect();
    assert_eq!(states, ["awaiting_payment", "payment_review", state]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_decide_on_a_payment_one_does_on_sqlite() -> Result<()> {
    decided_by_one("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_decide_on_a_payment_one_does_on_mongodb() -> Result<()> {
    on_mongodb(decided_by_one).await
}
