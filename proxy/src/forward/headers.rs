//! What changes in the fields of a request on its way to an origin, and of an answer on its way back.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crackers_shared::headers;

/// Fields that concern one connection only (RFC 9110 7.6.1).
static HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

/// What a message says of its connection (RFC 9110 7.6.1).
pub fn connection_options(fields: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = fields.get_all(header::CONNECTION).iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(str::trim)
}

/// Takes out what concerns one connection only, the fields that `Connection` names included.
pub fn remove_hop_by_hop(fields: &mut HeaderMap) {
    let named = connection_options(fields).filter_map(|name| name.parse().ok());
    let named: Vec<HeaderName> = named.collect();
    for name in HOP_BY_HOP.iter().chain(&named) {
        fields.remove(name);
    }
}

/// Fields that a `Connection` field may name without their being taken off: those that frame and address the message, or that
/// are looked after by themselves.
static NEVER_NAMED: [HeaderName; 6] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::HOST,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Fields of a request that end at this hop because its client says so (RFC 9110 7.6.1).
pub fn named_by_connection(request: &HeaderMap) -> impl Iterator<Item = HeaderName> + '_ {
    connection_options(request)
        .filter_map(|name| name.parse().ok())
        .filter(|name| !NEVER_NAMED.contains(name))
}

/// Who asks, and by which ids the request is known.
#[derive(Clone, Debug)]
pub struct Provenance<'a> {
    /// The client's address, as far as it can be trusted; none on a socket file.
    pub client: Option<IpAddr>,
    /// Whether `X-Forwarded-For` and `Forwarded` came through a proxy that is trusted, and are added to.
    pub trusted: bool,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// The host that was asked for.
    pub host: &'a str,
    /// Id of the request.
    pub request_id: &'a str,
    /// Trace of the request.
    pub traceparent: &'a str,
}

/// The fields that tell the origin where a request came from.
pub fn provenance(before: &HeaderMap, from: &Provenance<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let client = from
        .client
        .map_or_else(|| "unknown".to_owned(), |client| client.to_string());
    let node = match from.client {
        Some(IpAddr::V6(address)) => format!("\"[{address}]\""),
        _ => client.clone(),
    };
    let element = format!("for={node};host=\"{}\";proto={}", from.host, from.scheme);
    // All lines of what a trusted proxy says, in one; nothing is left out but hops that are no text.
    let joined = |name: &HeaderName, last: String| {
        if !from.trusted {
            return last;
        }
        let lines = before.get_all(name).iter();
        let hops = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
        let hops = hops.filter_map(|hop| std::str::from_utf8(hop).ok());
        let hops = hops.map(str::trim).filter(|hop| !hop.is_empty());
        hops.chain([last.as_str()]).collect::<Vec<_>>().join(", ")
    };
    let fields = [
        (
            headers::FORWARDED_FOR,
            joined(&headers::FORWARDED_FOR, client),
        ),
        (header::FORWARDED, joined(&header::FORWARDED, element)),
        (headers::FORWARDED_PROTO, from.scheme.to_owned()),
        (headers::FORWARDED_HOST, from.host.to_owned()),
        (headers::REQUEST_ID, from.request_id.to_owned()),
        (headers::TRACEPARENT, from.traceparent.to_owned()),
    ];
    let fields = fields.into_iter();
    fields
        .filter_map(|(name, value)| Some((name, HeaderValue::from_str(&value).ok()?)))
        .collect()
}

/// Fields between origin and edge that no client sees. `CDN-Cache-Control` is for the caches of others, too, where there are any.
pub static INTERNAL: [HeaderName; 4] = [
    headers::CACHE_TAG,
    headers::CHANGES_SEQUENCE,
    headers::MEMORY_USAGE,
    headers::STOPPING,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn from(client: &str, trusted: bool) -> Provenance<'static> {
        Provenance {
            client: client.parse().ok(),
            trusted,
            scheme: "http",
            host: "shop.example",
            request_id: "r",
            traceparent: "t",
        }
    }

    fn fields(forwarded: &str, trusted: bool) -> Vec<String> {
        let mut before = HeaderMap::new();
        before.insert(headers::FORWARDED_FOR, forwarded.parse().unwrap());
        let from = from("2001:db8::1", trusted);
        let made = provenance(&before, &from);
        made.into_iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect()
    }

    #[test]
    fn what_a_stranger_says_of_his_origin_is_replaced() {
        assert_eq!(fields("1.2.3.4", false)[0], "x-forwarded-for: 2001:db8::1");
        assert_eq!(
            fields("1.2.3.4", true)[0],
            "x-forwarded-for: 1.2.3.4, 2001:db8::1"
        );
        assert_eq!(
            fields("", false)[1],
            "forwarded: for=\"[2001:db8::1]\";host=\"shop.example\";proto=http"
        );
    }

    #[test]
    fn every_line_and_hop_of_a_trusted_proxy_is_passed_on() {
        let mut before = HeaderMap::new();
        for line in [&b"1.2.3.4,\xff"[..], b"198.51.100.7"] {
            let line = HeaderValue::from_bytes(line).unwrap();
            before.append(headers::FORWARDED_FOR, line);
        }
        let from = from("10.0.0.2", true);
        let made = provenance(&before, &from);
        assert_eq!(made[0].1, "1.2.3.4, 198.51.100.7, 10.0.0.2");
    }

    #[test]
    fn fields_named_in_connection_stay_on_the_connection() {
        let mut fields = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Own"),
            ("x-own", "1"),
            ("keep-alive", "5"),
            ("x-kept", "1"),
        ] {
            fields.insert(HeaderName::from_static(name), value.parse().unwrap());
        }
        remove_hop_by_hop(&mut fields);
        assert_eq!(
            fields.keys().map(HeaderName::as_str).collect::<Vec<_>>(),
            ["x-kept"]
        );
    }
}
