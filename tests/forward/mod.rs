//! Stage `forward`: several origins, ids on their way.

mod answers;
mod balancing;
mod breaking_bodies;
mod failing;
mod interim;
mod old_clients;
mod plain;
mod routes;
mod slow_uploads;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use crackers_tests::stack::Stack;

#[tokio::test(flavor = "multi_thread")]
async fn killing_one_of_two_origins_loses_no_get() -> Result<()> {
    let mut shop = Stack::start(2, "admit: {rate_limits: []}\n").await?;
    let mut origins = std::mem::take(&mut shop.origins);
    let shop = Arc::new(shop);
    let killed = Arc::new(AtomicBool::new(false));
    let asking = tokio::spawn({
        let (shop, killed) = (Arc::clone(&shop), Arc::clone(&killed));
        async move {
            let (mut statuses, mut after_kill) = (Vec::new(), 0);
            // On for as long as it takes to be sure that some came after the kill.
            for number in 0..100_000 {
                if after_kill > 100 {
                    break;
                }
                after_kill += usize::from(killed.load(Ordering::Relaxed));
                // Never cached: every one needs an origin.
                let path = if number % 2 == 0 {
                    "/api/health"
                } else {
                    "/api/products?sort=name&colour=x"
                };
                statuses.push(shop.get(path).await.map(|answer| answer.status));
            }
            statuses
        }
    });
    shop.wait_for("some were answered", async || {
        Ok(shop
            .edge_metric("crackers_edge_requests_total{method=\"GET\",status=\"200\"}")
            .await?
            > 20.0)
    })
    .await?;
    origins[0].kill();
    killed.store(true, Ordering::Relaxed);
    for (number, status) in asking.await?.into_iter().enumerate() {
        assert_eq!(
            status?,
            if number % 2 == 0 { 200 } else { 400 },
            "request {number}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_keeps_its_id_to_the_origin_and_back() -> Result<()> {
    let shop = Stack::start(1, "").await?;
    let own = "my-request-0001";
    let answer = shop
        .get_with("/api/nothing", &[("x-request-id", own)])
        .await?;
    assert_eq!(
        (
            answer.field("x-request-id"),
            answer.json()?["instance"].as_str()
        ),
        (own, Some(own))
    );
    let made = shop
        .get_with("/api/nothing", &[("x-request-id", "no spaces, please")])
        .await?;
    assert_eq!(made.field("x-request-id").len(), 32);
    assert_eq!(
        made.json()?["instance"].as_str(),
        Some(made.field("x-request-id"))
    );
    Ok(())
}
