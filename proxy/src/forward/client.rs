//! From a request to an origin's answer, one origin after the other; and what the cache fetches this way, on behalf of many
//! clients or of none.

use std::sync::Arc;

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use http::StatusCode;

use super::attempts::Attempts;
use super::group::{Asker, Failed, Group};
use super::http1::{Arriving, Held, Http1, Outgoing};
use super::{Timeouts, Upstreams};
use crate::cache::fetch::{Fetch, FetchError, FetchRequest, Fetched};
use crate::dispatch::{Asking, Dispatch, Permit};

/// See the module.
pub struct UpstreamClient {
    http1: Arc<Http1>,
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

/// Where a request goes, and how far it may go on when that fails.
#[derive(Clone, Copy)]
pub struct Route<'a> {
    /// How long each step may take.
    pub timeouts: &'a Timeouts,
    /// The origins.
    pub group: &'a Arc<Group>,
    /// See [`super::Config::retries_max`].
    pub retries_max: u32,
}

/// Sends a request to one origin after the other, as far as it may be repeated and retries are allowed. Its slot is given
/// back once the body of the answer has arrived.
///
/// # Errors
/// What the last origin's failure was.
pub async fn forward(
    http1: &Http1,
    request: &Outgoing,
    route: Route<'_>,
    asker: &Asker<'_>,
    attempts: &mut Attempts,
    permit: Option<Permit>,
) -> Result<Arriving, FetchError> {
    let Route {
        timeouts,
        group,
        retries_max,
    } = route;
    loop {
        let Some(place) = attempts.next(group, asker) else {
            let none = format!("no server of {} is left", group.name);
            return Err(FetchError::Unreachable(none));
        };
        // Its body is there already.
        attempts.has_whole_request(group.now());
        let failure = match http1.exchange(request, &place.0, timeouts).await {
            Ok(mut arriving) => {
                let (status, fields) = (arriving.head.status, &arriving.head.fields);
                attempts.answered(group, status, fields, permit.as_ref());
                if arriving.is_settled() {
                    attempts.ended();
                }
                arriving.hold(Held {
                    in_flight: attempts.in_flight.take(),
                    permit,
                    unfinished: attempts.unfinished(group),
                });
                return Ok(arriving);
            }
            Err(failure) => failure,
        };
        attempts.failed(group);
        let server = attempts.last().unwrap_or_default();
        tracing::debug!(%server, error = %failure.error, "an origin gave no answer");
        let how = match failure.error {
            FetchError::Broken(_) => Failed::BrokeOff,
            _ => Failed::Otherwise,
        };
        let may_repeat = request.may_repeat || !failure.was_sent;
        if !may_repeat || !attempts.may_go_on(group, retries_max, how) {
            return Err(failure.error);
        }
    }
}

impl UpstreamClient {
    /// What fetches for the cache, over these connections.
    pub fn new(
        http1: Arc<Http1>,
        upstreams: Arc<ArcSwap<Upstreams>>,
        dispatch: Arc<Dispatch>,
    ) -> Self {
        Self {
            http1,
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
        let entered = self.dispatch.enter(class, user).await;
        let permit = entered.map_err(|full| FetchError::Overloaded {
            retry_after_seconds: full.retry_after_seconds,
        })?;
        let (method, target) = (&request.method, &request.path_and_query);
        let outgoing = Outgoing::new(method, target, request.headers.iter(), &[]);
        let route = Route {
            timeouts,
            group,
            retries_max: upstreams.retries_max,
        };
        let asker = Asker {
            address: None,
            path,
        };
        let mut attempts = Attempts::default();
        let (http1, permit) = (&self.http1, Some(permit));
        let forwarding = forward(http1, &outgoing, route, &asker, &mut attempts, permit);
        let fetched = forwarding.await?.fetched();
        let asked_at = attempts.asked_at();
        Ok(Fetched {
            asked_at,
            ..fetched
        })
    }
}

impl Fetch for UpstreamClient {
    fn fetch(&self, request: FetchRequest) -> BoxFuture<'_, Result<Fetched, FetchError>> {
        Box::pin(self.exchange(request))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::StreamExt as _;
    use http::{HeaderMap, HeaderValue, Method, header};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::config::{Config, DEFAULTS};
    use crate::forward::group::more_tests::group;
    use crate::telemetry::Metrics;

    const HALF: &str = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf";

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

    /// An origin that answers each request with these bytes, and closes the connection.
    async fn origin(answer: &'static str) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = [0; 1024];
                assert!(stream.read(&mut head).await.is_ok());
                assert!(stream.write_all(answer.as_bytes()).await.is_ok());
            }
        });
        port
    }

    async fn ask(group: &Arc<Group>) -> Fetched {
        let config: Config = serde_yaml::from_str(DEFAULTS).unwrap();
        let http1 = Http1::new(8, 65_536, &Arc::new(Metrics::new()));
        let route = Route {
            timeouts: &config.forward.routes[0].timeouts,
            group,
            retries_max: 0,
        };
        let asker = Asker {
            address: None,
            path: "/",
        };
        let outgoing = Outgoing::new(&Method::GET, "/", std::iter::empty(), &[]);
        let mut attempts = Attempts::default();
        let forwarding = forward(&http1, &outgoing, route, &asker, &mut attempts, None);
        forwarding.await.unwrap().fetched()
    }

    #[tokio::test]
    async fn an_origin_that_breaks_off_every_body_is_ejected() {
        let malformed = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nzz";
        let whole = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        let until_close = "HTTP/1.1 200 OK\r\n\r\nok";
        for (bad, good) in [(HALF, whole), (malformed, until_close)] {
            let group = group(&[origin(bad).await, origin(good).await]);
            let mut broken = 0;
            for _ in 0..20 {
                let parts: Vec<_> = ask(&group).await.body.collect().await;
                broken += usize::from(parts.iter().any(Result::is_err));
            }
            assert_eq!(broken, 5, "{bad:?}");
            let ejected = group.servers.iter().map(|one| group.is_ejected(one));
            assert_eq!(Vec::from_iter(ejected), [true, false], "{bad:?}");
        }
    }

    #[tokio::test]
    async fn an_origin_that_had_to_wait_for_the_client_has_not_failed() {
        let group = group(&[origin(HALF).await]);
        for (pause, failures) in [(5, 0), (0, 1)] {
            let mut body = ask(&group).await.body;
            assert_eq!(body.next().await.unwrap().unwrap(), "half");
            tokio::time::pause();
            tokio::time::advance(Duration::from_secs(pause)).await;
            tokio::time::resume();
            assert!(body.next().await.unwrap().is_err());
            let labels = [group.name.as_str(), &group.servers[0].address];
            let failed = &group.metrics.upstream_failures;
            assert_eq!(failed.with_label_values(&labels).get(), failures);
        }
    }
}
