//! Products and orders as sheets: what is exported is imported again, nothing is written half, and no cell is run.

use anyhow::{Context as _, Result};
use crackers_tests::stack::{Answer, Stack};
use serde_json::{Value, json};

use super::both_databases::on_mongodb;
use super::orders::{order_of, selling, stocked};
use super::staff::{Desk, PASSWORD, log_in};

const IMPORT: &str = "/api/admin/products/import";
const EXPORT: &str = "/api/admin/products/export.csv";

async fn import(desk: &Desk<'_>, path: &str, sheet: &str) -> Result<Answer> {
    desk.send("POST", path, "text/csv", sheet.as_bytes()).await
}

async fn export(desk: &Desk<'_>, path: &str) -> Result<String> {
    let answer = desk.ask("GET", path, None, "").await?;
    anyhow::ensure!(answer.status == 200, "{path}: {}", answer.status);
    assert!(answer.field("content-disposition").contains("attachment"));
    assert_eq!(answer.field("cache-control"), "private, no-store");
    Ok(std::str::from_utf8(&answer.body)?.to_owned())
}

fn counts(report: &Value) -> Value {
    json!([
        report["done"],
        report["new"],
        report["changed"],
        report["unchanged"],
        report["problems_total"]
    ])
}

/// Tried first, done once; again it changes nothing.
async fn products_come_from_a_sheet(desk: &Desk<'_>) -> Result<()> {
    let sheet = "sku,slug,name,category,mrp_inr,price_inr,opening_stock,low_at,tags\r\n\
                 S-1,sheet-one,=1+1,rockets,100,80.5,12,3,night|loud\r\n\
                 S-2,sheet-two,\"Two, and more\",rockets,200,150,0,3,\r\n";
    let tried = import(desk, &format!("{IMPORT}?dry_run=true"), sheet).await?;
    assert_eq!(tried.status, 200, "{}", tried.json()?);
    assert_eq!(counts(&tried.json()?), json!([false, 2, 0, 0, 0]));
    let missing = desk.ask("GET", "/api/admin/products/S-1", None, "").await?;
    assert_eq!(missing.status, 404);
    let done = import(desk, IMPORT, sheet).await?;
    assert_eq!(counts(&done.json()?), json!([true, 2, 0, 0, 0]));
    let again = import(desk, IMPORT, sheet).await?;
    assert_eq!(counts(&again.json()?), json!([true, 0, 0, 2, 0]));
    let made = desk.get("/api/admin/products/S-1").await?;
    assert_eq!(
        json!([
            made["name"],
            made["price"]["amount_paise"],
            made["stock"],
            made["version"]
        ]),
        json!(["=1+1", 8050, 12, 1])
    );
    desk.shop
        .wait_for("the public sees it", async || {
            Ok(desk.shop.get("/api/products/sheet-two").await?.status == 200)
        })
        .await
}

/// One wrong cell, and nothing of the sheet is written.
async fn a_sheet_with_a_mistake_changes_nothing(desk: &Desk<'_>) -> Result<()> {
    let sheet = "sku,slug,name,category,mrp_inr,price_inr\n\
                 S-3,sheet-three,Three,rockets,100,80\n\
                 S-1,,Other,,,1e2\n";
    let tried = import(desk, &format!("{IMPORT}?dry_run=true"), sheet)
        .await?
        .json()?;
    assert_eq!(counts(&tried), json!([false, 1, 0, 0, 1]));
    assert_eq!(
        json!([tried["problems"][0]["line"], tried["problems"][0]["column"]]),
        json!([3, "price_inr"])
    );
    let refused = import(desk, IMPORT, sheet).await?;
    let problem = refused.json()?;
    assert_eq!(
        json!([
            refused.status,
            problem["code"],
            problem["errors"][0]["pointer"]
        ]),
        json!([422, "import_refused", "/3/price_inr"])
    );
    let missing = desk.ask("GET", "/api/admin/products/S-3", None, "").await?;
    assert_eq!(missing.status, 404);
    let unknown = import(desk, IMPORT, "sku,colour\nS-1,red\n")
        .await?
        .json()?;
    assert_eq!(unknown["errors"][0]["code"], "unknown_column");
    let json_body = desk.post(IMPORT, json!({})).await?;
    assert_eq!(json_body.status, 415);
    let long = format!("sku\n{}", "x\n".repeat(1_048_576));
    assert_eq!(import(desk, IMPORT, &long).await?.status, 413);
    Ok(())
}

/// All products, in pages that nobody sees, as the import takes them.
async fn what_is_exported_is_imported_again(desk: &Desk<'_>) -> Result<()> {
    let sheet = export(desk, EXPORT).await?;
    assert_eq!(sheet.lines().count(), 153);
    assert!(sheet.contains("\r\nS-1,sheet-one,'=1+1,"), "{sheet}");
    let again = import(desk, IMPORT, &sheet).await?;
    assert_eq!(counts(&again.json()?), json!([true, 0, 0, 152, 0]));
    let cheaper = sheet.replace(",100.00,80.50,", ",100.00,79.99,");
    let changed = import(desk, IMPORT, &cheaper).await?;
    assert_eq!(counts(&changed.json()?), json!([true, 0, 1, 151, 0]));
    let seen = desk.get("/api/admin/products/S-1").await?;
    assert_eq!(seen["price"]["amount_paise"], 7999);
    Ok(())
}

async fn place(shop: &Stack, product: &str, name: &str, key: &str) -> Result<()> {
    let mut order = order_of(shop, product, 15).await?;
    order["contact"]["name"] = name.into();
    let placed = shop
        .post("/api/orders", &order, &[("idempotency-key", key)])
        .await?;
    anyhow::ensure!(placed.status == 201, "{}", placed.json()?);
    Ok(())
}

/// More than one page of them, by the list's own filters.
async fn orders_are_exported(desk: &Desk<'_>) -> Result<()> {
    let shop = desk.shop;
    let product = stocked(shop, 5000).await?;
    let product = product["id"].as_str().context("no id")?;
    for number in 0..103 {
        place(
            shop,
            product,
            "=HYPERLINK(1)",
            &format!("a-key-of-the-client-{number}"),
        )
        .await?;
    }
    place(shop, product, "Ravi Kumar", "a-key-of-the-client-ravi").await?;
    let all = export(desk, "/api/admin/orders/export.csv").await?;
    let numbers: Vec<_> = all
        .lines()
        .skip(1)
        .filter_map(|line| line.split(',').next())
        .collect();
    let wanted: Vec<_> = (1..=104)
        .rev()
        .map(|number| format!("CR{number:06}"))
        .collect();
    assert_eq!(numbers, wanted);
    assert!(all.contains(",'=HYPERLINK(1),") && !all.contains(",=HYPERLINK"));
    for (query, found) in [
        ("q=ravi", 1),
        ("q=CR000007", 1),
        ("state=confirmed", 0),
        ("state=awaiting_payment", 104),
        ("to=2020-01-01T00:00:00Z", 0),
    ] {
        let some = export(desk, &format!("/api/admin/orders/export.csv?{query}")).await?;
        assert_eq!(some.lines().count(), found + 1, "{query}");
        let list = desk
            .get(&format!("/api/admin/orders?limit=100&{query}"))
            .await?;
        assert_eq!(
            list["items"].as_array().map(Vec::len),
            Some(found.min(100)),
            "{query}"
        );
    }
    let audit = desk.get("/api/admin/audit?limit=1").await?;
    assert_eq!(
        audit["items"][0]["action"],
        "GET /api/admin/orders/export.csv"
    );
    let head = desk
        .ask("HEAD", "/api/admin/orders/export.csv", None, "")
        .await?;
    assert_eq!((head.status, head.body.len()), (200, 0));
    Ok(())
}

/// What is counted is what is there.
async fn the_dashboard_counts(desk: &Desk<'_>) -> Result<()> {
    desk.shop
        .command(&["order", "step", "CR000001", "confirmed"])?;
    desk.shop
        .command(&["order", "step", "CR000002", "cancelled"])?;
    let seen = desk.get("/api/admin/dashboard").await?;
    // Midnight may have come since they were placed.
    let of_days = |key: &str| -> i64 {
        let days = seen["days"].as_array().into_iter().flatten().take(2);
        days.filter_map(|day| day.pointer(key)?.as_i64()).sum()
    };
    assert_eq!(
        json!([
            seen["orders_by_state"]["awaiting_payment"],
            seen["orders_by_state"]["confirmed"],
            seen["orders_by_state"]["cancelled"],
            seen["orders_by_state"]["returned"],
            of_days("/orders"),
            seen["days"].as_array().map(Vec::len),
            seen["top_products"][0]["pieces"],
        ]),
        json!([102, 1, 1, 0, 1, 30, 15])
    );
    let order = desk.get("/api/admin/orders?q=CR000001").await?["items"][0].clone();
    assert_eq!(
        json!(of_days("/revenue/amount_paise")),
        order["total"]["amount_paise"]
    );
    let low = desk
        .shop
        .get("/api/products?stock=low&limit=1")
        .await?
        .json()?;
    assert_eq!(seen["low"], low["total"]);
    Ok(())
}

/// Files leave the shop only with whoever may take them.
async fn packers_export_nothing(desk: &Desk<'_>) -> Result<()> {
    let new = json!({ "email": "packer@example.in", "name": "P", "role": "moderator", "password": PASSWORD });
    desk.post("/api/admin/staff", new).await?;
    let packer = Desk::of(
        desk.shop,
        &log_in(desk.shop, "packer@example.in", PASSWORD).await?,
    )?;
    for path in [
        EXPORT,
        "/api/admin/orders/export.csv",
        "/api/admin/dashboard",
    ] {
        assert_eq!(
            packer.ask("GET", path, None, "").await?.status,
            403,
            "{path}"
        );
        assert_eq!(desk.shop.get(path).await?.status, 401, "{path}");
    }
    assert_eq!(import(&packer, IMPORT, "sku\nS-1\n").await?.status, 403);
    Ok(())
}

async fn sheets(origin: &str) -> Result<()> {
    let shop = &selling(origin, 1).await?;
    let desk = Desk::open(shop).await?;
    products_come_from_a_sheet(&desk).await?;
    a_sheet_with_a_mistake_changes_nothing(&desk).await?;
    what_is_exported_is_imported_again(&desk).await?;
    orders_are_exported(&desk).await?;
    the_dashboard_counts(&desk).await?;
    packers_export_nothing(&desk).await
}

#[tokio::test(flavor = "multi_thread")]
async fn sheets_go_out_and_come_in_on_sqlite() -> Result<()> {
    sheets("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn sheets_go_out_and_come_in_on_mongodb() -> Result<()> {
    on_mongodb(sheets).await
}
