//! Who takes part where every route is tried, and what they see before and after: the owner, and a customer with an order, a
//! cart, an address and a wish.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use crackers_tests::stack::Stack;
use serde_json::{Value, json};

use super::accounts::{LoggedIn, log_in};
use super::orders::{order_of, stocked};
use super::staff::Desk;

/// Lists that show what could have been changed.
const SHOWN_TO_THE_OWNER: &[&str] = &[
    "/api/admin/products?limit=100",
    "/api/admin/categories",
    "/api/admin/bundles",
    "/api/admin/giftboxes",
    "/api/admin/coupons",
    "/api/admin/customers",
    "/api/admin/orders",
    "/api/admin/enquiries",
    "/api/admin/pages",
    "/api/admin/reviews",
    "/api/admin/shop",
    "/api/admin/staff",
    "/api/admin/me",
    "/api/admin/mails",
];
const SHOWN_TO_A_CUSTOMER: &[&str] = &[
    "/api/auth/me",
    "/api/auth/sessions",
    "/api/cart",
    "/api/addresses",
    "/api/orders",
    "/api/wishlist",
];

/// Who takes part.
pub(super) struct Scene<'a> {
    pub(super) shop: &'a Stack,
    pub(super) desk: Desk<'a>,
    pub(super) meena: LoggedIn,
}

impl<'a> Scene<'a> {
    /// Everybody is logged in and has something to lose.
    pub(super) async fn set(shop: &'a Stack) -> Result<Self> {
        let product = stocked(shop, 40).await?;
        let id = product["id"].as_str().context("no id")?;
        let order = order_of(shop, id, 15).await?;
        let scene = Self {
            shop,
            desk: Desk::open(shop).await?,
            meena: log_in(shop, "meena@example.in").await?,
        };
        let fields = scene.meena.fields();
        let [cookie, _] = fields;
        let key = ("idempotency-key", "a-key-of-the-client-1");
        let placed = shop.post("/api/orders", &order, &[key, cookie]).await?;
        anyhow::ensure!(placed.status == 201, "{}", placed.json()?);
        let home = json!({ "label": "Home", "address": order["address"] });
        for (method, path, body) in [
            (
                "PUT",
                format!("/api/cart/lines/product:{id}"),
                Some(json!({ "quantity": 15 })),
            ),
            ("POST", "/api/addresses".to_owned(), Some(home)),
            ("PUT", format!("/api/wishlist/{id}"), None),
        ] {
            let done = shop.ask(method, &path, body.as_ref(), &fields).await?;
            anyhow::ensure!(done.status < 300, "{path}: {}", done.json()?);
        }
        Ok(scene)
    }

    /// Nothing of what was shown before has changed.
    pub(super) async fn still_shows(&self, before: &BTreeMap<&str, Value>) -> Result<()> {
        for (path, after) in self.shown().await? {
            assert_eq!(before[path], after, "{path}");
        }
        Ok(())
    }

    /// All that could have been changed.
    pub(super) async fn shown(&self) -> Result<BTreeMap<&'static str, Value>> {
        let mut shown = BTreeMap::new();
        for path in SHOWN_TO_THE_OWNER {
            shown.insert(*path, self.desk.get(path).await?);
        }
        for path in SHOWN_TO_A_CUSTOMER {
            let answer = self.shop.get_with(path, &self.meena.fields()).await?;
            anyhow::ensure!(answer.status == 200, "{path}: {}", answer.json()?);
            let mut answer = answer.json()?;
            // The price of a cart is good until a while from now.
            if let Some(until) = answer.pointer_mut("/quote/valid_until") {
                *until = Value::Null;
            }
            shown.insert(*path, answer);
        }
        Ok(shown)
    }

    /// What a route asks for beside its body and its type: the session of whoever may use it, a key, a version.
    pub(super) fn fields_for(&self, permission: &str) -> Vec<(&str, &str)> {
        let who = match permission {
            "public" | "customer" => self.meena.fields(),
            _ => self.desk.fields(),
        };
        let others = [
            ("idempotency-key", "a-key-of-somebody-sly-1"),
            ("if-match", "\"1\""),
        ];
        [who, others].concat()
    }
}
