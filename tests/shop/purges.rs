//! What staff write shows within a second, and what it says nothing of stays at the edge.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use crackers_tests::stack::{PATIENCE, Stack};
use serde_json::{Value, json};

use super::orders::{selling, text};
use super::pictures::photograph;
use super::staff::Desk;

/// All that the edge is asked for.
type Paths = &'static [&'static str];

/// Two of each kind: what is said of torches says nothing of lamps.
const ALL: Paths = &[
    "/",
    "/api/shop",
    "/api/pages/terms",
    "/sitemap.xml",
    "/api/price-list",
    "/api/price-list.csv",
    "/api/categories",
    "/api/categories/torches",
    "/api/categories/lamps",
    "/catalogue/torches",
    "/catalogue/lamps",
    "/api/products?sort=new&limit=5",
    "/api/products?category=torches",
    "/api/products?category=lamps",
    "/api/products/torch",
    "/api/products/lamp",
    "/product/torch",
    "/product/lamp",
    "/api/bundles",
    "/api/bundles/torch-set",
    "/api/bundles/lamp-set",
    "/api/giftboxes",
];
const PRICE_LISTS: Paths = &["/api/price-list", "/api/price-list.csv"];
const LISTS: Paths = &[
    "/api/price-list",
    "/api/products?sort=new&limit=5",
    "/api/products?category=torches",
];
const CATEGORY: Paths = &[
    "/api/categories",
    "/api/categories/torches",
    "/catalogue/torches",
];
const OTHER_CATEGORY: Paths = &[
    "/api/categories/lamps",
    "/catalogue/lamps",
    "/api/products?category=lamps",
    "/api/products/lamp",
];
const PRODUCT: Paths = &["/api/products/torch", "/product/torch"];
const BUNDLE: Paths = &["/api/bundles", "/api/bundles/torch-set"];
const SITEMAP: Paths = &["/sitemap.xml"];

/// A number that differs at each try stands for it.
const NUMBER: &str = "99999";

enum Body {
    Json(Value),
    Sheet(&'static str),
    Picture,
}

/// A write, and what becomes of what the edge holds.
struct Write {
    what: &'static str,
    method: &'static str,
    path: String,
    body: Body,
    /// These say something else then.
    changed: &'static [Paths],
    /// These could have: whether the edge asks again is its own affair.
    perhaps: &'static [Paths],
}

fn product(name: &str, category: &str) -> Value {
    json!({
        "product": { "sku": name, "slug": name, "name": name, "category": category,
            "mrp_paise": 1_000_000, "price_paise": 900_000 },
        "stock": 30, "low_at": 5,
    })
}

fn bundle(of: &str, name: &str, product: &str) -> Value {
    json!({ "sku": format!("{of}-set"), "slug": format!("{of}-set"), "name": name, "mrp_paise": 50_000,
        "price_paise": 40_000, "components": [{ "product_id": product, "quantity": 2 }], "active": true })
}

/// Two categories with a product each, a bundle of each product, and a second product in one of them; the torch's id and that of
/// its bundle.
async fn torches_and_lamps(desk: &Desk<'_>) -> Result<[String; 2]> {
    let made = async |path: &str, body: Value| {
        let made = desk.post(path, body).await?;
        anyhow::ensure!(made.status == 201, "{path}: {}", made.json()?);
        made.json()
    };
    let mut ids = None;
    for (category, one) in [("lamps", "lamp"), ("torches", "torch")] {
        let terms = json!({ "slug": category, "terms": { "name": category } });
        made("/api/admin/categories", terms).await?;
        let product = made("/api/admin/products", product(one, category)).await?;
        let product = text(&product, "/id")?;
        let set = made("/api/admin/bundles", bundle(one, one, product)).await?;
        ids = Some([product.to_owned(), text(&set, "/id")?.to_owned()]);
    }
    made("/api/admin/products", product("wick", "torches")).await?;
    ids.context("nothing was made")
}

fn of_categories_and_bundles(product: &str, set: &str) -> Vec<Write> {
    vec![
        Write {
            what: "a category's name",
            method: "PUT",
            path: "/api/admin/categories/torches".to_owned(),
            body: Body::Json(json!({ "name": format!("Torches {NUMBER}") })),
            changed: &[CATEGORY, LISTS, PRICE_LISTS, &["/api/products/torch"]],
            perhaps: &[OTHER_CATEGORY, SITEMAP],
        },
        Write {
            what: "a category's picture",
            method: "PUT",
            path: "/api/admin/categories/torches/image".to_owned(),
            body: Body::Picture,
            changed: &[CATEGORY],
            perhaps: &[
                OTHER_CATEGORY,
                SITEMAP,
                LISTS,
                PRICE_LISTS,
                &["/api/products/torch"],
            ],
        },
        Write {
            what: "a bundle's name",
            method: "PUT",
            path: format!("/api/admin/bundles/{set}"),
            body: Body::Json(bundle("torch", &format!("Set {NUMBER}"), product)),
            changed: &[BUNDLE],
            perhaps: &[SITEMAP],
        },
        Write {
            what: "the shop's notices",
            method: "PATCH",
            path: "/api/admin/shop".to_owned(),
            body: Body::Json(json!({ "notices": [{ "level": "info", "text": NUMBER }] })),
            changed: &[&[
                "/",
                "/api/shop",
                "/catalogue/torches",
                "/catalogue/lamps",
                "/product/torch",
                "/product/lamp",
            ]],
            perhaps: &[],
        },
        Write {
            what: "a page's words",
            method: "PUT",
            path: "/api/admin/pages/terms".to_owned(),
            body: Body::Json(
                json!({ "title": "Terms", "blocks": [{ "kind": "paragraph", "text": NUMBER }] }),
            ),
            changed: &[&["/api/pages/terms"]],
            perhaps: &[],
        },
    ]
}

fn of_products() -> Vec<Write> {
    vec![
        Write {
            what: "a product's name",
            method: "PATCH",
            path: "/api/admin/products/torch".to_owned(),
            body: Body::Json(json!({ "name": format!("Torch {NUMBER}") })),
            changed: &[PRODUCT, LISTS, PRICE_LISTS, BUNDLE],
            perhaps: &[CATEGORY, SITEMAP],
        },
        Write {
            what: "a product's name in URLs",
            method: "PATCH",
            // By its SKU, which stays.
            path: "/api/admin/products/wick".to_owned(),
            body: Body::Json(json!({ "slug": format!("wick-{NUMBER}") })),
            changed: &[LISTS, &["/api/price-list"], SITEMAP],
            perhaps: &[CATEGORY, PRICE_LISTS],
        },
        Write {
            what: "a product's picture",
            method: "POST",
            path: "/api/admin/products/torch/images".to_owned(),
            body: Body::Picture,
            // The page shows the first one only.
            changed: &[&["/api/products/torch"]],
            perhaps: &[PRODUCT, CATEGORY, SITEMAP, LISTS, PRICE_LISTS, BUNDLE],
        },
        Write {
            what: "a new product",
            method: "POST",
            path: "/api/admin/products".to_owned(),
            body: Body::Json(product(&format!("new-{NUMBER}"), "torches")),
            changed: &[
                LISTS,
                PRICE_LISTS,
                SITEMAP,
                &["/api/categories", "/api/categories/torches"],
            ],
            perhaps: &[CATEGORY, OTHER_CATEGORY, &["/api/products/torch"]],
        },
        Write {
            what: "prices of many products",
            method: "POST",
            path: "/api/admin/products/bulk-price".to_owned(),
            body: Body::Json(json!({ "select": { "category": "torches" }, "terms": {
                "what": "both", "change": { "percent": 10 }, "rounding": { "to_paise": 100, "way": "nearest" } } })),
            changed: &[PRODUCT, LISTS, PRICE_LISTS],
            perhaps: &[CATEGORY, SITEMAP, BUNDLE],
        },
        Write {
            what: "a sheet of products",
            method: "POST",
            path: "/api/admin/products/import".to_owned(),
            body: Body::Sheet("sku,name\ntorch,Torch 99999 of a sheet\n"),
            changed: &[PRODUCT, LISTS, PRICE_LISTS, BUNDLE],
            perhaps: &[CATEGORY, SITEMAP],
        },
    ]
}

/// Does it, by whoever saw the thing as it is now.
async fn written(desk: &Desk<'_>, write: &Write, number: u32) -> Result<()> {
    let seen = match write.method {
        "POST" => None,
        _ => {
            let seen = write.path.trim_end_matches("/image");
            Some(desk.ask("GET", seen, None, "").await?)
        }
    };
    let etag = seen.as_ref().map_or("", |seen| seen.field("etag"));
    let numbered = |text: &str| text.replace(NUMBER, &number.to_string());
    let (kind, body) = match &write.body {
        Body::Json(body) => {
            let mut body: Value = serde_json::from_str(&numbered(&body.to_string()))?;
            if write.path.ends_with("bulk-price") {
                let shown = desk.post(&write.path, body.clone()).await?.json()?;
                body["preview_token"] = shown["preview_token"].clone();
            }
            ("application/json", body.to_string().into_bytes())
        }
        Body::Sheet(sheet) => ("text/csv", numbered(sheet).into_bytes()),
        Body::Picture => ("image/png", photograph()?),
    };
    let answer = desk
        .send_bytes(write.method, &write.path, kind, &body, etag)
        .await?;
    let said = String::from_utf8_lossy(&answer.body);
    anyhow::ensure!(answer.status < 300, "{}: {said}", write.what);
    Ok(())
}

/// Asks for everything until the edge has all of it: what it says of each, in the order of [`ALL`].
async fn held(shop: &Stack) -> Result<Vec<Bytes>> {
    let mut bodies = Vec::new();
    for path in ALL {
        let mut body = Bytes::new();
        shop.wait_for(path, async || {
            let answer = shop.get(path).await?;
            body = answer.body.clone();
            Ok(answer.status == 200 && is_hit(answer.field("cache-status")))
        })
        .await?;
        bodies.push(body);
    }
    Ok(bodies)
}

/// Waits until everything has been at the edge for two seconds: it has heard of all that was done before.
async fn settled(shop: &Stack) -> Result<()> {
    let (begun, mut quiet_since) = (Instant::now(), Instant::now());
    while quiet_since.elapsed() < Duration::from_secs(2) {
        anyhow::ensure!(begun.elapsed() < PATIENCE, "it never settles");
        for path in ALL {
            let answer = shop.get(path).await?;
            if !is_hit(answer.field("cache-status")) {
                quiet_since = Instant::now();
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

fn is_hit(status: &str) -> bool {
    status.contains("crackers; hit") && !status.contains("stale")
}

/// Writes; how long it took until all that must say something else did. What the write is not about is at the edge still.
async fn shown_after(desk: &Desk<'_>, write: &Write, number: u32) -> Result<Duration> {
    let before = held(desk.shop).await?;
    written(desk, write, number).await?;
    let begun = Instant::now();
    let is_among = |sets: &[Paths], path: &str| sets.iter().any(|set| set.contains(&path));
    let known = || ALL.iter().zip(&before);
    for (path, old) in known().filter(|(path, _)| is_among(write.changed, path)) {
        let what = format!("{path} after {}", write.what);
        let is_new = async || Ok(desk.shop.get(path).await?.body != old);
        desk.shop.wait_for(&what, is_new).await?;
    }
    let elapsed = begun.elapsed();
    let touched = [write.changed, write.perhaps].concat();
    for (path, old) in known().filter(|(path, _)| !is_among(&touched, path)) {
        let answer = desk.shop.get(path).await?;
        let status = answer.field("cache-status");
        assert!(is_hit(status), "{path} after {}: {status}", write.what);
        assert_eq!(answer.body, old, "{path} after {}", write.what);
    }
    Ok(elapsed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_shows_within_a_second_and_what_it_is_not_about_stays_at_the_edge() -> Result<()> {
    let shop = &selling("", 1).await?;
    let desk = &Desk::open(shop).await?;
    let [product, set] = torches_and_lamps(desk).await?;
    settled(shop).await?;
    let mut number = 10;
    let writes = of_categories_and_bundles(&product, &set);
    for write in writes.into_iter().chain(of_products()) {
        let mut fastest = Duration::MAX;
        // The promise, asked of the quickest of ten: the machine may be busy with something else once, not each time.
        for _ in 0..10 {
            number += 1;
            fastest = fastest.min(shown_after(desk, &write, number).await?);
            if fastest <= Duration::from_secs(1) {
                break;
            }
        }
        assert!(
            fastest <= Duration::from_secs(1),
            "{}: {fastest:?}",
            write.what
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_was_asked_for_too_early_is_there_once_staff_make_it() -> Result<()> {
    let shop = &selling("", 1).await?;
    let desk = &Desk::open(shop).await?;
    let pages = ["/catalogue/lamps", "/catalogue/torches", "/product/torch"];
    for path in pages {
        assert_eq!(shop.get(path).await?.status, 404, "{path}");
    }
    torches_and_lamps(desk).await?;
    for path in pages {
        let is_there = async || Ok(shop.get(path).await?.status == 200);
        shop.wait_for(path, is_there).await?;
    }
    Ok(())
}
