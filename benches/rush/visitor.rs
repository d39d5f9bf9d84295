//! One visitor: a connection that is kept, and an address.

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_TYPE, HOST, USER_AGENT};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::errands::Sent;
use crate::tally::Outcome;

pub(crate) struct Visitor {
    port: u16,
    address: String,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Visitor {
    /// The `number`th of up to 16 million, from 10.0.0.0/8.
    pub(crate) fn new(port: u16, number: u32) -> Self {
        let [_, a, b, c] = number.to_be_bytes();
        Self {
            port,
            address: format!("10.{a}.{b}.{c}"),
            connection: None,
        }
    }

    pub(crate) fn hang_up(&mut self) {
        self.connection = None;
    }

    pub(crate) async fn go(&mut self, errand: &Sent) -> Outcome {
        match self.ask(errand).await {
            Ok(status) if status.is_success() => Outcome::Served,
            Ok(StatusCode::SERVICE_UNAVAILABLE) => Outcome::Refused,
            Ok(status) => Outcome::Wrong(status.to_string()),
            Err(error) => {
                self.hang_up();
                Outcome::Wrong(format!("{error:#}"))
            }
        }
    }

    /// The status of an answer that came whole.
    async fn ask(&mut self, errand: &Sent) -> anyhow::Result<StatusCode> {
        let request = self.request(errand)?;
        let mut answer = self.connected().await?.send_request(request).await?;
        while let Some(part) = answer.body_mut().frame().await {
            part?;
        }
        Ok(answer.status())
    }

    fn request(&self, errand: &Sent) -> http::Result<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .method(errand.method.as_str())
            .uri(errand.path.as_str())
            .header(HOST, "shop")
            .header(USER_AGENT, "Mozilla/5.0 (Linux; Android 14) Mobile")
            .header(ACCEPT_ENCODING, "gzip, deflate, br")
            .header("X-Forwarded-For", &self.address);
        if !errand.body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(key) = &errand.key {
            request = request.header("Idempotency-Key", key);
        }
        request.body(Full::new(Bytes::from(errand.body.clone())))
    }

    /// The connection that there is, or a new one where the edge has closed it.
    async fn connected(&mut self) -> anyhow::Result<&mut SendRequest<Full<Bytes>>> {
        let kept = match self.connection.take() {
            Some(mut kept) => kept.ready().await.is_ok().then_some(kept),
            None => None,
        };
        let connection = match kept {
            Some(kept) => kept,
            None => {
                let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
                stream.set_nodelay(true)?;
                let (sender, connection) = handshake(TokioIo::new(stream)).await?;
                // What breaks it is told to whoever sends on it.
                tokio::spawn(async move { connection.await.ok() });
                sender
            }
        };
        Ok(self.connection.insert(connection))
    }
}
