//! Mails that nobody takes hold up no request, and staff send again those that were given up.

use anyhow::Result;
use crackers_origin::commerce::mail::Mail;
use crackers_origin::commerce::records::Writes;
use crackers_tests::mail_server::{Habit, MailServer, TAKEN};
use jiff::Timestamp;
use serde_json::json;

use super::accounts::mails;
use super::both_databases::on_mongodb;
use super::inside::database;
use super::orders::{order_of, selling, stocked, text};
use super::staff::{Desk, PASSWORD};
use super::staff_accounts::{add, as_staff};

async fn a_mail_was_given_up(origin: &str) -> Result<()> {
    let shop = &selling(origin, 1).await?;
    let desk = &Desk::open(shop).await?;
    add(desk, "packer@example.in", "moderator").await?;
    let packer = as_staff(shop, "packer@example.in", PASSWORD).await?;
    let (at, words) = (Timestamp::now(), "Nobody on the staff reads this.");
    let mail = Mail {
        failures: 12,
        last_error: Some("451 come back later".to_owned()),
        send_at: None,
        ..Mail::new("meena@example.in", "A word", &[words.to_owned()], at)
    };
    let writes = Writes::default().with(&mail)?;
    database(shop).await?.write_records(&writes, at).await?;

    let again = format!("/api/admin/mails/{}/again", mail.id);
    for (method, path) in [("GET", "/api/admin/mails"), ("POST", &again)] {
        let refused = packer.ask(method, path, None, "").await?;
        assert_eq!(
            (refused.status, &refused.json()?["code"]),
            (403, &json!("not_permitted"))
        );
    }
    let listed = json!([{ "id": mail.id, "to": mail.to, "failures": 12, "last_error": "451 come back later" }]);
    assert_eq!(desk.get("/api/admin/mails").await?["items"], listed);
    let unknown = desk.ask("POST", "/api/admin/mails/nothing/again", None, "");
    assert_eq!(unknown.await?.status, 404);
    assert_eq!(desk.ask("POST", &again, None, "").await?.status, 200);
    let list = desk.get("/api/admin/mails").await?;
    assert_eq!(list["items"], json!([]));
    shop.wait_for("Meena has it", async || {
        let sent = mails(shop)?;
        Ok(sent
            .iter()
            .any(|one| one.contains("To: meena@example.in") && one.contains(words)))
    })
    .await?;
    shop.wait_for("nothing of it is left", async || {
        let kept = database(shop).await?.get::<Mail>(&mail.id).await?;
        Ok(kept.is_none())
    })
    .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_send_again_a_mail_that_was_given_up_on_sqlite() -> Result<()> {
    a_mail_was_given_up("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_send_again_a_mail_that_was_given_up_on_mongodb() -> Result<()> {
    on_mongodb(a_mail_was_given_up).await
}

async fn the_mail_server_says_nothing(origin: &str) -> Result<()> {
    let server = MailServer::start(Habit::SaysNothing)?;
    let shop = &selling(&format!("{origin}{}", server.settings()), 1).await?;
    let product = stocked(shop, 20).await?;
    let order = order_of(shop, text(&product, "/id")?, 15).await?;
    let code = async |email: &str| {
        let given = json!({ "email": email });
        let asked = shop.post("/api/auth/otp", &given, &[]).await?;
        anyhow::Ok(asked.status)
    };
    assert_eq!(code("meena@example.in").await?, 202);
    assert_eq!(server.next()?, TAKEN);
    // While it holds the first mail, all the others are owed.
    let key = [("idempotency-key", "a-key-of-the-client-1")];
    let placed = shop.post("/api/orders", &order, &key).await?;
    assert_eq!(placed.status, 201, "{}", placed.json()?);
    assert_eq!(code("ravi@example.in").await?, 202);
    assert!(server.is_quiet(), "the mail server was let go meanwhile");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_a_mail_server_that_says_nothing_on_sqlite() -> Result<()> {
    the_mail_server_says_nothing("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_a_mail_server_that_says_nothing_on_mongodb() -> Result<()> {
    on_mongodb(the_mail_server_says_nothing).await
}
