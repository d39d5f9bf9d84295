//! The admin interface of the edge.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use crackers_tests::raw::exchange_unix;
use crackers_tests::stack::{Setup, Stack};
use serde_json::{Value, json};

/// Carries the tags `category:rockets` and `categories`; the other one only the latter.
const PRODUCTS: &str = "/api/products?category=rockets";
const CATEGORIES: &str = "/api/categories";

async fn purge(shop: &Stack, token: Option<&str>, message: &Value) -> Result<u16> {
    let request = reqwest::Client::new().post(format!("{}/purge", shop.admin_url));
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    Ok(request.json(message).send().await?.status().as_u16())
}

/// Whether the edge answers each of the two from memory; afterwards it holds both.
async fn are_hits(shop: &Stack) -> Result<[bool; 2]> {
    let mut hits = [false; 2];
    for (hit, path) in hits.iter_mut().zip([PRODUCTS, CATEGORIES]) {
        let answer = shop.get(path).await?;
        assert_eq!(answer.status, 200);
        *hit = answer.field("cache-status").starts_with("crackers; hit");
    }
    Ok(hits)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_by_url_tag_or_prefix_takes_what_it_names_and_nothing_else() -> Result<()> {
    let shop = Stack::start(1, "").await?;
    let token = shop.admin_token()?;
    are_hits(&shop).await?;
    assert_eq!(are_hits(&shop).await?, [true, true]);
    for (message, left) in [
        (json!({"urls": [PRODUCTS]}), [false, true]),
        (json!({"urls": [CATEGORIES]}), [true, false]),
        (json!({"tags": ["category:rockets"]}), [false, true]),
        (json!({"tags": ["categories"]}), [false, false]),
        (json!({"prefixes": ["/api/prod"]}), [false, true]),
        (json!({"prefixes": ["/"]}), [false, false]),
        (json!({"tags": ["category:bombs"]}), [true, true]),
    ] {
        assert_eq!(
            purge(&shop, Some(&token), &message).await?,
            200,
            "{message}"
        );
        assert_eq!(are_hits(&shop).await?, left, "{message}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_token_or_says_nonsense_purges_nothing() -> Result<()> {
    let shop = Stack::start(1, "").await?;
    let token = shop.admin_token()?;
    are_hits(&shop).await?;
    let all = json!({"prefixes": ["/"]});
    assert_eq!(purge(&shop, None, &all).await?, 401);
    assert_eq!(purge(&shop, Some("wrong"), &all).await?, 401);
    let unknown = json!({"prefixes": ["/"], "colour": "red"});
    assert_eq!(purge(&shop, Some(&token), &unknown).await?, 400);
    assert_eq!(are_hits(&shop).await?, [true, true]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_edge_says_how_it_is_without_asking_an_origin() -> Result<()> {
    let mut shop = Stack::start(1, "").await?;
    shop.origins[0].kill();
    let health = shop.get("/health").await?;
    assert_eq!(health.status, 200);
    assert_eq!(health.field("cache-control"), "private, no-store");
    let status = reqwest::Client::new()
        .get(format!("{}/status", shop.admin_url))
        .bearer_auth(shop.admin_token()?);
    let status: Value = status.send().await?.json().await?;
    assert!(status["memory_bytes"].as_u64() > Some(0), "{status}");
    assert_eq!(status["groups"][0]["name"], "origin");
    Ok(())
}

/// Asks for the status over a socket file; the status of the answer.
fn status_over(file: &Path, token: &str) -> Result<u16> {
    let request = format!(
        "GET /status HTTP/1.1\r\nHost: edge\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    let (answer, _) = exchange_unix(file, request.as_bytes())?;
    let status = answer.split(' ').nth(1).context("no status")?;
    Ok(status.parse()?)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_edge_is_steered_and_told_of_changes_over_a_private_socket_file() -> Result<()> {
    let mut shop = Stack::of(Setup {
        edge: "telemetry: {admin_listen_unix: data/edge-admin.sock}\n",
        origin: "outbox: {edges: [{url: 'unix:data/edge-admin.sock', token_file: data/edge-admin.token}]}\n",
        ..Setup::default()
    })
    .await?;
    let (file, token) = (
        shop.folder.path().join("data/edge-admin.sock"),
        shop.admin_token()?,
    );
    for next in [true, false] {
        let mode = std::fs::metadata(&file)?.permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(status_over(&file, "wrong")?, 401);
        assert_eq!(status_over(&file, &token)?, 200);
        let product = shop.get("/api/products?limit=1").await?.json()?["items"][0].clone();
        let (id, sku) = (product["id"].as_str(), product["sku"].as_str());
        let path = format!("/api/products/{}", id.context("no id")?);
        shop.get(&path).await?;
        let paise = if next { 11100 } else { 22200 };
        shop.command(&[
            "product",
            "set-price",
            sku.context("no SKU")?,
            &paise.to_string(),
        ])?;
        shop.wait_for("the edge is told of the price", async || {
            Ok(shop.get(&path).await?.json()?["price"]["amount_paise"] == paise)
        })
        .await?;
        if next {
            assert!(shop.upgrade_edge().await?.wait()?.success());
        }
    }
    assert!(shop.edge.terminate()?.success());
    assert!(!file.exists());
    Ok(())
}
