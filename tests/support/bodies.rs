//! Routes and JSON bodies after the shop's own description of its API: one body that fits a schema, and every object in it.

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};

/// A route, whatever it takes.
pub struct Route {
    /// GET or another one, in capitals.
    pub method: String,
    /// As the description has it, with braces.
    pub template: String,
    /// Who may use it, as the description says.
    pub permission: String,
    /// One JSON body that fits, where it takes JSON.
    pub body: Option<Value>,
}

impl Route {
    /// Its path, with what the template leaves open.
    pub fn path(&self, open: &str) -> String {
        filled(&self.template, open)
    }

    /// Whether it is of staff, who are logged in or log in by it.
    pub fn is_of_staff(&self) -> bool {
        self.template.starts_with("/api/admin/")
    }
}

/// A route that takes JSON.
pub struct JsonRoute {
    /// GET or another one, in capitals.
    pub method: String,
    /// As the description has it, with braces.
    pub template: String,
    /// Who may use it, as the description says.
    pub permission: String,
    /// One body that fits, with every field that there is.
    pub body: Value,
    /// Every object of the body.
    pub objects: Vec<Object>,
}

/// An object in a body.
pub struct Object {
    /// Where it is (RFC 6901).
    pub pointer: String,
    /// The fields that it has.
    pub fields: Vec<String>,
    /// Whether it takes fields that are not described.
    pub is_open: bool,
    /// Whether it is one of several things that may stand here: what is wrong in it may be said of its place as a whole.
    pub is_choice: bool,
}

impl JsonRoute {
    /// Its path, with what the template leaves open.
    pub fn path(&self, open: &str) -> String {
        filled(&self.template, open)
    }

    /// Its body as text, with one more field at the very beginning of one object, which is read before anything else: what is
    /// wrong in it is the first thing that is wrong.
    pub fn body_with(&self, object: &Object, name: &str, value: &Value) -> String {
        let field = format!("{}:{value}", json!(name));
        written(&self.body, &object.pointer, &field)
    }
}

/// All routes of a description.
///
/// # Errors
/// When a schema is of a kind that is not known here.
pub fn routes(description: &Value) -> Result<Vec<Route>> {
    let described = described(description)?.into_iter();
    Ok(described.map(|(route, _)| route).collect())
}

/// All routes of a description that take JSON.
///
/// # Errors
/// When a schema is of a kind that is not known here.
pub fn json_routes(description: &Value) -> Result<Vec<JsonRoute>> {
    let described = described(description)?.into_iter();
    let of_json = |(route, objects): (Route, Vec<Object>)| {
        Some(JsonRoute {
            method: route.method,
            template: route.template,
            permission: route.permission,
            body: route.body?,
            objects,
        })
    };
    Ok(described.filter_map(of_json).collect())
}

/// Every route, and the objects of its body.
fn described(description: &Value) -> Result<Vec<(Route, Vec<Object>)>> {
    let mut routes = Vec::new();
    for (template, methods) in description["paths"].as_object().context("no paths")? {
        for (method, operation) in methods.as_object().context("no methods")? {
            let content = &operation["requestBody"]["content"]["application/json"];
            let mut objects = Vec::new();
            let body = (!content.is_null())
                .then(|| sample(description, &content["schema"], String::new(), &mut objects));
            let permission = operation["x-permission"].as_str();
            let route = Route {
                method: method.to_uppercase(),
                template: template.clone(),
                permission: permission.unwrap_or_default().to_owned(),
                body: body
                    .transpose()
                    .with_context(|| format!("{method} {template}"))?,
            };
            routes.push((route, objects));
        }
    }
    Ok(routes)
}

/// A template with what it leaves open.
fn filled(template: &str, open: &str) -> String {
    match (template.find('{'), template.find('}')) {
        (Some(from), Some(to)) => format!("{}{open}{}", &template[..from], &template[to + 1..]),
        _ => template.to_owned(),
    }
}

/// A value that fits a schema; the objects in it are added to `objects`.
fn sample(all: &Value, schema: &Value, at: String, objects: &mut Vec<Object>) -> Result<Value> {
    if let Some(name) = schema["$ref"].as_str() {
        let found = all.pointer(name.trim_start_matches('#'));
        return sample(
            all,
            found.context("a schema that is not there")?,
            at,
            objects,
        );
    }
    if !schema["const"].is_null() {
        return Ok(schema["const"].clone());
    }
    for choices in ["oneOf", "anyOf"] {
        if let Some(first) = schema[choices].get(0) {
            let (own, many) = (objects.len(), schema[choices].as_array().map(Vec::len));
            let is_choice = choices == "oneOf" && many > Some(1);
            let made = sample(all, first, at, objects)?;
            if let Some(object) = objects.get_mut(own) {
                object.is_choice |= is_choice;
            }
            return Ok(made);
        }
    }
    let kind = schema["type"].as_str().or(schema["type"][0].as_str());
    Ok(match kind {
        Some("object") => object(all, schema, at, objects)?,
        Some("array") => json!([sample(all, &schema["items"], format!("{at}/0"), objects)?]),
        Some("integer") => schema["minimum"].as_i64().unwrap_or(1).max(1).into(),
        Some("boolean") => true.into(),
        Some("string") if schema["format"] == "date-time" => "2026-11-01T00:00:00Z".into(),
        Some("string") => "a word".into(),
        _ => bail!("a schema of an unknown kind: {schema}"),
    })
}

fn object(all: &Value, schema: &Value, at: String, objects: &mut Vec<Object>) -> Result<Value> {
    let properties = schema["properties"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    objects.push(Object {
        pointer: at.clone(),
        fields: properties.keys().cloned().collect(),
        is_open: schema["additionalProperties"] != json!(false),
        is_choice: false,
    });
    let mut made = Map::new();
    for (name, schema) in &properties {
        made.insert(
            name.clone(),
            sample(all, schema, format!("{at}/{name}"), objects)?,
        );
    }
    Ok(Value::Object(made))
}

/// A value as text, with a field more in the object at a pointer below it. What leads there is written first.
fn written(value: &Value, pointer: &str, field: &str) -> String {
    let (next, rest) = match pointer.strip_prefix('/') {
        Some(below) => below
            .split_once('/')
            .map_or((below, String::new()), |(next, rest)| {
                (next, format!("/{rest}"))
            }),
        None => ("", String::new()),
    };
    match value {
        Value::Object(fields) => {
            let first = match fields.get(next) {
                Some(inner) => format!("{}:{}", json!(next), written(inner, &rest, field)),
                None => field.to_owned(),
            };
            let others = fields.iter().filter(|(name, _)| *name != next);
            let others = others.map(|(name, value)| format!("{}:{value}", json!(name)));
            let all: Vec<_> = std::iter::once(first).chain(others).collect();
            format!("{{{}}}", all.join(","))
        }
        Value::Array(items) if !items.is_empty() => {
            format!("[{}]", written(&items[0], &rest, field))
        }
        other => other.to_string(),
    }
}
