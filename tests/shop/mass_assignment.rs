//! What a body may say is what its schema names: nobody gives themselves a role, a price or a state that the route does not ask
//! for, and nobody at all becomes staff over HTTP who is none.

use anyhow::{Context as _, Result};
use crackers_tests::bodies::{JsonRoute, Object, json_routes};
use crackers_tests::gateway::Gateway;
use serde_json::{Value, json};

use super::accounts::log_in;
use super::orders::selling;
use super::scene::Scene;
use super::staff::{Desk, PASSWORD};

/// Fields that decide something, with what somebody would like them to say.
fn privileged() -> Vec<(&'static str, Value)> {
    vec![
        ("role", json!("super_admin")),
        ("is_admin", json!(true)),
        ("price_paise", json!(1)),
        ("total_paise", json!(1)),
        ("status", json!("delivered")),
        ("state", json!("delivered")),
        ("id", json!("x")),
        ("customer_id", json!("x")),
        ("version", json!(1)),
        ("__proto__", json!({ "role": "super_admin" })),
    ]
}

/// One field too many, and what was wrong with the answer to it, if anything.
async fn tries(
    scene: &Scene<'_>,
    route: &JsonRoute,
    object: &Object,
    name: &str,
    value: &Value,
) -> Result<Option<String>> {
    let body = route.body_with(object, name, value);
    let mut fields = scene.fields_for(&route.permission);
    fields.push(("content-type", "application/json"));
    let (method, path) = (&route.method, route.path("x"));
    let sent = scene.shop.send(method, &path, body.as_bytes(), &fields);
    let answer = sent.await?;
    let problem = answer.json()?;
    let named = problem["errors"][0]["pointer"].as_str();
    let wanted = format!("{}/{name}", object.pointer);
    let is_named = named == Some(&wanted) || object.is_choice && named == Some(&object.pointer);
    let is_refused = answer.status == 400 && is_named;
    let what = format!("{method} {}: {body}", route.template);
    Ok((!is_refused).then(|| format!("{what}\n  {} {problem}", answer.status)))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_route_takes_a_field_that_it_does_not_name() -> Result<()> {
    let gateway = Gateway::start().await?;
    let shop = &selling(&gateway.settings(""), 1).await?;
    let scene = Scene::set(shop).await?;
    let description = shop.get("/api/openapi.json").await?.json()?;
    let before = scene.shown().await?;
    let (mut tried, mut taken) = (0, Vec::new());
    for route in json_routes(&description)? {
        if route.template == "/api/payments/webhook" {
            // The gateway's own words, believed for their signature: what else is in them is not looked at.
            assert!(route.objects.iter().all(|object| object.is_open));
            continue;
        }
        for object in &route.objects {
            let at = format!("{} {} {}", route.method, route.template, object.pointer);
            assert!(!object.is_open, "{at} is described as open");
            for (name, value) in &privileged() {
                if !object.fields.iter().any(|field| field == name) {
                    tried += 1;
                    taken.extend(tries(&scene, &route, object, name, value).await?);
                }
            }
        }
    }
    assert!(
        taken.is_empty(),
        "{} of {tried}:\n{}",
        taken.len(),
        taken.join("\n")
    );
    assert!(tried > 500, "only {tried} were tried");
    scene.still_shows(&before).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_becomes_staff_over_http_before_the_first_one_is_made_by_command() -> Result<()> {
    let shop = &selling("", 1).await?;
    let meena = log_in(shop, "meena@example.in").await?;
    let as_staff = meena.cookie.replace("crackers_session", "crackers_staff");
    let as_staff = [("cookie", as_staff.as_str()), ("x-csrf-token", &meena.csrf)];
    let sly = json!({
        "email": "sly@example.in", "name": "Sly", "role": "super_admin", "password": PASSWORD,
        "old_password": PASSWORD, "new_password": PASSWORD,
    });
    let description = shop.get("/api/openapi.json").await?.json()?;
    let mut asked_of_staff = 0;
    for mut route in json_routes(&description)? {
        for (name, value) in sly.as_object().context("no fields")? {
            if let Some(field) = route.body.get_mut(name) {
                *field = value.clone();
            }
        }
        let is_of_staff = route.template.starts_with("/api/admin/");
        for (body, who) in [
            (&route.body, &[][..]),
            (&route.body, &as_staff),
            (&sly, &as_staff),
            (&sly, &meena.fields()),
        ] {
            let answer = shop
                .ask(&route.method, &route.path("x"), Some(body), who)
                .await?;
            assert!(answer.status < 500, "{} {}", route.template, answer.json()?);
            if is_of_staff {
                let refusals: &[u16] = if route.template.ends_with("/login") {
                    &[400, 401]
                } else {
                    &[401]
                };
                assert!(
                    refusals.contains(&answer.status),
                    "{} {}",
                    route.template,
                    answer.json()?
                );
                asked_of_staff += 1;
            }
        }
    }
    assert!(asked_of_staff > 80, "only {asked_of_staff} were asked");
    let staff = Desk::open(shop).await?.get("/api/admin/staff").await?;
    let emails: Vec<_> = staff["items"]
        .as_array()
        .context("no staff")?
        .iter()
        .map(|one| &one["email"])
        .collect();
    assert_eq!(emails, ["owner@example.in"]);
    Ok(())
}
