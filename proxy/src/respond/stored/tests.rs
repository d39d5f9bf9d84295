use std::time::Duration;

use super::*;
use crate::cache::entry::Bodies;
use crate::cache::policy::Lifetime;
use crate::respond::{Config, Field};

fn entry(fields: &[(&'static str, &'static str)]) -> Entry {
    let fields = fields.iter().map(|(name, value)| {
        let name = HeaderName::from_static(name);
        (name, HeaderValue::from_static(value))
    });
    Entry {
        status: StatusCode::OK,
        headers: fields.collect(),
        etag: Some("\"v\"".to_owned()),
        bodies: Bodies {
            identity: Bytes::from_static(b"body"),
            gzip: Some(Bytes::from_static(b"gz")),
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
            fresh: Duration::from_secs(9),
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
        },
        seen_current: crate::cache::purge::SeenCurrent::default(),
        heads: Heads::default(),
    }
}

fn respond(name: &str, value: &str) -> Respond {
    Respond::new(&Config {
        security_headers: vec![Field {
            name: name.to_owned(),
            value: value.to_owned(),
        }],
        compress_bytes_min: 0,
        further_cdn: false,
    })
}

fn get(fields: HeaderMap) -> Parts {
    let (mut request, ()) = http::Request::new(()).into_parts();
    request.headers = fields;
    request
}

fn request(name: HeaderName, value: &'static str) -> Parts {
    get(HeaderMap::from_iter([(
        name,
        HeaderValue::from_static(value),
    )]))
}

#[test]
fn whoever_prefers_a_coding_that_is_not_kept_gets_the_next_best() {
    let entry = entry(&[]);
    for (accepted, coding) in [
        ("gzip, deflate, br", Coding::Gzip),
        ("br;q=1, gzip;q=0.1", Coding::Gzip),
        ("br", Coding::Identity),
        ("br, identity;q=0.5, gzip;q=0.1", Coding::Identity),
    ] {
        let request = request(header::ACCEPT_ENCODING, accepted);
        assert_eq!(Choice::of(&request, &entry).coding, coding, "{accepted}");
    }
}

fn head(respond: &Respond, entry: &Entry, request: &Parts) -> Option<String> {
    let head = respond.head(&Choice::of(request, entry))?;
    Some(String::from_utf8(head.to_vec()).unwrap())
}

#[test]
fn each_coding_and_the_news_that_nothing_changed_have_heads_of_their_own() {
    let entry = entry(&[("content-type", "text/plain"), ("x-kept", "1")]);
    let respond = respond("x-own", "a");
    let heads = [
        request(header::ACCEPT, "*/*"),
        request(header::ACCEPT_ENCODING, "gzip"),
        request(header::IF_NONE_MATCH, "W/\"v\""),
        request(header::IF_NONE_MATCH, "\"v-gzip\""),
    ];
    for _ in 0..2 {
        let heads = heads
            .each_ref()
            .map(|request| head(&respond, &entry, request));
        insta::assert_debug_snapshot!("heads", heads);
    }
    assert_eq!(respond.security_text, "x-own: a\r\n");
}

#[test]
fn a_client_that_has_it_since_it_was_modified_is_told_so() {
    let modified = "Sun, 06 Nov 1994 08:49:37 GMT";
    let entry = entry(&[("last-modified", modified)]);
    let status = |fields: &[(HeaderName, &'static str)], entry: &Entry| {
        let fields = fields
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        let mut request = HeaderMap::new();
        fields.for_each(|(name, value)| {
            request.append(name, value);
        });
        Choice::of(&get(request), entry).status().as_u16()
    };
    let since = header::IF_MODIFIED_SINCE;
    for (value, expected) in [
        (modified, 304),
        ("Sat, 06 Nov 2094 08:49:37 GMT", 304),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 304),
        ("Sun Nov  6 08:49:37 1994", 304),
        ("Sun, 06 Nov 1994 08:49:36 GMT", 200),
        ("yesterday", 200),
        ("", 200),
    ] {
        assert_eq!(
            status(&[(since.clone(), value)], &entry),
            expected,
            "{value}"
        );
    }
    let twice = [(since.clone(), modified), (since.clone(), modified)];
    assert_eq!(status(&twice, &entry), 200);
    let other_tag = [
        (since.clone(), modified),
        (header::IF_NONE_MATCH, "\"other\""),
    ];
    assert_eq!(status(&other_tag, &entry), 200);
    let undated = self::entry(&[]);
    assert_eq!(status(&[(since, modified)], &undated), 200);
}

#[test]
fn a_head_that_was_written_under_other_settings_is_not_sent() {
    let entry = entry(&[("x-one", "stored"), ("x-two", "stored")]);
    let none = get(HeaderMap::new());
    let (one, two) = (respond("X-One", "a"), respond("X-Two", "a"));
    let said = |respond: &Respond| head(respond, &entry, &none).unwrap();
    for _ in 0..2 {
        assert!(!said(&one).contains("x-one") && said(&one).contains("x-two: stored"));
        assert!(!said(&two).contains("x-two") && said(&two).contains("x-one: stored"));
    }
}

#[test]
fn nothing_is_written_in_advance_where_the_edge_may_have_to_contradict_it() {
    let respond = respond("x-own", "a");
    for name in ["strict-transport-security", "access-control-allow-origin"] {
        assert_eq!(
            head(&respond, &entry(&[(name, "*")]), &get(HeaderMap::new())),
            None
        );
    }
}

#[test]
fn a_part_is_one_of_the_origins_own_body_under_its_own_tag() {
    let entry = entry(&[("content-type", "text/plain")]);
    let mut request = request(header::RANGE, "bytes=1-2");
    request
        .headers
        .insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    let choice = Choice::of(&request, &entry);
    assert_eq!(choice.body(&Method::GET).unwrap(), "od");
    insta::assert_debug_snapshot!("part", (choice.status(), choice.fields()));
    request.headers.insert(
        header::ACCEPT_ENCODING,
        HeaderValue::from_static("gzip, identity;q=0"),
    );
    assert_eq!(Choice::of(&request, &entry).status(), StatusCode::OK);
}

#[test]
fn only_a_get_of_what_was_not_met_by_another_condition_has_parts() {
    let entry = entry(&[]);
    let mut request = request(header::RANGE, "bytes=9-");
    let choice = Choice::of(&request, &entry);
    assert_eq!(choice.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(choice.fields()[header::CONTENT_RANGE], "bytes */4");
    request
        .headers
        .insert(header::IF_NONE_MATCH, HeaderValue::from_static("*"));
    assert_eq!(
        Choice::of(&request, &entry).status(),
        StatusCode::NOT_MODIFIED
    );
    request.headers.remove(header::IF_NONE_MATCH);
    request.method = Method::HEAD;
    assert_eq!(Choice::of(&request, &entry).status(), StatusCode::OK);
}

#[test]
fn a_weak_entity_tag_is_known_again_and_has_no_parts() {
    let mut weak = entry(&[]);
    weak.etag = Some("W/\"v\"".to_owned());
    for (named, status) in [
        ("W/\"v\"", StatusCode::NOT_MODIFIED),
        ("\"v\"", StatusCode::NOT_MODIFIED),
        ("W/\"w\"", StatusCode::OK),
    ] {
        let request = request(header::IF_NONE_MATCH, named);
        assert_eq!(Choice::of(&request, &weak).status(), status, "{named}");
    }
    let mut part = request(header::RANGE, "bytes=0-0");
    let same = HeaderValue::from_static("W/\"v\"");
    part.headers.insert(header::IF_RANGE, same);
    assert_eq!(Choice::of(&part, &weak).status(), StatusCode::OK);
}
