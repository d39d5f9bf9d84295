//! Writes an answer of the edge itself to the client: an entry of the cache, a fetched stream, a problem.

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use pingora::http::ResponseHeader;
use pingora::{Error, ErrorType, Result};
use pingora_proxy::Session;

use super::compression::Encoder;
use super::stored::Choice;
use super::{Problem, Respond};
use crate::cache::entry::Entry;
use crate::cache::fetch::Fetched;
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
        session: &mut Session,
        context: &mut Context,
        entry: &Entry,
        now: i64,
    ) -> Result<()> {
        context.age_seconds = Some(entry.age_seconds(now));
        let request = session.req_header();
        let choice = Choice::of(request, entry);
        let body = choice.body(&request.method);
        self.send(session, context, choice.status(), choice.fields(), body)
            .await
    }

    /// One of the edge's own errors.
    ///
    /// # Errors
    /// When the client is gone.
    pub async fn send_problem(
        &self,
        session: &mut Session,
        context: &Context,
        problem: &Problem,
    ) -> Result<()> {
        let accept = session.req_header().headers.get(header::ACCEPT);
        let (mut fields, body) = problem.render(accept, &context.request_id);
        fields.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        let is_head = session.req_header().method == Method::HEAD;
        self.send(
            session,
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
        session: &mut Session,
        context: &Context,
        status: StatusCode,
        mut fields: HeaderMap,
        body: Option<Bytes>,
    ) -> Result<()> {
        self.finish(&mut fields, &context.fields());
        session
            .write_response_header(Box::new(head(status, &fields)?), body.is_none())
            .await?;
        if let Some(body) = body {
            session.write_response_body(Some(body), true).await?;
        }
        Ok(())
    }

    /// A fetched answer as it arrives, compressed on the way where that is worth it.
    ///
    /// # Errors
    /// When the client is gone or the origin breaks off; the connection ends then.
    pub async fn send_stream(
        &self,
        session: &mut Session,
        context: &Context,
        fetched: Fetched,
    ) -> Result<()> {
        let Fetched {
            status,
            headers: mut fields,
            mut body,
        } = fetched;
        let is_head = session.req_header().method == Method::HEAD;
        let request = &session.req_header().headers;
        let mut encoder = if is_head {
            None
        } else {
            Encoder::start(request, status, &mut fields, self.compress_bytes_min)
        };
        if !fields.contains_key(header::CONTENT_LENGTH) && !is_head {
            fields.insert(
                header::TRANSFER_ENCODING,
                HeaderValue::from_static("chunked"),
            );
        }
        self.finish(&mut fields, &context.fields());
        session
            .write_response_header(Box::new(head(status, &fields)?), is_head)
            .await?;
        if is_head {
            return Ok(());
        }
        while let Some(part) = body.next().await {
            let part = part
                .map_err(|error| Error::because(ErrorType::ReadError, "from the origin", error))?;
            let part = encoder
                .as_mut()
                .map_or_else(|| part.clone(), |encoder| encoder.push(Some(&part), false));
            if !part.is_empty() {
                session.write_response_body(Some(part), false).await?;
            }
        }
        let last = encoder
            .as_mut()
            .map(|encoder| encoder.push(None, true))
            .filter(|last| !last.is_empty());
        session.write_response_body(last, true).await
    }
}
