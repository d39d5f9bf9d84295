//! How the cache gets what it does not have: a small interface that stage `forward` fills.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use http::{HeaderMap, Method, StatusCode};

use crate::dispatch::Asking;

/// A request to the origin, made from a client's (client address, forwarding and trace headers already in place) or
/// by the cache itself for a revalidation in the background.
#[derive(Clone, Debug)]
pub struct FetchRequest {
    /// GET or HEAD.
    pub method: Method,
    /// Path and query as they are sent.
    pub path_and_query: String,
    /// End-to-end headers as they are sent, `Host` among them.
    pub headers: HeaderMap,
    /// For what and for whom, should it have to wait.
    pub asking: Asking,
}

/// An answer whose head has arrived and whose body may still be on its way.
pub struct Fetched {
    /// Status.
    pub status: StatusCode,
    /// All headers but hop-by-hop ones.
    pub headers: HeaderMap,
    /// The body; an error in it means that the answer is incomplete.
    pub body: BoxStream<'static, Result<Bytes, FetchError>>,
    /// When its origin was asked, in microseconds since the epoch, where somebody knows: it grows old from then on.
    pub asked_at: Option<i64>,
}

/// Why the origin gave no whole answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// No origin is up, or none took the connection.
    #[error("no origin took the request: {0}")]
    Unreachable(String),
    /// The origin took longer than the route allows.
    #[error("the origin did not answer in time")]
    Timeout,
    /// The origin broke off or spoke no HTTP.
    #[error("the origin broke off: {0}")]
    Broken(String),
    /// The origin said that it failed.
    #[error("the origin answered {status}")]
    Said {
        /// What it said, 500 to 599.
        status: StatusCode,
        /// Its `Retry-After`, in seconds.
        retry_after_seconds: Option<u32>,
    },
    /// Stage `dispatch` gave no slot.
    #[error("no origin slot became free; retry after {retry_after_seconds} s")]
    Overloaded {
        /// For `Retry-After`.
        retry_after_seconds: u32,
    },
}

/// Who fetches from the origins: slots, choice of origin, retries, timeouts are its own.
pub trait Fetch: Send + Sync + 'static {
    /// Sends the request and resolves when the answer's head is there.
    fn fetch(&self, request: FetchRequest) -> BoxFuture<'_, Result<Fetched, FetchError>>;
}
