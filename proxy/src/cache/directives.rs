//! The directives of `Cache-Control` (RFC 9111 5.2) and of the field for caches like this one (RFC 9213), as they were sent.

use http::{HeaderMap, HeaderName, header};

use crackers_shared::headers;

/// Seconds that stand for every number too large to hold (RFC 9111 1.2.2).
pub(super) const SECONDS_MAX: u64 = 1 << 31;

/// Directives of one field; a garbled number counts as zero, and of a repeated one the least (RFC 9111 4.2.1).
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Directives {
    pub(super) no_store: bool,
    pub(super) private: bool,
    pub(super) no_cache: bool,
    pub(super) max_age: Option<u64>,
    pub(super) s_maxage: Option<u64>,
    pub(super) must_revalidate: bool,
    must_understand: bool,
    pub(super) stale_while_revalidate: u64,
    pub(super) stale_if_error: u64,
}

impl Directives {
    /// What `Cache-Control` says; what cannot be read forbids storing.
    pub(super) fn general(fields: &HeaderMap) -> Self {
        let mut found = Self::default();
        for value in fields.get_all(header::CACHE_CONTROL) {
            for directive in members(value.to_str().unwrap_or("no-store")) {
                let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
                found.add(&name.trim().to_ascii_lowercase(), value.trim());
            }
        }
        // Every status that is stored at all is understood (RFC 9111 5.2.2.3).
        found.no_store &= !found.must_understand;
        found
    }

    /// What `CDN-Cache-Control` says; nothing when it is empty or no Structured Field (RFC 9213 2.1).
    pub(super) fn targeted(fields: &HeaderMap) -> Option<Self> {
        let mut found = Self::default();
        let mut is_there = false;
        for value in fields.get_all(&headers::CDN_CACHE_CONTROL) {
            let value = value.to_str().ok()?;
            for member in members(value) {
                let item = parts(member, ';').next().unwrap_or_default();
                let (name, value) = item.split_once('=').unwrap_or((item, ""));
                let is_bare = value.is_empty() && !item.contains('=');
                if !is_key(name) || !(is_bare || is_item(value)) {
                    return None;
                }
                is_there = true;
                if value != "?0" {
                    found.add(name, value);
                }
            }
        }
        is_there.then_some(found)
    }

    fn add(&mut self, name: &str, value: &str) {
        let least = |first: Option<u64>| {
            let seconds = seconds(value);
            Some(first.map_or(seconds, |first| first.min(seconds)))
        };
        match name {
            "no-store" => self.no_store = true,
            // With a list of fields, too: keeping the rest of such an answer is allowed, never asked for.
            "private" => self.private = true,
            "no-cache" => self.no_cache = true,
            "max-age" => self.max_age = least(self.max_age),
            "s-maxage" => self.s_maxage = least(self.s_maxage),
            "must-revalidate" | "proxy-revalidate" => self.must_revalidate = true,
            "must-understand" => self.must_understand = true,
            "stale-while-revalidate" => self.stale_while_revalidate = seconds(value),
            "stale-if-error" => self.stale_if_error = seconds(value),
            _ => {}
        }
    }
}

/// Whether anything of an answer says how long it may be used, or that it may not.
pub(super) fn are_there(fields: &HeaderMap) -> bool {
    fields.contains_key(header::CACHE_CONTROL)
        || fields.contains_key(header::EXPIRES)
        || fields.contains_key(&headers::CDN_CACHE_CONTROL)
}

/// A number of seconds; zero when it is none, the greatest when it is too large to hold.
pub(super) fn seconds(text: &str) -> u64 {
    let digits = text.trim().trim_matches('"');
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return 0;
    }
    digits
        .parse()
        .map_or(SECONDS_MAX, |seconds: u64| seconds.min(SECONDS_MAX))
}

/// The members of a list; a comma between quotes divides nothing.
fn members(list: &str) -> impl Iterator<Item = &str> {
    parts(list, ',').filter(|member| !member.is_empty())
}

/// What a mark divides, where it does not stand between quotes.
fn parts(text: &str, mark: char) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(move |letter| {
        if is_escaped {
            is_escaped = false;
            return false;
        }
        match letter {
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            letter if letter == mark => return !is_quoted,
            _ => {}
        }
        false
    })
    .map(str::trim)
}

/// A key of a Structured Field (RFC 9651 3.2).
fn is_key(name: &str) -> bool {
    let may_stand = |byte: u8| {
        byte.is_ascii_lowercase()
            || byte.is_ascii_digit()
            || matches!(byte, b'_' | b'-' | b'.' | b'*')
    };
    name.starts_with(|first: char| first.is_ascii_lowercase() || first == '*')
        && name.bytes().all(may_stand)
}

/// A value that a Structured Field may hold: a word, a number, text in quotes, a truth value, a date, bytes or a list in brackets.
fn is_item(value: &str) -> bool {
    let is_between =
        |first, last| value.len() >= 2 && value.starts_with(first) && value.ends_with(last);
    let is_text = is_between('"', '"') || is_between(':', ':') || is_between('(', ')');
    let date = value
        .strip_prefix('@')
        .map(|date| date.trim_start_matches('-'));
    let is_date =
        date.is_some_and(|date| !date.is_empty() && date.bytes().all(|byte| byte.is_ascii_digit()));
    is_text
        || is_date
        || matches!(value, "?0" | "?1")
        || HeaderName::from_bytes(value.as_bytes()).is_ok()
}
