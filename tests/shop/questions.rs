//! How many questions an answer costs: as many for a dozen things as for one, on both databases.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use crackers_tests::stack::{PATIENCE, Stack};
use serde_json::{Value, json};

use super::accounts::{LoggedIn, log_in};
use super::both_databases::on_mongodb;
use super::orders::{order_of, selling, stocked};
use super::staff::{Desk, PASSWORD};

/// Nothing is kept in memory, so that every answer asks for all that it needs.
const FORGETFUL: &str = "api: {answers_bytes_max: 0}\ncommerce: {known_things_max: 1}\n";

/// What the program asks by itself, all the time.
const OF_ITSELF: &[&str] = &[
    "ping",
    "last_sequence",
    "changes_after",
    "records_due",
    "orders_due",
    "forget_order_keys",
    "database_id",
];

/// How often an answer is asked for: what the program asks by itself meanwhile only adds, so the least is what it costs.
const TRIES: usize = 5;

/// Things of each kind after there was one.
const DOZEN: usize = 12;

/// What is asked, by whom, and in which field the things are.
const LISTS: &[(&str, &str)] = &[
    ("GET /api/categories", "anybody"),
    ("GET /api/bundles", "anybody"),
    ("GET /api/giftboxes", "anybody"),
    ("GET /api/products?limit=LIMIT", "anybody"),
    ("GET /api/products?q=rocket&limit=LIMIT", "anybody"),
    ("GET /api/cart", "meena"),
    ("GET /api/wishlist", "meena"),
    ("GET /api/addresses", "meena"),
    ("GET /api/orders?limit=LIMIT", "meena"),
    ("GET /api/admin/orders?limit=LIMIT", "staff"),
    ("GET /api/admin/products?limit=LIMIT", "staff"),
    ("GET /api/admin/categories", "staff"),
    ("GET /api/admin/bundles", "staff"),
    ("GET /api/admin/giftboxes", "staff"),
    ("GET /api/admin/coupons?limit=LIMIT", "staff"),
    ("GET /api/admin/customers?limit=LIMIT", "staff"),
    ("GET /api/admin/staff", "staff"),
];

type Counts = BTreeMap<String, u64>;

struct Scene<'a> {
    shop: &'a Stack,
    desk: Desk<'a>,
    meena: LoggedIn,
}

impl Scene<'_> {
    /// All that was asked so far, and how many answers came from memory.
    async fn counts(&self) -> Result<(Counts, u64)> {
        let url = &self.shop.origin_metrics_urls[0];
        let text = reqwest::get(url).await?.text().await?;
        let of = |prefix: &str| {
            let rows = text
                .lines()
                .filter_map(|row| row.strip_prefix(prefix)?.split_once("\"} "));
            let rows = rows.map(|(name, count)| Ok((name.to_owned(), count.parse()?)));
            rows.collect::<Result<Counts>>()
        };
        let mut asked = of("crackers_origin_database_questions_total{question=\"")?;
        asked.retain(|name, _| !OF_ITSELF.contains(&name.as_str()));
        let hits = of("crackers_origin_api_answers_total{outcome=\"")?;
        Ok((asked, hits.get("hit").copied().unwrap_or(0)))
    }

    /// How many things an answer shows, and the questions that it costs; asked for again while those are more than expected.
    async fn cost(
        &self,
        (what, who): (&str, &str),
        limit: usize,
        expected: u64,
    ) -> Result<(usize, u64)> {
        let path = what
            .trim_start_matches("GET ")
            .replace("LIMIT", &limit.to_string());
        let fields = match who {
            "meena" => self.meena.fields().to_vec(),
            "staff" => self.desk.fields().to_vec(),
            _ => Vec::new(),
        };
        let (mut least, mut shown, mut tries) = (u64::MAX, 0, 0);
        let begun = Instant::now();
        while tries < TRIES || (least > expected && begun.elapsed() < PATIENCE) {
            ensure!(
                tries > 0 || begun.elapsed() < PATIENCE,
                "{what} always comes from memory"
            );
            let (before, hits_before) = self.counts().await?;
            // Past the edge, which keeps what it can.
            let port = self.shop.origin_ports[0];
            let mut request = reqwest::Client::new().get(format!("http://127.0.0.1:{port}{path}"));
            for (name, value) in &fields {
                request = request.header(*name, *value);
            }
            let answer = request
                .send()
                .await?
                .error_for_status()?
                .json::<Value>()
                .await?;
            let (after, hits) = self.counts().await?;
            if hits > hits_before {
                continue;
            }
            tries += 1;
            let sum = |counts: &Counts| counts.values().sum::<u64>();
            least = least.min(sum(&after) - sum(&before));
            let things = answer.get("items").or(answer.get("lines"));
            shown = things.and_then(Value::as_array).context("no list")?.len();
        }
        Ok((shown, least))
    }

    async fn change(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let fields = if path.starts_with("/api/admin/") {
            self.desk.fields()
        } else {
            self.meena.fields()
        };
        let answer = self.shop.ask(method, path, Some(body), &fields).await?;
        ensure!(
            (200..300).contains(&answer.status),
            "{method} {path}: {}",
            answer.json()?
        );
        answer.json()
    }

    /// One more of everything.
    async fn one_more(&self, number: usize, product: &Value, order: &Value) -> Result<()> {
        let id = product["id"].as_str().context("no id")?;
        let category = json!({ "slug": format!("shelf-{number}"),
            "terms": { "name": format!("Shelf {number}"), "position": number } });
        self.change("POST", "/api/admin/categories", &category)
            .await?;
        for kind in ["bundles", "giftboxes"] {
            let combo = json!({ "sku": format!("{kind}-{number}"), "slug": format!("all-{number}"), "name": "All of it",
                "mrp_paise": 50_000, "price_paise": 40_000, "components": [{ "product_id": id, "quantity": 2 }], "active": true });
            self.change("POST", &format!("/api/admin/{kind}"), &combo)
                .await?;
        }
        let coupon = json!({ "code": format!("CODE-{number}"),
            "terms": { "discount": { "percent": { "percent": 10 } }, "active": true }, "uses": 3 });
        self.change("POST", "/api/admin/coupons", &coupon).await?;
        let address = json!({ "label": "Home", "address": order["address"] });
        self.change("POST", "/api/addresses", &address).await?;
        self.change("PUT", &format!("/api/wishlist/{id}"), &json!(null))
            .await?;
        self.change(
            "PUT",
            &format!("/api/cart/lines/product:{id}"),
            &json!({ "quantity": 1 }),
        )
        .await?;
        let key = format!("a-key-of-the-client-{number}");
        let [cookie, _] = self.meena.fields();
        let placed = self
            .shop
            .post("/api/orders", order, &[("idempotency-key", &key), cookie])
            .await?;
        ensure!(placed.status == 201, "{}", placed.json()?);
        let member = json!({ "email": format!("packer-{number}@example.in"), "name": "Packer", "role": "moderator", "password": PASSWORD });
        self.change("POST", "/api/admin/staff", &member).await?;
        Ok(())
    }
}

async fn lists_ask_once(own: &str) -> Result<()> {
    let shop = &selling(&format!("{own}{FORGETFUL}"), 1).await?;
    let product = stocked(shop, 1000).await?;
    let order = order_of(shop, product["id"].as_str().context("no id")?, 15).await?;
    let scene = Scene {
        shop,
        desk: Desk::open(shop).await?,
        meena: log_in(shop, "meena@example.in").await?,
    };
    let all = shop
        .get("/api/products?limit=100&stock=in_stock")
        .await?
        .json()?;
    let all = all["items"].as_array().context("no products")?;
    scene.one_more(0, &all[0], &order).await?;
    log_in(shop, "visitor@example.in").await?;
    let mut before = Vec::new();
    for (what, who) in LISTS {
        before.push(
            scene
                .cost((what, who), 1, u64::MAX)
                .await
                .with_context(|| (*what).to_owned())?,
        );
    }
    for (number, product) in (1..DOZEN).zip(&all[1..]) {
        scene.one_more(number, product, &order).await?;
    }
    for ((what, who), (few, questions)) in LISTS.iter().zip(before) {
        let (many, now) = scene.cost((what, who), DOZEN, questions).await?;
        assert!(many > few, "{what} shows {many} where it showed {few}");
        assert!(now > 0, "{what} asks nothing");
        assert!(
            now <= questions,
            "{what} asks {now} times for {many} and {questions} times for {few}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_asks_as_often_for_a_dozen_things_as_for_one_on_sqlite() -> Result<()> {
    lists_ask_once("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_asks_as_often_for_a_dozen_things_as_for_one_on_mongodb() -> Result<()> {
    on_mongodb(lists_ask_once).await
}
