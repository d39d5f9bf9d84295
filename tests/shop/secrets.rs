//! What somebody sees who has stolen the database, or its backup: nothing that lets them in.

use anyhow::{Context as _, Result};
use crackers_tests::mail_server::{Habit, MailServer};
use crackers_tests::stack::Stack;
use crackers_tests::stored::{everything, holds};
use serde_json::json;

use super::accounts::LoggedIn;
use super::both_databases::on_mongodb;
use super::orders::selling;
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
