//! Origins that are stopped by a bare SIGTERM while people order: nothing fails, nothing is ordered twice.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use crackers_tests::rolling::{GIVES_NOTICE, known, roll};
use crackers_tests::stack::{PATIENCE, Stack};
use serde_json::Value;
use tokio::task::JoinHandle;

use super::both_databases::on_mongodb;
use super::inside::ledger_holds;
use super::orders::{order_of, selling, stocked, text};

/// What one order takes.
const PIECES: u32 = 15;
const ORDERS_MAX: u32 = 20_000;
/// After each answer, so that connections are idle now and then.
const PAUSE: Duration = Duration::from_millis(10);
const BUYERS: usize = 4;
const VISITORS: usize = 4;
/// Origins that are stopped and started again, one after the other.
const ROLLS: usize = 5;

/// People at work; none of them tries anything twice.
struct Crowd {
    url: String,
    product: String,
    order: Value,
    enough: AtomicBool,
    answered: AtomicU64,
}

impl Crowd {
    /// In front of one product, of which there is enough.
    async fn of(shop: &Stack) -> Result<Arc<Self>> {
        let product = stocked(shop, ORDERS_MAX * PIECES).await?;
        let product = text(&product, "/id")?.to_owned();
        Ok(Arc::new(Self {
            url: shop.url.clone(),
            order: order_of(shop, &product, PIECES).await?,
            product,
            enough: AtomicBool::new(false),
            answered: AtomicU64::new(0),
        }))
    }

    /// Lets them finish: every order was acknowledged, and is there once.
    async fn end(
        &self,
        shop: &Stack,
        buyers: Vec<JoinHandle<Result<Vec<String>>>>,
    ) -> Result<usize> {
        self.enough.store(true, Ordering::Relaxed);
        let mut numbers = Vec::new();
        for buyer in buyers {
            numbers.append(&mut buyer.await??);
        }
        let distinct: BTreeSet<_> = numbers.iter().collect();
        assert_eq!(distinct.len(), numbers.len(), "two buyers have one order");
        let left = (ORDERS_MAX - u32::try_from(numbers.len())?) * PIECES;
        ledger_holds(shop, &self.product, left.into()).await?;
        Ok(numbers.len())
    }

    fn buyers(self: &Arc<Self>) -> Vec<JoinHandle<Result<Vec<String>>>> {
        let buyers = (0..BUYERS).map(|name| tokio::spawn(Arc::clone(self).buy(name)));
        buyers.collect()
    }

    /// Orders again and again, each time with a key of its own; the numbers of the orders.
    async fn buy(self: Arc<Self>, name: usize) -> Result<Vec<String>> {
        let client = reqwest::Client::builder().timeout(PATIENCE).build()?;
        let mut numbers = Vec::new();
        while !self.enough.load(Ordering::Relaxed) {
            let key = format!("buyer-{name}-order-{:06}", numbers.len());
            let request = client.post(format!("{}/api/orders", self.url));
            let request = request.json(&self.order).header("idempotency-key", &key);
            let answer = request.send().await.context("no answer to an order")?;
            let status = answer.status().as_u16();
            let placed: Value = answer.json().await?;
            ensure!(status == 201, "{key}: {status} {placed}");
            numbers.push(text(&placed, "/number")?.to_owned());
            self.rest().await;
        }
        Ok(numbers)
    }

    /// Asks for what is never kept.
    async fn visit(self: Arc<Self>) -> Result<()> {
        let client = reqwest::Client::builder().timeout(PATIENCE).build()?;
        while !self.enough.load(Ordering::Relaxed) {
            let answer = client.get(format!("{}/api/health", self.url)).send().await;
            let status = answer.context("no answer to a visitor")?.status();
            ensure!(status == 200, "a visitor: {status}");
            self.rest().await;
        }
        Ok(())
    }

    async fn rest(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(PAUSE).await;
    }
}

async fn rolled(origin: &str) -> Result<()> {
    let mut shop = selling(&format!("{origin}{GIVES_NOTICE}"), 2).await?;
    let crowd = Crowd::of(&shop).await?;
    let buyers = crowd.buyers();
    let visitors = (0..VISITORS).map(|_| tokio::spawn(Arc::clone(&crowd).visit()));
    let visitors: Vec<JoinHandle<Result<()>>> = visitors.collect();
    let mut all = Ok(());
    for number in 0..ROLLS {
        all = all.and(roll(&mut shop, number % 2).await);
    }
    // What a customer was told comes first: without customers no roll comes to its end.
    let orders = crowd.end(&shop, buyers).await?;
    assert!(orders > ROLLS * BUYERS, "{orders}");
    for visitor in visitors {
        visitor.await??;
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite_origins_stopped_under_orders_lose_and_double_nothing() -> Result<()> {
    rolled("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mongodb_origins_stopped_under_orders_lose_and_double_nothing() -> Result<()> {
    on_mongodb(rolled).await
}

/// Workers of one origin are replaced, and the edge never hears that the origin stops.
#[tokio::test(flavor = "multi_thread")]
async fn replaced_workers_lose_no_order_and_the_edge_keeps_their_origin() -> Result<()> {
    let own = "accept: {workers: 2, stop_notice_ms: 1000}\n";
    let shop = selling(own, 1).await?;
    let crowd = Crowd::of(&shop).await?;
    let buyers = crowd.buyers();
    for _ in 0..2 {
        let before = shop.origins[0].children()?;
        shop.origins[0].hang_up()?;
        shop.wait_for("both workers are new", async || {
            ensure!(known(&shop, 0).await?["stopping"] == false);
            let now = shop.origins[0].children()?;
            Ok(now.len() == 2 && !now.iter().any(|id| before.contains(id)))
        })
        .await?;
    }
    let orders = crowd.end(&shop, buyers).await?;
    assert!(orders > BUYERS, "{orders}");
    assert!(!shop.edge.log().contains("whether it stops"));
    Ok(())
}
