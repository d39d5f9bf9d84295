//! Buyers who order more than there is, each insisting on his key, and what must be true afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use crackers_tests::stack::{PATIENCE, Stack};
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::shop::inside::ledger_holds;
use crate::shop::orders::{for_sale, order_of, stocked};

/// What one order of the rush takes.
pub(super) const PIECES: u32 = 15;
/// Before somebody who had no good answer tries again.
pub(super) const AGAIN_AFTER: Duration = Duration::from_millis(50);
/// Orders that the command line lists at once.
const LISTED_MAX: usize = 1000;
/// Between the first tries of two buyers, so that every harm finds some in flight.
const BETWEEN: Duration = Duration::from_millis(40);

/// One crowd in front of one product.
pub(super) struct Rush {
    url: String,
    client: reqwest::Client,
    product: String,
    sku: String,
    order: Value,
    /// How many orders there is enough for.
    enough: usize,
    /// Makes the keys of this rush its own.
    name: String,
}

/// The order number that each buyer was told, by his number; `None` where too little was left.
type Told = BTreeMap<usize, Option<String>>;

impl Rush {
    /// Puts enough for so many orders on the shelf.
    pub(super) async fn of(shop: &Stack, enough: usize, pieces: u32) -> Result<Self> {
        let stock = u32::try_from(enough)? * pieces;
        let product = stocked(shop, stock).await?;
        let text = |key: &str| product[key].as_str().map(str::to_owned);
        let id = text("id").context("no id")?;
        Ok(Self {
            url: format!("{}/api/orders", shop.url),
            client: reqwest::Client::builder().timeout(PATIENCE).build()?,
            order: order_of(shop, &id, pieces).await?,
            product: id,
            sku: text("sku").context("no SKU")?,
            enough,
            name: crackers_shared::request_id::generate(),
        })
    }

    /// The product that all want.
    pub(super) fn product(&self) -> &str {
        &self.product
    }

    /// Enough for so many orders of fifteen pieces.
    pub(super) async fn ordinary(shop: &Stack, enough: usize) -> Result<Self> {
        Self::of(shop, enough, PIECES).await
    }

    /// Lets the buyers come, one after the other, or all at once.
    pub(super) fn begin(
        &self,
        buyers: usize,
        at_once: bool,
    ) -> Vec<JoinHandle<Result<Option<String>>>> {
        let come = |buyer: usize| {
            let (url, client, order) = (self.url.clone(), self.client.clone(), self.order.clone());
            let key = self.key(buyer);
            tokio::spawn(async move {
                if !at_once {
                    tokio::time::sleep(BETWEEN * u32::try_from(buyer)?).await;
                }
                insist(&client, &url, &order, &key).await
            })
        };
        (0..buyers).map(come).collect()
    }

    /// Waits for all of them and shows that nobody was lied to; `others` are the orders that were placed meanwhile for
    /// something else.
    pub(super) async fn end(
        &self,
        shop: &Stack,
        buyers: Vec<JoinHandle<Result<Option<String>>>>,
        others: &BTreeSet<String>,
    ) -> Result<()> {
        let mut told = Told::new();
        for (buyer, result) in buyers.into_iter().enumerate() {
            told.insert(buyer, result.await??);
        }
        let sold: Vec<_> = told.values().flatten().cloned().collect();
        let distinct: BTreeSet<_> = sold.iter().cloned().collect();
        assert_eq!(
            distinct.len(),
            sold.len(),
            "one order went to two buyers: {told:?}"
        );
        assert_eq!(sold.len(), self.enough, "exactly what there was is sold");
        Self::is_kept(shop, &(&distinct | others))?;
        self.same_answer_again(&told).await?;
        // One more finds nothing: no piece came back from nowhere.
        let late = insist(&self.client, &self.url, &self.order, &self.key(told.len())).await?;
        assert_eq!(late, None, "a piece came back from nowhere");
        ledger_holds(shop, &self.product, 0).await?;
        // The next rush, if there is one, is for the same product: there are only so many that cost enough for an order.
        shop.command(&["stock", "set", &self.sku, "100"])?;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if for_sale(shop).await?["id"] == self.product.as_str() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("the product is not shown again")
    }

    fn key(&self, buyer: usize) -> String {
        format!("{}-{buyer:05}", self.name)
    }

    /// As many orders as acknowledgements, and the same ones.
    fn is_kept(shop: &Stack, told: &BTreeSet<String>) -> Result<()> {
        let mut newest = BTreeSet::<String>::new();
        while newest.len() < told.len() {
            let limit = (told.len() - newest.len()).min(LISTED_MAX).to_string();
            let mut words = vec!["order", "list", "--limit", &limit];
            // They are written alike (CR and six digits), so that the first is the oldest.
            let last = newest.first().cloned();
            if let Some(last) = &last {
                words.extend(["--before", last]);
            }
            let page = shop.command(&words)?;
            let numbers = page
                .lines()
                .filter_map(|line| line.split_whitespace().next());
            let before = newest.len();
            newest.extend(numbers.map(str::to_owned));
            ensure!(newest.len() > before, "only {before} orders are kept");
        }
        assert_eq!(&newest, told);
        Ok(())
    }

    /// Whoever was given an order is given the same one for the same key.
    async fn same_answer_again(&self, told: &Told) -> Result<()> {
        for (buyer, number) in told.iter().filter(|(_, number)| number.is_some()) {
            let again = insist(&self.client, &self.url, &self.order, &self.key(*buyer)).await?;
            assert_eq!(&again, number, "buyer {buyer} was given another order");
        }
        Ok(())
    }
}

/// What a buyer hears of one try.
#[allow(dead_code, reason = "a test that has failed shows what was said")]
#[derive(Debug)]
pub(super) enum Said {
    /// The number of the order.
    Placed(String),
    /// There is too little.
    Short,
    /// Any other answer.
    Error(u16, String),
    /// No answer.
    Nothing(String),
}

/// Sends one order once.
pub(super) async fn try_once(
    client: &reqwest::Client,
    url: &str,
    order: &Value,
    key: &str,
) -> Said {
    let request = client.post(url).json(order).header("idempotency-key", key);
    let answer = match request.send().await {
        Ok(answer) => answer,
        Err(error) => return Said::Nothing(error.to_string()),
    };
    let status = answer.status().as_u16();
    let body = match answer.json::<Value>().await {
        Ok(body) => body,
        // The head came, and the rest did not.
        Err(error) if status < 400 => return Said::Nothing(error.to_string()),
        Err(_) => Value::Null,
    };
    match (status, body["number"].as_str()) {
        (201, Some(number)) => Said::Placed(number.to_owned()),
        (409, _) if body["code"] == "stock_too_low" => Said::Short,
        _ => Said::Error(status, body.to_string()),
    }
}

/// Sends one order until it is answered for good: 201, or 409 that there is too little. Its number.
async fn insist(
    client: &reqwest::Client,
    url: &str,
    order: &Value,
    key: &str,
) -> Result<Option<String>> {
    let deadline = Instant::now() + 2 * PATIENCE;
    loop {
        match try_once(client, url, order, key).await {
            Said::Placed(number) => return Ok(Some(number)),
            Said::Short => return Ok(None),
            other => ensure!(Instant::now() < deadline, "{key}: {other:?}"),
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}
