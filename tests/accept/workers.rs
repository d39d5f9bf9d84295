//! Several workers of an origin behind one address.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};
use crackers_tests::stack::{Setup, Stack};

const TWO_WORKERS: Setup<'static> = Setup {
    origins: 1,
    edge: "admit: {rate_limits: []}\n",
    origin: "accept: {workers: 2}\n",
};

/// Asks for something that is never kept, again and again, until it is enough; how many answers were right, and how many not.
fn customer(shop: &Stack, enough: &Arc<AtomicBool>) -> tokio::task::JoinHandle<(u64, u64)> {
    let (url, enough) = (format!("{}/api/health", shop.url), Arc::clone(enough));
    tokio::spawn(async move {
        let client = reqwest::Client::new();
        let (mut right, mut wrong) = (0, 0);
        while !enough.load(Ordering::Relaxed) {
            match client.get(&url).send().await {
                Ok(answer) if answer.status() == 200 => right += 1,
                _ => wrong += 1,
            }
        }
        (right, wrong)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_are_replaced_one_at_a_time_without_a_failed_request() -> Result<()> {
    let mut shop = Stack::of(TWO_WORKERS).await?;
    let enough = Arc::new(AtomicBool::new(false));
    let customers: Vec<_> = (0..4).map(|_| customer(&shop, &enough)).collect();
    for _ in 0..3 {
        let before = shop.origins[0].children()?;
        assert_eq!(before.len(), 2);
        shop.origins[0].hang_up()?;
        shop.wait_for("both workers are new", async || {
            let now = shop.origins[0].children()?;
            Ok(now.len() == 2 && !now.iter().any(|id| before.contains(id)))
        })
        .await?;
    }
    enough.store(true, Ordering::Relaxed);
    for customer in customers {
        let (right, wrong) = customer.await?;
        assert!(right > 10, "{right}");
        assert_eq!(wrong, 0, "of {right}: {}", shop.origins[0].log());
    }
    assert!(shop.origins[0].terminate()?.success());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_is_started_again_and_no_get_is_lost() -> Result<()> {
    let shop = Stack::of(TWO_WORKERS).await?;
    let enough = Arc::new(AtomicBool::new(false));
    let customer = customer(&shop, &enough);
    let before = shop.origins[0].children()?;
    let first = before
        .first()
        .and_then(|id| rustix::process::Pid::from_raw(*id));
    rustix::process::kill_process(first.context("no worker")?, rustix::process::Signal::KILL)?;
    shop.wait_for("there are two again", async || {
        let now = shop.origins[0].children()?;
        Ok(now.len() == 2 && now != before)
    })
    .await?;
    enough.store(true, Ordering::Relaxed);
    let (right, wrong) = customer.await?;
    assert_eq!(wrong, 0, "of {right}");
    assert!(
        shop.origins[0]
            .log()
            .contains("a worker ended; it is started again")
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_end_with_a_supervisor_that_is_killed() -> Result<()> {
    let mut shop = Stack::of(TWO_WORKERS).await?;
    let workers = shop.origins[0].children()?;
    shop.origins[0].kill();
    shop.wait_for("no worker is left", async || {
        let is_left = |id: &i32| std::path::Path::new(&format!("/proc/{id}")).exists();
        Ok(!workers.iter().any(is_left))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_grows_too_large_is_replaced() -> Result<()> {
    let setup = Setup {
        origin: "accept: {workers: 2, worker_memory_bytes_max: 33554432}\n",
        ..TWO_WORKERS
    };
    let shop = Stack::of(setup).await?;
    let log = || shop.origins[0].log();
    shop.wait_for("a worker is too large", async || {
        Ok(log().contains("a worker uses more memory than it may; it is replaced"))
    })
    .await?;
    shop.wait_for("the next one serves", async || {
        Ok(log().contains("the next worker serves"))
    })
    .await
}
