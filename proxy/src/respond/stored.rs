//! What a stored answer says to one request, whichever way the request came: the decision, and what follows from it. The head
//! of an answer is written once for each coding and kept beside the entry; only what differs from one request to the next is
//! written for each of them.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::head::write_status;
use super::negotiation::{self, Coding, strength_aside};
use super::{Respond, send};
use crate::cache::entry::Entry;
use crate::cache::range::{self, Wanted};

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
    /// A part of the body, by its first and last byte.
    Part(usize, usize),
    /// The news that there is no such part.
    NoSuchPart,
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
    /// By the codings that the client takes, by what it says it has, and by the part that it asks for.
    pub fn of(request: &Parts, entry: &'a Entry) -> Self {
        let fields = &request.headers;
        let (body, coding) = entry.body(negotiation::ranked(fields));
        let whole = Self {
            entry,
            body,
            coding,
            need: Need::Whole,
        };
        if entry.status != StatusCode::OK {
            return whole;
        }
        if has_it(fields, entry, coding) || has_since(fields, entry) {
            return Self {
                need: Need::NotModified,
                ..whole
            };
        }
        // Only a GET has parts (RFC 9110 14.2), and only for whoever takes the body as it is.
        if request.method != Method::GET || !negotiation::takes_identity(fields) {
            return whole;
        }
        let (body, coding) = (&entry.bodies.identity, Coding::Identity);
        // Parts of bodies that are only alike make no body (RFC 9110 13.1.5).
        let strong = entry.etag.as_deref().filter(|etag| etag.starts_with('"'));
        let need = match range::wanted(fields, strong, body.len()) {
            Wanted::Whole => return whole,
            Wanted::Part { first, last } => Need::Part(first, last),
            Wanted::Nothing => Need::NoSuchPart,
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
            Need::Part(..) => StatusCode::PARTIAL_CONTENT,
            Need::NoSuchPart => StatusCode::RANGE_NOT_SATISFIABLE,
        }
    }

    /// The entry's fields as they are sent with it, all that are the same for every request.
    pub fn fields(&self) -> HeaderMap {
        let mut fields = self.entry.fields(self.coding);
        let length = self.body.len();
        let (content_length, range) = match self.need {
            Need::NotModified => {
                fields.remove(header::CONTENT_TYPE);
                fields.remove(header::CONTENT_ENCODING);
                return fields;
            }
            Need::Whole => (length, None),
            Need::Part(first, last) => {
                let range = format!("bytes {first}-{last}/{length}");
                (last + 1 - first, Some(range))
            }
            Need::NoSuchPart => {
                // Whatever describes the body describes none that is sent.
                fields = HeaderMap::new();
                fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
                (0, Some(format!("bytes */{length}")))
            }
        };
        fields.insert(header::CONTENT_LENGTH, HeaderValue::from(content_length));
        if let Some(range) = range.and_then(|range| HeaderValue::try_from(range).ok()) {
            fields.insert(header::CONTENT_RANGE, range);
        }
        fields
    }

    /// The body, if the answer has one.
    pub fn body(&self, method: &Method) -> Option<Bytes> {
        match self.need {
            Need::Whole => (method != Method::HEAD).then(|| self.body.clone()),
            Need::Part(first, last) => Some(self.body.slice(first..=last)),
            Need::NotModified => None,
            Need::NoSuchPart => Some(Bytes::new()),
        }
    }

    /// Where its head is kept; heads of parts are not.
    fn slot(&self) -> Option<&'a ArcSwapOption<Head>> {
        let [whole, not_modified] = match self.coding {
            Coding::Identity => &self.entry.heads.0[0],
            Coding::Gzip => &self.entry.heads.0[1],
            Coding::Brotli => &self.entry.heads.0[2],
        };
        match self.need {
            Need::Whole => Some(whole),
            Need::NotModified => Some(not_modified),
            Need::Part(..) | Need::NoSuchPart => None,
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
        .flat_map(negotiation::entity_tags)
        .map(strength_aside);
    let etag = strength_aside(&etag);
    named.any(|tag| tag == "*" || tag == etag)
}

/// Whether `If-Modified-Since` is not before the entry's `Last-Modified`. A request that names entity tags means those, and a
/// date that cannot be read, or one of several, means nothing (RFC 9110 13.1.3).
fn has_since(request: &HeaderMap, entry: &Entry) -> bool {
    let mut named = request.get_all(header::IF_MODIFIED_SINCE).iter();
    let (Some(since), None) = (named.next(), named.next()) else {
        return false;
    };
    let moment = |value: &HeaderValue| httpdate::parse_http_date(value.to_str().ok()?).ok();
    let modified = entry.headers.get(header::LAST_MODIFIED).and_then(moment);
    let (Some(since), Some(modified)) = (moment(since), modified) else {
        return false;
    };
    !request.contains_key(header::IF_NONE_MATCH) && modified <= since
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
    /// the fields of this one answer and an empty line. `None` for parts, and for an entry with
    /// fields that these could contradict.
    pub fn head(&self, choice: &Choice<'_>) -> Option<Bytes> {
        let slot = choice.slot()?;
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
        write_status(&mut text, status);
        send::head(status, &fields)
            .ok()?
            .header_to_h1_wire(&mut text);
        Some(text.freeze())
    }
}

#[cfg(test)]
mod tests;
