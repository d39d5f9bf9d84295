//! What somebody sees who has stolen the database, or its backup: nothing that lets them in.

use anyhow::{Context as _, Result};
use crackers_tests::mail_server::{Habit, MailServer};
use crackers_tests::stack::{Answer, Stack};
use crackers_tests::stored::{everything, holds};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::accounts::LoggedIn;
use super::both_databases::on_mongodb;
use super::orders::selling;
use super::proofs::ordered;
use super::staff::{Desk, PASSWORD};

/// Asks for a code, and waits until the mail was read; the server refuses it then, so that it goes on waiting.
async fn a_code(shop: &Stack, server: &MailServer, email: &str) -> Result<String> {
    let asked = json!({ "email": email });
    let asked = shop.post("/api/auth/otp", &asked, &[]).await?;
    anyhow::ensure!(asked.status == 202, "{}", asked.json()?);
    loop {
        let mail = server.next()?;
        let subject = mail.lines().find_map(|line| line.strip_prefix("Subject: "));
        if mail.contains(&format!("To: {email}")) {
            let (code, _) = subject
                .context("no subject")?
                .split_once(' ')
                .context("no code")?;
            assert!(
                mail.matches(code).count() >= 3,
                "subject, text and page: {mail}"
            );
            return Ok(code.to_owned());
        }
    }
}

async fn a_stolen_database(own: &str) -> Result<()> {
    let server = MailServer::start(Habit::ReadsAndRefuses)?;
    let shop = &selling(&format!("{own}{}", server.settings()), 1).await?;
    let people = ["meena@example.in", "ravi@example.in", "uma@example.in"];
    let mut codes = Vec::new();
    for email in people {
        codes.push(a_code(shop, &server, email).await?);
    }
    let stolen = everything(shop).await?;
    assert!(people.iter().all(|email| holds(&stolen, email)));
    let found = codes.iter().filter(|code| holds(&stolen, code));
    // A price may have the digits of one by chance; not of two.
    assert!(found.count() < 2, "codes stand in the database: {codes:?}");

    // They are good all the same, and what they let in by is not there either.
    let given = json!({ "email": people[0], "code": codes[0] });
    let answer = shop.post("/api/auth/otp/verify", &given, &[]).await?;
    anyhow::ensure!(answer.status == 200, "{}", answer.json()?);
    let meena = LoggedIn::of(&answer)?;
    let desk = Desk::open(shop).await?;
    let [staffs_cookie, staffs_token] = desk.fields();
    let stolen = everything(shop).await?;
    let mut secrets = vec![PASSWORD];
    for (cookie, token) in [
        (meena.cookie.as_str(), meena.csrf.as_str()),
        (staffs_cookie.1, staffs_token.1),
    ] {
        let (_, value) = cookie.split_once('=').context("no value")?;
        let (_, proof) = value.rsplit_once('.').context("no proof")?;
        let (id, _) = value.split_once('.').context("no id")?;
        assert!(
            holds(&stolen, id),
            "the session is not where it was looked for"
        );
        secrets.extend([value, proof, token]);
    }
    for secret in secrets {
        assert!(!holds(&stolen, secret), "{secret} stands in the database");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_database_lets_nobody_in_on_sqlite() -> Result<()> {
    a_stolen_database("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_database_lets_nobody_in_on_mongodb() -> Result<()> {
    on_mongodb(a_stolen_database).await
}

/// Whoever was given a way to follow an order sees how it stands, and nothing of who ordered, where it goes and what staff think.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_tracks_an_order_is_told_neither_notes_nor_address() -> Result<()> {
    let shop = &selling("", 1).await?;
    let desk = Desk::open(shop).await?;
    let token = ordered(shop, "a-key-of-the-client-1").await?;
    let track = format!("/api/track/{token}");
    let paid = json!({ "reference": "UTR123456" });
    let pay = format!("{track}/payment");
    assert_eq!(shop.post(&pay, &paid, &[]).await?.status, 200);
    let found = desk.get("/api/admin/orders").await?;
    let id = found["items"][0]["id"].as_str().context("no order")?;
    let path = format!("/api/admin/orders/{id}");
    let order = desk.get(&path).await?;
    let decided = json!({ "payment_id": order["payments"][0]["id"], "decision": "reject", "note": "looks like a forgery" });
    let etag = format!("\"{}\"", order["version"]);
    let address = format!("{path}/payment");
    let rejected = desk.ask("POST", &address, Some(&decided), &etag).await?;
    assert_eq!(rejected.status, 200, "{}", rejected.json()?);
    let off = json!({ "state": "cancelled", "note": "a troublesome customer" });
    let address = format!("{path}/step");
    let off = desk
        .ask("POST", &address, Some(&off), rejected.field("etag"))
        .await?;
    assert_eq!(off.status, 200, "{}", off.json()?);

    let order = desk.get(&path).await?.to_string();
    let contact = json!({ "number": "CR000001", "contact": "98765 43210" });
    for told in [
        shop.get(&track).await?,
        shop.post("/api/orders/track", &contact, &[]).await?,
        shop.post(&format!("{track}/cancel"), &json!({}), &[])
            .await?,
    ] {
        let text = said(&told)?;
        for private in PRIVATE {
            assert!(order.contains(private), "staff see {private}: {order}");
            assert!(!text.contains(private), "{private}: {text}");
        }
    }
    Ok(())
}

/// What an answer says, but for its request's id and for times: those are others each time, and any few digits are in them by chance.
pub(super) fn said(answer: &Answer) -> Result<String> {
    let mut said = answer.json()?;
    forget_chance(&mut said, answer.field("x-request-id"));
    Ok(said.to_string())
}

fn forget_chance(value: &mut Value, request_id: &str) {
    match value {
        Value::Object(fields) => fields
            .values_mut()
            .for_each(|value| forget_chance(value, request_id)),
        Value::Array(items) => items
            .iter_mut()
            .for_each(|value| forget_chance(value, request_id)),
        Value::String(text) if text == request_id || text.parse::<Timestamp>().is_ok() => {
            *value = Value::Null;
        }
        _ => {}
    }
}

/// What the order of this test holds that is nobody else's business.
const PRIVATE: &[&str] = &[
    "looks like a forgery",
    "a troublesome customer",
    "owner@example.in",
    "meena@example.in",
    "9876543210",
    "Meena",
    "Main Street",
    "Sivakasi",
    "626123",
    "UTR123456",
];
