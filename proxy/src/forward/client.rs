//! The edge's own client of the origins: for what the cache fetches, on behalf of many clients or of none.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream;
use http::StatusCode;
use pingora::connectors::ConnectorOptions;
use pingora::connectors::http::Connector;
use pingora::http::RequestHeader;
use pingora::protocols::http::client::HttpSession;
use pingora::upstreams::peer::HttpPeer;

use super::group::{Asker, Failed, Group};
use super::headers;
use super::upstreams::{Chosen, InFlight};
use super::{Timeouts, Upstreams};
use crate::cache::fetch::{Fetch, FetchError, FetchRequest, Fetched};
use crate::dispatch::breaker::Went;
use crate::dispatch::{Asking, Dispatch, Permit};

/// See the module.
pub struct UpstreamClient {
    connector: Arc<Connector>,
    upstreams: Arc<ArcSwap<Upstreams>>,
    dispatch: Arc<Dispatch>,
}

/// Whether an answer says that the origin could not answer. A 503 that says when to come back is meant so (only looking is
/// allowed, the database is away): another origin of the shop would say the same.
pub fn is_gateway_error(status: StatusCode, fields: &http::HeaderMap) -> bool {
    match status {
        StatusCode::SERVICE_UNAVAILABLE => !fields.contains_key(http::header::RETRY_AFTER),
        status => matches!(
            status,
            StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT
        ),
    }
}

/// Whether an answer is live events, which have no end.
pub fn is_event_stream(fields: &http::HeaderMap) -> bool {
    let kind = fields.get(http::header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// A session and what it occupies.
struct Exchange {
    session: HttpSession<()>,
    peer: HttpPeer,
    idle: Duration,
    connector: Arc<Connector>,
    _in_flight: InFlight,
    _permit: Option<Arc<Permit>>,
}

impl UpstreamClient {
    /// A client with a pool of its own.
    pub fn new(
        idle_max: usize,
        upstreams: Arc<ArcSwap<Upstreams>>,
        dispatch: Arc<Dispatch>,
    ) -> Self {
        let connector = Arc::new(Connector::new(Some(ConnectorOptions::new(idle_max))));
        Self {
            connector,
            upstreams,
            dispatch,
        }
    }

    async fn exchange(&self, request: FetchRequest) -> Result<Fetched, FetchError> {
        let path = request.path_and_query.split('?').next().unwrap_or_default();
        let upstreams = self.upstreams.load_full();
        let (timeouts, group) = upstreams
            .route(path)
            .ok_or_else(|| FetchError::Unreachable("no route".to_owned()))?;
        let Asking { class, user } = request.asking;
        let entered = self.dispatch.enter(class, || user).await;
        let permit = entered.map_err(|full| FetchError::Overloaded {
            retry_after_seconds: full.retry_after_seconds,
        })?;
        let permit = Arc::new(permit);
        self.tries(
            &request,
            (timeouts, upstreams.retries_max),
            group,
            path,
            &permit,
        )
        .await
    }

    /// One server after the other, as far as retries are allowed. A gateway's error is an answer, but a bad one.
    async fn tries(
        &self,
        request: &FetchRequest,
        (timeouts, retries_max): (&Timeouts, u32),
        group: &Group,
        path: &str,
        permit: &Arc<Permit>,
    ) -> Result<Fetched, FetchError> {
        let mut tried = Vec::new();
        let asker = Asker {
            address: None,
            path,
        };
        loop {
            let Some(chosen) = group.choose(&asker, &tried) else {
                return Err(FetchError::Unreachable(format!(
                    "no server of {} is left",
                    group.name
                )));
            };
            tried.push(Arc::clone(&chosen.server));
            let begun = group.now();
            match self.once(request, &chosen, timeouts, permit).await {
                Ok(fetched) => {
                    permit.answered(&fetched.headers, begun);
                    let is_good = !is_gateway_error(fetched.status, &fetched.headers);
                    let went = group.went(is_good, begun);
                    group.report(&chosen.server, Some(chosen.pass), went);
                    return Ok(fetched);
                }
                Err(error) => {
                    group.report(&chosen.server, Some(chosen.pass), Went::Badly);
                    tracing::debug!(server = %chosen.server.address, %error, "an origin gave no answer");
                    let failed = match error {
                        FetchError::Broken(_) => Failed::BrokeOff,
                        _ => Failed::Otherwise,
                    };
                    if !group.may_retry(tried.len(), retries_max, failed) {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// One try; a connection that was reused and turns out to be closed is replaced by a new one.
    async fn once(
        &self,
        request: &FetchRequest,
        chosen: &Chosen,
        timeouts: &Timeouts,
        permit: &Arc<Permit>,
    ) -> Result<Fetched, FetchError> {
        for fresh in [false, true] {
            let (result, reused) = self.attempt(request, chosen, timeouts, permit).await;
            match result {
                Err(FetchError::Broken(_)) if reused && !fresh => {}
                other => return other,
            }
        }
        Err(FetchError::Broken("a new connection was closed".to_owned()))
    }

    async fn attempt(
        &self,
        request: &FetchRequest,
        chosen: &Chosen,
        timeouts: &Timeouts,
        permit: &Arc<Permit>,
    ) -> (Result<Fetched, FetchError>, bool) {
        let peer = chosen.peer(timeouts);
        let (session, reused) = match self.connector.get_http_session(&peer).await {
            Ok(found) => found,
            Err(error) => return (Err(FetchError::Unreachable(error.to_string())), false),
        };
        let mut exchange = Exchange {
            session,
            peer,
            idle: Duration::from_millis(timeouts.idle_ms),
            connector: Arc::clone(&self.connector),
            _in_flight: InFlight::of(&chosen.server),
            _permit: Some(Arc::clone(permit)),
        };
        let head = exchange.ask(request, timeouts).await;
        (
            head.map(|(status, headers)| exchange.fetched(status, headers)),
            reused,
        )
    }
}

impl Exchange {
    async fn ask(
        &mut self,
        request: &FetchRequest,
        timeouts: &Timeouts,
    ) -> Result<(StatusCode, http::HeaderMap), FetchError> {
        let broken = |error: Box<pingora::Error>| match error.etype() {
            pingora::ErrorType::ReadTimedout | pingora::ErrorType::WriteTimedout => {
                FetchError::Timeout
            }
            _ => FetchError::Broken(error.to_string()),
        };
        let session = &mut self.session;
        session.set_read_timeout(Some(Duration::from_millis(timeouts.read_ms)));
        session.set_write_timeout(Some(Duration::from_millis(timeouts.write_ms)));
        let mut head = RequestHeader::build(
            request.method.clone(),
            request.path_and_query.as_bytes(),
            None,
        )
        .map_err(broken)?;
        for (name, value) in &request.headers {
            head.append_header(name.clone(), value).map_err(broken)?;
        }
        session
            .write_request_header(Box::new(head))
            .await
            .map_err(broken)?;
        session.finish_request_body().await.map_err(broken)?;
        loop {
            session.read_response_header().await.map_err(broken)?;
            let Some(head) = session.response_header() else {
                return Err(FetchError::Broken("no head".to_owned()));
            };
            if !head.status.is_informational() {
                let mut fields = head.headers.clone();
                headers::remove_hop_by_hop(&mut fields);
                return Ok((head.status, fields));
            }
        }
    }

    fn fetched(mut self, status: StatusCode, headers: http::HeaderMap) -> Fetched {
        if is_event_stream(&headers) {
            // It may last for hours: it keeps no slot.
            self._permit = None;
        }
        let body = stream::unfold(Some(self), |exchange| async {
            let mut exchange = exchange?;
            match exchange.session.read_response_body().await {
                Ok(Some(bytes)) => Some((Ok(bytes), Some(exchange))),
                Ok(None) => {
                    let Exchange {
                        session,
                        peer,
                        idle,
                        connector,
                        ..
                    } = exchange;
                    connector
                        .release_http_session(session, &peer, Some(idle))
                        .await;
                    None
                }
                Err(error) => Some((Err(FetchError::Broken(error.to_string())), None)),
            }
        });
        let body = Box::pin(futures_util::StreamExt::filter(
            body,
            |part: &Result<Bytes, FetchError>| {
                std::future::ready(!part.as_ref().is_ok_and(Bytes::is_empty))
            },
        ));
        Fetched {
            status,
            headers,
            body,
        }
    }
}

impl Fetch for UpstreamClient {
    fn fetch(&self, request: FetchRequest) -> BoxFuture<'_, Result<Fetched, FetchError>> {
        Box::pin(self.exchange(request))
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, header};

    use super::*;

    #[test]
    fn an_origin_that_says_when_to_come_back_has_not_failed() {
        let none = HeaderMap::new();
        let later = HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_static("5"))]);
        for (status, fields, failed) in [
            (503, &none, true),
            (503, &later, false),
            (502, &later, true),
            (504, &none, true),
            (500, &none, false),
            (200, &none, false),
        ] {
            let code = StatusCode::from_u16(status).unwrap();
            assert_eq!(is_gateway_error(code, fields), failed, "{status}");
        }
    }
}
