//! The one place where Pingora calls the stages, in the order in which it does so. Nothing is decided here.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, header};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType, Result};
use pingora_proxy::{FailToProxy, ProxyHttp, Session};

use crate::accept::stream_watch::{self, Verdict};
use crate::context::{Arrival, Context};
use crate::edge::Edge;
use crate::forward::group::Asker;
use crate::forward::http1::head::framing;
use crate::live::Live;
use crate::record;
use crate::request::{self, Exchange, STAYS_ON_CONNECTION};
use crate::respond::compression::Encoder;
use crate::respond::send;
use crate::telemetry::traces::Stage;

/// See the module.
pub struct Phases {
    /// The stages.
    pub live: Arc<Live>,
}

/// One request, and the edge with the settings that it began with.
pub struct OneRequest {
    edge: Arc<Edge>,
    context: Context,
}

#[async_trait]
impl ProxyHttp for Phases {
    type CTX = OneRequest;

    fn new_ctx(&self) -> OneRequest {
        let edge = self.live.edge();
        let context = Context::new(edge.clock.now_microseconds());
        OneRequest { edge, context }
    }

    /// No modules: whatever they offer, a stage does.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn request_filter(&self, session: &mut Session, one: &mut OneRequest) -> Result<bool> {
        let OneRequest { edge, context } = one;
        let address = session.as_downstream().client_addr();
        let digest = session.digest();
        let arrival = Arrival {
            ip: address.and_then(|address| Some(address.as_inet()?.ip())),
            is_tls: digest.is_some_and(|digest| digest.ssl_digest.is_some()),
        };
        // HTTP/1.0 knows no interim answers (RFC 9110 15.2).
        let is_old = session.req_header().version < http::Version::HTTP_11;
        session.as_downstream_mut().set_ignore_info_resp(is_old);
        let fields = &session.req_header().headers;
        request::identify(edge, fields, arrival, context);
        request::answer_here(edge, session, context).await
    }

    async fn upstream_peer(
        &self,
        session: &mut Session,
        one: &mut OneRequest,
    ) -> Result<Box<HttpPeer>> {
        let OneRequest { edge, context } = one;
        context.enter(Stage::Forward);
        let route = edge.upstreams.route(session.req_header().uri.path());
        let (timeouts, group) = route.ok_or_else(|| Error::new(ErrorType::HTTPStatus(404)))?;
        let asker = Asker {
            address: context.client.ip,
            path: session.req_header().uri.path(),
        };
        let unavailable = || Error::new(ErrorType::HTTPStatus(503));
        let place = context.attempts.next(group, &asker);
        Ok(Box::new(place.ok_or_else(unavailable)?.peer(timeouts)))
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        is_end: bool,
        one: &mut OneRequest,
    ) -> Result<()> {
        let OneRequest { edge, context } = one;
        match stream_watch::read(body, is_end) {
            Verdict::Fine => {}
            Verdict::TooLarge => return Err(Error::new_down(ErrorType::HTTPStatus(413))),
            Verdict::TooSlow => return Err(Error::new_down(ErrorType::ReadTimedout)),
        }
        if is_end {
            let now = edge.clock.now_microseconds();
            context.attempts.has_whole_request(now);
        }
        Ok(())
    }

    fn fail_to_connect(
        &self,
        session: &mut Session,
        peer: &HttpPeer,
        one: &mut OneRequest,
        error: Box<Error>,
    ) -> Box<Error> {
        let OneRequest { edge, context } = one;
        let mut error = error.more_context(format!("Peer: {peer}"));
        let may_retry = request::not_reached(edge, session.req_header(), context);
        error.set_retry(may_retry);
        error
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        upstream: &mut RequestHeader,
        one: &mut OneRequest,
    ) -> Result<()> {
        stream_watch::begin();
        if session.is_body_done() {
            let now = one.edge.clock.now_microseconds();
            one.context.attempts.has_whole_request(now);
        }
        // To an origin a path is sent, however the client has named his target (RFC 9112 3.2.1).
        if !matches!(upstream.raw_path().first(), Some(b'/' | b'*')) {
            upstream.set_uri(upstream.uri.clone());
        }
        // WebSockets go another way, and the wish for any other protocol may be ignored (RFC 9110 7.8).
        for name in STAYS_ON_CONNECTION.iter().chain(&[header::UPGRADE]) {
            upstream.remove_header(name);
        }
        for name in request::dropped(&one.edge, session.req_header(), &one.context) {
            upstream.remove_header(name.as_ref());
        }
        for (name, value) in request::prepare(session.req_header(), &one.context) {
            upstream.insert_header(name, value)?;
        }
        Ok(())
    }

    fn error_while_proxy(
        &self,
        peer: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        one: &mut OneRequest,
        reused: bool,
    ) -> Box<Error> {
        let OneRequest { edge, context } = one;
        let mut error = error.more_context(format!("Peer: {peer}"));
        let exchange = Exchange {
            is_untouched: session.response_written().is_none()
                && !session.as_ref().retry_buffer_truncated(),
            is_reused: reused,
        };
        let request = session.req_header();
        let may_retry = request::broke_off(edge, request, context, exchange, &mut error);
        error.set_retry(may_retry);
        error
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        answer: &mut ResponseHeader,
        one: &mut OneRequest,
    ) -> Result<()> {
        let OneRequest { edge, context } = one;
        context.enter(Stage::Respond);
        let (asked, is_old) = (
            &session.req_header().method,
            answer.version < http::Version::HTTP_11,
        );
        if let Err(bad) = framing(answer.status, &answer.headers, asked, is_old) {
            let refused = &edge.metrics.forward_heads_refused;
            refused.with_label_values(&[bad.0]).inc();
            return Err(Error::explain(ErrorType::InvalidHTTPHeader, bad.0).into_up());
        }
        if answer.status.is_informational() {
            let fields = edge.respond.interim(answer.headers.clone());
            *answer = send::head(answer.status, &fields)?;
            return Ok(());
        }
        let mut fields = answer.headers.clone();
        let request = session.req_header();
        request::answered(edge, request, context, (answer.status, &fields));
        // Before the client hears of it: what he asks for next is the new answer.
        request::learn(edge, request, answer.status, &fields);
        let least = edge.respond.compress_bytes_min;
        context.encoder = Encoder::start(request, answer.status, &mut fields, least);
        if request.method == http::Method::HEAD {
            fields.remove(header::TRANSFER_ENCODING);
        }
        if context.encoder.is_some() && request.version == http::Version::HTTP_11 {
            fields.insert(
                header::TRANSFER_ENCODING,
                HeaderValue::from_static("chunked"),
            );
        }
        if request.version < http::Version::HTTP_11 {
            // It has no chunks: there a body ends with its connection (RFC 9112 6.1).
            if fields.remove(header::TRANSFER_ENCODING).is_some() || context.encoder.is_some() {
                session.set_keepalive(None);
            }
        }
        // Pingora has looked for that only when it began with the request.
        if self.live.is_stopping() {
            session.set_keepalive(None);
        }
        edge.respond.finish(&mut fields, &context.fields());
        *answer = send::head(answer.status, &fields)?;
        Ok(())
    }

    fn response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        is_end: bool,
        one: &mut OneRequest,
    ) -> Result<Option<Duration>> {
        one.context.attempts.passes_on();
        if let Some(encoder) = &mut one.context.encoder {
            *body = Some(encoder.push(body.as_ref(), is_end)).filter(|made| !made.is_empty());
        }
        Ok(None)
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        one: &mut OneRequest,
    ) -> FailToProxy {
        let OneRequest { edge, context } = one;
        let problem = request::problem(error);
        let status = problem.status.as_u16();
        session.set_keepalive(None);
        if session.response_written().is_none() {
            // The client may be gone; then there is nobody to tell.
            let _ = edge.respond.send_problem(session, context, &problem).await;
        }
        FailToProxy {
            error_code: status,
            can_reuse_downstream: false,
        }
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, one: &mut OneRequest) {
        let OneRequest { edge, context } = one;
        let status = session
            .response_written()
            .map_or(0, |answer| answer.status.as_u16());
        if let Some(error) = error {
            if error.esource() == &ErrorSource::Downstream {
                stream_watch::taken_back();
            }
            tracing::debug!(request_id = %context.request_id, %error, "a request failed");
        }
        if error.is_none() {
            context.attempts.ended();
        }
        let request = session.req_header();
        record::record(edge, request, context, status, session.body_bytes_sent());
    }
}
