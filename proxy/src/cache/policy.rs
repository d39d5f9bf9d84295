//! May an answer be kept, and for how long? Pure rules of RFC 9111 (freshness), RFC 5861 (stale answers) and RFC 9213
//! (fields for caches like this one).

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};

use crackers_shared::headers;

/// How long an answer may be used, from the moment it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// Fresh for.
    pub fresh: Duration,
    /// After that, served while it is fetched anew.
    pub stale_while_revalidate: Duration,
    /// After freshness, served while the origin fails.
    pub stale_if_error: Duration,
}

/// Why an answer is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Status that says nothing lasting.
    Status,
    /// `no-store`, `private`, or `no-cache` for caches like this one.
    Directive,
    /// It sets a cookie: it is for one person.
    SetCookie,
    /// It depends on more of the request than its coding.
    Vary,
    /// Nothing says how long it lasts.
    NoLifetime,
}

/// Directives of one field; a repeated or garbled number counts as zero (RFC 9111 4.2.1: then it is stale).
#[derive(Debug, Default, PartialEq, Eq)]
struct Directives {
    is_there: bool,
    no_store: bool,
    private: bool,
    no_cache: bool,
    max_age: Option<u64>,
    s_maxage: Option<u64>,
    must_revalidate: bool,
    stale_while_revalidate: u64,
    stale_if_error: u64,
}

impl Directives {
    fn of(fields: &HeaderMap, name: &http::HeaderName) -> Self {
        let mut found = Self::default();
        for value in fields.get_all(name) {
            found.is_there = true;
            for directive in value.to_str().unwrap_or("no-store").split(',') {
                let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
                let seconds = value.trim().trim_matches('"').parse::<u64>().unwrap_or(0);
                match name.trim().to_ascii_lowercase().as_str() {
                    "no-store" => found.no_store = true,
                    "private" => found.private = true,
                    "no-cache" => found.no_cache = true,
                    "max-age" => {
                        found.max_age =
                            Some(found.max_age.map_or(seconds, |first| first.min(seconds)))
                    }
                    "s-maxage" => {
                        found.s_maxage =
                            Some(found.s_maxage.map_or(seconds, |first| first.min(seconds)))
                    }
                    "must-revalidate" | "proxy-revalidate" => found.must_revalidate = true,
                    "stale-while-revalidate" => found.stale_while_revalidate = seconds,
                    "stale-if-error" => found.stale_if_error = seconds,
                    _ => {}
                }
            }
        }
        found
    }
}

/// Whether and for how long an answer to a GET may be kept. `ttl_override` stands above what the origin says of
/// freshness, never above what it forbids.
///
/// # Errors
/// [`Refused`] says why not.
pub fn lifetime(
    status: StatusCode,
    fields: &HeaderMap,
    ttl_override: Option<Duration>,
    negative_max: Duration,
) -> Result<Lifetime, Refused> {
    let is_negative = matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE);
    if !is_negative
        && !matches!(
            status,
            StatusCode::OK | StatusCode::MOVED_PERMANENTLY | StatusCode::PERMANENT_REDIRECT
        )
    {
        return Err(Refused::Status);
    }
    if fields.contains_key(header::SET_COOKIE) {
        return Err(Refused::SetCookie);
    }
    let vary = fields
        .get_all(header::VARY)
        .iter()
        .flat_map(|value| value.to_str().unwrap_or("*").split(','));
    if !vary
        .map(str::trim)
        .all(|name| name.is_empty() || name.eq_ignore_ascii_case("accept-encoding"))
    {
        return Err(Refused::Vary);
    }
    let targeted = Directives::of(fields, &headers::CDN_CACHE_CONTROL);
    let general = Directives::of(fields, &header::CACHE_CONTROL);
    if general.no_store || general.private {
        return Err(Refused::Directive);
    }
    let directives = if targeted.is_there { targeted } else { general };
    if directives.no_store || directives.private || directives.no_cache {
        return Err(Refused::Directive);
    }
    let said = directives
        .s_maxage
        .or(directives.max_age)
        .map(Duration::from_secs);
    let total = ttl_override
        .or(said)
        .or_else(|| expires(fields))
        .ok_or(Refused::NoLifetime)?;
    let total = if is_negative {
        total.min(negative_max)
    } else {
        total
    };
    let may_be_stale = !is_negative && !directives.must_revalidate && directives.s_maxage.is_none();
    let stale = |seconds| {
        if may_be_stale {
            Duration::from_secs(seconds)
        } else {
            Duration::ZERO
        }
    };
    Ok(Lifetime {
        fresh: total.saturating_sub(age(fields)),
        stale_while_revalidate: stale(directives.stale_while_revalidate),
        stale_if_error: stale(directives.stale_if_error),
    })
}

/// The age an answer already had when it came; a garbled one counts as none.
pub fn age(fields: &HeaderMap) -> Duration {
    let value = fields
        .get(header::AGE)
        .and_then(|value| value.to_str().ok());
    Duration::from_secs(
        value
            .and_then(|value| value.trim().parse().ok())
            .unwrap_or(0),
    )
}

/// `Expires` against `Date`; a date that cannot be read is in the past (RFC 9111 5.3).
fn expires(fields: &HeaderMap) -> Option<Duration> {
    let date = |name| {
        fields
            .get(name)
            .and_then(|value: &http::HeaderValue| value.to_str().ok())
    };
    let expires = date(header::EXPIRES)?;
    let (Ok(expires), Some(Ok(date))) = (
        httpdate::parse_http_date(expires),
        date(header::DATE).map(httpdate::parse_http_date),
    ) else {
        return Some(Duration::ZERO);
    };
    Some(expires.duration_since(date).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn judge(status: u16, fields: &[(&'static str, &str)]) -> Result<(u64, u64, u64), Refused> {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(http::HeaderName::from_static(name), value.parse().unwrap());
        }
        let status = StatusCode::from_u16(status).unwrap();
        let found = lifetime(status, &map, None, Duration::from_secs(5))?;
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
        assert_eq!(
            judge(200, &[public, ("vary", "Cookie")]),
            Err(Refused::Vary)
        );
        assert_eq!(judge(200, &[public, ("vary", "*")]), Err(Refused::Vary));
        assert_eq!(
            judge(200, &[public, ("vary", "Accept-Encoding")]),
            Ok((5, 0, 0))
        );
        for status in [206, 302, 400, 401, 403, 500, 503] {
            assert_eq!(judge(status, &[public]), Err(Refused::Status), "{status}");
        }
        assert_eq!(judge(200, &[]), Err(Refused::NoLifetime));
    }

    #[test]
    fn absence_is_remembered_briefly_and_never_served_stale() {
        let value = "max-age=300, stale-if-error=60";
        assert_eq!(judge(404, &[("cdn-cache-control", value)]), Ok((5, 0, 0)));
    }

    #[test]
    fn age_and_dates_count() {
        assert_eq!(
            judge(200, &[("cache-control", "max-age=300"), ("age", "100")]),
            Ok((200, 0, 0))
        );
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

    proptest! {
        #[test]
        fn no_field_breaks_the_rules(value in "[ -~]{0,60}", status in 100_u16..600) {
            let mut fields = HeaderMap::new();
            fields.insert(header::CACHE_CONTROL, value.parse().unwrap());
            fields.insert(header::AGE, value.parse().unwrap());
            let _ = lifetime(StatusCode::from_u16(status).unwrap(), &fields, None, Duration::ZERO);
        }
    }
}
