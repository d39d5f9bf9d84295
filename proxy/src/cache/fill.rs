//! Fetches one answer, decides whether it may be kept, and tells those who wait. Runs in a task of its own: it outlives
//! the client that caused it.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, HeaderName, StatusCode, header};

use crackers_shared::{headers, request_id};

use super::coalesce::{Leader, Shared};
use super::entry::Entry;
use super::fetch::{FetchError, FetchRequest, Fetched};
use super::key::Key;
use super::policy::{self, Lifetime, Terms};
use super::purge::{SeenCurrent, url_tag};
use super::vary::{self, Slot, Values};
use super::{Cache, directives};
use crate::forward::headers::INTERNAL;
use crate::respond::negotiation::strength_aside;
use crate::respond::stored::Heads;

/// What the moment a fetch begins says of its answer, and when its origin was asked: from then on it grows old, however long its
/// head and body take (RFC 9111 4.2.3).
struct Begun {
    sequence: i64,
    purges: i64,
    asked_at: i64,
}

impl Cache {
    pub(super) async fn fill(
        self: Arc<Self>,
        mut leader: Leader,
        key: Key,
        stored: Option<Arc<Entry>>,
        mut fetch: FetchRequest,
        terms: Terms,
    ) {
        // Whoever asked may have looked just before another fetch of the same key ended.
        if let Some(entry) = self.fresh(&key, self.clock.now_microseconds()) {
            leader.finish(Shared::Stored(entry));
            return;
        }
        let mut begun = Begun {
            sequence: self.purges.sequence(),
            purges: self.purges.count(),
            asked_at: 0,
        };
        let sent = fetch.headers.clone();
        if let Some(stored) = &stored {
            ask_whether_current(stored, &mut fetch.headers);
        }
        self.metrics.cache_fills.inc();
        let shared = match self.fetch.fetch(fetch).await {
            Err(error) => Shared::Failed(error),
            Ok(fetched) => {
                let now = || self.clock.now_microseconds();
                begun.asked_at = fetched.asked_at.unwrap_or_else(now);
                self.take_in(&mut leader, (&key, &sent), stored, fetched, (terms, begun))
                    .await
            }
        };
        if let Shared::Failed(_) = shared {
            self.marks.failed(key.text(), self.clock.now_microseconds());
        }
        leader.finish(shared);
    }

    async fn take_in(
        &self,
        leader: &mut Leader,
        (key, sent): (&Key, &HeaderMap),
        stored: Option<Arc<Entry>>,
        fetched: Fetched,
        (terms, begun): (Terms, Begun),
    ) -> Shared {
        if let (StatusCode::NOT_MODIFIED, Some(stored)) = (fetched.status, stored) {
            let lifetime = Self::renewed(&stored, &fetched.headers, terms, begun.asked_at);
            let is_its = is_of(&stored, &fetched.headers, &self.vary);
            let (Some(lifetime), true) = (lifetime, is_its) else {
                return self.not_shared(key);
            };
            let fresh = self.freshened(key, &stored, &fetched.headers, lifetime, &begun);
            return self.keep(key, fresh);
        }
        let (status, now) = (fetched.status, begun.asked_at);
        let Ok(lifetime) = policy::lifetime(status, &fetched.headers, terms, now) else {
            let retry_after_seconds = retry_after_seconds(&fetched.headers);
            leader.hand_over(fetched);
            return if policy::is_about_the_asker(status) {
                // It says nothing of what others would get, nor of what is stored.
                Shared::Unshared
            } else if status.is_server_error() {
                Shared::Failed(FetchError::Said {
                    status,
                    retry_after_seconds,
                })
            } else {
                self.not_shared(key)
            };
        };
        let Some((key, vary)) = self.place(key, sent, &fetched.headers) else {
            leader.hand_over(fetched);
            return self.not_shared(key);
        };
        let key = &key;
        let Fetched {
            status,
            headers,
            body,
            ..
        } = fetched;
        let collected = if announced_bytes(&headers) > self.config.entry_bytes_max {
            Collected::TooLarge(body)
        } else {
            collect(body, self.config.entry_bytes_max).await
        };
        match collected {
            Collected::Whole(body) => {
                let bodies = self.encoder.make(body, &headers).await;
                let mut entry = self.entry(key, status, &headers, lifetime, &begun);
                (entry.bodies, entry.vary) = (bodies, vary);
                self.keep(key, entry)
            }
            Collected::TooLarge(body) => {
                leader.hand_over(Fetched {
                    status,
                    headers,
                    body,
                    asked_at: None,
                });
                self.not_shared(key)
            }
            Collected::Broken(error) => Shared::Failed(error),
        }
    }

    /// The origin's answer of now cannot be shared: what is stored of the key is not its answer any more, and whoever
    /// asks in the next seconds goes by himself.
    fn not_shared(&self, key: &Key) -> Shared {
        self.store.invalidate(key.text());
        self.marks
            .unshared(key.text(), self.clock.now_microseconds());
        Shared::Unshared
    }

    /// Stores an entry, unless something of it was purged while it was fetched: then nobody is given it either.
    fn keep(&self, key: &Key, entry: Entry) -> Shared {
        if !self.purges.is_current(&entry) {
            self.metrics.cache_lost_races.inc();
            return Shared::Outdated;
        }
        let entry = Arc::new(entry);
        let slot = Slot::Answer(Arc::clone(&entry));
        self.store.insert(key.text().to_owned(), slot);
        self.marks.clear(key.text());
        Shared::Stored(entry)
    }

    fn entry(
        &self,
        key: &Key,
        status: StatusCode,
        fields: &HeaderMap,
        lifetime: Lifetime,
        begun: &Begun,
    ) -> Entry {
        let text = |name: &http::HeaderName| fields.get(name).and_then(|value| value.to_str().ok());
        let etag = text(&header::ETAG)
            .filter(|etag| etag.starts_with('"') || etag.starts_with("W/\""))
            .map(str::to_owned);
        Entry {
            status,
            headers: for_clients(fields),
            etag,
            bodies: super::entry::Bodies::default(),
            vary: Values::new(),
            tags: tags(key, fields),
            sequence: text(&headers::CHANGES_SEQUENCE)
                .and_then(|n| n.parse().ok())
                .unwrap_or(begun.sequence),
            purges: begun.purges,
            stored_at: begun.asked_at,
            age: policy::age(fields, begun.asked_at),
            lifetime: self.jittered(lifetime),
            seen_current: SeenCurrent::default(),
            heads: Heads::default(),
        }
    }

    /// The lifetime of a stored entry after a 304; the old one begins anew when the 304 says nothing of it. `None` where the
    /// answer is nobody else's any more.
    fn renewed(stored: &Entry, fields: &HeaderMap, terms: Terms, now: i64) -> Option<Lifetime> {
        if fields.contains_key(header::SET_COOKIE) {
            return None;
        }
        if !directives::are_there(fields) {
            let stated = stored.lifetime.stated;
            return Some(Lifetime {
                fresh: stated.saturating_sub(policy::age(fields, now)),
                ..stored.lifetime
            });
        }
        // What a 304 leaves out is as it was (RFC 9111 3.2, 4.3.4).
        let mut whole = stored.headers.clone();
        lay_over(&mut whole, fields);
        policy::lifetime(stored.status, &whole, terms, now).ok()
    }

    /// A stored entry after a 304: its body stays, its fields and its time begin anew (RFC 9111 4.3.4).
    fn freshened(
        &self,
        key: &Key,
        stored: &Entry,
        fields: &HeaderMap,
        lifetime: Lifetime,
        begun: &Begun,
    ) -> Entry {
        let mut entry = stored.clone();
        let mut newer = for_clients(fields);
        for name in [
            header::CONTENT_ENCODING,
            HeaderName::from_static("content-md5"),
            header::CONTENT_RANGE,
            header::CONTENT_TYPE,
        ] {
            newer.remove(name);
        }
        lay_over(&mut entry.headers, &newer);
        if fields.contains_key(headers::CACHE_TAG) {
            entry.tags = tags(key, fields);
        }
        let sequence = fields
            .get(headers::CHANGES_SEQUENCE)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        entry.sequence = sequence.unwrap_or(begun.sequence);
        entry.purges = begun.purges;
        entry.stored_at = begun.asked_at;
        entry.age = policy::age(fields, begun.asked_at);
        entry.lifetime = self.jittered(lifetime);
        entry
    }

    fn jittered(&self, lifetime: Lifetime) -> Lifetime {
        let [dice] = request_id::random::<1>();
        let cut = u32::from(self.config.jitter_percent) * u32::from(dice);
        Lifetime {
            fresh: lifetime.fresh - lifetime.fresh * cut / (100 * 255),
            ..lifetime
        }
    }
}

/// Asks the origin whether what is stored is still its answer: by entity tag, or else by date (RFC 9111 4.3.1).
pub(super) fn ask_whether_current(stored: &Entry, fields: &mut HeaderMap) {
    if let Some(etag) = stored.etag.as_ref().and_then(|etag| etag.parse().ok()) {
        fields.insert(header::IF_NONE_MATCH, etag);
    } else if let Some(date) = stored.headers.get(header::LAST_MODIFIED) {
        fields.insert(header::IF_MODIFIED_SINCE, date.clone());
    }
}

/// Whether a 304 that names an entity tag is about the body with this one: a strong tag is about no other.
fn is_same(named: &str, stored: &str) -> bool {
    named == stored || named.starts_with("W/") && strength_aside(named) == strength_aside(stored)
}

/// Whether a 304 is about this entry: not when it names another entity tag (RFC 9111 4.3.4), or says that the answer depends
/// on something else than it did.
fn is_of(stored: &Entry, fields: &HeaderMap, allowed: &[HeaderName]) -> bool {
    let names = stored.vary.iter().map(|(name, _)| name);
    let says_otherwise = fields.contains_key(header::VARY)
        && vary::names(fields, allowed).is_none_or(|said| !said.iter().eq(names));
    if says_otherwise {
        return false;
    }
    let named = fields.get(header::ETAG).and_then(|etag| etag.to_str().ok());
    match (named, &stored.etag) {
        (Some(named), Some(etag)) => is_same(named, etag),
        _ => true,
    }
}

/// Fields that the edge writes on each answer anew.
const OF_EACH_ANSWER: [HeaderName; 6] = [
    header::AGE,
    header::DATE,
    headers::CACHE_STATUS,
    headers::RATE_LIMIT,
    headers::RATE_LIMIT_POLICY,
    headers::REQUEST_ID,
];

/// Puts newer fields in the place of those of the same names.
fn lay_over(fields: &mut HeaderMap, newer: &HeaderMap) {
    for name in newer.keys() {
        fields.remove(name);
    }
    for (name, value) in newer {
        fields.append(name, value.clone());
    }
}

/// The fields that clients see of a stored answer; those that depend on coding and moment are made for each of them.
fn for_clients(fields: &HeaderMap) -> HeaderMap {
    let mut kept = fields.clone();
    crate::forward::headers::remove_hop_by_hop(&mut kept);
    // What sets a cookie is one person's, and is not stored at all.
    let made_anew = [
        header::CONTENT_LENGTH,
        header::ETAG,
        header::SET_COOKIE,
        header::VARY,
    ];
    for name in made_anew.iter().chain(&OF_EACH_ANSWER).chain(&INTERNAL) {
        kept.remove(name);
    }
    kept
}

/// What an answer was made of, and the paths that it can be purged by.
fn tags(key: &Key, fields: &HeaderMap) -> Vec<String> {
    let values = fields.get_all(headers::CACHE_TAG).iter();
    let named = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|tag| !tag.is_empty());
    let mut tags: Vec<_> = named.map(str::to_owned).collect();
    let path = key.path_and_query().split('?').next().unwrap_or_default();
    tags.push(url_tag(path));
    if path.len() < key.path_and_query().len() {
        tags.push(url_tag(key.path_and_query()));
    }
    tags
}

/// When an origin says that it is worth asking again, where it says so in seconds.
fn retry_after_seconds(fields: &HeaderMap) -> Option<u32> {
    fields.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()
}

fn announced_bytes(fields: &HeaderMap) -> usize {
    let value = fields.get(header::CONTENT_LENGTH);
    value
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .unwrap_or(0)
}

enum Collected {
    Whole(Bytes),
    TooLarge(stream::BoxStream<'static, Result<Bytes, FetchError>>),
    Broken(FetchError),
}

async fn collect(
    mut body: stream::BoxStream<'static, Result<Bytes, FetchError>>,
    bytes_max: usize,
) -> Collected {
    let mut whole = BytesMut::new();
    while let Some(part) = body.next().await {
        match part {
            Ok(part) => whole.extend_from_slice(&part),
            Err(error) => return Collected::Broken(error),
        }
        if whole.len() > bytes_max {
            let first = stream::once(std::future::ready(Ok(whole.freeze())));
            return Collected::TooLarge(Box::pin(first.chain(body)));
        }
    }
    // It is kept for long: without the room that it had to grow.
    Collected::Whole(Bytes::copy_from_slice(&whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strong_tag_of_a_304_is_about_the_same_strong_tag_only() {
        for (named, stored, same) in [
            ("\"v\"", "\"v\"", true),
            ("W/\"v\"", "\"v\"", true),
            ("W/\"v\"", "W/\"v\"", true),
            ("\"v\"", "W/\"v\"", false),
            ("W/\"w\"", "W/\"v\"", false),
        ] {
            assert_eq!(is_same(named, stored), same, "{named} {stored}");
        }
    }
}
