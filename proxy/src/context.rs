//! What one stage leaves for a later one.

use std::net::IpAddr;

use http::{HeaderName, HeaderValue, header};

use crackers_shared::headers::{CACHE_STATUS, REQUEST_ID};

use crate::admit::client_address::ClientAddress;
use crate::dispatch::Permit;
use crate::forward::attempts::Attempts;
use crate::respond::compression::Encoder;
use crate::telemetry::traces::{Stage, Traced};

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
    /// Its span, if it has one.
    pub traced: Option<Traced>,
    /// How it came.
    pub arrival: Arrival,
    /// What `Strict-Transport-Security` says.
    pub strict_transport: Option<HeaderValue>,
    /// Who asks.
    pub client: ClientAddress,
    /// Fields that its answer carries whoever makes it.
    pub own_fields: Vec<(HeaderName, HeaderValue)>,
    /// How old a stored answer is.
    pub age_seconds: Option<u64>,
    /// What `Cache-Status` says.
    pub cache_status: Option<String>,
    /// Its origin slot.
    pub permit: Option<Permit>,
    /// The origins that were tried.
    pub attempts: Attempts,
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
            traced: None,
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
            age_seconds: None,
            cache_status: None,
            permit: None,
            attempts: Attempts::default(),
            encoder: None,
        }
    }

    /// The request is in this stage from now on.
    pub fn enter(&self, stage: Stage) {
        if let Some(traced) = &self.traced {
            traced.enter(stage);
        }
    }

    /// Fields that an answer to this request carries whoever made it, in their order.
    pub fn each_field(&self, mut take: impl FnMut(&HeaderName, &[u8])) {
        if let Some(age) = self.age_seconds {
            take(&header::AGE, age.to_string().as_bytes());
        }
        for (name, value) in &self.own_fields {
            take(name, value.as_bytes());
        }
        if let Some(value) = &self.strict_transport {
            take(&header::STRICT_TRANSPORT_SECURITY, value.as_bytes());
        }
        take(&REQUEST_ID, self.request_id.as_bytes());
        if let Some(status) = &self.cache_status {
            take(&CACHE_STATUS, status.as_bytes());
        }
    }

    /// The same as a list.
    pub fn fields(&self) -> Vec<(HeaderName, HeaderValue)> {
        let mut fields = Vec::with_capacity(self.own_fields.len() + 4);
        self.each_field(|name, value| {
            let value = HeaderValue::from_bytes(value).ok();
            fields.extend(value.map(|value| (name.clone(), value)));
        });
        fields
    }
}
