//! The catalogue as a client sees it, and the command line.

mod account_things;
mod accounts;
mod after_all;
mod asking;
mod both_databases;
mod broken_exports;
mod carts;
mod combos;
mod content_types;
mod counters;
mod decisions;
mod exhaustion;
mod forgery;
mod gateway;
mod inside;
mod kills;
mod live;
mod mails;
mod many;
mod mass_assignment;
mod operators;
mod orders;
mod owed;
mod own_payments;
mod pages;
mod papers;
mod pictures;
mod proofs;
mod purges;
mod purges_to_and_fro;
mod questions;
mod read_only;
mod redis;
mod refunds;
mod reviews;
mod roles;
mod rolling;
mod sales_mode;
mod scene;
mod secrets;
mod selling;
mod shared_answers;
mod sheets;
mod shelves;
mod staff;
mod staff_accounts;
mod stale_memory;
mod storage;
mod strays;
mod walks;

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use crackers_tests::stack::Stack;
use serde_json::Value;

async fn ids(shop: &Stack, query: &str) -> Result<Vec<String>> {
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = shop
            .get(&format!("/api/products?{query}&limit=7{cursor}"))
            .await?
            .json()?;
        let items = page["items"].as_array().context("no items")?;
        ids.extend(
            items
                .iter()
                .filter_map(|item| item["id"].as_str().map(str::to_owned)),
        );
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(ids),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cursors_lead_through_every_product_once_in_every_order() -> Result<()> {
    let shop = Stack::start(1, "").await?;
    let mut sets = BTreeSet::new();
    for sort in ["popular", "new", "price", "-price", "name", "rating"] {
        let found = ids(&shop, &format!("sort={sort}")).await?;
        let distinct: BTreeSet<_> = found.iter().cloned().collect();
        assert_eq!((found.len(), distinct.len()), (150, 150), "{sort}");
        sets.insert(distinct);
    }
    assert_eq!(sets.len(), 1);
    assert_eq!(
        ids(&shop, "q=deluxe&sort=price").await?.len(),
        ids(&shop, "q=deluxe").await?.len()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_queries_are_refused_with_the_parameter_and_never_kept() -> Result<()> {
    let shop = Stack::start(1, "").await?;
    for (query, parameter, code) in [
        ("colour=red", "colour", "unknown_parameter"),
        ("limit=0", "limit", "invalid_parameter"),
        ("limit=101", "limit", "invalid_parameter"),
        ("sort=size", "sort", "invalid_parameter"),
        ("min=-1", "min", "invalid_parameter"),
        ("cursor=abc", "cursor", "invalid_cursor"),
    ] {
        for _ in 0..2 {
            let answer = shop.get(&format!("/api/products?{query}")).await?;
            let problem = answer.json()?;
            assert_eq!(answer.status, 400, "{query}");
            assert_eq!(
                (&problem["errors"][0]["parameter"], &problem["code"]),
                (&Value::from(parameter), &Value::from(code))
            );
            assert!(!answer.field("cache-status").contains("hit"), "{query}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_refuses_a_query_key_that_it_does_not_know() -> Result<()> {
    let shop = Stack::start(1, "").await?;
    let description = shop.get("/api/openapi.json").await?.json()?;
    let paths = description["paths"].as_object().context("no paths")?;
    let client = reqwest::Client::new();
    let mut asked = 0;
    for (template, methods) in paths {
        let parts = template.split('/').map(|part| match part.split_once('{') {
            Some((before, _)) => format!("{before}x"),
            None => part.to_owned(),
        });
        let path = parts.collect::<Vec<_>>().join("/");
        for method in methods.as_object().context("no methods")?.keys() {
            let method = reqwest::Method::from_bytes(method.to_uppercase().as_bytes())?;
            let origin = shop.origin_ports[0];
            // Past the edge: it is the origin that must know its routes.
            let url = format!("http://127.0.0.1:{origin}{path}?colour=red");
            let answer = client.request(method.clone(), url).send().await?;
            let (status, body) = (answer.status().as_u16(), answer.text().await?);
            let problem: Value = serde_json::from_str(&body).unwrap_or_default();
            assert_eq!(
                (status, &problem["code"], &problem["errors"][0]["parameter"]),
                (400, &"unknown_parameter".into(), &"colour".into()),
                "{method} {template}"
            );
            asked += 1;
        }
    }
    assert!(asked > 100, "only {asked} routes were asked");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn hurried_words_find_what_was_meant_and_pages_answer_their_status() -> Result<()> {
    let shop = Stack::start(1, "").await?;
    for (typed, meant) in [("flwr%20pot", "Flower Pots"), ("rockt", "Rocket")] {
        let found = shop
            .get(&format!("/api/products?q={typed}"))
            .await?
            .json()?;
        assert!(
            found["items"][0]["name"]
                .as_str()
                .is_some_and(|name| name.contains(meant)),
            "{typed}: {found}"
        );
    }
    for (path, status) in [
        ("/", 200),
        ("/catalogue/rockets", 200),
        ("/catalogue/nothing", 404),
        ("/nothing", 404),
        ("/assets/none.js", 404),
        ("/api/nothing", 404),
    ] {
        assert_eq!(shop.get(path).await?.status, status, "{path}");
    }
    for (path, holds) in [
        ("/sitemap.xml", "/product/"),
        ("/robots.txt", "Sitemap: "),
        ("/api/openapi.json", "\"openapi\":\"3.1.0\""),
        ("/api/docs", "/api/price-list"),
        (
            "/api/price-list.csv",
            "category,sku,name,pack,unit,mrp_inr,price_inr,",
        ),
    ] {
        let answer = shop.get(path).await?;
        let text = String::from_utf8_lossy(&answer.body);
        assert!(
            answer.status == 200 && text.contains(holds),
            "{path}: {text}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn health_tells_of_the_database_and_seed_overwrites_nothing() -> Result<()> {
    let shop = Stack::start(1, "").await?;
    let health = shop.get("/api/health").await?.json()?;
    assert_eq!(
        (&health["status"], &health["database"]["state"]),
        (&Value::from("ok"), &Value::from("up"))
    );
    let database = &health["database"];
    assert!(health["uptime_seconds"].is_u64() && health["version"].is_string());
    assert!(
        health["memory_bytes"].as_u64() > Some(1_000_000),
        "{health}"
    );
    assert!(database["latency_ms"].as_f64() > Some(0.0), "{health}");
    assert_eq!(database["pool"]["size_max"], 50);
    let refused = shop.command(&["seed"]).unwrap_err().to_string();
    assert!(refused.contains("--replace"), "{refused}");
    shop.command(&["seed", "--products", "20", "--replace"])?;
    shop.wait_for("the new catalogue shows", async || {
        Ok(shop.get("/api/products").await?.json()?["total"] == 20)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_whose_file_is_gone_says_so_and_serves_on() -> Result<()> {
    let shop = Stack::start(1, "").await?;
    let data = shop.folder.path().join("data");
    let (file, aside) = (data.join("shop.sqlite"), data.join("aside"));
    for (step, status, state) in [
        ("there", 200, "up"),
        ("gone", 503, "down"),
        ("another", 503, "down"),
        ("back", 200, "up"),
    ] {
        match step {
            "gone" => std::fs::rename(&file, &aside)?,
            "another" => drop(std::fs::copy(&aside, &file)?),
            "back" => std::fs::rename(&aside, &file)?,
            _ => {}
        }
        let health = shop.get("/api/health").await?;
        assert_eq!(health.status, status, "{step}");
        assert_eq!(health.json()?["database"]["state"], state, "{step}");
        // The process itself serves: nobody must restart it for that.
        assert_eq!(shop.get("/api/health/live").await?.status, 200, "{step}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_refused_by_the_origin() -> Result<()> {
    let shop = Stack::start(1, "").await?;
    let send = async |bytes: usize| -> Result<u16> {
        let request = reqwest::Client::new().post(format!("{}/api/products", shop.url));
        Ok(request
            .body("x".repeat(bytes))
            .send()
            .await?
            .status()
            .as_u16())
    };
    assert_eq!(send(65_536).await?, 405);
    assert_eq!(send(65_537).await?, 413);
    Ok(())
}
