//! What a client's fields say to the cache, and what of them goes on to the origin.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crackers_shared::headers;

use super::Cache;
use super::fetch::Fetched;
use super::vary;
use crate::respond::negotiation::{entity_tags, unmark};

/// Whether the client wants a stored answer or none (RFC 9111 5.2.1.7).
pub fn wants_stored_only(request: &HeaderMap) -> bool {
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

/// Fields of a request that decide nothing of an answer unless it says so (`Vary`): what a client is, where it comes from, which
/// answers it has already, and what the edge writes itself.
static SAYS_NOTHING: [HeaderName; 20] = [
    header::ACCEPT_ENCODING,
    header::CACHE_CONTROL,
    header::CONNECTION,
    header::DNT,
    header::FORWARDED,
    header::HOST,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::PRAGMA,
    header::REFERER,
    header::TE,
    header::UPGRADE_INSECURE_REQUESTS,
    header::USER_AGENT,
    headers::FORWARDED_FOR,
    headers::FORWARDED_HOST,
    headers::FORWARDED_PROTO,
    headers::REQUEST_ID,
    headers::TRACEPARENT,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("priority"),
];

impl Cache {
    /// Whether an answer that cannot be shared, fetched without anything of the client's own but the fields of `cache.vary`, is the
    /// one that this client would have got: not when a cookie, a range, a key or any field that we do not know of, or one that the
    /// answer varies by, could have made it another one.
    pub(super) fn is_for(&self, request: &HeaderMap, fetched: &Fetched) -> bool {
        let says_nothing = |name: &HeaderName| {
            let was_sent = self.vary.contains(name);
            was_sent || SAYS_NOTHING.contains(name) || name.as_str().starts_with("sec-")
        };
        request.keys().all(says_nothing) && vary::names(&fetched.headers, &self.vary).is_some()
    }

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

/// The conditions of a request that name entity tags, with the mark of a coding taken off each tag: one field of each name, however
/// many lines it came in. One that is no text is not among them: it goes on as it came.
pub fn unmarked_conditions(request: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
    let mut conditions = Vec::new();
    for name in [header::IF_NONE_MATCH, header::IF_MATCH] {
        let lines = request.get_all(&name).iter();
        let text: Option<Vec<_>> = lines.map(|line| line.to_str().ok()).collect();
        let tags = text.iter().flatten().flat_map(|line| entity_tags(line));
        let tags: Vec<_> = tags.map(unmark).collect();
        let joined = HeaderValue::try_from(tags.join(", ")).ok();
        let joined = joined.filter(|joined| !joined.is_empty());
        conditions.extend(joined.map(|joined| (name, joined)));
    }
    conditions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_a_condition_is_kept_and_a_comma_in_a_tag_is_part_of_it() {
        let mut request = HeaderMap::new();
        for line in ["\"a,b-gzip\", W/\"c\"", "\"d-br\""] {
            request.append(header::IF_MATCH, line.parse().unwrap());
        }
        request.append(header::IF_NONE_MATCH, "*".parse().unwrap());
        let conditions: HeaderMap = unmarked_conditions(&request).into_iter().collect();
        assert_eq!(conditions[header::IF_MATCH], "\"a,b\", W/\"c\", \"d\"");
        assert_eq!(conditions[header::IF_NONE_MATCH], "*");
        assert_eq!(conditions.len(), 2);
    }
}
