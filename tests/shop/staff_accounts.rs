//! The accounts of staff: passwords, a second factor, who may end whose access, and what is written down of log-ins.

use anyhow::{Context as _, Result};
use crackers_origin::commerce::totp;
use crackers_tests::stack::{Answer, Stack};
use data_encoding::BASE32_NOPAD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::both_databases::on_mongodb;
use super::orders::selling;
use super::staff::{Desk, PASSWORD, log_in};

const OTHER: &str = "another long password";

pub(super) async fn as_staff<'a>(shop: &'a Stack, email: &str, password: &str) -> Result<Desk<'a>> {
    let answer = log_in(shop, email, password).await?;
    anyhow::ensure!(answer.status == 200, "{email}: {}", answer.json()?);
    Desk::of(shop, &answer)
}

/// A new member: their id.
pub(super) async fn add(owner: &Desk<'_>, email: &str, role: &str) -> Result<String> {
    let new = json!({ "email": email, "name": "N", "role": role, "password": PASSWORD });
    let added = owner.post("/api/admin/staff", new).await?;
    anyhow::ensure!(added.status == 201, "{}", added.json()?);
    Ok(added.json()?["id"].as_str().context("no id")?.to_owned())
}

async fn is_in(desk: &Desk<'_>) -> Result<bool> {
    Ok(desk.ask("GET", "/api/admin/me", None, "").await?.status == 200)
}

fn code_of(answer: &Answer) -> Result<Value> {
    Ok(json!([answer.status, answer.json()?["code"]]))
}

/// Another password ends every other session; the old one must be known, and is good no more.
async fn a_password_is_changed(shop: &Stack, owner: &Desk<'_>) -> Result<()> {
    add(owner, "packer@example.in", "moderator").await?;
    let here = as_staff(shop, "packer@example.in", PASSWORD).await?;
    let elsewhere = as_staff(shop, "packer@example.in", PASSWORD).await?;
    for (old, new, pointer) in [
        ("not the password", OTHER, "/old_password"),
        (PASSWORD, "too short", "/new_password"),
        (PASSWORD, PASSWORD, "/new_password"),
    ] {
        let change = json!({ "old_password": old, "new_password": new });
        let refused = here.post("/api/admin/password", change).await?;
        assert_eq!(
            (refused.status, &refused.json()?["errors"][0]["pointer"]),
            (400, &json!(pointer))
        );
    }
    let change = json!({ "old_password": PASSWORD, "new_password": OTHER });
    assert_eq!(here.post("/api/admin/password", change).await?.status, 200);
    assert!(is_in(&here).await? && !is_in(&elsewhere).await?);
    let old = log_in(shop, "packer@example.in", PASSWORD).await?;
    assert_eq!(old.status, 401);
    as_staff(shop, "packer@example.in", OTHER).await?;
    Ok(())
}

/// A password that a super_admin gives is for choosing another one, and for nothing else.
async fn a_forgotten_password_is_reset(shop: &Stack, owner: &Desk<'_>) -> Result<()> {
    let id = add(owner, "forgetful@example.in", "admin").await?;
    let before = as_staff(shop, "forgetful@example.in", PASSWORD).await?;
    let path = format!("/api/admin/staff/{id}/reset");
    assert_eq!(before.post(&path, json!({})).await?.status, 403);
    let reset = owner.post(&path, json!({})).await?.json()?;
    let temporary = reset["temporary_password"]
        .as_str()
        .context("no password")?;
    assert!(!is_in(&before).await?);
    assert_eq!(
        log_in(shop, "forgetful@example.in", PASSWORD).await?.status,
        401
    );
    let listed = owner.get("/api/admin/staff").await?.to_string();
    assert!(
        !listed.contains(temporary) && !listed.contains("password\":\""),
        "{listed}"
    );
    let after = as_staff(shop, "forgetful@example.in", temporary).await?;
    assert_eq!(
        after.get("/api/admin/me").await?["must_choose_password"],
        true
    );
    for path in ["/api/admin/orders", "/api/admin/audit"] {
        assert_eq!(
            after.ask("GET", path, None, "").await?.status,
            403,
            "{path}"
        );
    }
    let change = json!({ "old_password": temporary, "new_password": OTHER });
    assert_eq!(after.post("/api/admin/password", change).await?.status, 200);
    after.get("/api/admin/orders").await?;
    Ok(())
}

async fn log_in_with(shop: &Stack, email: &str, code: &str) -> Result<Answer> {
    let given = json!({ "email": email, "password": PASSWORD, "code": code });
    shop.post("/api/admin/login", &given, &[]).await
}

/// What an authenticator is given, as it is typed and as it counts.
async fn secret_of(desk: &Desk<'_>) -> Result<(String, totp::Secret)> {
    let begun = desk
        .post("/api/admin/totp", json!({ "password": PASSWORD }))
        .await?
        .json()?;
    let typed = begun["secret"].as_str().context("no secret")?;
    let secret = BASE32_NOPAD.decode(typed.as_bytes())?;
    let secret = secret.try_into().ok().context("a wrong length")?;
    Ok((typed.to_owned(), secret))
}

/// Asked for once it was shown that the authenticator is right; no code is good twice.
async fn a_second_factor_is_asked_for(shop: &Stack, owner: &Desk<'_>) -> Result<()> {
    let email = "careful@example.in";
    let id = add(owner, email, "admin").await?;
    let here = as_staff(shop, email, PASSWORD).await?;
    let elsewhere = as_staff(shop, email, PASSWORD).await?;
    let wrong = here
        .post("/api/admin/totp", json!({ "password": OTHER }))
        .await?;
    assert_eq!(wrong.status, 400);
    let (typed, secret) = secret_of(&here).await?;
    // Not asked for yet.
    as_staff(shop, email, PASSWORD).await?;
    let code = |steps: i64| totp::code(&secret, totp::step_of(Timestamp::now()) + steps);
    let first = code(0);
    let confirmed = here
        .post("/api/admin/totp/confirm", json!({ "code": first }))
        .await?;
    assert_eq!(confirmed.status, 200, "{}", confirmed.json()?);
    let recovery = confirmed.json()?["recovery_codes"].clone();
    assert!(is_in(&here).await? && !is_in(&elsewhere).await?);
    assert_eq!(
        code_of(&log_in(shop, email, PASSWORD).await?)?,
        json!([401, "second_factor_required"])
    );
    assert_eq!(
        code_of(&log_in(shop, email, OTHER).await?)?,
        json!([401, "wrong_credentials"])
    );
    let again = log_in_with(shop, email, &first).await?;
    assert_eq!(code_of(&again)?, json!([401, "wrong_credentials"]));
    let next = code(1);
    assert_eq!(log_in_with(shop, email, &next).await?.status, 200);
    assert_eq!(log_in_with(shop, email, &next).await?.status, 401);
    let spare = recovery[0].as_str().context("no recovery code")?;
    assert_eq!(log_in_with(shop, email, spare).await?.status, 200);
    assert_eq!(log_in_with(shop, email, spare).await?.status, 401);
    // Nobody reads it anywhere.
    let listed = owner.get("/api/admin/staff").await?.to_string();
    assert!(listed.contains("\"has_second_factor\":true") && !listed.contains(&typed));
    // Whoever lost both is let in by a super_admin.
    let path = format!("/api/admin/staff/{id}/reset");
    let lost = json!({ "also_second_factor": true });
    let reset = owner.post(&path, lost).await?.json()?;
    let temporary = reset["temporary_password"]
        .as_str()
        .context("no password")?;
    as_staff(shop, email, temporary).await?;
    Ok(())
}

/// Off again for whoever knows the password: then no code is asked for.
async fn a_second_factor_is_switched_off(shop: &Stack, owner: &Desk<'_>) -> Result<()> {
    let email = "carefree@example.in";
    add(owner, email, "admin").await?;
    let here = as_staff(shop, email, PASSWORD).await?;
    let (_, secret) = secret_of(&here).await?;
    let code = totp::code(&secret, totp::step_of(Timestamp::now()));
    let confirmed = here
        .post("/api/admin/totp/confirm", json!({ "code": code }))
        .await?;
    assert_eq!(confirmed.status, 200, "{}", confirmed.json()?);
    let off = async |password: &str| {
        let given = json!({ "password": password });
        here.post("/api/admin/totp/off", given).await
    };
    let wrong = off(OTHER).await?;
    assert_eq!(
        (wrong.status, &wrong.json()?["errors"][0]["pointer"]),
        (400, &json!("/password"))
    );
    assert_eq!(
        code_of(&log_in(shop, email, PASSWORD).await?)?,
        json!([401, "second_factor_required"])
    );
    assert_eq!(off(PASSWORD).await?.status, 200);
    as_staff(shop, email, PASSWORD).await?;
    Ok(())
}

/// Access ends at once; nobody ends their own, and a change names the version that it was decided on.
async fn access_is_changed_and_ended(shop: &Stack, owner: &Desk<'_>) -> Result<()> {
    let id = add(owner, "second@example.in", "super_admin").await?;
    let path = format!("/api/admin/staff/{id}");
    let second = as_staff(shop, "second@example.in", PASSWORD).await?;
    let all = second.get("/api/admin/staff").await?;
    let items = all["items"].as_array().context("no items")?;
    let own = |email: &str| items.iter().find(|one| one["email"] == email);
    let owners = own("owner@example.in").context("no owner")?["id"].clone();
    let etag = owner.ask("GET", &path, None, "").await?;
    let etag = etag.field("etag");
    let demoted = json!({ "role": "moderator" });
    assert_eq!(
        owner.ask("PATCH", &path, Some(&demoted), "").await?.status,
        428
    );
    let own_path = format!("/api/admin/staff/{}", owners.as_str().context("no id")?);
    let own = owner.ask("GET", &own_path, None, "").await?;
    let refused = owner
        .ask("PATCH", &own_path, Some(&demoted), own.field("etag"))
        .await?;
    assert_eq!(code_of(&refused)?, json!([409, "own_account"]));
    let changed = owner.ask("PATCH", &path, Some(&demoted), etag).await?;
    assert_eq!(changed.status, 200, "{}", changed.json()?);
    assert_eq!(
        second
            .ask("GET", "/api/admin/staff", None, "")
            .await?
            .status,
        403
    );
    let ended = json!({ "active": false });
    assert_eq!(
        owner.ask("PATCH", &path, Some(&ended), etag).await?.status,
        412
    );
    let etag = changed.field("etag");
    assert_eq!(
        owner.ask("PATCH", &path, Some(&ended), etag).await?.status,
        200
    );
    assert!(!is_in(&second).await?);
    assert_eq!(
        log_in(shop, "second@example.in", PASSWORD).await?.status,
        401
    );
    Ok(())
}

/// Who came in, who did not, from where; by whom and in which time.
async fn log_ins_are_written_down(owner: &Desk<'_>) -> Result<()> {
    let hers = owner
        .get("/api/admin/audit?by=Packer@example.in&limit=100")
        .await?;
    let actions: Vec<_> = hers["items"]
        .as_array()
        .context("no items")?
        .iter()
        .map(|item| {
            (
                item["action"].as_str().unwrap_or_default(),
                item["address"].as_str(),
            )
        })
        .collect();
    // The newest first.
    let wanted = [
        ("log-in", Some("127.0.0.1")),
        ("log-in failed", Some("127.0.0.1")),
        ("POST /api/admin/password", None),
    ];
    assert_eq!(actions[..3], wanted);
    assert_eq!(actions.last(), Some(&("log-in", Some("127.0.0.1"))));
    let hour = SignedDuration::from_hours(1);
    for (query, empty) in [
        (format!("to={}", Timestamp::now() - hour), true),
        (format!("from={}", Timestamp::now() - hour), false),
        (format!("from={}", Timestamp::now() + hour), true),
    ] {
        let found = owner.get(&format!("/api/admin/audit?{query}")).await?;
        assert_eq!(found["items"] == json!([]), empty, "{query}");
    }
    let wrong = owner
        .ask("GET", "/api/admin/audit?from=yesterday", None, "")
        .await?;
    assert_eq!(code_of(&wrong)?, json!([400, "invalid_parameter"]));
    // Pages lead through all of it once.
    let mut seen = Vec::new();
    let mut next = String::new();
    loop {
        let page = owner
            .get(&format!("/api/admin/audit?limit=7{next}"))
            .await?;
        let items = page["items"].as_array().context("no items")?;
        seen.extend(items.iter().map(|item| item["request_id"].to_string()));
        match page["next_cursor"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => break,
        }
    }
    let whole = owner.get("/api/admin/audit?limit=100").await?;
    assert_eq!(Some(seen.len()), whole["items"].as_array().map(Vec::len));
    Ok(())
}

async fn accounts(origin: &str) -> Result<()> {
    let shop = &selling(origin, 1).await?;
    let owner = &Desk::open(shop).await?;
    a_password_is_changed(shop, owner).await?;
    log_ins_are_written_down(owner).await?;
    a_forgotten_password_is_reset(shop, owner).await?;
    a_second_factor_is_asked_for(shop, owner).await?;
    a_second_factor_is_switched_off(shop, owner).await?;
    access_is_changed_and_ended(shop, owner).await
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_of_staff_are_their_owners_on_sqlite() -> Result<()> {
    accounts("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_of_staff_are_their_owners_on_mongodb() -> Result<()> {
    on_mongodb(accounts).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_guesses_at_many_accounts_is_closed_to_all_of_them() -> Result<()> {
    let shop = &selling("", 1).await?;
    let owner = Desk::open(shop).await?;
    for number in 0..20 {
        let guessed = log_in(shop, &format!("guess{number}@example.in"), PASSWORD).await?;
        assert_eq!(guessed.status, 401);
    }
    // Right, and refused all the same: that it is closed is not said.
    let right = log_in(shop, "owner@example.in", PASSWORD).await?;
    assert_eq!(code_of(&right)?, json!([401, "wrong_credentials"]));
    // What was counted is written down, no more.
    log_in(shop, "guess@example.in", PASSWORD).await?;
    let audit = owner.get("/api/admin/audit?limit=100").await?;
    assert_eq!(audit["items"].as_array().map(Vec::len), Some(21));
    Ok(())
}
