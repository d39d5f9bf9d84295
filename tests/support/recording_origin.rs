//! An origin that answers as a test says and writes down what it was asked.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// See the module.
pub struct RecordingOrigin {
    /// Where it is.
    pub port: u16,
    seen: Arc<Mutex<Vec<Request<Bytes>>>>,
}

impl RecordingOrigin {
    /// An origin that serves until the test's runtime ends. Health checks pass, and are not written down.
    ///
    /// # Errors
    /// When it gets no port.
    pub async fn start(answer: fn(&Request<Bytes>) -> Response<Bytes>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let seen = Arc::<Mutex<Vec<Request<Bytes>>>>::default();
        let of_all = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let seen = Arc::clone(&of_all);
                let service = service_fn(move |request| take(request, answer, Arc::clone(&seen)));
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        Ok(Self { port, seen })
    }

    /// What it was asked so far, in order.
    pub fn seen(&self) -> Vec<Request<Bytes>> {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

async fn take(
    request: Request<Incoming>,
    answer: fn(&Request<Bytes>) -> Response<Bytes>,
    seen: Arc<Mutex<Vec<Request<Bytes>>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes());
    let request = Request::from_parts(parts, body.unwrap_or_default());
    if request.uri().path() == "/api/health/live" {
        return Ok(Response::default());
    }
    let answer = answer(&request).map(Full::new);
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    seen.push(request);
    Ok(answer)
}
