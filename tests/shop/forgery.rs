//! What another site can do with somebody's cookie, which their browser sends along: nothing that changes anything. And what
//! the cookies ask of browsers.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use crackers_tests::bodies::{Route, routes};
use crackers_tests::stack::{Answer, Stack};
use serde_json::json;

use super::accounts::{LoggedIn, log_in, mailed_code};
use super::orders::selling;
use super::scene::Scene;
use super::staff::{self, PASSWORD};
use super::staff_accounts::{add, as_staff};

/// Sends something with a session's cookie and a token, and says what was wrong with the answer, if anything.
async fn forged(
    shop: &Stack,
    route: &Route,
    cookie: &str,
    token: Option<&str>,
) -> Result<Option<String>> {
    let mut fields = vec![
        ("cookie", cookie),
        ("idempotency-key", "a-key-of-somebody-sly-1"),
        ("if-match", "\"1\""),
    ];
    fields.extend(token.map(|token| ("x-csrf-token", token)));
    let (method, path) = (&route.method, route.path("x"));
    let sent = shop.ask(method, &path, route.body.as_ref(), &fields);
    let answer = sent.await?;
    let problem = answer.json()?;
    let names_token = problem["detail"]
        .as_str()
        .is_some_and(|detail| detail.contains("X-CSRF-Token"));
    let is_refused = (answer.status, &problem["code"]) == (403, &json!("not_permitted"));
    let what = format!("{method} {} with {token:?}", route.template);
    Ok((!is_refused || !names_token).then(|| format!("{what}: {} {problem}", answer.status)))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_route_that_changes_anything_is_used_without_the_token_of_its_session() -> Result<()> {
    let shop = &selling("", 1).await?;
    let scene = &Scene::set(shop).await?;
    let ravi = log_in(shop, "ravi@example.in").await?;
    add(&scene.desk, "second@example.in", "super_admin").await?;
    let second = as_staff(shop, "second@example.in", PASSWORD).await?;
    let [(_, meenas_cookie), (_, meenas_token)] = scene.meena.fields();
    let [(_, owners_cookie), (_, owners_token)] = scene.desk.fields();
    let [_, (_, seconds_token)] = second.fields();
    let before = (scene.shown().await?, scene.desk.get(AUDIT).await?);
    let description = shop.get("/api/openapi.json").await?.json()?;
    let (mut tried, mut wrong) = (0, Vec::new());
    for route in routes(&description)? {
        if route.method == "GET" || route.permission == "public" {
            continue;
        }
        // Neither that of somebody else, nor that of the same browser's other session.
        let (cookie, others) = match route.permission.as_str() {
            "customer" => (meenas_cookie, [ravi.csrf.as_str(), owners_token]),
            _ => (owners_cookie, [seconds_token, meenas_token]),
        };
        let [others, own_other] = others;
        for token in [None, Some(""), Some("x"), Some(others), Some(own_other)] {
            wrong.extend(forged(shop, &route, cookie, token).await?);
            tried += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(tried > 250, "only {tried} were tried");
    // Nothing was done, and nothing was written down as done.
    let (shown, written) = before;
    scene.still_shows(&shown).await?;
    assert_eq!(scene.desk.get(AUDIT).await?, written);
    Ok(())
}

const AUDIT: &str = "/api/admin/audit?limit=100";

/// What a cookie asks of the browser; its value and how long it lasts aside.
fn asked(answer: &Answer) -> Result<BTreeSet<String>> {
    let set = answer.field("set-cookie");
    let (_, attributes) = set.split_once("; ").context("no cookie")?;
    let attributes: BTreeSet<_> = attributes.split("; ").map(str::to_owned).collect();
    let (ages, others): (BTreeSet<_>, _) = attributes
        .into_iter()
        .partition(|one| one.starts_with("Max-Age="));
    assert_eq!(ages.len(), 1, "{set}");
    Ok(others)
}

/// The answers that begin and end a customer's session and that of the owner.
async fn sessions(shop: &Stack) -> Result<[[Answer; 2]; 2]> {
    let email = "meena@example.in";
    let code = mailed_code(shop, email).await?;
    let given = json!({ "email": email, "code": code });
    let customers = shop.post("/api/auth/otp/verify", &given, &[]).await?;
    shop.command_with(PASSWORD, &["admin", "create", "owner@example.in"])?;
    let owners = staff::log_in(shop, "owner@example.in", PASSWORD).await?;
    let out = async |path, begun: &Answer| {
        let who = LoggedIn::of(begun)?;
        let ended = shop.ask("POST", path, None, &who.fields()).await?;
        anyhow::ensure!(ended.status == 200, "{}", ended.json()?);
        anyhow::ensure!(ended.field("set-cookie").contains("=; "), "it stays");
        Ok(ended)
    };
    let customers_end = out("/api/auth/logout", &customers).await?;
    let owners_end = out("/api/admin/logout", &owners).await?;
    Ok([[customers, customers_end], [owners, owners_end]])
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_are_hidden_from_scripts_and_other_sites_and_secure_where_the_shop_is() -> Result<()>
{
    for (url, secure) in [
        ("https://shop.example.in", Some("Secure")),
        ("http://shop.example.in", None),
    ] {
        let own = format!("api: {{public_url: '{url}'}}\n");
        let shop = selling(&own, 1).await?;
        let [customers, staffs] = sessions(&shop).await?;
        for (answers, path) in [(customers, "Path=/"), (staffs, "Path=/api/admin")] {
            let wanted = ["HttpOnly", "SameSite=Lax", path];
            let wanted: BTreeSet<_> = wanted
                .into_iter()
                .chain(secure)
                .map(str::to_owned)
                .collect();
            for answer in answers {
                assert_eq!(asked(&answer)?, wanted, "{url}");
            }
        }
    }
    Ok(())
}
