//! A shop that only lets customers look: which routes say so, and what goes on all the same.

use anyhow::{Context as _, Result};
use crackers_tests::bodies::{Route, routes};
use crackers_tests::gateway::Gateway;
use crackers_tests::stack::{Answer, Stack};
use serde_json::{Value, json};

use super::accounts::{LoggedIn, log_in};
use super::orders::selling;
use super::scene::Scene;
use super::staff::{self, Desk, PASSWORD};

/// What customers may send all the same: it changes nothing, says that money is there, or ends their own session.
const TAKEN: &[&str] = &[
    "POST /api/cart/quote",
    "POST /api/orders/track",
    "POST /api/payments/webhook",
    "POST /api/track/{token}/gateway/confirm",
    "POST /api/orders/{id}/gateway/confirm",
    "POST /api/auth/logout",
    "POST /api/track/{token}/payment",
    "PUT /api/track/{token}/payment/proof",
    "POST /api/orders/{id}/payments",
    "PUT /api/orders/{id}/payments/proof",
    "DELETE /api/auth/sessions",
];

/// Lets customers look only, or lets them go on; comes back once they are told.
async fn switch(desk: &Desk<'_>, read_only: bool) -> Result<()> {
    let (shop, path) = (desk.shop, "/api/admin/shop");
    let change = json!({ "read_only": read_only });
    let changed = desk.change("PATCH", path, Some(&change)).await?;
    assert_eq!(changed.status, 200);
    let contact = json!({});
    shop.wait_for("customers are told", async || {
        let asked = shop.post("/api/contact", &contact, &[]).await?;
        Ok(is_told_to_come_back(&asked)? == read_only)
    })
    .await?;
    shop.wait_for("the public sees it", async || {
        Ok(shop.get("/api/shop").await?.json()?["read_only"] == read_only)
    })
    .await
}

/// Whether an answer says that the shop only lets look, and when to come back.
fn is_told_to_come_back(answer: &Answer) -> Result<bool> {
    let is_refused = answer.status == 503 && answer.json()?["code"] == "read_only";
    let after = answer.field("retry-after").parse::<u32>();
    Ok(is_refused && after.is_ok_and(|seconds| seconds > 0))
}

/// Sends what fits a route, as whoever may use it.
async fn sent(scene: &Scene<'_>, route: &Route) -> Result<Answer> {
    let (path, fields) = (route.path("x"), scene.fields_for(&route.permission));
    let (method, body) = (&route.method, route.body.as_ref());
    scene.shop.ask(method, &path, body, &fields).await
}

/// Ends a session; whoever had it is logged out.
async fn ended(shop: &Stack, who: &LoggedIn, method: &str, path: &str) -> Result<()> {
    let out = shop.ask(method, path, None, &who.fields()).await?;
    assert_eq!(out.status, 200, "{path}: {}", out.json()?);
    let me = shop.get_with("/api/auth/me", &who.fields()).await?;
    assert_eq!(me.status, 401, "{path}");
    Ok(())
}

/// A count of pieces is corrected, by somebody who logs in only now.
async fn staff_work_on(shop: &Stack, product: &Value) -> Result<()> {
    let begun = staff::log_in(shop, "owner@example.in", PASSWORD).await?;
    let desk = Desk::of(shop, &begun)?;
    let id = product.as_str().context("no id")?;
    let less = json!({ "by": -1, "reason": "broken in store" });
    let path = format!("/api/admin/products/{id}/stock");
    let adjusted = desk.post(&path, less).await?;
    assert_eq!(adjusted.status, 200, "{}", adjusted.json()?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_that_only_lets_look_takes_what_is_named_here_and_all_that_staff_send() -> Result<()>
{
    let gateway = Gateway::start().await?;
    let shop = &selling(&gateway.settings(""), 1).await?;
    let scene = Scene::set(shop).await?;
    let ravi = log_in(shop, "ravi@example.in").await?;
    let description = shop.get("/api/openapi.json").await?.json()?;
    let mut routes = routes(&description)?;
    routes.retain(|route| route.method != "GET");
    let (of_staff, of_customers): (Vec<_>, Vec<_>) =
        routes.into_iter().partition(Route::is_of_staff);
    switch(&scene.desk, true).await?;
    let before = scene.shown().await?;
    let (mut taken, mut told) = (Vec::new(), 0);
    for route in &of_customers {
        let name = format!("{} {}", route.method, route.template);
        let ends_the_session = ["/api/auth/logout", "/api/auth/sessions"];
        if ends_the_session.contains(&route.template.as_str()) {
            taken.push(name);
        } else if is_told_to_come_back(&sent(&scene, route).await?)? {
            told += 1;
        } else {
            taken.push(name);
        }
    }
    taken.sort();
    let mut named = TAKEN.to_vec();
    named.sort_unstable();
    assert_eq!(taken, named);
    assert!(told > 20, "only {told} were told to come back");
    scene.still_shows(&before).await?;
    ended(shop, &scene.meena, "POST", "/api/auth/logout").await?;
    ended(shop, &ravi, "DELETE", "/api/auth/sessions").await?;

    for route in of_staff.iter().filter(|one| one.template != OWNERS_END) {
        let answer = sent(&scene, route).await?;
        let name = format!("{} {}", route.method, route.template);
        assert!(answer.status < 500, "{name}: {}", answer.json()?);
    }
    staff_work_on(shop, &before["/api/cart"]["lines"][0]["id"]).await?;
    // Staff want it so: nothing has failed that somebody would have to look after.
    let log = shop.origins[0].log();
    assert!(!log.contains("a request failed"), "{log}");
    switch(&scene.desk, false).await
}

/// After this the owner is nobody.
const OWNERS_END: &str = "/api/admin/logout";
