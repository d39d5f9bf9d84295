//! What is owed when an origin dies, the next one does: mails, and word to the edge of what went stale.

use anyhow::{Context as _, Result, ensure};
use crackers_origin::commerce::mail::Mail;
use crackers_tests::doorway::Doorway;
use crackers_tests::mail_server::{Habit, MailServer};
use crackers_tests::stack::Stack;
use serde_json::json;

use super::both_databases::on_mongodb;
use super::inside::database;
use super::orders::{for_sale, order_of, selling, stocked, text};

/// Mails are looked for so rarely that none is sent as long as the test takes.
const HELD_BACK: &str = "outbox: {mail_interval_ms: 86400000}\n";

/// Kills the one origin in the midst of its work, and starts it again with these settings.
fn die_and_return(shop: &mut Stack, own: &str) -> Result<()> {
    shop.origins[0].kill();
    std::fs::write(shop.folder.path().join("origin-own.yaml"), own)?;
    shop.restart_origin(0)
}

/// The address that a mail goes to.
fn to(mail: &str) -> Result<&str> {
    let line = mail.lines().find_map(|line| line.strip_prefix("To: "));
    line.context("it goes to nobody")
}

async fn mails_outlive_their_origin(origin: &str) -> Result<()> {
    let server = MailServer::start(Habit::Takes)?;
    let usual = format!("{origin}{}", server.settings());
    let mut shop = selling(&format!("{usual}{HELD_BACK}"), 1).await?;
    let product = stocked(&shop, 5000).await?;
    let order = order_of(&shop, text(&product, "/id")?, 15).await?;
    let key = [("idempotency-key", "a-key-of-the-client-1")];
    let placed = shop.post("/api/orders", &order, &key).await?;
    assert_eq!(placed.status, 201, "{}", placed.json()?);
    let who = json!({ "email": "ravi@example.in" });
    assert_eq!(shop.post("/api/auth/otp", &who, &[]).await?.status, 202);
    assert!(server.is_quiet(), "a mail was not held back");

    die_and_return(&mut shop, &usual)?;
    let mails = [server.next()?, server.next()?];
    let mut people = [to(&mails[0])?, to(&mails[1])?];
    people.sort_unstable();
    assert_eq!(people, ["meena@example.in", "ravi@example.in"]);
    let of_order = mails.iter().find(|mail| mail.contains("CR000001"));
    assert_eq!(to(of_order.context("no word of the order")?)?, people[0]);
    shop.wait_for("no mail is owed any more", async || {
        let database = database(&shop).await?;
        let owed = database.list::<Mail>("waiting", None, 10).await?;
        Ok(owed.is_empty())
    })
    .await?;
    assert!(server.is_quiet(), "a mail came twice");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_that_a_killed_origin_owed_come_once_each_on_sqlite() -> Result<()> {
    mails_outlive_their_origin("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_that_a_killed_origin_owed_come_once_each_on_mongodb() -> Result<()> {
    on_mongodb(mails_outlive_their_origin).await
}

/// A number that the origin counts.
async fn count(shop: &Stack, line: &str) -> Result<u64> {
    let text = reqwest::get(&shop.origin_metrics_urls[0]).await?;
    let text = text.text().await?;
    let found = text.lines().find_map(|row| row.strip_prefix(line));
    Ok(found.map_or(Ok(0), |count| count.trim().parse())?)
}

async fn word_of_a_price_outlives_its_origin(origin: &str) -> Result<()> {
    let mut shop = selling(origin, 1).await?;
    let admin = shop.admin_url.rsplit(':').next().context("no port")?;
    let mut doorway = Doorway::to(admin.parse()?).await?;
    let edge = format!(
        "{{url: 'http://127.0.0.1:{}', token_file: data/edge-admin.token}}",
        doorway.port
    );
    let own = format!("{origin}outbox: {{purge_backoff_max_ms: 500, edges: [{edge}]}}\n");
    let product = for_sale(&shop).await?;
    die_and_return(&mut shop, &own)?;
    let lag = format!(
        "crackers_origin_outbox_purge_lag{{edge=\"http://127.0.0.1:{}\"}} ",
        doorway.port
    );
    let lag = lag.as_str();
    let told = "crackers_origin_outbox_purges_total{outcome=\"sent\"} ";
    let untold = "crackers_origin_outbox_purges_total{outcome=\"failed\"} ";
    let (path, sku) = (
        format!("/api/products/{}", text(&product, "/id")?),
        text(&product, "/sku")?,
    );
    let price = async |shop: &Stack| {
        let answer = shop.get(&path).await?;
        let is_hit = answer.field("cache-status").contains("hit");
        ensure!(answer.status == 200, "{}", answer.status);
        anyhow::Ok((answer.json()?["price"]["amount_paise"].as_i64(), is_hit))
    };
    shop.command(&["stock", "set", sku, "100"])?;
    shop.wait_for(
        "the edge is told of the stock and keeps the product",
        async || {
            Ok(count(&shop, told).await? > 0
                && count(&shop, lag).await? == 0
                && price(&shop).await?.1)
        },
    )
    .await?;
    let before = price(&shop).await?;

    doorway.shut().await;
    shop.command(&["product", "set-price", sku, "98765"])?;
    shop.wait_for("the edge cannot be told", async || {
        Ok(count(&shop, untold).await? > 0 && count(&shop, lag).await? > 0)
    })
    .await?;
    assert_eq!(price(&shop).await?, before, "who has told the edge?");
    shop.origins[0].kill();
    doorway.open().await?;
    shop.restart_origin(0)?;
    shop.wait_for("the new price shows", async || {
        Ok(price(&shop).await?.0 == Some(98_765))
    })
    .await?;
    shop.wait_for("nothing is left to be told", async || {
        Ok(count(&shop, told).await? > 0 && count(&shop, lag).await? == 0)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_edge_hears_of_a_price_though_the_origin_that_knew_it_died_on_sqlite() -> Result<()> {
    word_of_a_price_outlives_its_origin("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_edge_hears_of_a_price_though_the_origin_that_knew_it_died_on_mongodb() -> Result<()> {
    on_mongodb(word_of_a_price_outlives_its_origin).await
}
