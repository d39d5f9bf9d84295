//! Who reads what is of staff: as the snapshot of the routes says, asked of each of them as everybody.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use crackers_tests::process::repository;
use crackers_tests::stack::Stack;

use super::accounts::log_in;
use super::orders::selling;
use super::staff::{Desk, PASSWORD};
use super::staff_accounts::{add, as_staff};

/// Method and path of every route, with all who may use it.
fn who_may() -> Result<BTreeMap<String, String>> {
    let name = "who_may_use_a_route_is_that_of_the_snapshot";
    let file = format!("origin/src/api/snapshots/crackers_origin__api__router__tests__{name}.snap");
    let text = std::fs::read_to_string(repository().join(file))?;
    let (_, table) = text.split_once("\n---\n").context("no snapshot")?;
    Ok(serde_yaml::from_str(table)?)
}

/// The status alone: one of the answers is a stream that does not end.
async fn status(shop: &Stack, path: &str, fields: &[(&str, &str)]) -> Result<u16> {
    let mut request = reqwest::Client::new().get(format!("{}{path}", shop.url));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    Ok(request.send().await?.status().as_u16())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_of_staff_is_read_by_whoever_may_and_by_nobody_else() -> Result<()> {
    let shop = &selling("", 1).await?;
    let owner = Desk::open(shop).await?;
    for role in ["moderator", "admin"] {
        add(&owner, &format!("{role}@example.in"), role).await?;
    }
    let moderator = as_staff(shop, "moderator@example.in", PASSWORD).await?;
    let admin = as_staff(shop, "admin@example.in", PASSWORD).await?;
    let meena = log_in(shop, "meena@example.in").await?;
    // Whoever is not of staff is asked to log in, whoever is may not.
    let all = [
        ("nobody", &[][..], 401),
        ("customer", &meena.fields(), 401),
        ("moderator", &moderator.fields(), 403),
        ("admin", &admin.fields(), 403),
        ("super_admin", &owner.fields(), 403),
    ];
    let (mut let_in, mut kept_out, mut wrong) = (0, 0, Vec::new());
    for (route, may) in who_may()? {
        let Some(template) = route.strip_prefix("GET /api/admin/") else {
            continue;
        };
        let parts = template.split('/');
        let parts = parts.map(|part| if part.starts_with('{') { "x" } else { part });
        let path = format!("/api/admin/{}", parts.collect::<Vec<_>>().join("/"));
        for (who, fields, refusal) in all {
            let status = status(shop, &path, fields).await?;
            let is_let_in = may.split(", ").any(|one| one == who);
            if is_let_in {
                let_in += 1;
            } else {
                kept_out += 1;
            }
            let is_right = if is_let_in {
                // What is called x is not there.
                [200, 404].contains(&status)
            } else {
                status == refusal
            };
            if !is_right {
                wrong.push(format!("{route} as {who}: {status}, for {may}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(let_in > 60 && kept_out > 60, "{let_in} and {kept_out}");
    Ok(())
}
