//! JSON is taken as JSON and as nothing else: a form that another site sends, a text, a body that says nothing of itself and
//! one that is packed are refused before anything is made of them. And what is an object is sent as one.

use anyhow::Result;
use crackers_tests::bodies::{JsonRoute, json_routes};
use crackers_tests::gateway::Gateway;
use crackers_tests::stack::{Answer, Stack};
use serde_json::{Value, json};

use super::orders::selling;
use super::scene::Scene;

/// What a body says of itself.
type Said = &'static [(&'static str, &'static str)];

/// What is none.
const NO_JSON: &[Said] = &[
    &[("content-type", "text/plain")],
    &[("content-type", "application/x-www-form-urlencoded")],
    &[("content-type", "multipart/form-data; boundary=x")],
    &[("content-type", "application/jsonp")],
    &[],
    &[
        ("content-type", "application/json"),
        ("content-encoding", "gzip"),
    ],
    &[
        ("content-type", "application/json"),
        ("content-encoding", "identity"),
    ],
];

/// What is, however it is written.
const JSON: Said = &[("content-type", "Application/JSON; charset=utf-8")];

/// The routes that take JSON. The gateway's own words are believed for their signature, whatever they are called.
async fn routes(shop: &Stack) -> Result<Vec<JsonRoute>> {
    let description = shop.get("/api/openapi.json").await?.json()?;
    let mut routes = json_routes(&description)?;
    routes.retain(|route| route.template != "/api/payments/webhook");
    Ok(routes)
}

/// A body that fits, of which this is said.
async fn sent(scene: &Scene<'_>, route: &JsonRoute, said: Said) -> Result<Answer> {
    let fields = [&scene.fields_for(&route.permission), said].concat();
    let (path, body) = (route.path("x"), route.body.to_string());
    let sent = scene
        .shop
        .send(&route.method, &path, body.as_bytes(), &fields);
    sent.await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_for_json_takes_it_as_json_and_as_nothing_else() -> Result<()> {
    let gateway = Gateway::start().await?;
    let shop = &selling(&gateway.settings(""), 1).await?;
    let scene = Scene::set(shop).await?;
    let routes = routes(shop).await?;
    let before = scene.shown().await?;
    let (mut tried, mut wrong) = (0, Vec::new());
    for route in &routes {
        for said in NO_JSON {
            let answer = sent(&scene, route, said).await?;
            let problem = answer.json()?;
            if (answer.status, &problem["code"]) != (415, &json!("unsupported_media_type")) {
                let what = format!("{} {} {said:?}", route.method, route.template);
                wrong.push(format!("{what}: {} {problem}", answer.status));
            }
            tried += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(tried > 300, "only {tried} were tried");
    scene.still_shows(&before).await?;
    // Not that they take nothing at all.
    for route in &routes {
        let taken = sent(&scene, route, JSON).await?;
        assert_ne!(taken.status, 415, "{} {}", route.method, route.template);
    }
    Ok(())
}

/// A body that holds nothing but a list at a place, of what an object has there.
fn list_at(body: &Value, pointer: &str) -> Value {
    let object = body.pointer(pointer).and_then(Value::as_object);
    let values = object.map(|fields| fields.values().cloned());
    let list: Value = values.into_iter().flatten().collect();
    let parts = pointer.split('/').skip(1).collect::<Vec<_>>();
    parts.iter().rev().fold(list, |inner, part| match *part {
        "0" => json!([inner]),
        name => json!({ name: inner }),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_no_object_whatever_is_in_it() -> Result<()> {
    let gateway = Gateway::start().await?;
    let shop = &selling(&gateway.settings(""), 1).await?;
    let scene = Scene::set(shop).await?;
    let routes = routes(shop).await?;
    let before = scene.shown().await?;
    let (mut tried, mut wrong) = (0, Vec::new());
    for mut route in routes {
        let right = route.body.clone();
        for object in std::mem::take(&mut route.objects) {
            // The blocks of a page, which only staff send: what kind one is stands inside, in whatever order.
            if (route.template.as_str(), object.pointer.as_str()) == PAGE_BLOCK {
                continue;
            }
            route.body = list_at(&right, &object.pointer);
            let answer = sent(&scene, &route, JSON).await?;
            let problem = answer.json()?;
            let named = &problem["errors"][0]["pointer"];
            if (answer.status, named) != (400, &json!(object.pointer)) {
                let what = format!("{} {} {}", route.method, route.template, route.body);
                wrong.push(format!("{what}\n  {} {problem}", answer.status));
            }
            tried += 1;
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(tried > 60, "only {tried} were tried");
    scene.still_shows(&before).await?;
    Ok(())
}

const PAGE_BLOCK: (&str, &str) = ("/api/admin/pages/{slug}", "/blocks/0");
