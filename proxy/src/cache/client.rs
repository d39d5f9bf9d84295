//! What a client's fields say to the cache, and what of them goes on to the origin.

use http::{HeaderMap, HeaderValue, header};

use super::Cache;
use super::fetch::Fetched;
use crate::respond::negotiation::unmark;

/// Whether the client wants a stored answer or none (RFC 9111 5.2.1.7).
pub(super) fn wants_stored_only(request: &HeaderMap) -> bool {
    says(request, "only-if-cached")
}

/// Whether nothing of the answer may be stored (RFC 9111 5.2.1.5). A stored one is served all the same.
pub(super) fn forbids_storing(request: &HeaderMap) -> bool {
    says(request, "no-store")
}

fn says(request: &HeaderMap, directive: &str) -> bool {
    let values = request.get_all(header::CACHE_CONTROL).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|said| said.trim().eq_ignore_ascii_case(directive))
}

/// Whether an answer that cannot be shared, fetched without anything of the client's own, is the one that this client
/// would have got: not when a cookie or a field that the answer varies by could have made it another one.
pub(super) fn is_for(request: &HeaderMap, fetched: &Fetched) -> bool {
    !request.contains_key(header::COOKIE) && !fetched.headers.contains_key(header::VARY)
}

impl Cache {
    /// The fields of a client's request as the fetch of a shared answer sends them: nothing that is one client's own.
    pub fn fetch_fields(&self, client: &HeaderMap) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for name in [header::HOST].iter().chain(&self.vary) {
            for value in client.get_all(name) {
                fields.append(name, value.clone());
            }
        }
        // What the first client calls itself must not decide what the others get.
        fields.insert(
            header::USER_AGENT,
            HeaderValue::from_static("crackers-edge"),
        );
        fields.insert(
            header::ACCEPT_ENCODING,
            HeaderValue::from_static("identity"),
        );
        fields
    }
}

/// Takes the mark of a coding off the entity tags of a conditional request.
pub fn unmark_conditions(fields: &mut HeaderMap) {
    for name in [header::IF_NONE_MATCH, header::IF_MATCH] {
        let Some(value) = fields.get(&name).and_then(|value| value.to_str().ok()) else {
            continue;
        };
        let tags: Vec<_> = value.split(',').map(|tag| unmark(tag.trim())).collect();
        if let Ok(value) = tags.join(", ").parse() {
            fields.insert(name, value);
        }
    }
}
