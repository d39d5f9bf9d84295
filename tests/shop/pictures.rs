//! Pictures of goods: sent by staff, known by their content, drawn anew in several widths, and kept by everybody for a year.

use std::io::Cursor;

use anyhow::{Context as _, Result};
use crackers_tests::stack::{Answer, Stack};
use image::{ImageFormat, Rgb, RgbImage};
use serde_json::{Value, json};

use super::both_databases::on_mongodb;
use super::orders::selling;
use super::staff::Desk;

/// A picture of goods as a phone takes it.
pub(super) fn photograph() -> Result<Vec<u8>> {
    let picture = RgbImage::from_fn(1400, 700, |x, y| {
        Rgb([(x % 256) as u8, (y % 256) as u8, 90])
    });
    let mut file = Cursor::new(Vec::new());
    picture.write_to(&mut file, ImageFormat::Png)?;
    Ok(file.into_inner())
}

/// A form as a browser sends it.
fn form(parts: &[(&str, &str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, kind, content) in parts {
        body.extend(b"--the-boundary\r\n");
        body.extend(
            format!(
                "content-disposition: form-data; name=\"{name}\"; filename=\"../../x.php\"\r\n"
            )
            .bytes(),
        );
        body.extend(format!("content-type: {kind}\r\n\r\n").bytes());
        body.extend_from_slice(content);
        body.extend(b"\r\n");
    }
    body.extend(b"--the-boundary--\r\n");
    body
}

const FORM: &str = "multipart/form-data; boundary=the-boundary";

async fn send(desk: &Desk<'_>, path: &str, kind: &str, body: &[u8]) -> Result<Answer> {
    desk.send_bytes("POST", path, kind, body, "").await
}

/// What is no picture is refused by what it is, and nothing is kept of it.
async fn other_things_are_refused(desk: &Desk<'_>, path: &str) -> Result<()> {
    let picture = &photograph()?;
    let whole = form(&[("picture", "image/png", picture)]);
    let html = form(&[("picture", "text/html", picture)]);
    let script = form(&[("picture", "image/png", b"<svg onload='alert(1)'/>")]);
    let twice = form(&[
        ("picture", "image/png", picture),
        ("picture", "image/png", picture),
    ]);
    let other = form(&[
        ("picture", "image/png", picture),
        ("price", "text/plain", b"1"),
    ]);
    let long = form(&[
        ("picture", "image/png", picture),
        ("alt", "text/plain", &[b'a'; 201]),
    ]);
    let mut bomb = picture.clone();
    bomb[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
    bomb[29..33].copy_from_slice(&[0x0f, 0xb0, 0xe2, 0x15]);
    for (what, kind, body, status, pointer) in [
        (
            "half a form",
            FORM,
            &whole[..whole.len() / 2],
            400,
            Some("/picture"),
        ),
        ("a form's first line", FORM, &whole[..30], 400, Some("")),
        ("no boundary", "multipart/form-data", &whole, 400, Some("")),
        (
            "no picture",
            FORM,
            &form(&[("alt", "text/plain", b"a")]),
            400,
            Some("/picture"),
        ),
        ("two pictures", FORM, &twice, 400, Some("/picture")),
        ("another field", FORM, &other, 400, Some("")),
        ("a long text", FORM, &long, 400, Some("/alt")),
        ("a page as it says", FORM, &html, 415, None),
        ("a script in disguise", FORM, &script, 422, Some("")),
        ("a bomb", "image/png", &bomb, 422, Some("")),
        (
            "half a picture",
            "image/png",
            &picture[..picture.len() / 2],
            422,
            Some(""),
        ),
        ("a page", "text/html", picture, 415, None),
        (
            "too much",
            "image/png",
            &vec![0; 6 * 1024 * 1024],
            413,
            None,
        ),
    ] {
        let answer = send(desk, path, kind, body).await?;
        let said = answer.json()?;
        assert_eq!(answer.status, status, "{what}: {said}");
        assert_eq!(said["errors"][0]["pointer"].as_str(), pointer, "{what}");
    }
    let kept = desk.shop.folder.path().join("data/objects/public");
    assert!(!kept.exists() || std::fs::read_dir(kept)?.next().is_none());
    Ok(())
}

/// The pictures of a product as everybody sees them, once there are so many.
async fn seen(shop: &Stack, path: &str, count: usize) -> Result<Vec<Value>> {
    let mut images = Vec::new();
    let what = format!("{count} pictures show");
    shop.wait_for(&what, async || {
        let product = shop.get(path).await?.json()?;
        images = product["images"].as_array().cloned().unwrap_or_default();
        Ok(images.len() == count)
    })
    .await?;
    Ok(images)
}

/// Each width is there, as a JPEG that says nothing of the file it came from, and may be kept for a year.
async fn every_width_is_served(shop: &Stack, image: &Value) -> Result<()> {
    let sources = image["sources"].as_array().context("no sources")?;
    let widths: Vec<_> = sources.iter().map(|one| one["width"].as_u64()).collect();
    assert_eq!(widths, [Some(320), Some(640), Some(1280)]);
    assert_eq!(
        (&image["width"], &image["height"]),
        (&json!(1280), &json!(640))
    );
    assert_eq!(image["url"], sources[2]["url"]);
    for source in sources {
        let url = source["url"].as_str().context("no url")?;
        let first = shop.get(url).await?;
        assert_eq!(
            (first.status, first.field("content-type")),
            (200, "image/jpeg")
        );
        assert_eq!(
            first.field("cache-control"),
            "public, max-age=31536000, immutable"
        );
        assert_eq!(first.field("x-content-type-options"), "nosniff");
        let drawn = image::load_from_memory_with_format(&first.body, ImageFormat::Jpeg)?;
        assert_eq!(Some(u64::from(drawn.width())), source["width"].as_u64());
        let again = shop.get(url).await?;
        assert!(
            again.field("cache-status").contains("hit"),
            "{}",
            again.field("cache-status")
        );
    }
    Ok(())
}

async fn pictures_of_goods(origin: &str) -> Result<()> {
    let shop = &selling(origin, 1).await?;
    let desk = &Desk::open(shop).await?;
    let new = json!({
        "product": { "sku": "NEW-1", "slug": "new-rocket", "name": "New rocket", "category": "rockets",
            "mrp_paise": 100_000, "price_paise": 80_000 },
        "stock": 30, "low_at": 5,
    });
    let made = desk.post("/api/admin/products", new).await?.json()?;
    let path = format!(
        "/api/admin/products/{}/images",
        made["id"].as_str().context("no id")?
    );
    other_things_are_refused(desk, &path).await?;

    let picture = &photograph()?;
    let first = send(desk, &path, "image/png", picture).await?;
    assert_eq!(first.status, 201, "{}", first.json()?);
    let described = form(&[
        ("alt", "text/plain", b"Two rockets"),
        ("picture", "image/webp", picture),
    ]);
    let second = send(desk, &path, FORM, &described).await?;
    assert_eq!(second.status, 201, "{}", second.json()?);
    let images = &seen(shop, "/api/products/new-rocket", 2).await?;
    assert_eq!(
        (&images[0]["alt"], &images[1]["alt"]),
        (&json!("New rocket"), &json!("Two rockets"))
    );
    every_width_is_served(shop, &images[0]).await?;
    let listed = shop.get("/api/products?q=new%20rocket").await?.json()?;
    assert_eq!(listed["items"][0]["image"], images[0]);

    they_are_ordered_and_removed(desk, &path, images, second.field("etag")).await?;
    nobody_else_sends_any(shop, &path).await?;
    others_have_one(desk).await
}

async fn they_are_ordered_and_removed(
    desk: &Desk<'_>,
    path: &str,
    images: &[Value],
    etag: &str,
) -> Result<()> {
    let named = |image: &Value, alt: &str| json!({ "url": image["url"], "alt": alt });
    let turned = json!({ "images": [named(&images[1], "Rockets"), named(&images[0], "One")] });
    let twice = json!({ "images": [named(&images[1], ""), named(&images[1], "")] });
    let strange = json!({ "images": [{ "url": "/images/of-another.jpg", "alt": "" }] });
    for (body, etag, status) in [
        (&turned, "", 428),
        (&turned, "\"1\"", 412),
        (&twice, etag, 400),
        (&strange, etag, 400),
    ] {
        assert_eq!(
            desk.ask("PUT", path, Some(body), etag).await?.status,
            status
        );
    }
    let changed = desk.ask("PUT", path, Some(&turned), etag).await?;
    assert_eq!(changed.status, 200, "{}", changed.json()?);
    let seen = changed.json()?["images"].clone();
    assert_eq!(
        (&seen[0]["url"], &seen[0]["alt"]),
        (&images[1]["url"], &json!("Rockets"))
    );

    let less = json!({ "images": [named(&images[1], "Rockets")] });
    let fewer = desk
        .ask("PUT", path, Some(&less), changed.field("etag"))
        .await?;
    assert_eq!(fewer.json()?["images"].as_array().map(Vec::len), Some(1));
    let kept = std::fs::read_dir(desk.shop.folder.path().join("data/objects/public"))?;
    assert_eq!(kept.count(), 3, "the files of what was removed are gone");
    Ok(())
}

async fn nobody_else_sends_any(shop: &Stack, path: &str) -> Result<()> {
    let fields = [("content-type", "image/png")];
    let client = reqwest::Client::new().post(format!("{}{path}", shop.url));
    let sent = client.header(fields[0].0, fields[0].1).body(photograph()?);
    assert_eq!(sent.send().await?.status(), 401);
    // A private file has no public name, and a public one no other.
    for guess in [
        "/images/",
        "/images/..%2Fshop.sqlite",
        "/images/a.jpg",
        "/images/public/a.jpg",
    ] {
        assert_eq!(shop.get(guess).await?.status, 404, "{guess}");
    }
    Ok(())
}

/// One picture for each category, bundle and gift box; a second one takes the place of the first.
async fn others_have_one(desk: &Desk<'_>) -> Result<()> {
    let mut shown = vec![(
        "/api/admin/categories/rockets".to_owned(),
        "/api/categories/rockets".to_owned(),
    )];
    for kind in ["bundles", "giftboxes"] {
        let first = desk.get(&format!("/api/admin/{kind}")).await?["items"][0].clone();
        let text = |field: &str| first[field].as_str().context("a field is missing");
        let own = format!("/api/admin/{kind}/{}", text("id")?);
        shown.push((own, format!("/api/{kind}/{}", text("slug")?)));
    }
    let picture = &photograph()?;
    for (own, public) in &shown {
        let before = desk.ask("GET", own, None, "").await?;
        let image = format!("{own}/image");
        let mut etag = before.field("etag").to_owned();
        for (etag, status) in [("", 428), ("\"999\"", 412)] {
            let answer = desk
                .send_bytes("PUT", &image, "image/png", picture, etag)
                .await?;
            assert_eq!(answer.status, status, "{own}: {}", answer.json()?);
        }
        for _ in 0..2 {
            let answer = desk
                .send_bytes("PUT", &image, "image/png", picture, &etag)
                .await?;
            assert_eq!(answer.status, 200, "{own}: {}", answer.json()?);
            answer.field("etag").clone_into(&mut etag);
        }
        let own = desk.get(own).await?["image"].clone();
        assert_eq!(own["sources"].as_array().map(Vec::len), Some(3));
        desk.shop
            .wait_for("the picture shows", async || {
                Ok(desk.shop.get(public).await?.json()?["image"] == own)
            })
            .await?;
    }
    let kept = std::fs::read_dir(desk.shop.folder.path().join("data/objects/public"))?;
    assert_eq!(
        kept.count(),
        3 + 9,
        "what was refused or replaced is not kept"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_of_goods_are_drawn_anew_in_every_width_on_sqlite() -> Result<()> {
    pictures_of_goods("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_of_goods_are_drawn_anew_in_every_width_on_mongodb() -> Result<()> {
    on_mongodb(pictures_of_goods).await
}
