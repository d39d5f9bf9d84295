//! The OpenAPI 3.1 description, generated from the route table and the types of the answers.

use std::sync::OnceLock;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::error::ApiError;
use super::parameters::{Kind, Parameter};
use super::permission::Permission;
use super::response::Reply;
use super::routes::{Call, Route, routes};

/// The description as JSON.
pub fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(make)
}

fn make() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    let mut generator = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for route in routes() {
        let schemas = Schemas {
            answer: route.schema.map(|schema| schema(&mut generator).to_value()),
            body: route.body.map(|schema| schema(&mut generator).to_value()),
        };
        let method = route.method.as_str().to_lowercase();
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[method] = operation(route, schemas);
    }
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Problem".to_owned(), problem());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Crackers",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The shop's API. Money is in paise, times are RFC 3339 UTC, errors are problem details (RFC 9457).",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": { "schemas": schemas },
    })
}

struct Schemas {
    answer: Option<Value>,
    body: Option<Value>,
}

/// What 503 means where it is an answer like 200, and no failure.
fn unavailable(route: &Route) -> Option<&'static str> {
    match route.path {
        "/api/health" => Some("The database does not answer"),
        "/api/health/live" => Some("It will stop: nothing new should come here"),
        _ => None,
    }
}

fn operation(route: &Route, schemas: Schemas) -> Value {
    let mut parameters: Vec<_> = route.parameters.iter().map(of_query).collect();
    if let Some(name) = route.path.split(['{', '}']).nth(1) {
        parameters.insert(
            0,
            json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }),
        );
    }
    if route.permission != Permission::Public && route.method != http::Method::GET {
        parameters.push(json!({
            "name": "X-CSRF-Token", "in": "header", "required": true,
            "description": "The csrf_token that came with the log-in",
            "schema": { "type": "string" },
        }));
    }
    if route.needs_key {
        parameters.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": true,
            "description": "Made by the client for this one intent; the same key never does it twice",
            "schema": { "type": "string", "minLength": 16, "maxLength": 128 },
        }));
    }
    let mut responses = Map::new();
    let content = json!({ route.content_type: { "schema": schemas.answer.unwrap_or(json!({})) } });
    responses.insert(
        route.status.as_str().to_owned(),
        json!({ "description": route.summary, "content": content }),
    );
    let reads = route.method == http::Method::GET;
    if reads {
        responses.insert(
            "304".to_owned(),
            json!({ "description": "What If-None-Match names is still current" }),
        );
    }
    for (status, description) in problems(route) {
        let schema = json!({ "$ref": "#/components/schemas/Problem" });
        let content = json!({ "application/problem+json": { "schema": schema } });
        responses.insert(
            status.to_owned(),
            json!({ "description": description, "content": content }),
        );
    }
    if let Some(description) = unavailable(route) {
        let content = responses["200"]["content"].clone();
        responses.insert(
            "503".to_owned(),
            json!({ "description": description, "content": content }),
        );
    }
    let mut operation = json!({
        "operationId": operation_id(route),
        "summary": route.summary,
        "x-permission": format!("{:?}", route.permission).to_lowercase(),
        "parameters": parameters,
        "responses": responses,
    });
    if let Some(body) = schemas.body {
        let content = json!({ "application/json": { "schema": body } });
        operation["requestBody"] = json!({ "required": true, "content": content });
    }
    if route.takes_sheet {
        let content = json!({ "text/csv": {} });
        operation["requestBody"] = json!({ "required": true, "content": content });
    }
    if route.takes_picture {
        operation["requestBody"] = json!({ "required": true, "content": picture() });
    }
    operation
}

/// A picture as it is, or in a form.
fn picture() -> Map<String, Value> {
    let types = super::uploads::TYPES.iter();
    let mut content: Map<_, _> = types.map(|kind| ((*kind).to_owned(), json!({}))).collect();
    let [picture, alt] = super::uploads::FIELDS;
    let fields = json!({ picture: {}, alt: { "type": "string", "maxLength": 200 } });
    let form = json!({ "type": "object", "required": [picture], "properties": fields });
    content.insert(super::uploads::FORM.to_owned(), json!({ "schema": form }));
    content
}

/// The errors that a route can answer with.
fn problems(route: &Route) -> Vec<(&'static str, &'static str)> {
    let mut problems = vec![
        ("400", "The request is wrong; errors[] names each place"),
        ("404", "There is nothing at this address"),
        ("405", "Not with this method; Allow says with which"),
        ("500", "A defect"),
        (
            "503",
            "The shop cannot answer now; Retry-After says when to come back",
        ),
    ];
    if route.body.is_some() || route.takes_picture || route.takes_sheet {
        problems.extend([
            ("408", "The body did not arrive"),
            ("409", "Not now: the detail says why"),
            ("413", "The body is too large"),
            ("415", "The body is of another type"),
            (
                "422",
                "The body can be read but not be followed; errors[] names each place",
            ),
        ]);
    }
    let is_of_staff = matches!(
        route.permission,
        Permission::Newcomer | Permission::AnyStaff | Permission::Staff(_)
    );
    let logs_in = route.path.ends_with("/verify") || route.path.ends_with("/login");
    if route.permission != Permission::Public || logs_in {
        problems.push(("401", "Nobody is logged in, or the log-in is wrong"));
    }
    if route.permission != Permission::Public {
        problems.push((
            "403",
            "Whoever is logged in may not do this, or X-CSRF-Token is missing",
        ));
    }
    let is_decided_on_a_version =
        route.body.is_some() || route.takes_picture || route.method == http::Method::DELETE;
    if is_of_staff && is_decided_on_a_version {
        problems.push(("412", "Somebody else has changed it in between"));
        problems.push(("428", "If-Match is missing"));
    }
    if is_of_staff && route.body.is_none() && route.method != http::Method::GET {
        problems.push(("409", "Not now: the detail says why"));
    }
    problems
}

fn operation_id(route: &Route) -> String {
    let verb = route.method.as_str().to_lowercase();
    let words = route
        .path
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    let words: Vec<_> = std::iter::once(verb.as_str()).chain(words).collect();
    words.join("_")
}

fn of_query(parameter: &Parameter) -> Value {
    let schema = match parameter.kind {
        Kind::Text(most) => json!({ "type": "string", "maxLength": most }),
        Kind::Integer(least, most) => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        Kind::Choice(words) => json!({ "type": "string", "enum": words }),
    };
    json!({
        "name": parameter.name,
        "in": "query",
        "required": false,
        "description": parameter.description,
        "schema": schema,
    })
}

fn problem() -> Value {
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail", "instance", "code"],
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
            "instance": { "type": "string", "description": "The id of the request" },
            "code": { "type": "string", "description": "Stable; programs may decide by it" },
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "parameter": { "type": "string", "description": "Where in the query" },
                        "pointer": { "type": "string", "description": "Where in the body (RFC 6901)" },
                        "detail": { "type": "string" },
                        "code": { "type": "string" },
                    },
                },
            },
        },
    })
}

pub(super) async fn show(_call: Call) -> Result<Reply, ApiError> {
    Reply::public(document(), vec!["pages".to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_is_that_of_the_snapshot() {
        insta::assert_json_snapshot!(document());
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let text = document().to_string();
        for part in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(
                document()["components"]["schemas"].get(name).is_some(),
                "{name}"
            );
        }
    }
}
