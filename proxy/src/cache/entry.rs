//! One stored answer, in every coding it is served in.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::policy::Lifetime;
use super::purge::SeenCurrent;
use super::vary::Values;
use crate::respond::negotiation::Coding;
use crate::respond::stored::Heads;

/// See the module.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Status.
    pub status: StatusCode,
    /// Fields for clients, without those that belong to the edge or depend on the coding.
    pub headers: HeaderMap,
    /// Entity tag, strong or weak as the origin gave it, with quotes.
    pub etag: Option<String>,
    /// The body in each coding.
    pub bodies: Bodies,
    /// What the request that it was fetched for says in the fields that it depends on.
    pub vary: Values,
    /// What it was made of.
    pub tags: Vec<String>,
    /// The `changes` sequence that it is at least as new as.
    pub sequence: i64,
    /// Count of purges by hand when its fetch began.
    pub purges: i64,
    /// When it was stored, in microseconds since the epoch.
    pub stored_at: i64,
    /// The age it came with.
    pub age: Duration,
    /// How long it may be used.
    pub lifetime: Lifetime,
    /// What saves looking up its tags.
    pub seen_current: SeenCurrent,
    /// Its heads, as they were sent last.
    pub heads: Heads,
}

/// A body in each coding that is worth keeping.
#[derive(Clone, Debug, Default)]
pub struct Bodies {
    /// As it is.
    pub identity: Bytes,
    /// RFC 1952.
    pub gzip: Option<Bytes>,
    /// RFC 7932.
    pub brotli: Option<Bytes>,
}

/// What an entry is worth at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Served.
    Fresh,
    /// Served, and fetched anew behind it.
    Revalidate,
    /// Served only if the origin fails.
    OnlyIfError,
    /// Useless but for its entity tag.
    Expired,
}

impl Entry {
    /// What it is worth now.
    pub fn freshness(&self, now: i64) -> Freshness {
        let elapsed = self.elapsed(now);
        let Lifetime {
            fresh,
            stale_while_revalidate,
            stale_if_error,
            ..
        } = self.lifetime;
        if elapsed < fresh {
            Freshness::Fresh
        } else if elapsed < fresh + stale_while_revalidate {
            Freshness::Revalidate
        } else if elapsed < fresh + stale_if_error {
            Freshness::OnlyIfError
        } else {
            Freshness::Expired
        }
    }

    /// Whether it may stand in for an origin that fails.
    pub fn may_stand_in(&self, now: i64) -> bool {
        self.elapsed(now) < self.lifetime.fresh + self.lifetime.stale_if_error
    }

    /// Seconds of freshness left; negative when stale.
    pub fn ttl_seconds(&self, now: i64) -> i64 {
        let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        seconds(self.lifetime.fresh) - seconds(self.elapsed(now))
    }

    /// Seconds since the origin made it.
    pub fn age_seconds(&self, now: i64) -> u64 {
        (self.age + self.elapsed(now)).as_secs()
    }

    fn elapsed(&self, now: i64) -> Duration {
        Duration::from_micros(u64::try_from(now - self.stored_at).unwrap_or(0))
    }

    /// The body and coding for a client that takes these codings, the best first.
    pub fn body(&self, ranked: [Coding; 3]) -> (&Bytes, Coding) {
        let found = ranked.into_iter().find_map(|coding| {
            let body = match coding {
                Coding::Brotli => self.bodies.brotli.as_ref()?,
                Coding::Gzip => self.bodies.gzip.as_ref()?,
                Coding::Identity => &self.bodies.identity,
            };
            Some((body, coding))
        });
        found.unwrap_or((&self.bodies.identity, Coding::Identity))
    }

    /// Whether it is served in more than one coding.
    pub fn is_negotiated(&self) -> bool {
        self.bodies.gzip.is_some() || self.bodies.brotli.is_some()
    }

    /// The entity tag of the body in a coding.
    pub fn etag_in(&self, coding: Coding) -> Option<String> {
        self.etag.as_deref().map(|etag| coding.mark(etag))
    }

    /// Fields of the answer in one coding; all but its age, which is another one each moment.
    pub fn fields(&self, coding: Coding) -> HeaderMap {
        let mut fields = self.headers.clone();
        if let Some(token) = coding.token() {
            fields.insert(header::CONTENT_ENCODING, HeaderValue::from_static(token));
        }
        let by_coding = self.is_negotiated().then_some("Accept-Encoding");
        let others = self.vary.iter().map(|(name, _)| capitalised(name.as_str()));
        let vary: Vec<_> = others.chain(by_coding.map(str::to_owned)).collect();
        let value = HeaderValue::try_from(vary.join(", ")).ok();
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            fields.insert(header::VARY, value);
        }
        if !self.is_negotiated() && self.status == StatusCode::OK {
            // Where there are codings, a part would be one of another body than is sent as the whole.
            fields.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        }
        if let Some(etag) = self.etag_in(coding).and_then(|etag| etag.parse().ok()) {
            fields.insert(header::ETAG, etag);
        }
        fields
    }

    /// Whether its path begins with a prefix.
    pub fn is_under(&self, prefix: &str) -> bool {
        self.tags
            .iter()
            .filter_map(|tag| tag.strip_prefix("url:"))
            .any(|url| url.starts_with(prefix))
    }

    /// About how many bytes it occupies.
    pub fn weight(&self) -> usize {
        let optional = |body: &Option<Bytes>| body.as_ref().map_or(0, Bytes::len);
        let bodies = self.bodies.identity.len()
            + optional(&self.bodies.gzip)
            + optional(&self.bodies.brotli);
        let fields: usize = self
            .headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 64)
            .sum();
        // Each coding has a head for whoever gets the body and one for whoever has it already.
        let codings = 1 + [&self.bodies.gzip, &self.bodies.brotli]
            .iter()
            .filter(|b| b.is_some())
            .count();
        let heads = 2 * codings * (fields + 128);
        let tags: usize = self.tags.iter().map(|tag| tag.len() + 24).sum();
        let vary: usize = self.vary.iter().map(|(_, value)| value.len() + 64).sum();
        let etag = self.etag.as_ref().map_or(0, String::len);
        bodies + fields + heads + tags + vary + etag + 512
    }
}

/// A field's name as it is commonly written.
fn capitalised(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + rest
    });
    words.collect::<Vec<_>>().join("-")
}
