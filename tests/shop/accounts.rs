//! Customers: a code by mail, a session, their own orders, and nobody else's.

use anyhow::{Context as _, Result};
use crackers_tests::mail_server::{Habit, MailServer};
use crackers_tests::stack::Stack;
use serde_json::{Value, json};

use super::both_databases::on_mongodb;
use super::orders::{order_of, selling, stocked};

/// Somebody who is logged in: what their browser sends.
pub(super) struct LoggedIn {
    pub(super) cookie: String,
    pub(super) csrf: String,
}

impl LoggedIn {
    pub(super) fn fields(&self) -> [(&str, &str); 2] {
        [("cookie", &self.cookie), ("x-csrf-token", &self.csrf)]
    }

    /// From the answer to a log-in.
    pub(super) fn of(answer: &crackers_tests::stack::Answer) -> Result<Self> {
        let set = answer.field("set-cookie");
        anyhow::ensure!(
            set.contains("HttpOnly") && set.contains("SameSite=Lax"),
            "{set}"
        );
        let cookie = set.split(';').next().context("no cookie")?.to_owned();
        let csrf = answer.json()?["csrf_token"]
            .as_str()
            .context("no token")?
            .to_owned();
        Ok(Self { cookie, csrf })
    }
}

/// The mails that were sent, the latest last.
pub(super) fn mails(shop: &Stack) -> Result<Vec<String>> {
    let mut files: Vec<_> = std::fs::read_dir(shop.folder.path().join("data/mail"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.sort();
    let texts = files.iter().map(std::fs::read_to_string);
    Ok(texts.collect::<std::io::Result<_>>()?)
}

/// The codes in the mails to an address, the latest last.
fn codes(shop: &Stack, email: &str) -> Result<Vec<String>> {
    let texts = mails(shop)?;
    let hers = texts
        .iter()
        .filter(|text| text.contains(&format!("To: {email}")));
    let code = |text: &String| {
        let (_, rest) = text.split_once("Subject: ")?;
        let (code, _) = rest.split_once(" is your code for ")?;
        Some(code.to_owned())
    };
    Ok(hers.filter_map(code).collect())
}

/// Asks for a code, and reads it in the mail that comes.
pub(super) async fn mailed_code(shop: &Stack, email: &str) -> Result<String> {
    let before = codes(shop, email).unwrap_or_default().len();
    let asked = shop
        .post("/api/auth/otp", &json!({ "email": email }), &[])
        .await?;
    anyhow::ensure!(asked.status == 202, "{}", asked.json()?);
    shop.wait_for("the mail comes", async || {
        Ok(codes(shop, email)?.len() > before)
    })
    .await?;
    codes(shop, email)?.pop().context("no code")
}

pub(super) async fn log_in(shop: &Stack, email: &str) -> Result<LoggedIn> {
    let code = mailed_code(shop, email).await?;
    let given = json!({ "email": email, "code": code });
    let answer = shop.post("/api/auth/otp/verify", &given, &[]).await?;
    anyhow::ensure!(answer.status == 200, "{}", answer.json()?);
    // A code is good once.
    let again = shop.post("/api/auth/otp/verify", &given, &[]).await?;
    assert_eq!(
        (again.status, &again.json()?["code"]),
        (401, &json!("wrong_code"))
    );
    LoggedIn::of(&answer)
}

async fn an_account(origin: &str) -> Result<()> {
    let shop = selling(origin, 1).await?;
    let meena = log_in(&shop, "meena@example.in").await?;
    let ravi = log_in(&shop, "ravi@example.in").await?;

    // Oneself: told and kept, with the token only.
    let patch = json!({ "name": "Meena", "phone": "+91 98765 43210" });
    let without = [("cookie", meena.cookie.as_str())];
    let refused = shop
        .ask("PATCH", "/api/auth/me", Some(&patch), &without)
        .await?;
    assert_eq!(
        (refused.status, &refused.json()?["code"]),
        (403, &json!("not_permitted"))
    );
    let told = shop
        .ask("PATCH", "/api/auth/me", Some(&patch), &meena.fields())
        .await?;
    assert_eq!(told.status, 200, "{}", told.json()?);
    let me = shop.get_with("/api/auth/me", &meena.fields()).await?;
    assert_eq!(me.field("cache-control"), "private, no-store");
    let me = me.json()?;
    assert_eq!(
        (&me["name"], &me["phone"]),
        (&json!("Meena"), &json!("9876543210"))
    );

    // An order of hers is in her list, and not there for others.
    let product = stocked(&shop, 20).await?;
    let id = product["id"].as_str().context("no id")?;
    let order = order_of(&shop, id, 15).await?;
    let [cookie, _] = meena.fields();
    let key = ("idempotency-key", "a-key-of-the-client-1");
    let placed = shop.post("/api/orders", &order, &[key, cookie]).await?;
    assert_eq!(placed.status, 201, "{}", placed.json()?);
    let hers = shop
        .get_with("/api/orders", &meena.fields())
        .await?
        .json()?;
    let own = hers["items"][0]["id"].as_str().context("no order")?;
    let path = format!("/api/orders/{own}");
    assert_eq!(shop.get_with(&path, &meena.fields()).await?.status, 200);
    assert_eq!(shop.get_with(&path, &ravi.fields()).await?.status, 404);
    assert_eq!(shop.get(&path).await?.status, 401);
    let his = shop.get_with("/api/orders", &ravi.fields()).await?.json()?;
    assert_eq!(his["items"], json!([]));

    // Logged out everywhere: the cookie is worth nothing, whoever has it.
    let second = log_in(&shop, "meena@example.in").await?;
    let all = shop
        .get_with("/api/auth/sessions", &second.fields())
        .await?
        .json()?;
    assert_eq!(all["items"].as_array().map(Vec::len), Some(2));
    let out = shop
        .ask("DELETE", "/api/auth/sessions", None, &second.fields())
        .await?;
    assert_eq!(out.status, 200);
    assert!(out.field("set-cookie").contains("Max-Age=0"));
    for gone in [&meena, &second] {
        assert_eq!(
            shop.get_with("/api/auth/me", &gone.fields()).await?.status,
            401
        );
    }
    assert_eq!(
        shop.get_with("/api/auth/me", &ravi.fields()).await?.status,
        200
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_its_owners_alone_on_sqlite() -> Result<()> {
    an_account("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_its_owners_alone_on_mongodb() -> Result<()> {
    on_mongodb(an_account).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_guessed_at_five_times_and_mailed_five_times_an_hour() -> Result<()> {
    let shop = selling("", 1).await?;
    let email = json!({ "email": "Meena@Example.in" });
    for _ in 0..7 {
        let asked = shop.post("/api/auth/otp", &email, &[]).await?;
        // Nobody learns from the answer how many went out.
        assert_eq!(
            (asked.status, asked.json()?),
            (202, json!({ "good_for_seconds": 600 }))
        );
    }
    shop.wait_for("the mails come", async || {
        Ok(codes(&shop, "meena@example.in")?.len() >= 5)
    })
    .await?;
    let sent = codes(&shop, "meena@example.in")?;
    assert_eq!(sent.len(), 5);
    let right = sent.last().context("no code")?;
    let wrong = if right == "000000" {
        "000001"
    } else {
        "000000"
    };
    let given = |code: &str| json!({ "email": "meena@example.in", "code": code });
    for _ in 0..5 {
        let answer = shop
            .post("/api/auth/otp/verify", &given(wrong), &[])
            .await?;
        assert_eq!(answer.status, 401);
    }
    let late = shop
        .post("/api/auth/otp/verify", &given(right), &[])
        .await?;
    assert_eq!(
        (late.status, &late.json()?["code"]),
        (401, &json!("wrong_code"))
    );
    // Operators and other types are no text.
    for body in [
        json!({ "email": { "$ne": "" }, "code": "123456" }),
        json!({ "email": "meena@example.in", "code": { "$gt": "" } }),
        json!({ "email": "meena@example.in", "code": "123456", "is_admin": true }),
    ] {
        let answer = shop.post("/api/auth/otp/verify", &body, &[]).await?;
        assert_eq!(answer.status, 400, "{body}");
    }
    Ok(())
}

/// The subjects of all mails, in the order of the alphabet.
fn subjects(shop: &Stack) -> Result<Vec<String>> {
    let subject = |text: &String| {
        let line = text.lines().find(|line| line.starts_with("Subject: "))?;
        Some(line.replace("Subject: ", ""))
    };
    let mut subjects: Vec<_> = mails(shop)?.iter().filter_map(subject).collect();
    subjects.sort();
    Ok(subjects)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_is_told_of_each_step_once() -> Result<()> {
    let mut shop = selling("", 2).await?;
    let product = stocked(&shop, 20).await?;
    let order = order_of(&shop, product["id"].as_str().context("no id")?, 15).await?;
    let key = [("idempotency-key", "a-key-of-the-client-1")];
    let placed = shop.post("/api/orders", &order, &key).await?.json()?;
    let number = placed["number"].as_str().context("no number")?.to_owned();
    let told = |what: &str| format!("{number}: {what}");
    let thanks = told("thank you for your order");
    shop.wait_for("thanks", async || Ok(subjects(&shop)?.contains(&thanks)))
        .await?;
    shop.origins[0].kill();
    shop.restart_origin(0)?;
    for state in ["confirmed", "packed", "dispatched"] {
        shop.command(&["order", "step", &number, state])?;
    }
    shop.wait_for("all three have come", async || {
        Ok(subjects(&shop)?.len() >= 3)
    })
    .await?;
    // By the time that the next step was told of, a mail that goes twice would have gone twice.
    shop.command(&["order", "step", &number, "delivered"])?;
    shop.wait_for(
        "a fourth has come",
        async || Ok(subjects(&shop)?.len() >= 4),
    )
    .await?;
    let mut wanted = [
        thanks,
        told("confirmed"),
        told("on its way"),
        told("delivered"),
    ];
    wanted.sort();
    // Each once, and whoever packs is the shop's own business.
    assert_eq!(subjects(&shop)?, wanted);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_session_is_nobodys() -> Result<()> {
    let shop = selling("", 1).await?;
    let meena = log_in(&shop, "meena@example.in").await?;
    let longer = meena.cookie.replacen(".", ".1", 1);
    for cookie in [
        longer.as_str(),
        "crackers_session=",
        "crackers_session=a.b.9999999999.00",
    ] {
        let answer = shop.get_with("/api/auth/me", &[("cookie", cookie)]).await?;
        assert_eq!(
            (answer.status, &answer.json()?["code"]),
            (401, &json!("not_logged_in")),
            "{cookie}"
        );
    }
    // A customer is no staff.
    let as_staff = meena.cookie.replace("crackers_session", "crackers_staff");
    let answer = shop
        .get_with("/api/admin/me", &[("cookie", &as_staff)])
        .await?;
    assert_eq!(answer.status, 401);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_goes_by_smtp_and_again_when_it_is_refused() -> Result<()> {
    let server = MailServer::start(Habit::RefusesTheFirst)?;
    let shop = selling(&server.settings(), 1).await?;
    let asked: Value = json!({ "email": "meena@example.in" });
    assert_eq!(shop.post("/api/auth/otp", &asked, &[]).await?.status, 202);
    let mail = server.next()?;
    for part in [
        "From: Shop <shop@example.in>",
        "To: meena@example.in",
        "text/plain",
        "text/html",
    ] {
        assert!(mail.contains(part), "{part}: {mail}");
    }
    Ok(())
}
