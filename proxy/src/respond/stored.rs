//! What a stored answer says to one request, whichever way the request came: the decision, and what follows from it. The head
//! of an answer is written once for each coding and kept beside the entry; only what differs from one request to the next is
//! written for each of them.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::negotiation::{self, Coding};
use super::{Respond, send};
use crate::cache::entry::Entry;

/// Fields that the edge sets on some of its answers and not on others. Where a stored answer has one of its own, nothing is
/// written in advance.
const SOMETIMES_OURS: [HeaderName; 3] = [
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::STRICT_TRANSPORT_SECURITY,
];

/// How much of an answer a client needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// All of it.
    Whole,
    /// The news that what it has is current.
    NotModified,
}

/// What one request gets of an entry.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    entry: &'a Entry,
    body: &'a Bytes,
    coding: Coding,
    need: Need,
}

impl<'a> Choice<'a> {
    /// By the codings that the client takes and by what it says it has.
    pub fn of(request: &HeaderMap, entry: &'a Entry) -> Self {
        let (body, coding) = entry.body(negotiation::best(request));
        let need = if entry.status == StatusCode::OK && has_it(request, entry, coding) {
            Need::NotModified
        } else {
            Need::Whole
        };
        Self {
            entry,
            body,
            coding,
            need,
        }
    }

    /// Status.
    pub fn status(&self) -> StatusCode {
        match self.need {
            Need::Whole => self.entry.status,
            Need::NotModified => StatusCode::NOT_MODIFIED,
        }
    }

    /// The entry's fields as they are sent with it, all that are the same for every request.
    pub fn fields(&self) -> HeaderMap {
        let mut fields = self.entry.fields(self.coding);
        if self.need == Need::NotModified {
            fields.remove(header::CONTENT_TYPE);
            fields.remove(header::CONTENT_ENCODING);
        } else {
            fields.insert(header::CONTENT_LENGTH, HeaderValue::from(self.body.len()));
        }
        fields
    }

    /// The body, if the answer has one.
    pub fn body(&self, method: &Method) -> Option<&'a Bytes> {
        (self.need == Need::Whole && method != Method::HEAD).then_some(self.body)
    }

    fn slot(&self) -> &'a ArcSwapOption<Head> {
        let [whole, not_modified] = match self.coding {
            Coding::Identity => &self.entry.heads.0[0],
            Coding::Gzip => &self.entry.heads.0[1],
            Coding::Brotli => &self.entry.heads.0[2],
        };
        match self.need {
            Need::Whole => whole,
            Need::NotModified => not_modified,
        }
    }
}

/// Whether `If-None-Match` names the entity tag of what would be sent (weak comparison, RFC 9110 13.1.2).
fn has_it(request: &HeaderMap, entry: &Entry, coding: Coding) -> bool {
    if !request.contains_key(header::IF_NONE_MATCH) {
        return false;
    }
    let Some(etag) = entry.etag_in(coding) else {
        return false;
    };
    let values = request
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut named = values
        .flat_map(|value| value.split(','))
        .map(|tag| tag.trim().trim_start_matches("W/"));
    named.any(|tag| tag == "*" || tag == etag)
}

/// Status line and fields of an entry as bytes, up to what differs between requests.
#[derive(Debug)]
pub struct Head {
    /// Of the settings that it was written under.
    generation: u64,
    text: Bytes,
}

/// The heads of an entry, written when they are first needed: two for each coding. A clone of an entry has none yet.
#[derive(Debug, Default)]
pub struct Heads([[ArcSwapOption<Head>; 2]; 3]);

impl Clone for Heads {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Respond {
    /// The head of what a request gets, as far as it is the same for every request; behind it belong [`Self::security_text`],
    /// the fields of this one answer and an empty line. `None` for an entry with fields that these could contradict.
    pub fn head(&self, choice: &Choice<'_>) -> Option<Bytes> {
        let slot = choice.slot();
        let written = slot.load();
        if let Some(head) = written
            .as_ref()
            .filter(|head| head.generation == self.generation)
        {
            return Some(head.text.clone());
        }
        let fields = choice.fields();
        if SOMETIMES_OURS.iter().any(|name| fields.contains_key(name)) {
            return None;
        }
        let text = self.write_head(choice.status(), fields)?;
        let generation = self.generation;
        slot.store(Some(Arc::new(Head {
            generation,
            text: text.clone(),
        })));
        Some(text)
    }

    /// Spelled as Pingora spells it.
    fn write_head(&self, status: StatusCode, mut fields: HeaderMap) -> Option<Bytes> {
        self.finish(&mut fields, &[]);
        for (name, _) in self.security() {
            fields.remove(name);
        }
        let mut text = BytesMut::with_capacity(512);
        text.put_slice(b"HTTP/1.1 ");
        text.put_slice(status.as_str().as_bytes());
        text.put_u8(b' ');
        text.put_slice(status.canonical_reason().unwrap_or_default().as_bytes());
        text.put_slice(b"\r\n");
        send::head(status, &fields)
            .ok()?
            .header_to_h1_wire(&mut text);
        Some(text.freeze())
    }
}

/// Writes one field as Pingora would.
pub fn write_field(text: &mut BytesMut, name: &HeaderName, value: &[u8]) {
    let spelled = match *name {
        header::AGE => "Age",
        ref name => name.as_str(),
    };
    text.put_slice(spelled.as_bytes());
    text.put_slice(b": ");
    text.put_slice(value);
    text.put_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
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
            tags: Vec::new(),
            sequence: 0,
            purges: 0,
            stored_at: 0,
            age: Duration::ZERO,
            lifetime: Lifetime {
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
        })
    }

    fn request(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    fn head(respond: &Respond, entry: &Entry, request: &HeaderMap) -> Option<String> {
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
    fn a_head_that_was_written_under_other_settings_is_not_sent() {
        let entry = entry(&[("x-one", "stored"), ("x-two", "stored")]);
        let none = HeaderMap::new();
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
                head(&respond, &entry(&[(name, "*")]), &HeaderMap::new()),
                None
            );
        }
    }
}
