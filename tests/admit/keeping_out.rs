//! Who is kept out: by a switch, by networks, by rules.

use anyhow::Result;
use crackers_tests::answer::Answer;
use crackers_tests::raw;
use crackers_tests::stack::Stack;
use serde_json::{Value, json};

/// Asks something of the admin interface: status and body.
async fn order(shop: &Stack, path: &str, message: &Value) -> Result<(u16, Value)> {
    let order = reqwest::Client::new().post(format!("{}{path}", shop.admin_url));
    let order = order.bearer_auth(shop.admin_token()?).json(message);
    let answer = order.send().await?;
    Ok((answer.status().as_u16(), answer.json().await?))
}

async fn code(answer: &Answer) -> Result<(u16, String)> {
    let code = answer.json()?["code"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    Ok((answer.status, code))
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_shop_is_read_only_everybody_looks_and_nobody_writes() -> Result<()> {
    let shop = Stack::start(1, "").await?;
    let nothing = json!({});
    shop.get("/api/categories").await?;
    let (status, said) = order(&shop, "/mode", &json!({ "mode": "read_only" })).await?;
    assert_eq!(
        (status, &said["is"], &said["configured"]),
        (200, &json!("read_only"), &json!("open"))
    );
    let seen = shop.origin_requests().await?;
    for path in ["/api/cart/quote", "/api/orders", "/api/auth/otp/request"] {
        let refused = shop.post(path, &nothing, &[]).await?;
        assert_eq!(
            code(&refused).await?,
            (503, "read_only".to_owned()),
            "{path}"
        );
        assert_eq!(refused.field("retry-after"), "60");
        assert_eq!(refused.field("content-type"), "application/problem+json");
        assert!(!refused.field("content-security-policy").is_empty());
    }
    let page = shop
        .post(
            "/api/orders",
            &nothing,
            &[("accept", "text/html,*/*;q=0.8")],
        )
        .await?;
    assert_eq!(
        (page.status, page.field("content-type")),
        (503, "text/html; charset=utf-8")
    );
    assert_eq!(shop.origin_requests().await?, seen, "an origin was asked");
    for path in ["/api/categories", "/api/health", "/"] {
        assert_eq!(shop.get(path).await?.status, 200, "{path}");
    }
    let counted = "crackers_edge_admit_refused_total{reason=\"read_only\"}";
    assert_eq!(shop.edge_metric(counted).await?, 4.0);
    assert_eq!(shop.edge_metric("crackers_edge_admit_mode").await?, 1.0);
    // Another configuration does not open it again; whoever closed it does.
    assert_eq!(order(&shop, "/reload", &nothing).await?.0, 200);
    assert_eq!(shop.post("/api/orders", &nothing, &[]).await?.status, 503);
    assert_eq!(
        order(&shop, "/mode", &json!({ "mode": null })).await?.1["is"],
        "open"
    );
    assert_ne!(shop.post("/api/orders", &nothing, &[]).await?.status, 503);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn in_maintenance_nothing_passes_but_health_and_what_is_exempt() -> Result<()> {
    let mode = "admit: {mode: {is: maintenance, exempt: [/api/shop, /api/health], retry_after_seconds: 7}}\n";
    let shop = Stack::start(1, mode).await?;
    for path in ["/", "/api/products", "/api/orders"] {
        let refused = shop.get(path).await?;
        assert_eq!(
            code(&refused).await?,
            (503, "maintenance".to_owned()),
            "{path}"
        );
        assert_eq!(refused.field("retry-after"), "7");
    }
    let page = shop.get_with("/", &[("accept", "text/html")]).await?;
    assert!(String::from_utf8_lossy(&page.body).contains("try again in 7 seconds"));
    assert_eq!(shop.get("/health").await?.status, 200);
    assert_eq!(shop.get("/api/shop").await?.status, 200);
    assert_eq!(
        order(&shop, "/mode", &json!({ "mode": "open" })).await?.0,
        200
    );
    assert_eq!(shop.get("/api/products").await?.status, 200);
    for wrong in [
        json!({}),
        json!({ "mode": "closed" }),
        json!({ "mode": "open", "more": 1 }),
    ] {
        assert_eq!(order(&shop, "/mode", &wrong).await?.0, 400, "{wrong}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_rules_keep_out_by_address_method_and_path_however_it_is_disguised() -> Result<()>
{
    let overlay = "admit:\n  trusted_proxies: [127.0.0.0/8]\n  blocked: [198.51.100.66/32]\n  \
        allowed: [198.51.100.0/24, 10.0.0.0/8, 127.0.0.1/32]\n  rules:\n    \
        - {paths: [/api/admin/**], only_from: [10.0.0.0/8], hidden: true}\n    \
        - {methods: [DELETE], paths: [/api/cart/**], only_from: []}\n";
    let shop = Stack::start(1, overlay).await?;
    let ask = async |method: &str, path: &str, client: &str| -> Result<(u16, String)> {
        let url = format!("{}{path}", shop.url);
        let request = reqwest::Client::new().request(method.parse()?, url);
        let answer = request.header("x-forwarded-for", client).send().await?;
        let status = answer.status().as_u16();
        let body: Value = answer.json().await.unwrap_or_default();
        Ok((status, body["code"].as_str().unwrap_or_default().to_owned()))
    };
    for (method, path, client, status, code) in [
        ("GET", "/api/shop", "198.51.100.7", 200, ""),
        ("GET", "/api/shop", "198.51.100.66", 403, "blocked"),
        ("GET", "/api/shop", "203.0.113.9", 403, "not_allowed"),
        ("GET", "/api/admin/me", "198.51.100.7", 404, "not_found"),
        ("GET", "/api/%61dmin/me", "198.51.100.7", 404, "not_found"),
        ("GET", "//api/admin/me", "198.51.100.7", 404, "not_found"),
        ("GET", "/api/admin/me", "10.1.2.3", 401, ""),
        (
            "DELETE",
            "/api/cart/items/1",
            "10.1.2.3",
            403,
            "not_from_here",
        ),
    ] {
        let (got, said) = ask(method, path, client).await?;
        let is_expected = got == status && (code.is_empty() || said == code);
        assert!(is_expected, "{method} {path} {client}: {got} {said}");
    }
    let counted = "crackers_edge_admit_refused_total{reason=\"rule\"}";
    assert_eq!(shop.edge_metric(counted).await?, 4.0);
    Ok(())
}

/// A stranger writes the beginning of the line that a trusted proxy ends with his address: whatever that is, the end is read.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_behind_a_trusted_proxy_passes_as_the_proxy() -> Result<()> {
    let settings = "admit:\n  trusted_proxies: [127.0.0.0/8]\n  \
        rules: [{methods: [], paths: [/api/categories/**], only_from: [127.0.0.0/8]}]\n";
    let shop = Stack::start(1, settings).await?;
    let ask = |lines: &[&[u8]]| {
        let mut request = b"GET /api/categories HTTP/1.1\r\nHost: shop\r\n".to_vec();
        for line in lines {
            request.extend_from_slice(&[&b"X-Forwarded-For: "[..], line, b"\r\n"].concat());
        }
        request.extend_from_slice(b"Connection: close\r\n\r\n");
        raw::exchange(shop.port, &request)
    };
    assert!(ask(&[])?.0.starts_with("HTTP/1.1 200 "));
    assert!(ask(&[b"127.0.0.9"])?.0.starts_with("HTTP/1.1 200 "));
    for lines in [
        &[&b"203.0.113.9"[..]][..],
        &[b"\xff, 203.0.113.9"],
        &[b"127.0.0.1, caf\xc3\xa9, 203.0.113.9"],
        &[b"127.0.0.1", b"\xff,203.0.113.9, 127.0.0.2"],
    ] {
        let (answer, _) = ask(lines)?;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{lines:?} {answer}");
    }
    Ok(())
}
