//! Buyers who order again and again, many at once, while something is done to the shop: every harm meets orders that are
//! under way, and it is counted what became of them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use crackers_tests::stack::{PATIENCE, Stack};
use serde_json::Value;
use tokio::task::JoinHandle;

use super::rush::{AGAIN_AFTER, PIECES, Said, try_once};
use crate::shop::inside::ledger_holds;
use crate::shop::orders::{order_of, text};

const BUYERS: usize = 12;
/// Of one buyer; far more than any harm takes.
const ORDERS_MAX: usize = 4000;
/// The longest rest of a buyer between two orders, in milliseconds.
const REST_MS_MAX: u64 = 25;
/// The longest wait before a harm, once the shop serves, in milliseconds.
const HARM_AFTER_MS_MAX: u64 = 300;

/// See the module.
pub(super) struct Regulars {
    crowd: Arc<Crowd>,
    buyers: Vec<JoinHandle<Result<Vec<Bought>>>>,
}

/// What all buyers of one crowd share.
struct Crowd {
    url: String,
    client: reqwest::Client,
    product: String,
    order: Value,
    /// Makes the keys of this crowd its own.
    name: String,
    enough: AtomicBool,
    under_way: AtomicUsize,
    bought: AtomicUsize,
    harms: AtomicUsize,
    met: AtomicUsize,
    broken_off: AtomicUsize,
}

/// An order that was acknowledged.
struct Bought {
    key: String,
    number: String,
    tries: usize,
}

/// What harms have done to tries.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Harmed {
    /// Those that were under way when a harm was done.
    pub(super) met: usize,
    /// Those of them that ended without an answer, or with one of the server's errors.
    pub(super) broken_off: usize,
}

/// At most so many milliseconds.
fn any_time(milliseconds_max: u64) -> Duration {
    let random = u64::from_be_bytes(crackers_shared::request_id::random());
    Duration::from_millis(random % (milliseconds_max + 1))
}

impl Regulars {
    /// Lets them come, for another product than this one, of which there is enough for all of them.
    pub(super) async fn begin(shop: &Stack, but_not: &str) -> Result<Self> {
        let path = "/api/products?limit=50&sort=-price&stock=in_stock";
        let list = shop.get(path).await?.json()?;
        let mut products = list["items"].as_array().into_iter().flatten();
        let product = products.find(|one| one["restricted"] == false && one["id"] != but_not);
        let product = product.context("nothing else is for sale")?;
        let (id, sku) = (text(product, "/id")?, text(product, "/sku")?);
        shop.command(&["stock", "set", sku, &stock().to_string()])?;
        let crowd = Arc::new(Crowd {
            url: format!("{}/api/orders", shop.url),
            client: reqwest::Client::builder().timeout(PATIENCE).build()?,
            order: order_of(shop, id, PIECES).await?,
            product: id.to_owned(),
            name: crackers_shared::request_id::generate(),
            enough: AtomicBool::new(false),
            under_way: AtomicUsize::new(0),
            bought: AtomicUsize::new(0),
            harms: AtomicUsize::new(0),
            met: AtomicUsize::new(0),
            broken_off: AtomicUsize::new(0),
        });
        let buyers = (0..BUYERS).map(|name| tokio::spawn(Arc::clone(&crowd).buy(name)));
        let buyers = buyers.collect();
        Ok(Self { crowd, buyers })
    }

    /// Waits until the shop sells, then for any time, then until orders are under way: whatever is done next is a harm to them.
    pub(super) async fn before_a_harm(&self, shop: &Stack) -> Result<()> {
        let crowd = &self.crowd;
        let before = crowd.bought.load(Ordering::SeqCst);
        shop.wait_for("the shop sells", async || {
            Ok(crowd.bought.load(Ordering::SeqCst) > before + BUYERS)
        })
        .await?;
        tokio::time::sleep(any_time(HARM_AFTER_MS_MAX)).await;
        let deadline = Instant::now() + PATIENCE;
        while self.under_way() < BUYERS / 2 {
            ensure!(Instant::now() < deadline, "nobody orders");
            tokio::task::yield_now().await;
        }
        crowd.harms.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    /// What was done to them so far.
    pub(super) fn harmed(&self) -> Harmed {
        self.crowd.harmed()
    }

    /// How many orders are under way now.
    pub(super) fn under_way(&self) -> usize {
        self.crowd.under_way.load(Ordering::SeqCst)
    }

    /// Lets them finish, and shows that nobody was lied to: the numbers of their orders, and what the harms did.
    pub(super) async fn end(self, shop: &Stack) -> Result<(BTreeSet<String>, Harmed)> {
        let crowd = self.crowd;
        crowd.enough.store(true, Ordering::SeqCst);
        let mut all = Vec::new();
        for buyer in self.buyers {
            all.append(&mut buyer.await??);
        }
        let numbers: BTreeSet<_> = all.iter().map(|one| one.number.clone()).collect();
        assert_eq!(numbers.len(), all.len(), "one order went to two buyers");
        for tried in all.iter().filter(|one| one.tries > 1) {
            let (again, _) = crowd.insist(&tried.key).await?;
            assert_eq!(again, tried.number, "{}: another order", tried.key);
        }
        let left = stock() - all.len() * PIECES as usize;
        ledger_holds(shop, &crowd.product, i64::try_from(left)?).await?;
        Ok((numbers, crowd.harmed()))
    }
}

/// Pieces that are enough for all.
fn stock() -> usize {
    BUYERS * ORDERS_MAX * PIECES as usize
}

impl Crowd {
    fn harmed(&self) -> Harmed {
        Harmed {
            met: self.met.load(Ordering::SeqCst),
            broken_off: self.broken_off.load(Ordering::SeqCst),
        }
    }

    async fn buy(self: Arc<Self>, name: usize) -> Result<Vec<Bought>> {
        let mut all = Vec::new();
        while !self.enough.load(Ordering::SeqCst) {
            ensure!(all.len() < ORDERS_MAX, "the harms take too long");
            let key = format!("{}-{name:02}-{:04}", self.name, all.len());
            let (number, tries) = self.insist(&key).await?;
            all.push(Bought { key, number, tries });
            self.bought.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(any_time(REST_MS_MAX)).await;
        }
        Ok(all)
    }

    /// Sends one order until it is acknowledged: its number, and how many tries it took.
    async fn insist(&self, key: &str) -> Result<(String, usize)> {
        let deadline = Instant::now() + 2 * PATIENCE;
        let mut tries = 0;
        loop {
            tries += 1;
            match self.watched(key).await {
                Said::Placed(number) => return Ok((number, tries)),
                other => ensure!(Instant::now() < deadline, "{key}: {other:?}"),
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    /// One try; counted when a harm was done while it was under way.
    async fn watched(&self, key: &str) -> Said {
        let harms = self.harms.load(Ordering::SeqCst);
        self.under_way.fetch_add(1, Ordering::SeqCst);
        let said = try_once(&self.client, &self.url, &self.order, key).await;
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        if harms < self.harms.load(Ordering::SeqCst) {
            self.met.fetch_add(1, Ordering::SeqCst);
            let is_broken = matches!(said, Said::Nothing(_) | Said::Error(500.., _));
            self.broken_off
                .fetch_add(is_broken.into(), Ordering::SeqCst);
        }
        said
    }
}
