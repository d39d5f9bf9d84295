//! Live events through the edge: what an order's owner and staff hear, whichever process wrote.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use crackers_tests::stack::{PATIENCE, Setup, Stack};
use serde_json::{Value, json};

use super::accounts::{LoggedIn, log_in};
use super::both_databases::on_mongodb;
use super::orders::{UNLIMITED, order_of, selling, stocked};
use super::staff::Desk;

/// An event as a browser sees it.
#[derive(Debug)]
struct Event {
    id: String,
    name: String,
    data: Value,
}

/// A stream that is listened to, as a browser does.
struct Listening {
    answer: reqwest::Response,
    rest: String,
    heartbeats: usize,
}

impl Listening {
    async fn begin(shop: &Stack, path: &str, fields: &[(&str, &str)]) -> Result<Self> {
        let client = reqwest::Client::new();
        let mut request = client.get(format!("{}{path}", shop.url));
        request = request.header("accept", "text/event-stream");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let answer = tokio::time::timeout(PATIENCE, request.send()).await??;
        Ok(Self {
            answer,
            rest: String::new(),
            heartbeats: 0,
        })
    }

    fn status(&self) -> u16 {
        self.answer.status().as_u16()
    }

    fn field(&self, name: &str) -> &str {
        let value = self.answer.headers().get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The next event; `None` at a clean end.
    async fn next(&mut self) -> Result<Option<Event>> {
        loop {
            while let Some((event, rest)) = self.rest.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.rest = rest;
                let of = |name: &str| {
                    let found = event.lines().find_map(|line| line.strip_prefix(name));
                    found.map(|value| value.trim().to_owned())
                };
                self.heartbeats += usize::from(event.starts_with(':'));
                if let Some(data) = of("data:") {
                    return Ok(Some(Event {
                        id: of("id:").context("no id")?,
                        name: of("event:").context("no name")?,
                        data: serde_json::from_str(&data)?,
                    }));
                }
            }
            let part = tokio::time::timeout(PATIENCE, self.answer.chunk()).await;
            match part.context("nothing comes")?? {
                Some(part) => self.rest.push_str(std::str::from_utf8(&part)?),
                None => return Ok(None),
            }
        }
    }

    async fn event(&mut self) -> Result<Event> {
        self.next().await?.context("it has ended")
    }

    /// The next event that is this thing's.
    async fn until(&mut self, entity: &str) -> Result<Event> {
        loop {
            let event = self.event().await?;
            if event.data["entity"] == entity {
                return Ok(event);
            }
        }
    }
}

async fn an_order_is_listened_to(origin: &str) -> Result<()> {
    let shop = &selling(origin, 2).await?;
    let product = stocked(shop, 20).await?;
    let meena = log_in(shop, "meena@example.in").await?;
    let ravi = log_in(shop, "ravi@example.in").await?;
    let order = order_of(shop, product["id"].as_str().context("no id")?, 15).await?;
    let [cookie, _] = meena.fields();
    let key = ("idempotency-key", "a-key-of-the-client-1");
    let placed = shop.post("/api/orders", &order, &[key, cookie]).await?;
    let placed = placed.json()?;
    let tracked = format!(
        "/api/track/{}/events",
        placed["tracking_token"].as_str().context("no token")?
    );
    let hers = shop
        .get_with("/api/orders", &meena.fields())
        .await?
        .json()?;
    let own = format!(
        "/api/orders/{}/events",
        hers["items"][0]["id"].as_str().context("no id")?
    );
    for (path, fields, status) in [
        (own.as_str(), &[][..], 401),
        (&own, &ravi.fields()[..1], 404),
        ("/api/track/nothing/events", &[], 404),
    ] {
        assert_eq!(
            Listening::begin(shop, path, fields).await?.status(),
            status,
            "{path}"
        );
    }
    let mut streams = [
        Listening::begin(shop, &tracked, &[("accept-encoding", "br, gzip")]).await?,
        Listening::begin(shop, &own, &[cookie]).await?,
    ];
    for stream in &mut streams {
        assert_eq!(
            (stream.status(), stream.field("content-type")),
            (200, "text/event-stream")
        );
        assert_eq!(stream.field("cache-control"), "private, no-store");
        assert_eq!(stream.field("content-encoding"), "");
        let first = stream.event().await?;
        assert_eq!(
            (first.name.as_str(), &first.data["state"]),
            ("order", &json!("awaiting_payment"))
        );
    }
    // A process of its own writes, which knows nothing of who listens.
    shop.command(&["order", "step", "CR000001", "confirmed"])?;
    let mut last = String::new();
    for stream in &mut streams {
        let told = stream.event().await?;
        assert_eq!(told.data["state"], "confirmed");
        assert!(
            !told.data.to_string().contains("9876543210"),
            "{}",
            told.data
        );
        last = told.id;
    }
    drop(streams);
    who_was_cut_off_is_told_what_was_missed(shop, &tracked, &last).await?;
    who_is_logged_out_hears_no_more(shop, (&tracked, &own), &meena).await
}

/// What happened meanwhile, and nothing that was told before.
async fn who_was_cut_off_is_told_what_was_missed(
    shop: &Stack,
    tracked: &str,
    last: &str,
) -> Result<()> {
    shop.command(&["order", "step", "CR000001", "packed"])?;
    let mut again = Listening::begin(shop, tracked, &[("last-event-id", last)]).await?;
    let missed = again.event().await?;
    assert_eq!(missed.data["state"], "packed");
    let mut again = Listening::begin(shop, tracked, &[("last-event-id", &missed.id)]).await?;
    shop.command(&["order", "step", "CR000001", "dispatched"])?;
    assert_eq!(again.event().await?.data["state"], "dispatched");
    Ok(())
}

/// The stream of an account ends with its session; that of a token does not.
async fn who_is_logged_out_hears_no_more(
    shop: &Stack,
    (tracked, own): (&str, &str),
    meena: &LoggedIn,
) -> Result<()> {
    let [cookie, _] = meena.fields();
    let mut streams = [
        Listening::begin(shop, tracked, &[]).await?,
        Listening::begin(shop, own, &[cookie]).await?,
    ];
    for stream in &mut streams {
        assert_eq!(stream.event().await?.data["state"], "dispatched");
    }
    let out = shop
        .ask("POST", "/api/auth/logout", None, &meena.fields())
        .await?;
    assert_eq!(out.status, 200);
    shop.command(&["order", "step", "CR000001", "delivered"])?;
    let [mut tracked, mut own] = streams;
    assert_eq!(tracked.event().await?.data["state"], "delivered");
    assert!(own.next().await?.is_none());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orders_owner_hears_of_each_step_on_sqlite() -> Result<()> {
    an_order_is_listened_to("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orders_owner_hears_of_each_step_on_mongodb() -> Result<()> {
    on_mongodb(an_order_is_listened_to).await
}

/// Somebody who packs, and their id.
async fn packer(desk: &Desk<'_>) -> Result<(LoggedIn, String)> {
    let password = "a long enough password";
    let new = json!({ "email": "packer@example.in", "name": "Packer", "role": "moderator", "password": password });
    let added = desk.post("/api/admin/staff", new).await?;
    ensure!(added.status == 201, "{}", added.json()?);
    let id = added.json()?["id"].as_str().context("no id")?.to_owned();
    let given = json!({ "email": "packer@example.in", "password": password });
    let answer = desk.shop.post("/api/admin/login", &given, &[]).await?;
    Ok((LoggedIn::of(&answer)?, id))
}

async fn staff_listen(origin: &str) -> Result<()> {
    let shop = &selling(origin, 1).await?;
    let desk = Desk::open(shop).await?;
    let (packer, id) = packer(&desk).await?;
    let path = "/api/admin/events";
    assert_eq!(Listening::begin(shop, path, &[]).await?.status(), 401);
    let mut owner = Listening::begin(shop, path, &desk.fields()).await?;
    let mut packing = Listening::begin(shop, path, &packer.fields()).await?;
    // Whoever begins to listen asks for everything then.
    let begun = owner.event().await?;
    assert_eq!(begun.name, "anew");
    assert_eq!(packing.event().await?.name, "anew");
    let product = stocked(shop, 20).await?;
    assert_eq!(owner.until("stock").await?.data["id"], product["id"]);
    let order = order_of(shop, product["id"].as_str().context("no id")?, 15).await?;
    let key = [("idempotency-key", "a-key-of-the-client-1")];
    assert_eq!(shop.post("/api/orders", &order, &key).await?.status, 201);
    let heard = owner.until("order").await?;
    // Of stock who packs hears nothing.
    let first = packing.event().await?;
    assert_eq!(
        (first.data["entity"].as_str(), &first.data["id"]),
        (Some("order"), &heard.data["id"])
    );
    // Whoever was cut off hears what was missed.
    let fields = [&desk.fields()[..], &[("last-event-id", begun.id.as_str())]].concat();
    let mut again = Listening::begin(shop, path, &fields).await?;
    assert_eq!(again.until("order").await?.id, heard.id);
    // Access that is ended is ended for who listens as well.
    let path = format!("/api/admin/staff/{id}");
    let ended = desk.change("DELETE", &path, None).await?;
    assert_eq!(ended.status, 200, "{}", ended.json()?);
    shop.command(&["order", "step", "CR000001", "cancelled"])?;
    assert!(packing.next().await?.is_none());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_hear_of_what_their_role_may_see_on_sqlite() -> Result<()> {
    staff_listen("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_hear_of_what_their_role_may_see_on_mongodb() -> Result<()> {
    on_mongodb(staff_listen).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_listens_takes_no_origin_slot_is_bounded_and_is_let_go_when_an_origin_stops()
-> Result<()> {
    let setup = Setup {
        origins: 1,
        edge: &format!(
            "{UNLIMITED}dispatch: {{concurrency_max: 1, concurrency_when_full: 1, queue_max: 0}}\n"
        ),
        origin: "api: {event_streams_max: 2, event_heartbeat_seconds: 1}\n",
    };
    let mut shop = Stack::of(setup).await?;
    shop.command(&["shop", "mode", "order"])?;
    let product = stocked(&shop, 20).await?;
    let order = order_of(&shop, product["id"].as_str().context("no id")?, 15).await?;
    let key = [("idempotency-key", "a-key-of-the-client-1")];
    let placed = shop.post("/api/orders", &order, &key).await?.json()?;
    let token = placed["tracking_token"].as_str().context("no token")?;
    let path = format!("/api/track/{token}/events");
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut stream = Listening::begin(&shop, &path, &[]).await?;
        assert_eq!(stream.event().await?.data["state"], "awaiting_payment");
        streams.push(stream);
    }
    let full = Listening::begin(&shop, &path, &[]).await?;
    assert_eq!(full.status(), 503);
    assert!(!full.field("retry-after").is_empty());
    // The only slot of the edge is free, as soon as the last answer is written down.
    shop.wait_for("nothing is in flight", async || {
        let line = "crackers_edge_dispatch_in_flight";
        Ok(shop.edge_metric(line).await? == 0.0)
    })
    .await?;
    let seen = shop.get(&format!("/api/track/{token}")).await?;
    assert_eq!(seen.status, 200, "{}", seen.json()?);
    // Quiet for long, a stream is kept open by heartbeats.
    let mut quiet = streams.pop().context("no stream")?;
    let waited = tokio::time::timeout(Duration::from_secs(4), quiet.next()).await;
    ensure!(
        waited.is_err() && quiet.heartbeats > 0,
        "no heartbeat: {waited:?}"
    );
    // Whoever leaves makes place.
    drop(quiet);
    shop.wait_for("there is a place", async || {
        Ok(Listening::begin(&shop, &path, &[]).await?.status() == 200)
    })
    .await?;
    let mut last = streams.pop().context("no stream")?;
    let status = shop.origins[0].terminate()?;
    assert!(status.success(), "{status}");
    assert!(last.next().await?.is_none());
    assert!(!shop.origins[0].log().contains("still in flight"));
    Ok(())
}
