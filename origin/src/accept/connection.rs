//! One HTTP/1.1 connection: its deadlines, and the last line against a handler that fails badly.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Either, Full, LengthLimitError, Limited, StreamBody};
use hyper::body::{Body as _, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OwnedSemaphorePermit;

use crackers_shared::headers;

use super::Phase;
use crate::api::{self, RequestContext};
use crate::app::App;

/// The body of an answer: whole, or as it comes.
pub type Body = Either<Full<Bytes>, StreamBody<Frames>>;

/// Parts of a body that is made while it is sent.
pub type Frames = BoxStream<'static, Result<Frame<Bytes>, Broken>>;

/// A body that cannot be made to its end. The connection is closed, so that nobody takes what came for the whole.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the answer broke off")]
pub struct Broken;

/// What answers a request once it is there.
type Answering =
    fn(Arc<App>, RequestContext, HeaderMap, Bytes) -> BoxFuture<'static, Response<Body>>;

/// Serves a connection in a task of its own; `permit` is its place among the connections.
pub(super) fn spawn(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    app: Arc<App>,
    permit: OwnedSemaphorePermit,
    graceful: &GracefulShutdown,
) {
    let answering: Answering =
        |app, context, headers, body| Box::pin(api::answer(app, context, headers, body));
    spawn_with(answering, stream, app, permit, graceful);
}

fn spawn_with(
    answering: Answering,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    app: Arc<App>,
    permit: OwnedSemaphorePermit,
    graceful: &GracefulShutdown,
) {
    let config = &app.config.accept;
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(config.idle_timeout_ms))
        .max_buf_size(config.head_bytes_max)
        .pipeline_flush(true);
    let served = Arc::clone(&app);
    let service = service_fn(move |request| {
        let app = Arc::clone(&served);
        async move {
            let mut response = guarded(answering, Arc::clone(&app), request).await;
            take_leave(*app.phase.borrow(), response.headers_mut());
            Ok::<_, Infallible>(response)
        }
    });
    let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), service));
    app.metrics.connections.inc();
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended early");
        }
        app.metrics.connections.dec();
        drop(permit);
    });
}

/// Says in an answer what is to be said of a process that will not be there for the next request.
fn take_leave(phase: Phase, fields: &mut HeaderMap) {
    if phase != Phase::Serving {
        fields.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if phase == Phase::Stopping {
        fields.insert(headers::STOPPING, HeaderValue::from_static("1"));
    }
}

/// Answers within the total deadline, and answers 500 where a handler panics: one bad request ends nobody else's.
async fn guarded(
    answering: Answering,
    app: Arc<App>,
    request: Request<Incoming>,
) -> Response<Body> {
    let limit = Duration::from_millis(app.config.accept.request_timeout_ms);
    let (context, headers, body) = RequestContext::of(request);
    let work = AssertUnwindSafe(async {
        let body = read_body(&app, &context, body).await?;
        let answered = answering(Arc::clone(&app), context.clone(), headers, body);
        Ok::<_, api::ApiError>(answered.await)
    });
    match tokio::time::timeout(limit, work.catch_unwind()).await {
        Ok(Ok(Ok(response))) => response,
        Ok(Ok(Err(error))) => api::failure(&app, &context, &error),
        Ok(Err(_)) => {
            app.metrics.panics.inc();
            tracing::error!(request_id = %context.request_id, "a handler panicked");
            api::failure(
                &app,
                &context,
                &api::ApiError::internal("a handler panicked"),
            )
        }
        Err(_) => api::failure(&app, &context, &api::ApiError::TimedOut),
    }
}

/// Takes in the body within its own limits, whoever wants it: one left unread would end the connection.
async fn read_body(
    app: &App,
    context: &RequestContext,
    body: Incoming,
) -> Result<Bytes, api::ApiError> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let config = &app.config.accept;
    let limit = Duration::from_millis(config.body_timeout_ms);
    let bytes_max = app
        .router
        .body_bytes_max(&context.method, &context.path, config);
    let read = Limited::new(body, bytes_max).collect();
    match tokio::time::timeout(limit, read).await {
        Ok(Ok(read)) => Ok(read.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(api::ApiError::BodyTooLarge(bytes_max))
        }
        _ => Err(api::ApiError::BodyMissing),
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use hyper::client::conn::http1::{SendRequest, handshake};
    use tokio::sync::Semaphore;

    use super::*;

    async fn an_app(folder: &std::path::Path) -> Arc<App> {
        Arc::new(App::in_folder(folder, |_| ()).await)
    }

    /// Panics where it is asked to, before anything and after a while; answers everything else.
    fn answer_or_panic(path: &str) -> BoxFuture<'static, Response<Body>> {
        assert_ne!(path, "/at-once");
        let path = path.to_owned();
        Box::pin(async move {
            tokio::task::yield_now().await;
            assert_ne!(path, "/later");
            Response::new(Either::Left(Full::from("fine")))
        })
    }

    async fn connect(app: &Arc<App>, graceful: &GracefulShutdown) -> SendRequest<Full<Bytes>> {
        let (client, server) = tokio::io::duplex(64 * 1024);
        let places = Arc::new(Semaphore::new(1));
        let permit = places.try_acquire_owned().unwrap();
        let answering: Answering = |_, context, _, _| answer_or_panic(&context.path);
        spawn_with(answering, server, Arc::clone(app), permit, graceful);
        let (sender, connection) = handshake(TokioIo::new(client)).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    /// Asks on a connection: status, content type and body.
    async fn ask(sender: &mut SendRequest<Full<Bytes>>, path: &str) -> (StatusCode, String, Bytes) {
        sender.ready().await.unwrap();
        let request = Request::get(path).header("host", "shop");
        let request = request.body(Full::default()).unwrap();
        let (head, body) = sender.send_request(request).await.unwrap().into_parts();
        let kind = head.headers.get(header::CONTENT_TYPE);
        let kind = kind.map_or("", |kind| kind.to_str().unwrap()).to_owned();
        (head.status, kind, body.collect().await.unwrap().to_bytes())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_handler_that_panics_is_answered_500_and_ends_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let app = an_app(folder.path()).await;
        let graceful = GracefulShutdown::new();
        let mut one = connect(&app, &graceful).await;
        let mut other = connect(&app, &graceful).await;
        for (number, path) in (1..).zip(["/at-once", "/later", "/at-once"]) {
            let (status, kind, body) = ask(&mut one, path).await;
            let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
            assert_eq!(
                (kind.as_str(), &problem["code"]),
                ("application/problem+json", &"internal".into())
            );
            // Nothing of what went wrong is told.
            assert!(!problem.to_string().contains("panic"), "{problem}");
            assert_eq!(app.metrics.panics.get(), number);
            // The same connection goes on, and so does the other.
            assert_eq!(ask(&mut one, "/").await.2, "fine");
            assert_eq!(ask(&mut other, "/").await.2, "fine");
        }
        assert_eq!(app.metrics.connections.get(), 2);
    }
}
