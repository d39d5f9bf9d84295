//! The whole shop on MongoDB, and the same answers from both databases.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use crackers_tests::mongod::{self, Mongod};
use crackers_tests::stack::{Setup, Stack};
use serde_json::Value;

/// The configuration of a shop with a database of its own on a server.
pub(super) fn on(uri: &str) -> String {
    on_for(uri, 1000)
}

/// The same, where a server that can answer is looked for so long, in milliseconds.
pub(super) fn on_for(uri: &str, selection_ms: u32) -> String {
    let name = crackers_shared::request_id::generate();
    format!(
        "database: {{kind: mongodb, mongodb: {{uri: '{uri}', database: 'shop_{name}', server_selection_timeout_ms: {selection_ms}}}}}\n"
    )
}

/// Tries something on a shop with a MongoDB database of its own; says so, and tries nothing, where there is no server.
pub(super) async fn on_mongodb(tried: impl AsyncFnOnce(&str) -> Result<()>) -> Result<()> {
    match mongod::shared_uri() {
        Some(uri) => tried(&on(&uri)).await,
        None => Ok(()),
    }
}

/// All pages of a list, items as they are sent.
async fn all_items(shop: &Stack, path: &str) -> Result<Vec<Value>> {
    let (mut items, mut next) = (Vec::new(), String::new());
    loop {
        let answer = shop.get(&format!("{path}{next}")).await?;
        anyhow::ensure!(answer.status == 200, "{path}: {:?}", answer.json()?);
        let mut page = answer.json()?;
        items.append(page["items"].as_array_mut().context("no items")?);
        match page["next_cursor"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => return Ok(items),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn search_filters_sorts_and_cursors_agree_item_by_item() -> Result<()> {
    let Some(uri) = mongod::shared_uri() else {
        return Ok(());
    };
    let own = on(&uri);
    let (sqlite, mongodb) = tokio::try_join!(
        Stack::start(1, ""),
        Stack::of(Setup {
            origin: &own,
            ..Setup::default()
        })
    )?;
    let first = sqlite.get("/api/products?limit=1").await?.json()?;
    let sub = first["items"][0]["sub_category"].as_str();
    let sub = sub.context("no sub-category")?;
    let filters = [
        "",
        "&category=rockets",
        "&stock=in_stock",
        "&min=10000&max=50000",
        "&featured=true",
        "&q=flwr%20pot",
        "&q=rockt",
        "&q=deluxe&stock=in_stock",
        "&q=sparkler&max=30000",
        "&stock=low",
        "&stock=sold_out",
        "&stock=available",
        "&featured=false",
        "&tags=light,bestseller",
        &format!("&sub={sub}&tags=light"),
        &format!("&sub={sub}"),
    ];
    let mut compared = 0;
    for filter in filters {
        for sort in [
            "",
            "&sort=new",
            "&sort=price",
            "&sort=-price",
            "&sort=name",
            "&sort=rating",
            "&sort=popular",
        ] {
            let path = format!("/api/products?limit=11{filter}{sort}");
            let items = all_items(&sqlite, &path).await?;
            assert_eq!(items, all_items(&mongodb, &path).await?, "{path}");
            let is_of_some = !items.is_empty() && (items.len() < 150 || filter.is_empty());
            assert!(is_of_some, "{path}: {}", items.len());
            compared += items.len();
        }
    }
    assert!(compared > 1000, "only {compared} items were compared");
    for path in [
        "/api/categories",
        "/api/bundles",
        "/api/giftboxes",
        "/api/price-list",
        "/api/shop",
    ] {
        assert_eq!(
            sqlite.get(path).await?.json()?,
            mongodb.get(path).await?.json()?,
            "{path}"
        );
    }
    Ok(())
}

/// What a server says of a question that takes longer than it may, on every kind of question.
#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_takes_longer_than_it_may_is_answered_503() -> Result<()> {
    let Some(server) = tokio::task::spawn_blocking(Mongod::start).await?? else {
        return Ok(());
    };
    let own = on(&server.uri());
    let shop = Stack::of(Setup {
        origin: &own,
        ..Setup::default()
    })
    .await?;
    server.exceed_times().await?;
    for path in [
        "/api/products?min=12345",
        "/api/products?q=rocket&min=12345",
        "/api/track/this-token-belongs-to-nobody-at-all",
    ] {
        let answer = shop.get(path).await?;
        assert_eq!(
            (answer.status, answer.json()?["code"].as_str()),
            (503, Some("database_unavailable")),
            "{path}"
        );
        assert!(!answer.field("retry-after").is_empty(), "{path}");
    }
    tokio::task::spawn_blocking(move || drop(server)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_changed_in_mongodb_shows() -> Result<()> {
    let Some(uri) = mongod::shared_uri() else {
        return Ok(());
    };
    let shop = Stack::of(Setup {
        origin: &on(&uri),
        ..Setup::default()
    })
    .await?;
    let first = shop.get("/api/products?limit=1").await?.json()?["items"][0].clone();
    let path = format!(
        "/api/products/{}",
        first["slug"].as_str().context("no slug")?
    );
    shop.get(&path).await?;
    assert!(shop.get(&path).await?.field("cache-status").contains("hit"));
    let sku = first["sku"].as_str().context("no SKU")?;
    let mut fastest = Duration::MAX;
    for price in 321..331 {
        shop.command(&["product", "set-price", sku, &price.to_string()])?;
        let begun = Instant::now();
        shop.wait_for("the new price", async || {
            Ok(shop.get(&path).await?.json()?["price"]["amount_paise"] == price)
        })
        .await?;
        fastest = fastest.min(begun.elapsed());
        if fastest <= Duration::from_secs(1) {
            break;
        }
    }
    // The promise, asked of the quickest of ten: the machine may be busy with something else for a while, not each time.
    assert!(fastest <= Duration::from_secs(1), "{fastest:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_database_the_shop_says_so_shows_what_it_has_and_comes_back() -> Result<()> {
    let Some(server) = tokio::task::spawn_blocking(Mongod::start).await?? else {
        return Ok(());
    };
    let shop = Stack::of(Setup {
        origin: &on(&server.uri()),
        ..Setup::default()
    })
    .await?;
    assert_eq!(shop.get("/api/categories").await?.status, 200);
    server.kill()?;
    shop.wait_for("health says that the database is gone", async || {
        let health = shop.get("/api/health").await?;
        Ok(health.status == 503 && health.json()?["database"]["state"] == "down")
    })
    .await?;
    // The process itself serves: nobody must restart it for a database that is gone.
    assert_eq!(shop.get("/api/health/live").await?.status, 200);
    assert_eq!(shop.get("/api/categories").await?.status, 200);
    let cold = shop.get("/api/products?min=12345").await?;
    assert_eq!(
        (cold.status, cold.json()?["code"].as_str()),
        (503, Some("database_unavailable"))
    );
    assert!(!cold.field("retry-after").is_empty());
    let server = tokio::task::spawn_blocking(move || server.restart().map(|()| server)).await??;
    shop.wait_for("the shop is back", async || {
        Ok(shop.get("/api/health").await?.status == 200
            && shop.get("/api/products?min=12345").await?.status == 200)
    })
    .await?;
    tokio::task::spawn_blocking(move || drop(server)).await?;
    Ok(())
}
