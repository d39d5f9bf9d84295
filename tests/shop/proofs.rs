//! Pictures of payments: taken as pictures only, seen by staff who decide on payments and by nobody else.

use anyhow::{Context as _, Result};
use crackers_tests::stack::{Answer, Stack};
use serde_json::json;

use super::accounts;
use super::both_databases::on_mongodb;
use super::orders::{order_of, selling, stocked};
use super::staff::{Desk, PASSWORD, log_in};

/// A PNG of two pixels, with a comment: `where I live`.
pub(super) const PICTURE: &[u8] = b"\x89\x50\x4e\x47\x0d\x0a\x1a\x0a\x00\x00\x00\x0d\x49\x48\x44\x52\x00\x00\x00\x02\x00\x00\x00\x01\
    \x08\x02\x00\x00\x00\x7b\x40\xe8\xdd\x00\x00\x00\x14\x74\x45\x58\x74\x43\x6f\x6d\x6d\x65\x6e\x74\
    \x00\x77\x68\x65\x72\x65\x20\x49\x20\x6c\x69\x76\x65\x54\x57\x44\xe3\x00\x00\x00\x0f\x49\x44\x41\
    \x54\x78\x9c\x63\xf8\xcf\xc0\xc0\xf0\x9f\x01\x00\x07\xff\x01\xff\x01\x7f\x89\xa7\x00\x00\x00\x00\
    \x49\x45\x4e\x44\xae\x42\x60\x82";

async fn send(
    shop: &Stack,
    path: &str,
    kind: &str,
    body: &[u8],
    more: &[(&str, &str)],
) -> Result<Answer> {
    let mut fields = vec![("content-type", kind)];
    fields.extend(more);
    shop.put_bytes(path, body, &fields).await
}

/// An order, and the token that follows it.
pub(super) async fn ordered(shop: &Stack, key: &str) -> Result<String> {
    let product = stocked(shop, 20).await?;
    let order = order_of(shop, product["id"].as_str().context("no id")?, 15).await?;
    let placed = shop
        .post("/api/orders", &order, &[("idempotency-key", key)])
        .await?
        .json()?;
    let token = placed["tracking_token"].as_str().context("no token")?;
    Ok(token.to_owned())
}

/// Nothing but a picture is taken, and what is refused changes nothing.
async fn other_things_are_refused(shop: &Stack, path: &str) -> Result<()> {
    let (png, half) = ("image/png", &PICTURE[..PICTURE.len() - 30]);
    let mut bomb = PICTURE.to_vec();
    bomb[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
    bomb[29..33].copy_from_slice(&[0x0f, 0xb0, 0xe2, 0x15]);
    let large = vec![0; 6 * 1024 * 1024];
    for (kind, body, status, code) in [
        (
            png,
            &b"<svg onload='alert(1)'/>"[..],
            422,
            "invalid_picture",
        ),
        (png, b"", 422, "invalid_picture"),
        (png, half, 422, "invalid_picture"),
        (png, &bomb, 422, "invalid_picture"),
        ("text/html", PICTURE, 415, "unsupported_media_type"),
        (png, &large, 413, "body_too_large"),
    ] {
        let answer = send(shop, path, kind, body, &[]).await?;
        let said = answer.json()?;
        assert_eq!((answer.status, &said["code"]), (status, &json!(code)));
        if status == 422 {
            assert_eq!(said["errors"][0]["pointer"], "");
        }
    }
    let packed = [("content-encoding", "gzip")];
    let answer = send(shop, path, png, PICTURE, &packed).await?;
    assert_eq!(answer.status, 415);
    Ok(())
}

async fn a_proof_is_sent_and_seen(origin: &str) -> Result<()> {
    let shop = &selling(origin, 1).await?;
    let desk = Desk::open(shop).await?;
    let token = ordered(shop, "a-key-of-the-client-1").await?;
    let path = format!("/api/track/{token}/payment/proof");
    // Before a payment is said to be on its way, there is nothing to show.
    let early = send(shop, &path, "image/png", PICTURE, &[]).await?;
    assert_eq!(
        (early.status, &early.json()?["code"]),
        (409, &json!("not_in_review"))
    );
    let pay = format!("/api/track/{token}/payment");
    let reference = json!({ "reference": "UTR123456" });
    assert_eq!(shop.post(&pay, &reference, &[]).await?.status, 200);
    let found = desk.get("/api/admin/orders").await?;
    let id = found["items"][0]["id"].as_str().context("no order")?;
    let shown = format!("/api/admin/orders/{id}/proof");
    other_things_are_refused(shop, &path).await?;
    assert_eq!(desk.ask("GET", &shown, None, "").await?.status, 404);

    // Sent twice: the second takes the place of the first.
    for _ in 0..2 {
        let sent = send(shop, &path, "image/png", PICTURE, &[]).await?;
        assert_eq!(sent.status, 200, "{}", sent.json()?);
        assert!(!sent.json()?.to_string().contains("proof"));
    }
    let kept = std::fs::read_dir(shop.folder.path().join("data/objects"))?;
    let kept: Vec<_> = kept.collect::<std::io::Result<_>>()?;
    assert_eq!(kept.len(), 1);
    let seen = desk.ask("GET", &shown, None, "").await?;
    assert_eq!(
        (seen.status, seen.field("content-type")),
        (200, "image/jpeg")
    );
    assert_eq!(seen.field("cache-control"), "private, no-store");
    assert_eq!(seen.field("x-content-type-options"), "nosniff");
    assert!(
        seen.field("content-disposition")
            .starts_with("attachment; filename=\"payment-CR")
    );
    assert!(seen.body.starts_with(b"\xff\xd8\xff"));
    assert!(!seen.body.windows(12).any(|part| part == b"where I live"));

    // Nobody else: not without a log-in, not by its name, not as another customer.
    assert_eq!(shop.get(&shown).await?.status, 401);
    let name = kept[0].file_name();
    let name = name.to_string_lossy();
    for guess in [
        "/pictures/",
        "/pictures/../objects/",
        "/objects/",
        "/data/objects/",
    ] {
        let answer = shop.get(&format!("{guess}{name}")).await?;
        assert!(!answer.body.starts_with(b"\xff\xd8"), "{guess}");
    }
    let ravi = accounts::log_in(shop, "ravi@example.in").await?;
    let own = format!("/api/orders/{id}/payments/proof");
    let strangers = send(shop, &own, "image/png", PICTURE, &ravi.fields()).await?;
    assert_eq!(strangers.status, 404);
    let nobodys = send(shop, &own, "image/png", PICTURE, &[]).await?;
    assert_eq!(nobodys.status, 401);
    assert_eq!(shop.get_with(&shown, &ravi.fields()).await?.status, 401);
    Ok(())
}

/// An order with a payment and its picture; answers with where staff find it.
async fn with_picture(desk: &Desk<'_>, key: &str) -> Result<String> {
    let shop = desk.shop;
    let token = ordered(shop, key).await?;
    let pay = format!("/api/track/{token}/payment");
    let reference = json!({ "reference": "UTR123456" });
    assert_eq!(shop.post(&pay, &reference, &[]).await?.status, 200);
    let sent = send(shop, &format!("{pay}/proof"), "image/png", PICTURE, &[]).await?;
    assert_eq!(sent.status, 200, "{}", sent.json()?);
    let found = desk.get("/api/admin/orders").await?;
    let id = found["items"][0]["id"].as_str().context("no order")?;
    Ok(format!("/api/admin/orders/{id}"))
}

/// Once staff have decided, and not before, the picture goes after its time.
async fn a_settled_proof_goes(origin: &str) -> Result<()> {
    let soon = "commerce: {proofs_kept_seconds: 1, expiry_interval_ms: 50}\n";
    let shop = &selling(&format!("{origin}{soon}"), 2).await?;
    let desk = Desk::open(shop).await?;
    let open = with_picture(&desk, "a-key-of-the-client-1").await?;
    let settled = with_picture(&desk, "a-key-of-the-client-2").await?;
    // Whoever packs sees orders, and no picture of a payment.
    let packer = json!({ "email": "packer@example.in", "name": "Packer", "role": "moderator", "password": PASSWORD });
    assert_eq!(desk.post("/api/admin/staff", packer).await?.status, 201);
    let packer = Desk::of(shop, &log_in(shop, "packer@example.in", PASSWORD).await?)?;
    let refused = packer
        .ask("GET", &format!("{settled}/proof"), None, "")
        .await?;
    assert_eq!(
        (refused.status, &refused.json()?["code"]),
        (403, &json!("not_permitted"))
    );

    let seen = desk.ask("GET", &settled, None, "").await?;
    let payment = seen.json()?["payments"][0]["id"].clone();
    let decision = json!({ "payment_id": payment, "decision": "approve" });
    let address = format!("{settled}/payment");
    let decided = desk
        .ask("POST", &address, Some(&decision), seen.field("etag"))
        .await?;
    assert_eq!(decided.status, 200, "{}", decided.json()?);
    shop.wait_for("the picture is gone", async || {
        let shown = desk
            .ask("GET", &format!("{settled}/proof"), None, "")
            .await?;
        let order = desk.get(&settled).await?;
        Ok(shown.status == 404 && order["payments"][0]["has_proof"] == false)
    })
    .await?;
    assert_eq!(desk.get(&settled).await?["state"], "confirmed");
    // The other one came before it, and staff look at it still.
    let shown = desk.ask("GET", &format!("{open}/proof"), None, "").await?;
    assert_eq!(shown.status, 200);
    let kept = std::fs::read_dir(shop.folder.path().join("data/objects"))?;
    assert_eq!(kept.count(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_is_seen_by_staff_alone_on_sqlite() -> Result<()> {
    a_proof_is_sent_and_seen("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_is_seen_by_staff_alone_on_mongodb() -> Result<()> {
    on_mongodb(a_proof_is_sent_and_seen).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_settled_proof_goes_after_its_time_on_sqlite() -> Result<()> {
    a_settled_proof_goes("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_settled_proof_goes_after_its_time_on_mongodb() -> Result<()> {
    on_mongodb(a_settled_proof_goes).await
}
