//! Writes an answer of the edge itself to the client: an entry of the cache, a fetched stream, a problem.

use std::pin::Pin;
use std::task::Poll;

use bytes::Bytes;
use futures_util::poll;
use futures_util::stream::{BoxStream, Peekable, StreamExt as _};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use pingora::http::ResponseHeader;
use pingora::{Error, ErrorType, Result};

use super::client::{Client, Head};
use super::compression::Encoder;
use super::stored::Choice;
use super::{Problem, Respond};
use crate::cache::entry::Entry;
use crate::cache::fetch::{FetchError, Fetched};
use crate::context::Context;

/// A response head of Pingora's from a status and fields.
///
/// # Errors
/// When a field cannot be sent.
pub fn head(status: StatusCode, fields: &HeaderMap) -> Result<ResponseHeader> {
    let mut head = ResponseHeader::build(status, Some(fields.len()))?;
    for (name, value) in fields {
        head.append_header(name.clone(), value.clone())?;
    }
    Ok(head)
}

impl Respond {
    /// A stored answer: conditional requests, HEAD and codings are met from the entry.
    ///
    /// # Errors
    /// When the client is gone.
    pub async fn send_entry(
        &self,
        client: &mut impl Client,
        context: &mut Context,
        entry: &Entry,
        now: i64,
    ) -> Result<()> {
        context.age_seconds = Some(entry.age_seconds(now));
        let request = client.request();
        let choice = Choice::of(request, entry);
        let body = choice.body(&request.method);
        self.send(client, context, choice.status(), choice.fields(), body)
            .await
    }

    /// One of the edge's own errors.
    ///
    /// # Errors
    /// When the client is gone.
    pub async fn send_problem(
        &self,
        client: &mut impl Client,
        context: &Context,
        problem: &Problem,
    ) -> Result<()> {
        let accept = client.request().headers.get(header::ACCEPT);
        let (mut fields, body) = problem.render(accept, &context.request_id);
        fields.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        let is_head = client.request().method == Method::HEAD;
        self.send(
            client,
            context,
            problem.status,
            fields,
            (!is_head).then(|| Bytes::from(body)),
        )
        .await
    }

    /// A head and a whole body; without one, the answer ends with its head.
    ///
    /// # Errors
    /// When the client is gone.
    pub async fn send(
        &self,
        client: &mut impl Client,
        context: &Context,
        status: StatusCode,
        fields: HeaderMap,
        body: Option<Bytes>,
    ) -> Result<()> {
        let head = Head {
            status,
            fields,
            is_end: body.is_none(),
        };
        client.send_head(self, context, head).await?;
        match body {
            Some(body) => client.send_part(Some(body), true).await,
            None => Ok(()),
        }
    }

    /// A fetched answer as it arrives, compressed on the way where that is worth it.
    ///
    /// # Errors
    /// When the client is gone or the origin breaks off; the connection ends then.
    pub async fn send_stream(
        &self,
        client: &mut impl Client,
        context: &Context,
        fetched: Fetched,
    ) -> Result<()> {
        let Fetched {
            status,
            headers: mut fields,
            body,
            ..
        } = fetched;
        let request = client.request();
        let is_head = request.method == Method::HEAD;
        // HTTP/1.0 has no chunks: there a body ends with its connection (RFC 9112 6.1).
        let is_old = request.version < Version::HTTP_11;
        let least = self.compress_bytes_min;
        let mut encoder = Encoder::start(request, status, &mut fields, least);
        let is_end = is_head || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if !fields.contains_key(header::CONTENT_LENGTH) && !is_end {
            if is_old {
                client.close();
            } else {
                let chunked = HeaderValue::from_static("chunked");
                fields.insert(header::TRANSFER_ENCODING, chunked);
            }
        }
        let head = Head {
            status,
            fields,
            is_end,
        };
        client.send_head(self, context, head).await?;
        if is_end {
            return Ok(());
        }
        let mut body = body.peekable();
        while let Some(part) = next(client, &mut body).await? {
            // What is known to be the last part leaves together with the end.
            let is_last = matches!(poll!(Pin::new(&mut body).peek()), Poll::Ready(None));
            let part = match &mut encoder {
                Some(encoder) => encoder.push(Some(&part), is_last),
                None => part,
            };
            if is_last {
                let last = Some(part).filter(|part| !part.is_empty());
                return client.send_part(last, true).await;
            }
            if !part.is_empty() {
                client.send_part(Some(part), false).await?;
            }
        }
        let last = encoder.map(|mut encoder| encoder.push(None, true));
        let last = last.filter(|last| !last.is_empty());
        client.send_part(last, true).await
    }
}

/// The next part of a body; what was sent so far goes out while it is waited for.
async fn next(client: &mut impl Client, body: &mut Parts) -> Result<Option<Bytes>> {
    let part = match poll!(body.next()) {
        Poll::Ready(part) => part,
        Poll::Pending => {
            client.flush().await?;
            tokio::select! {
                biased;
                part = body.next() => part,
                () = client.gone() => return Err(Error::new_down(ErrorType::ConnectionClosed)),
            }
        }
    };
    let broken = |error| Error::because(ErrorType::ReadError, "from the origin", error);
    part.transpose().map_err(broken)
}

/// A body as it arrives.
type Parts = Peekable<BoxStream<'static, std::result::Result<Bytes, FetchError>>>;
