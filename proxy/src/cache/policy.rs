//! May an answer be kept, and for how long? Pure rules of RFC 9111 (freshness), RFC 5861 (stale answers) and RFC 9213
//! (fields for caches like this one).

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header};

use super::directives::{self, Directives};

/// How long an answer may be used, from the moment it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// Fresh from the moment that the origin made it for, as it was said.
    pub stated: Duration,
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
    /// Nothing says how long it lasts.
    NoLifetime,
}

/// What the shop's owner says of lifetimes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms {
    /// Stands above what the origin says of freshness, never above what it forbids.
    pub ttl: Option<Duration>,
    /// Part of the time since an answer was last modified that it is fresh for where nothing else says so; 0 for none.
    pub heuristic_percent: u8,
    /// The longest time that what is not there is remembered.
    pub negative_max: Duration,
}

/// The longest time that is guessed: after it a cache would have to warn of its guess (RFC 9111 4.2.2).
const GUESSED_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// How an answer may be kept by its status.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Says something lasting by itself.
    Lasting,
    /// Lasts where its origin says so in as many words.
    WhereSaid,
    /// There is nothing: remembered for a moment, also where nothing is said of it.
    Negative,
}

/// `None` for a status that is not kept. Whatever is kept is understood, as `must-understand` wants it (RFC 9111 5.2.2.3).
fn kind(status: StatusCode) -> Option<Kind> {
    match status {
        StatusCode::OK
        | StatusCode::NON_AUTHORITATIVE_INFORMATION
        | StatusCode::MULTIPLE_CHOICES
        | StatusCode::MOVED_PERMANENTLY
        | StatusCode::PERMANENT_REDIRECT => Some(Kind::Lasting),
        StatusCode::FOUND | StatusCode::SEE_OTHER | StatusCode::TEMPORARY_REDIRECT => {
            Some(Kind::WhereSaid)
        }
        StatusCode::NOT_FOUND | StatusCode::GONE => Some(Kind::Negative),
        _ => None,
    }
}

/// Whether and for how long an answer to a GET may be kept, if it suits the request (`super::vary`). `now` is when it came, in
/// microseconds since the epoch.
///
/// # Errors
/// [`Refused`] says why not.
pub fn lifetime(
    status: StatusCode,
    fields: &HeaderMap,
    terms: Terms,
    now: i64,
) -> Result<Lifetime, Refused> {
    let kind = kind(status).ok_or(Refused::Status)?;
    if fields.contains_key(header::SET_COOKIE) {
        return Err(Refused::SetCookie);
    }
    let general = Directives::general(fields);
    if general.no_store || general.private {
        return Err(Refused::Directive);
    }
    let targeted = Directives::targeted(fields);
    // It stands in the place of both others (RFC 9213 2.1).
    let is_targeted = targeted.is_some();
    let directives = targeted.unwrap_or(general);
    if directives.no_store || directives.private || directives.no_cache {
        return Err(Refused::Directive);
    }
    let said = directives
        .s_maxage
        .or(directives.max_age)
        .map(Duration::from_secs)
        .or_else(|| expires(fields, now).filter(|_| !is_targeted));
    let total = match kind {
        Kind::WhereSaid => said.map(|said| terms.ttl.unwrap_or(said)),
        Kind::Lasting => terms.ttl.or(said).or_else(|| guessed(fields, terms, now)),
        Kind::Negative => Some(
            terms
                .ttl
                .or(said)
                .map_or(terms.negative_max, |said| said.min(terms.negative_max)),
        ),
    };
    let total = total.ok_or(Refused::NoLifetime)?;
    let may_be_stale =
        kind != Kind::Negative && !directives.must_revalidate && directives.s_maxage.is_none();
    let stale = |seconds| {
        if may_be_stale {
            Duration::from_secs(seconds)
        } else {
            Duration::ZERO
        }
    };
    Ok(Lifetime {
        stated: total,
        fresh: total.saturating_sub(age(fields, now)),
        stale_while_revalidate: stale(directives.stale_while_revalidate),
        stale_if_error: stale(directives.stale_if_error),
    })
}

/// Whether a status says something of who asked, or how, and nothing of what he asked for: the leader's address may have spent a
/// budget of the origin's.
pub(super) fn is_about_the_asker(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_REQUEST
            | StatusCode::NOT_ACCEPTABLE
            | StatusCode::REQUEST_TIMEOUT
            | StatusCode::URI_TOO_LONG
            | StatusCode::MISDIRECTED_REQUEST
            | StatusCode::TOO_EARLY
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    )
}

/// Heuristic freshness (RFC 9111 4.2.2): what has not changed for long will not change soon.
fn guessed(fields: &HeaderMap, terms: Terms, now: i64) -> Option<Duration> {
    let percent = u32::from(terms.heuristic_percent);
    let modified = date(fields, header::LAST_MODIFIED)?.ok()?;
    let made = date(fields, header::DATE).map_or_else(|| Some(moment(now)), Result::ok)?;
    let unchanged = made.duration_since(modified).ok()?;
    let guess = unchanged / 100 * percent;
    (percent > 0).then_some(guess.min(GUESSED_MAX))
}

/// The age an answer already had when it came: what it says, or what has passed since its `Date` if that is more
/// (RFC 9111 4.2.3). A garbled age counts as none.
pub fn age(fields: &HeaderMap, now: i64) -> Duration {
    let said = fields
        .get(header::AGE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(',').next())
        .map_or(0, directives::seconds);
    let apparent = date(fields, header::DATE)
        .and_then(Result::ok)
        .and_then(|made| moment(now).duration_since(made).ok())
        .map_or(0, |passed| passed.as_secs());
    Duration::from_secs(said.max(apparent))
}

/// `Expires` against `Date`, or against now without one; a date that cannot be read, and any beside a second
/// `Expires`, is in the past (RFC 9111 5.3).
fn expires(fields: &HeaderMap, now: i64) -> Option<Duration> {
    let is_single = fields.get_all(header::EXPIRES).iter().count() == 1;
    let expires = date(fields, header::EXPIRES)?;
    let made = date(fields, header::DATE).unwrap_or_else(|| Ok(moment(now)));
    let (Ok(expires), Ok(made), true) = (expires, made, is_single) else {
        return Some(Duration::ZERO);
    };
    Some(expires.duration_since(made).unwrap_or_default())
}

fn date(
    fields: &HeaderMap,
    name: header::HeaderName,
) -> Option<Result<SystemTime, httpdate::Error>> {
    let value = fields.get(name)?;
    Some(httpdate::parse_http_date(
        value.to_str().unwrap_or_default(),
    ))
}

fn moment(now: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(now).unwrap_or(0))
}

#[cfg(test)]
mod tests;
