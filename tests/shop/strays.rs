//! Private files that the database knows nothing of: swept when they are old, and never one that it names.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use crackers_tests::bucket::Bucket;
use crackers_tests::stack::Stack;
use serde_json::json;

use super::both_databases::on_mongodb;
use super::orders::selling;
use super::proofs::{PICTURE, ordered};
use super::staff::Desk;

/// A day, looked at all the time.
const SWEPT: &str = "commerce: {stray_files_kept_seconds: 86400, stray_files_interval_ms: 50}\n";

const OLD_HOURS: u64 = 25;

/// Where a shop keeps its files.
enum Place {
    Folder(PathBuf),
    Bucket(Bucket),
}

impl Place {
    fn names(&self) -> Result<Vec<String>> {
        let mut names = match self {
            Self::Folder(folder) => names_in(folder)?,
            Self::Bucket(bucket) => bucket.keys(),
        };
        names.retain(|name| !name.starts_with("public"));
        Ok(names)
    }

    /// A file that was written yesterday, or one that is there as if it had been.
    fn put_old(&self, name: &str) -> Result<()> {
        match self {
            Self::Folder(folder) => {
                std::fs::create_dir_all(folder)?;
                let mut options = std::fs::OpenOptions::new();
                let file = options
                    .write(true)
                    .create(true)
                    .truncate(false)
                    .open(folder.join(name))?;
                let old = SystemTime::now() - Duration::from_secs(OLD_HOURS * 3600);
                Ok(file.set_modified(old)?)
            }
            Self::Bucket(bucket) => {
                bucket.put_old(name, i64::try_from(OLD_HOURS)?);
                Ok(())
            }
        }
    }

    fn put_new(&self, name: &str) -> Result<()> {
        match self {
            Self::Folder(folder) => Ok(std::fs::write(folder.join(name), "new")?),
            Self::Bucket(bucket) => {
                bucket.put_old(name, 0);
                Ok(())
            }
        }
    }
}

fn names_in(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// A name that a private file can have.
fn name(letter: char) -> String {
    std::iter::repeat_n(letter, 25).collect()
}

async fn is_swept(shop: &Stack, place: &Place, stray: &str) -> Result<()> {
    place.put_old(stray)?;
    shop.wait_for("the old file is gone", async || {
        Ok(!place.names()?.iter().any(|name| name == stray))
    })
    .await
}

async fn strays_go(shop: &Stack, place: &Place) -> Result<()> {
    let desk = Desk::open(shop).await?;
    let token = ordered(shop, "a-key-of-the-client-1").await?;
    let pay = format!("/api/track/{token}/payment");
    let paid = json!({ "reference": "UTR123456" });
    assert_eq!(shop.post(&pay, &paid, &[]).await?.status, 200);
    let kind = [("content-type", "image/png")];
    let sent = shop
        .put_bytes(&format!("{pay}/proof"), PICTURE, &kind)
        .await?;
    assert_eq!(sent.status, 200, "{}", sent.json()?);
    // As old as the others: the database names it.
    let proof = place.names()?.pop().context("no proof")?;
    place.put_old(&proof)?;
    let fresh = name('n');
    place.put_new(&fresh)?;
    // One after the other, before and behind all others: each time everything was gone through.
    for letter in ['0', 'Z', '1', 'z'] {
        is_swept(shop, place, &name(letter)).await?;
    }
    let mut left = vec![proof, fresh];
    left.sort();
    assert_eq!(place.names()?, left);
    let order = desk.get("/api/admin/orders").await?;
    let id = order["items"][0]["id"].as_str().context("no order")?;
    let shown = desk
        .ask("GET", &format!("/api/admin/orders/{id}/proof"), None, "")
        .await?;
    assert_eq!(shown.status, 200);
    // Counted a moment after each was gone.
    shop.wait_for("all of them are counted", async || {
        let metrics = reqwest::get(&shop.origin_metrics_urls[0]).await?;
        let line = "crackers_origin_outbox_stray_files_total{outcome=\"removed\"} 4\n";
        Ok(metrics.text().await?.contains(line))
    })
    .await
}

async fn in_a_folder(own: &str) -> Result<()> {
    let shop = &selling(&format!("{own}{SWEPT}"), 1).await?;
    let folder = shop.folder.path().join("data/objects");
    strays_go(shop, &Place::Folder(folder)).await
}

async fn in_a_bucket(own: &str) -> Result<()> {
    let bucket = Bucket::start().await?;
    let own = format!("{own}{SWEPT}{}", bucket.settings(""));
    let shop = &selling(&own, 1).await?;
    strays_go(shop, &Place::Bucket(bucket.clone())).await?;
    assert_eq!(bucket.requests_and_forged().1, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn old_files_that_nothing_names_go_from_a_folder_on_sqlite() -> Result<()> {
    in_a_folder("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn old_files_that_nothing_names_go_from_a_folder_on_mongodb() -> Result<()> {
    on_mongodb(in_a_folder).await
}

#[tokio::test(flavor = "multi_thread")]
async fn old_files_that_nothing_names_go_from_a_bucket_on_sqlite() -> Result<()> {
    in_a_bucket("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_nothing_names_stay_where_nobody_says_that_they_go() -> Result<()> {
    let quick = "commerce: {stray_files_interval_ms: 20, payment_window_seconds: 1, expiry_interval_ms: 20}\n";
    let shop = &selling(quick, 1).await?;
    let place = Place::Folder(shop.folder.path().join("data/objects"));
    place.put_old(&name('0'))?;
    let token = ordered(shop, "a-key-of-the-client-1").await?;
    // By then it was looked for what is over many times.
    shop.wait_for("an order expires", async || {
        let order = shop.get(&format!("/api/track/{token}")).await?.json()?;
        Ok(order["state"] == "expired")
    })
    .await?;
    assert_eq!(place.names()?, [name('0')]);
    Ok(())
}
