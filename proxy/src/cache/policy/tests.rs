use proptest::prelude::*;

use super::*;

const TERMS: Terms = Terms {
    ttl: None,
    heuristic_percent: 0,
    negative_max: Duration::from_secs(5),
};

fn judge(status: u16, fields: &[(&'static str, &str)]) -> Result<(u64, u64, u64), Refused> {
    judge_by(TERMS, status, fields)
}

fn judge_by(
    terms: Terms,
    status: u16,
    fields: &[(&'static str, &str)],
) -> Result<(u64, u64, u64), Refused> {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        map.append(http::HeaderName::from_static(name), value.parse().unwrap());
    }
    let status = StatusCode::from_u16(status).unwrap();
    let found = lifetime(status, &map, terms, 0)?;
    let seconds = |duration: Duration| duration.as_secs();
    Ok((
        seconds(found.fresh),
        seconds(found.stale_while_revalidate),
        seconds(found.stale_if_error),
    ))
}

#[test]
fn the_field_for_caches_goes_before_the_general_one() {
    let ours = "max-age=300, stale-while-revalidate=60, stale-if-error=86400";
    assert_eq!(
        judge(
            200,
            &[
                ("cache-control", "public, no-cache"),
                ("cdn-cache-control", ours)
            ]
        ),
        Ok((300, 60, 86400))
    );
    assert_eq!(
        judge(
            200,
            &[
                ("cache-control", "max-age=9"),
                ("cdn-cache-control", "no-store")
            ]
        ),
        Err(Refused::Directive)
    );
}

#[test]
fn beside_the_field_for_caches_no_other_says_how_long() {
    let others = [
        ("cache-control", "max-age=9"),
        ("expires", "Thu, 01 Jan 1970 01:00:00 GMT"),
    ];
    let with = |ours| judge(200, &[others[0], others[1], ("cdn-cache-control", ours)]);
    assert_eq!(with("must-revalidate"), Err(Refused::NoLifetime));
    assert_eq!(with("max-age=300"), Ok((300, 0, 0)));
    assert_eq!(judge(200, &others[1..]), Ok((3600, 0, 0)));
}

#[test]
fn what_is_private_or_forbidden_is_never_kept() {
    for value in [
        "no-store",
        "private",
        "no-cache",
        "private, max-age=5",
        "NO-STORE, max-age=5",
    ] {
        assert_eq!(
            judge(200, &[("cache-control", value)]),
            Err(Refused::Directive),
            "{value}"
        );
    }
    let public = ("cdn-cache-control", "max-age=5");
    assert_eq!(
        judge(200, &[("cache-control", "private"), public]),
        Err(Refused::Directive)
    );
    assert_eq!(
        judge(200, &[public, ("set-cookie", "a=b")]),
        Err(Refused::SetCookie)
    );
    for status in [206, 400, 401, 403, 500, 503] {
        assert_eq!(judge(status, &[public]), Err(Refused::Status), "{status}");
    }
    assert_eq!(judge(200, &[]), Err(Refused::NoLifetime));
}

#[test]
fn absence_is_remembered_briefly_and_never_served_stale() {
    let value = "max-age=300, stale-if-error=60";
    assert_eq!(judge(404, &[("cdn-cache-control", value)]), Ok((5, 0, 0)));
    let short = [("cache-control", "max-age=2")];
    assert_eq!(judge(410, &short), Ok((2, 0, 0)));
    // Most origins say nothing of it.
    assert_eq!(judge(404, &[]), Ok((5, 0, 0)));
    let no_store = [("cache-control", "no-store")];
    assert_eq!(judge(404, &no_store), Err(Refused::Directive));
}

#[test]
fn age_and_dates_count() {
    assert_eq!(
        judge(200, &[("cache-control", "max-age=300"), ("age", "100")]),
        Ok((200, 0, 0))
    );
    // The first of several, and none of what is no number (RFC 9111 5.1).
    for ages in [
        &[("age", "100, 200")][..],
        &[("age", "100"), ("age", "200")],
    ] {
        let fields = [&[("cache-control", "max-age=300")][..], ages].concat();
        assert_eq!(judge(200, &fields), Ok((200, 0, 0)), "{ages:?}");
    }
    assert_eq!(
        judge(200, &[("cache-control", "max-age=300"), ("age", "old")]),
        Ok((300, 0, 0))
    );
    assert_eq!(
        judge(200, &[("cache-control", "max-age=300, max-age=10")]),
        Ok((10, 0, 0))
    );
    assert_eq!(judge(200, &[("cache-control", "max-age=x")]), Ok((0, 0, 0)));
    let dates = [
        ("date", "Tue, 24 Nov 2026 00:00:00 GMT"),
        ("expires", "Tue, 24 Nov 2026 00:01:00 GMT"),
    ];
    assert_eq!(judge(200, &dates), Ok((60, 0, 0)));
    assert_eq!(judge(200, &[("expires", "0")]), Ok((0, 0, 0)));
    assert_eq!(
        judge(
            200,
            &[("cache-control", "s-maxage=7, max-age=9, stale-if-error=9")]
        ),
        Ok((7, 0, 0))
    );
}

#[test]
fn numbers_too_large_to_hold_are_the_greatest() {
    let huge = "99999999999999999999999";
    let value = format!("max-age={huge}");
    assert_eq!(
        judge(200, &[("cache-control", &value)]),
        Ok((1 << 31, 0, 0))
    );
    assert_eq!(
        judge(200, &[("cache-control", "max-age=60"), ("age", huge)]),
        Ok((0, 0, 0))
    );
    assert_eq!(
        judge(200, &[("cache-control", "max-age=-1")]),
        Ok((0, 0, 0))
    );
}

#[test]
fn a_field_for_caches_that_cannot_be_read_counts_as_absent() {
    let general = ("cache-control", "max-age=9");
    for broken in ["", "max-age=", "MAX-AGE=5", "max-age = 5", "no store", "=5"] {
        assert_eq!(
            judge(200, &[general, ("cdn-cache-control", broken)]),
            Ok((9, 0, 0)),
            "{broken}"
        );
    }
    for whole in [
        "max-age=5",
        "max-age=5;x=1, extra=\"no-store, private\"",
        "no-store=?0, max-age=5",
        "max-age=5, x=(a b);y, when=@-1659578233, raw=:YQ==:",
    ] {
        assert_eq!(
            judge(200, &[general, ("cdn-cache-control", whole)]),
            Ok((5, 0, 0)),
            "{whole}"
        );
    }
}

#[test]
fn what_a_field_for_caches_forbids_holds_whatever_stands_beside_it() {
    let general = ("cache-control", "max-age=9");
    for beside in [
        "ext=\"a;b\"",
        "x=(a b)",
        "x=@1659578233",
        "x=:YQ==:",
        "x;y=\"z;\"",
    ] {
        let value = format!("no-store, {beside}");
        let judged = judge(200, &[general, ("cdn-cache-control", &value)]);
        assert_eq!(judged, Err(Refused::Directive), "{beside}");
    }
}

#[test]
fn what_stands_between_quotes_is_no_directive() {
    let value = "max-age=9, note=\"a, no-store\", other=\"\\\", private\"";
    assert_eq!(judge(200, &[("cache-control", value)]), Ok((9, 0, 0)));
}

#[test]
fn an_answer_with_fields_for_one_person_or_to_be_asked_for_is_not_kept() {
    for value in [
        "private=\"set-cookie\", max-age=5",
        "no-cache=\"x, y\", max-age=5",
    ] {
        assert_eq!(
            judge(200, &[("cache-control", value)]),
            Err(Refused::Directive),
            "{value}"
        );
    }
}

#[test]
fn must_understand_stands_above_no_store_for_a_status_that_is_understood() {
    let value = "must-understand, no-store, max-age=5";
    assert_eq!(judge(200, &[("cache-control", value)]), Ok((5, 0, 0)));
    assert_eq!(
        judge(206, &[("cache-control", value)]),
        Err(Refused::Status)
    );
}

#[test]
fn what_must_be_revalidated_is_never_served_stale() {
    for name in ["must-revalidate", "proxy-revalidate", "s-maxage=5"] {
        let value = format!("max-age=5, stale-if-error=9, stale-while-revalidate=9, {name}");
        assert_eq!(judge(200, &[("cache-control", &value)]), Ok((5, 0, 0)));
    }
}

#[test]
fn an_answer_is_as_old_as_its_date_says() {
    let mut fields = HeaderMap::new();
    fields.insert(
        header::DATE,
        "Thu, 01 Jan 1970 00:01:40 GMT".parse().unwrap(),
    );
    assert_eq!(age(&fields, 130_000_000).as_secs(), 30);
    assert_eq!(age(&fields, 50_000_000).as_secs(), 0);
    fields.insert(header::AGE, "40".parse().unwrap());
    assert_eq!(age(&fields, 130_000_000).as_secs(), 40);
    fields.insert(header::AGE, "7, 90".parse().unwrap());
    assert_eq!(age(&fields, 100_000_000).as_secs(), 7);
}

#[test]
fn expires_without_a_date_counts_from_now_and_a_second_one_is_in_the_past() {
    let mut fields = HeaderMap::new();
    fields.append(
        header::EXPIRES,
        "Thu, 01 Jan 1970 00:01:40 GMT".parse().unwrap(),
    );
    assert_eq!(expires(&fields, 40_000_000), Some(Duration::from_secs(60)));
    assert_eq!(expires(&fields, 200_000_000), Some(Duration::ZERO));
    fields.append(
        header::EXPIRES,
        "Thu, 01 Jan 1970 00:02:40 GMT".parse().unwrap(),
    );
    assert_eq!(expires(&fields, 40_000_000), Some(Duration::ZERO));
}

proptest! {
    #[test]
    fn no_field_breaks_the_rules(value in "[ -~]{0,60}", status in 100_u16..600) {
        let mut fields = HeaderMap::new();
        fields.insert(header::CACHE_CONTROL, value.parse().unwrap());
        fields.insert(header::AGE, value.parse().unwrap());
        let _ = lifetime(StatusCode::from_u16(status).unwrap(), &fields, Terms::default(), 0);
    }
}

#[test]
fn a_status_that_does_not_last_by_itself_is_kept_only_where_its_origin_says_so() {
    let said = ("cache-control", "max-age=60");
    let owner = Terms {
        ttl: Some(Duration::from_secs(9)),
        heuristic_percent: 100,
        ..TERMS
    };
    let old = [
        ("date", "Thu, 01 Jan 1970 00:00:10 GMT"),
        ("last-modified", "Thu, 01 Jan 1970 00:00:00 GMT"),
    ];
    for status in [302, 303, 307] {
        assert_eq!(judge(status, &[said]), Ok((60, 0, 0)), "{status}");
        assert_eq!(judge_by(owner, status, &[said]), Ok((9, 0, 0)), "{status}");
        assert_eq!(
            judge_by(owner, status, &old),
            Err(Refused::NoLifetime),
            "{status}"
        );
    }
    for status in [
        201, 204, 205, 206, 299, 304, 305, 400, 401, 403, 429, 500, 502, 503, 504,
    ] {
        assert_eq!(judge(status, &[said]), Err(Refused::Status), "{status}");
    }
}

#[test]
fn freshness_is_guessed_only_where_the_owner_wants_it_and_nothing_says_it() {
    let old = [
        ("date", "Sat, 03 Jan 1970 00:00:00 GMT"),
        ("last-modified", "Thu, 01 Jan 1970 00:00:00 GMT"),
    ];
    let guess = |percent| Terms {
        heuristic_percent: percent,
        ..TERMS
    };
    assert_eq!(judge(200, &old), Err(Refused::NoLifetime));
    assert_eq!(judge_by(guess(10), 200, &old), Ok((17_280, 0, 0)));
    assert_eq!(
        judge_by(guess(100), 200, &old),
        Ok((86_400, 0, 0)),
        "a day at the most"
    );
    let said = [old[0], old[1], ("cache-control", "max-age=7")];
    assert_eq!(judge_by(guess(10), 200, &said), Ok((7, 0, 0)));
    assert_eq!(
        judge_by(guess(10), 200, &old[..1]),
        Err(Refused::NoLifetime)
    );
    let future = [old[1], ("last-modified", "Sun, 04 Jan 1970 00:00:00 GMT")];
    assert_eq!(
        judge_by(guess(10), 200, &future[1..]),
        Err(Refused::NoLifetime)
    );
}
