//! The small servers that stand for others' services in tests: one answer for each request, on a free port.

use std::convert::Infallible;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// How a service takes a request.
#[derive(Clone, Copy, Debug, Default)]
pub enum Mood {
    /// As it should.
    #[default]
    Fine,
    /// It fails, and has done nothing.
    Fails,
    /// It does what it is asked for; its answer is lost.
    LosesTheAnswer,
    /// It answers after so long.
    Slow(Duration),
}

impl Mood {
    /// What a request gets that `carry_out` would answer.
    pub(crate) async fn take(self, carry_out: impl FnOnce() -> (u16, Bytes)) -> (u16, Bytes) {
        match self {
            Self::Fine => carry_out(),
            Self::Fails => (500, Bytes::new()),
            Self::LosesTheAnswer => {
                carry_out();
                (502, Bytes::new())
            }
            Self::Slow(pause) => {
                tokio::time::sleep(pause).await;
                carry_out()
            }
        }
    }
}

/// Serves until the test's runtime ends; answers with where.
pub(crate) async fn serve<F, A>(answer: F) -> Result<String>
where
    F: Fn(Request<Bytes>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = (u16, Bytes)> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = answer.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = answer.clone();
                async move {
                    let (parts, body) = request.into_parts();
                    let body = body.collect().await.map(|body| body.to_bytes());
                    let whole = Request::from_parts(parts, body.unwrap_or_default());
                    let (status, said) = answer(whole).await;
                    let mut response = Response::new(Full::new(said));
                    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
                    Ok::<_, Infallible>(response)
                }
            });
            let connection = hyper::server::conn::http1::Builder::new();
            tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
        }
    });
    Ok(url)
}
