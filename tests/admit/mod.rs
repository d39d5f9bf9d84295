//! Stage `admit`: limits, methods, other sites.

mod keeping_out;
mod resets;

use anyhow::Result;
use crackers_tests::stack::Stack;

#[tokio::test(flavor = "multi_thread")]
async fn beyond_its_budget_a_client_is_told_when_to_come_back() -> Result<()> {
    let overlay = "admit:\n  trusted_proxies: [127.0.0.0/8]\n  rate_limits:\n    \
                   - {name: reads, methods: [GET], path_prefixes: [/api/shop], requests_max: 3, window_ms: 600000}\n";
    let shop = Stack::start(1, overlay).await?;
    let ask = async |client: &str| {
        shop.get_with("/api/shop", &[("x-forwarded-for", client)])
            .await
    };
    for left in [2, 1, 0] {
        let answer = ask("198.51.100.1").await?;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.field("ratelimit-policy"), "\"reads\";q=3;w=600");
        assert!(
            answer
                .field("ratelimit")
                .starts_with(&format!("\"reads\";r={left};")),
            "{}",
            answer.field("ratelimit")
        );
    }
    let refused = ask("198.51.100.1").await?;
    assert_eq!(
        (refused.status, refused.json()?["code"].as_str()),
        (429, Some("rate_limited"))
    );
    assert!(refused.field("retry-after").parse::<u32>()? > 0);
    assert_eq!(ask("198.51.100.2").await?.status, 200);
    // One IPv6 customer has a whole /64.
    for address in ["2001:db8::1", "2001:db8::2", "2001:db8::3"] {
        assert_eq!(ask(address).await?.status, 200);
    }
    assert_eq!(ask("2001:db8::4").await?.status, 429);
    let counted = "crackers_edge_admit_refused_total{reason=\"rate_limit:reads\"}";
    assert_eq!(shop.edge_metric(counted).await?, 2.0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_logged_in_has_a_budget_of_their_own_and_a_forger_has_none() -> Result<()> {
    let overlay = "admit:\n  rate_limits:\n    \
                   - {name: reads, by_session: true, methods: [GET], path_prefixes: [/api/admin], requests_max: 3, window_ms: 600000}\n";
    let shop = Stack::start(1, overlay).await?;
    let password = "a long enough password";
    let mut cookies = Vec::new();
    for email in ["one@example.in", "two@example.in"] {
        shop.command_with(password, &["admin", "create", email])?;
        let given = serde_json::json!({ "email": email, "password": password });
        let answer = shop.post("/api/admin/login", &given, &[]).await?;
        let cookie = answer
            .field("set-cookie")
            .split(';')
            .next()
            .map(str::to_owned);
        cookies.extend(cookie);
    }
    let ask = async |cookie: &str| {
        let answer = shop
            .get_with("/api/admin/me", &[("cookie", cookie)])
            .await?;
        anyhow::Ok(answer.status)
    };
    for _ in 0..3 {
        assert_eq!(ask(&cookies[0]).await?, 200);
    }
    assert_eq!(ask(&cookies[0]).await?, 429);
    // The same address, another account.
    assert_eq!(ask(&cookies[1]).await?, 200);
    // Cookies that we did not give are strangers, all from one address.
    let forged = |digit: u32| cookies[1].replacen('.', &format!("{digit}."), 1);
    for digit in 0..3 {
        assert_eq!(ask(&forged(digit)).await?, 401);
    }
    assert_eq!(ask(&forged(3)).await?, 429);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_carries_the_security_fields_and_nothing_internal() -> Result<()> {
    let shop = Stack::start(1, "").await?;
    for path in [
        "/",
        "/api/shop",
        "/health",
        "/api/nothing",
        "/pictures/category-rockets.svg",
    ] {
        let answer = shop.get(path).await?;
        for name in [
            "content-security-policy",
            "x-frame-options",
            "x-content-type-options",
            "referrer-policy",
            "x-request-id",
        ] {
            assert!(!answer.field(name).is_empty(), "{path}: {name}");
        }
        for name in [
            "cdn-cache-control",
            "cache-tag",
            "x-changes-sequence",
            "x-memory-usage",
            "server",
        ] {
            assert_eq!(answer.field(name), "", "{path}: {name}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_is_answered_by_the_edge_for_listed_sites_only() -> Result<()> {
    let shop = Stack::start(
        1,
        "admit: {cors: {origins: ['https://admin.example.in']}}\n",
    )
    .await?;
    let ask = async |origin: &str| -> Result<(u16, String)> {
        let url = format!("{}/api/products", shop.url);
        let request = reqwest::Client::new().request(reqwest::Method::OPTIONS, url);
        let answer = request
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .send()
            .await?;
        let allowed = answer.headers().get("access-control-allow-origin");
        Ok((
            answer.status().as_u16(),
            allowed
                .and_then(|v| v.to_str().ok())
                .unwrap_or_default()
                .to_owned(),
        ))
    };
    assert_eq!(
        ask("https://admin.example.in").await?,
        (204, "https://admin.example.in".to_owned())
    );
    assert_eq!(ask("https://evil.example").await?, (204, String::new()));
    Ok(())
}
