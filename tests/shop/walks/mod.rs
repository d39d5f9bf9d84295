//! A customer and a member of staff go through everything, by HTTP through the edge. Each walk ends by asking the shop's own
//! description which routes there are: one that was not walked, and is not named with its own test, fails.

mod customer;
mod staff;

use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use crackers_tests::stack::{Answer, Stack};
use serde_json::Value;

use super::accounts::LoggedIn;

/// Somebody on the way through the shop.
struct Walk<'a> {
    shop: &'a Stack,
    who: Option<LoggedIn>,
    walked: Mutex<Vec<(String, String)>>,
}

impl<'a> Walk<'a> {
    fn of(shop: &'a Stack, who: Option<LoggedIn>) -> Self {
        Self {
            shop,
            who,
            walked: Mutex::default(),
        }
    }

    fn walked(&self) -> MutexGuard<'_, Vec<(String, String)>> {
        self.walked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over where another has been.
    fn takes_over(&self, other: &Self) {
        self.walked().append(&mut other.walked());
    }

    /// Asks, with further fields; whatever the answer, it must be one of success.
    async fn with(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        more: &[(&str, &str)],
    ) -> Result<Answer> {
        let mut fields = more.to_vec();
        if let Some(who) = &self.who {
            fields.extend(who.fields());
        }
        let answer = self.shop.ask(method, path, body, &fields).await?;
        let text = String::from_utf8_lossy(&answer.body);
        anyhow::ensure!(
            (200..300).contains(&answer.status),
            "{method} {path}: {} {text}",
            answer.status
        );
        let bare = path.split('?').next().unwrap_or(path);
        self.walked().push((method.to_owned(), bare.to_owned()));
        Ok(answer)
    }

    async fn get(&self, path: &str) -> Result<Value> {
        self.with("GET", path, None, &[]).await?.json()
    }

    async fn send(&self, method: &str, path: &str, body: Value) -> Result<Value> {
        self.with(method, path, Some(&body), &[]).await?.json()
    }

    /// Changes what was just looked at.
    async fn change(&self, method: &str, path: &str, body: Value, seen_at: &str) -> Result<Value> {
        let seen = self.with("GET", seen_at, None, &[]).await?;
        let etag = [("if-match", seen.field("etag"))];
        self.with(method, path, Some(&body), &etag).await?.json()
    }

    /// Every route that `is_mine` was walked, or is named in `elsewhere`; what is named there exists, and was not walked.
    async fn has_seen_everything(
        &self,
        is_mine: impl Fn(&str) -> bool,
        elsewhere: &[(&str, &str)],
    ) -> Result<()> {
        let description = self.shop.get("/api/openapi.json").await?.json()?;
        let paths = description["paths"].as_object().context("no paths")?;
        let walked = self.walked();
        let was_walked = |method: &str, template: &str| {
            let fits = |(one, path): &(String, String)| one == method && is_of(template, path);
            walked.iter().any(fits)
        };
        let (mut missing, mut routes) = (Vec::new(), Vec::new());
        for (template, methods) in paths.iter().filter(|(template, _)| is_mine(template)) {
            for method in methods.as_object().context("no methods")?.keys() {
                let method = method.to_uppercase();
                let is_elsewhere = elsewhere.contains(&(method.as_str(), template.as_str()));
                if is_elsewhere == was_walked(&method, template) {
                    missing.push(format!("{method} {template}"));
                }
                routes.push((method, template.as_str()));
            }
        }
        anyhow::ensure!(
            missing.is_empty(),
            "neither walked nor tested elsewhere, or both: {missing:#?}"
        );
        for (method, template) in elsewhere {
            let is_there = routes
                .iter()
                .any(|(one, path)| one == method && path == template);
            anyhow::ensure!(is_there, "there is no {method} {template}");
        }
        Ok(())
    }
}

/// Whether a path is one of a template's.
fn is_of(template: &str, path: &str) -> bool {
    let (mut expected, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (expected.next(), given.next()) {
            (None, None) => return true,
            (Some(one), Some(other)) if one == other || one.starts_with('{') => {}
            _ => return false,
        }
    }
}

fn text(value: &Value, pointer: &str) -> Result<String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    Ok(found
        .with_context(|| format!("no {pointer}: {value}"))?
        .to_owned())
}
