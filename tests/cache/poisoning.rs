//! Nobody puts an answer into the cache that others would not have got, and nobody gets one that was another's.

use std::io::Write as _;

use anyhow::{Context as _, Result};
use crackers_tests::careless_origin::CarelessOrigin;
use crackers_tests::lone_edge::{lone_edge, lone_edge_of};
use crackers_tests::raw;

/// Repeats the whole head, and lets everybody keep it.
fn echo(head: &str) -> Vec<u8> {
    let fields = "Content-Type: image/png\r\nCDN-Cache-Control: max-age=300";
    format!(
        "HTTP/1.1 200 OK\r\n{fields}\r\nContent-Length: {}\r\n\r\n{head}",
        head.len()
    )
    .into_bytes()
}

/// One request on a connection of its own; the whole answer.
fn ask(port: u16, target: &str, host: &str, fields: &str) -> Result<String> {
    let request =
        format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{fields}Connection: close\r\n\r\n");
    Ok(raw::exchange(port, request.as_bytes())?.0)
}

/// The same without Pingora: the connection ends after a second request, whose answer follows.
fn ask_the_short_way(port: u16, target: &str, fields: &str) -> Result<String> {
    let last = "GET /health HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n";
    let request = format!("GET {target} HTTP/1.1\r\nHost: shop\r\n{fields}\r\n{last}");
    let answers = raw::exchange(port, request.as_bytes())?.0;
    let (answer, _) = answers
        .rsplit_once("HTTP/1.1 200 ")
        .context("no second answer")?;
    Ok(answer.to_owned())
}

/// The request targets that the origin has seen.
fn targets(origin: &CarelessOrigin) -> Vec<String> {
    let seen = origin.take().into_iter();
    let target = |head: &str| head.split(' ').nth(1).unwrap_or_default().to_owned();
    seen.map(|(head, _)| target(&head)).collect()
}

#[test]
fn what_is_not_in_the_key_does_not_reach_the_origin_for_others() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, CarelessOrigin::answering(echo)?);
    let (_edge, port) = lone_edge(folder.path(), origin.port)?;
    let names = [
        "X-Forwarded-Host",
        "X-Forwarded-Server",
        "X-Forwarded-Scheme",
        "X-Forwarded-Proto",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Forwarded-For",
        "Forwarded",
        "X-Host",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Original-Host",
        "X-HTTP-Method-Override",
        "X-Method-Override",
        "X-Real-IP",
        "True-Client-IP",
        "Cookie",
        "Origin",
        "Referer",
        "User-Agent",
        "X-Request-Id",
        "Traceparent",
        "Tracestate",
        "Accept-Charset",
        "Content-Type",
        "Max-Forwards",
        "Via",
        "Pragma",
        "X-Evil",
        "CDN-Cache-Control",
        "Cache-Tag",
        "X-Changes-Sequence",
    ];
    for (number, name) in names.iter().enumerate() {
        let target = format!("/{number}");
        ask(
            port,
            &target,
            "shop",
            &format!("{name}: evil/evil-evil\r\n"),
        )?;
        let victim = ask(port, &target, "shop", "")?;
        assert!(victim.contains("crackers; hit"), "{name}: {victim}");
        assert!(!victim.contains("evil"), "{name}: {victim}");
    }
    assert_eq!(targets(&origin).len(), names.len());
    Ok(())
}

#[test]
fn who_says_who_he_is_gets_nothing_that_is_stored_and_leaves_nothing_for_others() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, CarelessOrigin::answering(echo)?);
    let (_edge, port) = lone_edge(folder.path(), origin.port)?;
    let ways = [
        |port, target: &str, fields: &str| ask(port, target, "shop", fields),
        ask_the_short_way,
    ];
    for (target, way) in ["/long", "/short"].into_iter().zip(ways) {
        let his = "Authorization: Bearer his-own\r\n";
        assert!(way(port, target, his)?.contains("his-own"), "{target}");
        let other = way(port, target, "")?;
        assert!(other.contains("crackers; fwd=uri-miss; stored"), "{other}");
        assert!(!other.contains("his-own"), "{other}");
        let again = way(port, target, his)?;
        assert!(again.contains("his-own"), "{again}");
        assert!(!again.contains("crackers; hit"), "{again}");
        let other = way(port, target, "")?;
        assert!(other.contains("crackers; hit"), "{other}");
        assert!(!other.contains("his-own"), "{other}");
        assert_eq!(targets(&origin), [target; 3]);
    }
    Ok(())
}

#[test]
fn each_host_has_answers_of_its_own() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, CarelessOrigin::answering(echo)?);
    let (_edge, port) = lone_edge(folder.path(), origin.port)?;
    for host in ["evil", "shop:1337", "shop.evil", "shop"] {
        let answer = ask(port, "/", host, "")?;
        assert!(answer.contains("fwd=uri-miss"), "{host}: {answer}");
        assert!(
            answer
                .to_ascii_lowercase()
                .contains(&format!("\r\nhost: {host}\r\n")),
            "{answer}"
        );
    }
    let again = ask(port, "/", "SHOP", "")?;
    assert!(again.contains("crackers; hit"), "{again}");
    Ok(())
}

/// Whatever anybody might read into it, the origin gets the path that was asked for, and the answer is kept under just that.
#[test]
fn a_path_is_forwarded_and_kept_as_it_was_asked_for() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, CarelessOrigin::answering(echo)?);
    let (_edge, port) = lone_edge(folder.path(), origin.port)?;
    let targets_asked = [
        "/a/b",
        "/a%2fb",
        "/a%2Fb",
        "/a/./b",
        "/a/../b",
        "/a/%2e%2e/b",
        "/a/..%2fb",
        "//a/b",
        "/a//b",
        "/a/b/",
        "/a\\b",
        "/a%5cb",
        "/a/b%00",
        "/a/b%00.css",
        "/a/b%0a",
        "/a/b%20",
        "/a/b;c",
        "/a;c/b",
        "/a/b.css",
        "/%61/b",
        "/A/b",
        "/a/b%3fc=d",
        "/a/b%23c",
        "/a/b%252f",
        "/a/b|c",
        "/a/b'",
        "/a/b~",
        "/a/b%",
        "/a/b%zz",
        "/a/b{c}",
    ];
    for target in targets_asked {
        for times in 0..2 {
            let answer = ask(port, target, "shop", "")?;
            let is_hit = answer.contains("crackers; hit");
            assert!(
                answer.starts_with("HTTP/1.1 200 ") && is_hit == (times > 0),
                "{target}: {answer}"
            );
            assert!(
                answer.contains(&format!("\r\n\r\nGET {target} HTTP/1.1\r\n")),
                "{target}: {answer}"
            );
        }
        assert_eq!(targets(&origin), [target]);
    }
    Ok(())
}

#[test]
fn a_target_with_a_fragment_or_white_space_is_refused() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, CarelessOrigin::answering(echo)?);
    let (_edge, port) = lone_edge(folder.path(), origin.port)?;
    for target in ["/a#b", "/a#", "/a?b#c", "/a b", "/a\tb"] {
        let answer = ask(port, target, "shop", "")?;
        assert!(
            answer.starts_with("HTTP/1.1 400 ") || answer.starts_with("HTTP/1.1 505 "),
            "{target}: {answer}"
        );
    }
    assert!(targets(&origin).is_empty());
    Ok(())
}

/// A path that looks like a file's is no reason to keep what is somebody's own.
#[test]
fn a_page_of_somebodys_own_is_not_kept_however_its_path_ends() -> Result<()> {
    fn own(head: &str) -> Vec<u8> {
        let fields = match () {
            () if head.starts_with("GET /private") => "Cache-Control: private, max-age=300",
            () if head.starts_with("GET /cookie") => {
                "CDN-Cache-Control: max-age=300\r\nSet-Cookie: a=b"
            }
            () => "Content-Type: text/html",
        };
        format!(
            "HTTP/1.1 200 OK\r\n{fields}\r\nContent-Length: {}\r\n\r\n{head}",
            head.len()
        )
        .into_bytes()
    }
    let (folder, origin) = (tempfile::tempdir()?, CarelessOrigin::answering(own)?);
    let (_edge, port) = lone_edge(folder.path(), origin.port)?;
    for target in [
        "/account/x.css",
        "/account/x.js",
        "/account%2fx.png",
        "/account;x.css",
        "/account/%2e%2e/assets/x.css",
        "/private/x.css",
        "/cookie/x.css",
    ] {
        let mine = ask(port, target, "shop", "Cookie: crackers_session=mine\r\n")?;
        assert!(mine.contains("Cookie: crackers_session=mine"), "{mine}");
        let other = ask(port, target, "shop", "Cookie: crackers_session=other\r\n")?;
        assert!(
            !other.contains("mine") && !other.contains("crackers; hit"),
            "{target}: {other}"
        );
        assert!(targets(&origin).len() >= 2, "{target}");
    }
    Ok(())
}

/// A GET with a body may get an answer to that body: it is for nobody else.
#[test]
fn what_a_body_might_have_changed_is_not_kept() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, CarelessOrigin::answering(echo)?);
    let (_edge, port) = lone_edge(folder.path(), origin.port)?;
    for fields in [
        "Content-Length: 4\r\nConnection: close\r\n\r\nevil",
        "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n4\r\nevil\r\n0\r\n\r\n",
    ] {
        let request = format!("GET /a HTTP/1.1\r\nHost: shop\r\nX-Evil: evil\r\n{fields}");
        let (answer, _) = raw::exchange(port, request.as_bytes())?;
        assert!(answer.contains("fwd=bypass"), "{answer}");
    }
    let victim = ask(port, "/a", "shop", "")?;
    assert!(
        victim.contains("fwd=uri-miss") && !victim.contains("evil"),
        "{victim}"
    );
    Ok(())
}

#[test]
fn a_thousand_ranges_get_no_more_than_the_whole() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, CarelessOrigin::answering(echo)?);
    let (_edge, port) = lone_edge(folder.path(), origin.port)?;
    let whole = ask(port, "/a", "shop", "")?.len();
    for set in [
        "0-,".repeat(1000),
        "0-0,".repeat(1000),
        "-1,".repeat(1000),
        format!("{}-", "9".repeat(5000)),
    ] {
        let fields = format!("Range: bytes={}\r\n", set.trim_end_matches(','));
        for answer in [
            ask(port, "/a", "shop", &fields)?,
            ask_the_short_way(port, "/a", &fields)?,
        ] {
            let is_fine =
                answer.starts_with("HTTP/1.1 200 ") || answer.starts_with("HTTP/1.1 416 ");
            assert!(
                is_fine && answer.len() < whole + 200,
                "{} {answer}",
                answer.len()
            );
        }
    }
    assert_eq!(targets(&origin), ["/a"]);
    Ok(())
}

/// Sixteen mebibytes of nothing in sixteen kibibytes.
fn bomb() -> Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&vec![0; 16 * 1024 * 1024])?;
    Ok(encoder.finish()?)
}

fn bombs(head: &str) -> Vec<u8> {
    let body = bomb().unwrap_or_default();
    let kept = if head.starts_with("GET /kept") {
        "CDN-Cache-Control: max-age=300"
    } else {
        "Cache-Control: no-store"
    };
    let fields = format!("Content-Type: text/html\r\nContent-Encoding: gzip\r\n{kept}");
    let head = format!(
        "HTTP/1.1 200 OK\r\n{fields}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), &body].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_ever_decompressed() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, CarelessOrigin::answering(bombs)?);
    let groups = format!(
        "forward:\n  groups:\n    - name: origin\n      servers: [{{address: '127.0.0.1:{}', weight: 1}}]\n      \
         health: {{path: /api/health/live, interval_ms: 1000, timeout_ms: 1000, healthy_after: 1, unhealthy_after: 9}}\n",
        origin.port
    );
    let edge = lone_edge_of(folder.path(), &groups, "")?;
    let bomb = bomb()?;
    let client = reqwest::Client::builder().no_gzip().no_brotli().build()?;
    for accepted in ["gzip", "br", "identity", "gzip;q=0"] {
        for path in ["/kept", "/passed"] {
            let url = format!("http://127.0.0.1:{}{path}", edge.port);
            let answer = client
                .get(url)
                .header("accept-encoding", accepted)
                .send()
                .await?;
            assert_eq!(
                answer.headers()["content-encoding"],
                "gzip",
                "{accepted} {path}"
            );
            assert_eq!(answer.bytes().await?, bomb, "{accepted} {path}");
        }
    }
    let url = format!("http://127.0.0.1:{}/x", edge.port);
    let sent = client
        .post(url)
        .header("content-encoding", "gzip")
        .body(bomb.clone());
    assert_eq!(sent.send().await?.status(), 200);
    let received = origin.take();
    let received = received.iter().find(|one| one.0.starts_with("POST"));
    assert_eq!(received.context("it never came")?.1, bomb);
    let metrics = reqwest::get(format!("http://127.0.0.1:{}/metrics", edge.metrics))
        .await?
        .text()
        .await?;
    let kept = metrics.lines().find_map(|line| {
        line.strip_prefix("crackers_edge_cache_bytes ")?
            .parse::<usize>()
            .ok()
    });
    assert!(kept.context("no metric")? < 2 * bomb.len(), "{kept:?}");
    Ok(())
}
