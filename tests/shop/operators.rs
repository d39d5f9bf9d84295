//! What a database would take for an operator, in the place of a mail address, a code or a password: it is no text, so it is
//! refused by its place, lets nobody in and is no try that counts.

use anyhow::{Context as _, Result};
use crackers_tests::stack::Stack;
use serde_json::{Value, json};

use super::accounts::{LoggedIn, mailed_code, mails};
use super::both_databases::on_mongodb;
use super::orders::selling;
use super::staff::{self, Desk, PASSWORD};

const MEENA: &str = "meena@example.in";
const OWNER: &str = "owner@example.in";

/// What stands where a text should.
fn no_texts() -> Vec<Value> {
    vec![
        json!({ "$ne": "" }),
        json!({ "$gt": "" }),
        json!({ "$regex": ".*" }),
        json!({ "$in": [MEENA, OWNER, PASSWORD] }),
        json!({ "$where": "true" }),
        json!({ "$not": { "$eq": { "$type": 1 } } }),
        json!({ "email": MEENA }),
        json!([MEENA]),
        json!([{ "$ne": "" }]),
        json!([]),
        json!(123_456),
        json!(true),
    ]
}

/// Each in the place of each field, and beside them: refused by its place, whatever stands in the others.
async fn refused_everywhere(shop: &Stack, path: &str, right: &Value) -> Result<()> {
    let fields = right.as_object().context("no fields")?;
    for no_text in no_texts() {
        let in_place = fields.keys().map(String::as_str);
        for field in in_place.chain(["$or", "$where"]) {
            let mut body = right.clone();
            body[field] = no_text.clone();
            let answer = shop.post(path, &body, &[]).await?;
            let problem = answer.json()?;
            assert_eq!(
                (answer.status, &problem["errors"][0]["pointer"]),
                (400, &json!(format!("/{field}"))),
                "{path} {body}: {problem}"
            );
            assert_eq!(problem["code"], "invalid_field", "{path} {body}");
            assert_eq!(answer.field("set-cookie"), "", "{path} {body}");
        }
    }
    Ok(())
}

async fn operators(own: &str) -> Result<()> {
    let shop = &selling(own, 1).await?;
    let desk = Desk::open(shop).await?;
    let code = mailed_code(shop, MEENA).await?;
    let known = desk.get("/api/admin/audit?limit=100").await?;
    for (path, right) in [
        ("/api/auth/otp", json!({ "email": MEENA })),
        (
            "/api/auth/otp/verify",
            json!({ "email": MEENA, "code": code }),
        ),
        (
            "/api/admin/login",
            json!({ "email": OWNER, "password": PASSWORD, "code": code }),
        ),
    ] {
        refused_everywhere(shop, path, &right).await?;
    }
    // No try was counted, of more than any limit: the account of staff is not locked, its address not closed, the code not used.
    assert_eq!(desk.get("/api/admin/audit?limit=100").await?, known);
    let begun = staff::log_in(shop, OWNER, PASSWORD).await?;
    assert_eq!(begun.status, 200, "{}", begun.json()?);
    let given = json!({ "email": MEENA, "code": code });
    let begun = shop.post("/api/auth/otp/verify", &given, &[]).await?;
    assert_eq!(begun.status, 200, "{}", begun.json()?);
    let meena = LoggedIn::of(&begun)?;
    let sessions = shop.get_with("/api/auth/sessions", &meena.fields()).await?;
    assert_eq!(
        sessions.json()?["items"].as_array().map(Vec::len),
        Some(1),
        "nobody else was let in"
    );
    // Nor was a code sent: there was one before, and there are four more in this hour.
    for sent in 2..=5 {
        mailed_code(shop, MEENA).await?;
        assert_eq!(mails(shop)?.len(), sent);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_is_no_mail_address_code_or_password_on_sqlite() -> Result<()> {
    operators("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_is_no_mail_address_code_or_password_on_mongodb() -> Result<()> {
    on_mongodb(operators).await
}
