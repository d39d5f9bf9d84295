//! What is kept of answers, and what of it a request gets.

use std::time::Duration;

use crackers_proxy::cache::entry::{Bodies, Entry};
use crackers_proxy::cache::policy::Lifetime;
use crackers_proxy::cache::range::{self, Wanted};
use crackers_proxy::cache::{RouteConfig, key, policy, vary};
use crackers_proxy::respond::negotiation::{self, Coding};
use crackers_proxy::respond::stored::Choice;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::fields;

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
        heuristic_percent: 0,
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
    let fields = fields(bytes);
    let now = 1_764_057_392_123_456;
    let forbids = fields
        .get_all(header::CACHE_CONTROL)
        .iter()
        .any(|value| ["no-store", "private"].iter().any(|word| value == word));
    let statuses = [
        StatusCode::OK,
        StatusCode::NOT_FOUND,
        StatusCode::FOUND,
        StatusCode::PARTIAL_CONTENT,
    ];
    for status in statuses {
        for (own, heuristic_percent) in [(None, 0), (Some(60), 0), (None, 100)] {
            let terms = policy::Terms {
                ttl: own.map(Duration::from_secs),
                heuristic_percent,
                negative_max: Duration::from_secs(3),
            };
            let kept = policy::lifetime(status, &fields, terms, now);
            let may = !forbids && !fields.contains_key(header::SET_COOKIE);
            assert!(may || kept.is_err(), "{fields:?}");
            assert!(status != StatusCode::PARTIAL_CONTENT || kept.is_err());
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

/// A part lies within the body, and only who names exactly this body gets one. The first line is `Range`, the second
/// `If-Range`; the number of the lines is the body's length.
pub(crate) fn range(bytes: &[u8]) {
    let lines: Vec<_> = bytes.split(|byte| *byte == b'\n').collect();
    let mut fields = HeaderMap::new();
    for (name, value) in [header::RANGE, header::IF_RANGE].into_iter().zip(&lines) {
        fields.extend(
            HeaderValue::from_bytes(value)
                .ok()
                .map(|value| (name, value)),
        );
    }
    let (length, tag) = (lines.len(), "\"v1\"");
    let wanted = range::wanted(&fields, Some(tag), length);
    let names_another = fields
        .get(header::IF_RANGE)
        .is_some_and(|named| named != tag);
    let Some(asked) = fields.get(header::RANGE).filter(|_| !names_another) else {
        assert_eq!(wanted, Wanted::Whole);
        return;
    };
    let digits: Vec<&[u8]> = asked
        .as_bytes()
        .split(|byte| !byte.is_ascii_digit())
        .filter(|digits| !digits.is_empty())
        .collect();
    match wanted {
        Wanted::Whole => {}
        Wanted::Part { first, last } => {
            assert!(first <= last && last < length);
            assert!((1..=2).contains(&digits.len()), "{asked:?}");
        }
        Wanted::Nothing => assert!((1..=2).contains(&digits.len()), "{asked:?}"),
    }
}

/// A stored answer says of itself what is sent of it, whatever the fields of a request ask. Each line is a field.
pub(crate) fn stored(bytes: &[u8]) {
    let (mut request, ()) = http::Request::new(()).into_parts();
    request.headers = fields(bytes);
    let entry = entry();
    for method in [Method::GET, Method::HEAD] {
        request.method = method;
        let choice = Choice::of(&request, &entry);
        let (fields, body) = (choice.fields(), choice.body(&request.method));
        let body = body.as_deref();
        let said = fields.get(header::CONTENT_LENGTH);
        let said = said.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        match choice.status() {
            StatusCode::OK if request.method == Method::HEAD => assert!(body.is_none()),
            StatusCode::OK => assert_eq!(said, body.map(<[u8]>::len)),
            StatusCode::NOT_MODIFIED => assert!(body.is_none() && said.is_none()),
            StatusCode::PARTIAL_CONTENT => {
                let whole = &entry.bodies.identity;
                let body = body.unwrap_or_default();
                assert!(said == Some(body.len()) && (1..=whole.len()).contains(&body.len()));
                let at = body.as_ptr().addr() - whole.as_ptr().addr();
                let range = format!("bytes {at}-{}/{}", at + body.len() - 1, whole.len());
                assert_eq!(fields[header::CONTENT_RANGE], range);
                assert!(!fields.contains_key(header::CONTENT_ENCODING));
                assert_eq!(fields[header::ETAG], "\"v1\"");
            }
            StatusCode::RANGE_NOT_SATISFIABLE => assert!(body.is_some_and(<[u8]>::is_empty)),
            other => panic!("{other}"),
        }
    }
}

fn entry() -> Entry {
    let modified = HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT");
    Entry {
        status: StatusCode::OK,
        headers: HeaderMap::from_iter([(header::LAST_MODIFIED, modified)]),
        etag: Some("\"v1\"".to_owned()),
        bodies: Bodies {
            identity: b"0123456789"[..].into(),
            gzip: Some(b"gzipped"[..].into()),
            brotli: None,
        },
        vary: Vec::new(),
        tags: Vec::new(),
        sequence: 0,
        purges: 0,
        stored_at: 0,
        age: Duration::ZERO,
        lifetime: Lifetime {
            stated: Duration::from_secs(60),
            fresh: Duration::from_secs(60),
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
        },
        seen_current: Default::default(),
        heads: Default::default(),
    }
}

/// Requests share a variant exactly when they say the same in what the answer depends on. An answer's fields, then those of
/// one request, then those of another, with a zero byte between them; each line is a field.
pub(crate) fn vary(bytes: &[u8]) {
    let allowed = [header::ACCEPT, header::ACCEPT_LANGUAGE];
    let mut parts = bytes.split(|byte| *byte == 0);
    let mut next = || fields(parts.next().unwrap_or_default());
    let (answer, one, other) = (next(), next(), next());
    let Some(names) = vary::names(&answer, &allowed) else {
        return;
    };
    assert!(names.iter().all(|name| allowed.contains(name)) && names.len() <= allowed.len());
    for line in answer.get_all(header::VARY) {
        let line = line.to_str().unwrap_or("*").to_ascii_lowercase();
        let mut said = line.split(',').map(str::trim);
        assert!(said.all(|name| {
            name.is_empty() || name == "accept-encoding" || names.iter().any(|one| one == name)
        }));
    }
    let route = RouteConfig {
        path_prefix: "/".to_owned(),
        enabled: true,
        query: Vec::new(),
        ignored_query: Vec::new(),
        ttl_seconds: None,
        heuristic_percent: 0,
    };
    let Some(question) = key::of("http", "shop", "/p", None, &route) else {
        return;
    };
    let (said, other_said) = (vary::values(&names, &one), vary::values(&names, &other));
    assert!(vary::fits(&said, &one));
    assert_eq!(vary::fits(&said, &other), said == other_said);
    let keys = [&said, &other_said].map(|said| question.variant(said));
    assert_eq!(keys[0] == keys[1], said == other_said);
    assert!(
        keys.iter()
            .all(|key| key.question() == question && key.path_and_query() == "/p")
    );
}
