//! Files in a bucket: every origin sees them, nobody else sees the private ones, and a bucket that fails changes nothing.

use std::time::Duration;

use anyhow::{Context as _, Result};
use crackers_tests::bucket::{Bucket, Mood};
use crackers_tests::stack::Stack;
use serde_json::json;

use super::both_databases::on_mongodb;
use super::orders::selling;
use super::pictures::photograph;
use super::proofs::{PICTURE, ordered};
use super::staff::Desk;

async fn files_in_a_bucket(own: &str) -> Result<()> {
    let bucket = Bucket::start().await?;
    let shop = &selling(&format!("{own}{}", bucket.settings("")), 2).await?;
    let desk = &Desk::open(shop).await?;
    goods_are_public(shop, desk, &bucket).await?;
    payments_are_private(shop, desk, &bucket).await?;
    // Nothing was kept on disk, and everything was signed.
    assert!(!shop.folder.path().join("data/objects").exists());
    let (requests, forged) = bucket.requests_and_forged();
    assert!(requests > 10 && forged == 0, "{requests} {forged}");
    for guess in bucket.keys() {
        let stranger = reqwest::get(format!("{}/pictures-of-the-shop/{guess}", bucket.url)).await?;
        assert_eq!(stranger.status(), 403);
    }
    Ok(())
}

async fn goods_are_public(shop: &Stack, desk: &Desk<'_>, bucket: &Bucket) -> Result<()> {
    let first = shop.get("/api/products?limit=1").await?.json()?["items"][0].clone();
    let path = format!(
        "/api/admin/products/{}/images",
        first["id"].as_str().context("no id")?
    );
    // One write fails, one is slow, and the answer of a third is lost.
    bucket.next(&[
        Mood::Fails,
        Mood::Fine,
        Mood::Slow(Duration::from_millis(100)),
        Mood::LosesTheAnswer,
    ]);
    let sent = desk
        .send_bytes("POST", &path, "image/png", &photograph()?, "")
        .await?;
    assert_eq!(sent.status, 201, "{}", sent.json()?);
    let keys = bucket.keys();
    assert_eq!(keys.len(), 3);
    assert!(
        keys.iter().all(|key| key.starts_with("public/")),
        "{keys:?}"
    );
    let images = sent.json()?["images"].clone();
    let image = images
        .as_array()
        .and_then(|all| all.last())
        .context("no picture")?;
    let url = image["url"].as_str().context("no url")?;
    assert_eq!(shop.get(url).await?.status, 200);
    for port in &shop.origin_ports {
        let seen = reqwest::get(format!("http://127.0.0.1:{port}{url}")).await?;
        assert_eq!(seen.status(), 200);
    }

    // While the bucket is down nothing is promised that is not kept.
    bucket.set_down(true);
    let failed = desk
        .send_bytes("POST", &path, "image/png", &photograph()?, "")
        .await?;
    assert_eq!(
        (failed.status, &failed.json()?["code"]),
        (503, &json!("storage_unavailable"))
    );
    assert!(!failed.field("retry-after").is_empty());
    bucket.set_down(false);
    let product = format!(
        "/api/admin/products/{}",
        first["id"].as_str().context("no id")?
    );
    assert_eq!(desk.get(&product).await?["images"], images);
    Ok(())
}

async fn payments_are_private(shop: &Stack, desk: &Desk<'_>, bucket: &Bucket) -> Result<()> {
    let token = ordered(shop, "a-key-of-the-client-1").await?;
    let reference = json!({ "reference": "UTR123456" });
    let pay = format!("/api/track/{token}/payment");
    assert_eq!(shop.post(&pay, &reference, &[]).await?.status, 200);
    let proof = format!("{pay}/proof");
    let before = bucket.keys();
    for _ in 0..2 {
        let sent = shop
            .put_bytes(&proof, PICTURE, &[("content-type", "image/png")])
            .await?;
        assert_eq!(sent.status, 200, "{}", sent.json()?);
    }
    let keys = bucket.keys();
    let own: Vec<_> = keys.iter().filter(|key| !before.contains(key)).collect();
    assert_eq!(own.len(), 1, "the first one is gone: {own:?}");
    let found = desk.get("/api/admin/orders").await?;
    let id = found["items"][0]["id"].as_str().context("no order")?;
    let shown = desk
        .ask("GET", &format!("/api/admin/orders/{id}/proof"), None, "")
        .await?;
    assert_eq!(
        (shown.status, shown.field("cache-control")),
        (200, "private, no-store")
    );
    assert!(shown.body.starts_with(b"\xff\xd8\xff"));
    for guess in ["/images/", "/pictures/", "/images/public/", "/objects/"] {
        assert_ne!(
            shop.get(&format!("{guess}{}", own[0])).await?.status,
            200,
            "{guess}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn files_in_a_bucket_are_seen_by_every_origin_on_sqlite() -> Result<()> {
    files_in_a_bucket("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn files_in_a_bucket_are_seen_by_every_origin_on_mongodb() -> Result<()> {
    on_mongodb(files_in_a_bucket).await
}
