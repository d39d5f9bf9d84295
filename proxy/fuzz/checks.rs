//! What must hold of whatever bytes somebody sends. The fuzz targets run these functions, and so does `tests/fuzz.rs`.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::time::Duration;

use crackers_proxy::accept::head::{self, Framing};
use crackers_proxy::cache::{RouteConfig, key, policy};
use crackers_proxy::config::{self, Config, DEFAULTS, DEFAULTS_NAME};
use crackers_proxy::respond::negotiation::{self, Coding};
use crackers_shared::config_file::{self, Sources};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use pingora::protocols::http::ServerSession;

/// A head that our judge takes is the same message to httparse and to Pingora, or Pingora refuses it.
pub(crate) fn head(bytes: &[u8]) {
    let Some(length) = head::length(bytes) else {
        return;
    };
    let Ok(framing) = head::judge(&bytes[..length], 1 << 20) else {
        return;
    };
    let mut space = [httparse::EMPTY_HEADER; 128];
    let mut parsed = httparse::Request::new(&mut space);
    let status = parsed.parse(&bytes[..length]);
    assert_eq!(status, Ok(httparse::Status::Complete(length)));
    let count = |name: &str| {
        let fields = parsed.headers.iter();
        fields
            .filter(|field| field.name.eq_ignore_ascii_case(name))
            .count()
    };
    assert!(count("host") <= 1 && count("content-length") <= 1);
    assert!(count("transfer-encoding") + count("content-length") <= 1);
    assert_eq!(framing == Framing::Chunked, count("transfer-encoding") == 1);
    let Some(mut session) = as_pingora_reads(&bytes[..length]) else {
        return;
    };
    let read = session.req_header();
    assert_eq!(Some(read.method.as_str()), parsed.method);
    assert_eq!(read.raw_path(), parsed.path.unwrap_or_default().as_bytes());
    assert_eq!(read.headers.len(), parsed.headers.len());
    match framing {
        Framing::Empty => assert!(session.is_body_empty()),
        Framing::Length(length) => {
            let said = read.headers[header::CONTENT_LENGTH]
                .to_str()
                .unwrap_or_default();
            assert_eq!(said.trim().parse(), Ok(length));
        }
        Framing::Chunked => assert!(!session.is_body_empty()),
        Framing::Upgrade => {}
    }
}

fn as_pingora_reads(head: &[u8]) -> Option<ServerSession> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.ok()?.block_on(async {
        let mut session = ServerSession::new_http1(Box::new(Cursor::new(head.to_vec())));
        let read = session.read_request().await;
        read.is_ok_and(|whole| whole).then_some(session)
    })
}

/// A configuration that is taken says the same when it is written down and read again, and can be reloaded.
pub(crate) fn configuration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let load = |defaults: &str, text: &str| {
        let sources = Sources {
            defaults_name: DEFAULTS_NAME,
            defaults,
            files: &[],
            overrides: &[],
            environment: &BTreeMap::new(),
        };
        config_file::load_with::<Config>(&sources, "fuzz", text)
    };
    let Ok(taken) = load(DEFAULTS, text) else {
        return;
    };
    let written = serde_yaml::to_string(&taken).unwrap_or_default();
    let again = load(&written, "").map(|again| serde_json::json!(again));
    assert_eq!(again.ok(), Some(serde_json::json!(taken)));
    if let Ok(defaults) = load(DEFAULTS, "") {
        let merged = config::reloadable(&defaults, &taken);
        assert!(merged.is_err() || config::reloadable(&taken, &taken).is_ok());
    }
}

/// A key knows no order of names, says what the origin gets, and is its own key. A line feed parts path and query.
pub(crate) fn cache_key(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (path, query) = text.split_once('\n').unwrap_or((&text, ""));
    if !path.starts_with('/') || path.contains('?') {
        return;
    }
    let route = RouteConfig {
        path_prefix: "/".to_owned(),
        enabled: true,
        query: ["q", "sort", "limit"].map(str::to_owned).to_vec(),
        ignored_query: ["utm_*", "gclid"].map(str::to_owned).to_vec(),
        ttl_seconds: None,
    };
    let of = |query: &str| key::of("https", "Shop.example", path, Some(query), &route);
    let Some(key) = of(query) else {
        return;
    };
    let sent = key.path_and_query();
    assert!(sent.starts_with(path) && key.text().ends_with(sent));
    let again = sent.strip_prefix(path).unwrap_or_default();
    let again = of(again.strip_prefix('?').unwrap_or_default());
    assert_eq!(again.as_ref().map(key::Key::text), Some(key.text()));
    let mut names: Vec<_> = query
        .split('&')
        .map(|pair| pair.split('=').next())
        .collect();
    let pairs = names.len();
    names.sort_unstable();
    names.dedup();
    if names.len() == pairs {
        let reversed: Vec<_> = query.rsplit('&').collect();
        let reversed = of(&reversed.join("&"));
        assert_eq!(reversed.as_ref().map(key::Key::text), Some(key.text()));
    }
}

/// What is forbidden to be kept is not kept, and no number overflows. Each line is a field.
pub(crate) fn cache_policy(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut fields = HeaderMap::new();
    for (name, value) in text.lines().filter_map(|line| line.split_once(':')) {
        let name = HeaderName::from_bytes(name.trim().as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value.trim())) {
            fields.append(name, value);
        }
    }
    let now = 1_764_057_392_123_456;
    let forbids = fields
        .get_all(header::CACHE_CONTROL)
        .iter()
        .any(|value| ["no-store", "private"].iter().any(|word| value == word));
    for status in [StatusCode::OK, StatusCode::NOT_FOUND, StatusCode::CREATED] {
        for own in [None, Some(Duration::from_secs(60))] {
            let kept = policy::lifetime(status, &fields, own, Duration::from_secs(3), now);
            let may = !forbids && !fields.contains_key(header::SET_COOKIE);
            assert!(may || kept.is_err(), "{fields:?}");
            assert!(status != StatusCode::CREATED || kept.is_err());
            if let Ok(kept) = kept {
                let all = kept.fresh.checked_add(kept.stale_while_revalidate);
                assert!(
                    all.and_then(|all| all.checked_add(kept.stale_if_error))
                        .is_some()
                );
                assert!(status != StatusCode::NOT_FOUND || kept.fresh <= Duration::from_secs(3));
            }
        }
    }
    let _ = policy::age(&fields, now);
}

/// Nobody gets a coding that he did not name, and every coding's entity tag leads back.
pub(crate) fn accept_encoding(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else {
        return;
    };
    let text = value.to_str().unwrap_or_default().to_ascii_lowercase();
    let fields = HeaderMap::from_iter([(header::ACCEPT_ENCODING, value)]);
    let coding = negotiation::best(&fields);
    let named = coding
        .token()
        .is_none_or(|token| text.contains(token) || text.contains('*'));
    assert!(named, "{coding:?} for {text:?}");
    let _ = negotiation::takes_identity(&fields);
    let tag = format!("\"{}\"", text.replace('"', ""));
    let is_marked = tag.ends_with("-gzip\"") || tag.ends_with("-br\"");
    for coding in [Coding::Identity, Coding::Gzip, Coding::Brotli] {
        let back = negotiation::unmark(&coding.mark(&tag));
        assert!(is_marked || back == tag, "{tag}");
    }
}
