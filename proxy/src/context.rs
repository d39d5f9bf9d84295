//! What one stage leaves for a later one.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderName, HeaderValue, header};

use crackers_shared::headers::{CACHE_STATUS, REQUEST_ID};

use crate::admit::client_address::ClientAddress;
use crate::dispatch::Permit;
use crate::forward::upstreams::{InFlight, Server};
use crate::respond::compression::Encoder;

/// How a request came to the edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The other end of its connection; nobody with an address on a socket file.
    pub ip: Option<IpAddr>,
    /// Whether there is TLS on it.
    pub is_tls: bool,
}

impl Arrival {
    /// `https` or `http`.
    pub fn scheme(self) -> &'static str {
        if self.is_tls { "https" } else { "http" }
    }
}

/// One request on its way through the edge.
pub struct Context {
    /// When its head was there, in microseconds since the epoch.
    pub begun: i64,
    /// Its id.
    pub request_id: String,
    /// Its trace.
    pub traceparent: String,
    /// How it came.
    pub arrival: Arrival,
    /// What `Strict-Transport-Security` says.
    pub strict_transport: Option<HeaderValue>,
    /// Who asks.
    pub client: ClientAddress,
    /// Fields that its answer carries whoever makes it.
    pub own_fields: Vec<(HeaderName, HeaderValue)>,
    /// What `Cache-Status` says.
    pub cache_status: Option<String>,
    /// Its origin slot.
    pub permit: Option<Permit>,
    /// Origins tried.
    pub tried: Vec<Arc<Server>>,
    /// The origin that was tried last.
    pub upstream: Option<String>,
    /// Its place among that origin's requests.
    pub in_flight: Option<InFlight>,
    /// Whether bytes of its body were sent to an origin.
    pub body_sent: bool,
    /// Compresses its answer.
    pub encoder: Option<Encoder>,
}

impl Context {
    /// Nothing is known yet.
    pub fn new(begun: i64) -> Self {
        Self {
            begun,
            request_id: String::new(),
            traceparent: String::new(),
            arrival: Arrival {
                ip: None,
                is_tls: false,
            },
            strict_transport: None,
            client: ClientAddress {
                ip: None,
                through_trusted: false,
            },
            own_fields: Vec::new(),
            cache_status: None,
            permit: None,
            tried: Vec::new(),
            upstream: None,
            in_flight: None,
            body_sent: false,
            encoder: None,
        }
    }

    /// Fields that every answer to this request carries.
    pub fn fields(&self) -> Vec<(HeaderName, HeaderValue)> {
        let mut fields = self.own_fields.clone();
        let strict = self.strict_transport.iter().cloned();
        fields.extend(strict.map(|value| (header::STRICT_TRANSPORT_SECURITY, value)));
        for (name, value) in [
            (REQUEST_ID, Some(&self.request_id)),
            (CACHE_STATUS, self.cache_status.as_ref()),
        ] {
            fields.extend(
                value
                    .and_then(|value| value.parse().ok())
                    .map(|value| (name, value)),
            );
        }
        fields
    }
}
