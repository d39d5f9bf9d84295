//! A request on its way to an origin, and what its answer means for the stages: the same whoever talks to the origin.

use std::borrow::Cow;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use pingora::{Error, ErrorSource, ErrorType, Result};

use super::failures::{nothing_there, of_fetch};
use super::host;
use crate::cache::{self, invalidation};
use crate::context::Context;
use crate::edge::Edge;
use crate::forward::client::{self, Route};
use crate::forward::group::{Asker, Failed, Group};
use crate::forward::headers::{Provenance, named_by_connection, provenance};
use crate::forward::http1::{self, Arriving, Outgoing, Tunnel};
use crate::respond::{Client, Head};
use crate::telemetry::traces::Stage;

/// Fields of the client's connection are not the origin's business; what frames the body stays.
pub static STAYS_ON_CONNECTION: [HeaderName; 5] = [
    header::CONNECTION,
    header::PROXY_AUTHORIZATION,
    header::TE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

pub(super) fn from<'a>(request: &'a Parts, context: &'a Context) -> Provenance<'a> {
    Provenance {
        client: context.client.ip,
        trusted: context.client.through_trusted,
        scheme: context.arrival.scheme(),
        host: host(request),
        request_id: &context.request_id,
        traceparent: &context.traceparent,
    }
}

/// The fields that a request has for the origin in place of the client's; without those that [`STAYS_ON_CONNECTION`].
pub fn prepare(request: &Parts, context: &Context) -> Vec<(HeaderName, HeaderValue)> {
    let mut fields = provenance(&request.headers, &from(request, context));
    // The edge compresses: an origin that also did would be asked to do the same work again and again.
    let identity = HeaderValue::from_static("identity");
    fields.push((header::ACCEPT_ENCODING, identity));
    fields.extend(cache::unmarked_conditions(&request.headers));
    fields
}

/// Fields of a request that the origin does not get, beside [`STAYS_ON_CONNECTION`]: those that only a trusted proxy may send, and
/// those that the client means for this hop.
pub fn dropped<'a>(
    edge: &'a Edge,
    request: &'a Parts,
    context: &Context,
) -> impl Iterator<Item = Cow<'a, HeaderName>> {
    let is_trusted = context.client.through_trusted;
    let distrusted = edge.upstreams.distrusted.iter();
    let distrusted = distrusted.filter(move |_| !is_trusted).map(Cow::Borrowed);
    distrusted.chain(named_by_connection(&request.headers).map(Cow::Owned))
}

/// The request as it is sent; with `Upgrade` in it, which `accept` lets in with a WebSocket only, it asks for that.
fn outgoing(edge: &Edge, request: &Parts, body: &Bytes, context: &Context) -> Outgoing {
    let mut own = prepare(request, context);
    if request.headers.contains_key(header::UPGRADE) {
        own.push((header::CONNECTION, HeaderValue::from_static("upgrade")));
    }
    let dropped: Vec<_> = dropped(edge, request, context).collect();
    let kept = request.headers.iter().filter(|(name, _)| {
        let is_replaced = own.iter().any(|(own, _)| own == name);
        !is_replaced
            && !STAYS_ON_CONNECTION.contains(name)
            && !dropped.iter().any(|one| one.as_ref() == *name)
    });
    let fields = kept.chain(own.iter().map(|(name, value)| (name, value)));
    let target = request.uri.path_and_query();
    let target = target.map_or("/", http::uri::PathAndQuery::as_str);
    Outgoing::new(&request.method, target, fields, body).with_interim()
}

/// Sends a request that has got its slot, and whose body is there whole, to an origin, and the answer to the client. A client
/// that goes away meanwhile takes slot and connection with it. What both sides have to say afterwards goes through the tunnel,
/// where the origin has agreed on one.
///
/// # Errors
/// When the client is gone, or the origin breaks off.
pub async fn forward(
    edge: &Edge,
    client: &mut impl Client,
    body: &Bytes,
    context: &mut Context,
) -> Result<Option<Tunnel>> {
    let uri = client.request().uri.clone();
    let Some((timeouts, group)) = edge.upstreams.route(uri.path()) else {
        let problem = nothing_there();
        let sent = edge.respond.send_problem(client, context, &problem).await;
        return sent.map(|()| None);
    };
    context.enter(Stage::Forward);
    let outgoing = outgoing(edge, client.request(), body, context);
    let route = Route {
        timeouts,
        group,
        retries_max: edge.upstreams.retries_max,
    };
    let asker = Asker {
        address: context.client.ip,
        path: uri.path(),
    };
    let permit = context.permit.take();
    let attempts = &mut context.attempts;
    let forwarding = client::forward(&edge.http1, &outgoing, route, &asker, attempts, permit);
    match arriving(edge, client, &outgoing, forwarding).await? {
        Ok(arriving) if arriving.is_tunnel() => {
            let head = switched(&arriving);
            client.send_head(&edge.respond, context, head).await?;
            Ok(arriving.tunnel(timeouts, &edge.metrics))
        }
        Ok(arriving) => {
            let fetched = arriving.fetched();
            learn(edge, client.request(), fetched.status, &fetched.headers);
            let sent = edge.respond.send_stream(client, context, fetched).await;
            sent.map(|()| None)
        }
        Err(error) => {
            tracing::debug!(request_id = %context.request_id, %error, "a request failed");
            client.close();
            let problem = of_fetch(&error);
            let sent = edge.respond.send_problem(client, context, &problem).await;
            sent.map(|()| None)
        }
    }
}

/// Waits for what an origin answers; interim answers go to the client meanwhile.
async fn arriving<T>(
    edge: &Edge,
    client: &mut impl Client,
    outgoing: &Outgoing,
    forwarding: impl Future<Output = T>,
) -> Result<T> {
    let mut forwarding = std::pin::pin!(forwarding);
    let arrived = loop {
        tokio::select! {
            biased;
            arrived = &mut forwarding => break arrived,
            heads = outgoing.interim() => send_interim(edge, client, heads).await?,
            () = client.gone() => return Err(Error::new_down(ErrorType::ConnectionClosed)),
        }
    };
    send_interim(edge, client, outgoing.interim_now()).await?;
    Ok(arrived)
}

/// What came before the answer.
async fn send_interim(
    edge: &Edge,
    client: &mut impl Client,
    heads: Vec<http1::head::Head>,
) -> Result<()> {
    for head in heads {
        let fields = edge.respond.interim(head.fields);
        client.send_interim(head.status, fields).await?;
    }
    Ok(())
}

/// What the client is told of an origin that has changed to WebSocket.
fn switched(arriving: &Arriving) -> Head {
    let mut fields = arriving.head.fields.clone();
    fields.remove(header::CONTENT_LENGTH);
    fields.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    Head {
        status: arriving.head.status,
        fields,
        is_end: true,
    }
}

/// The origin that was tried last took no connection; says whether another one may be tried.
pub fn not_reached(edge: &Edge, request: &Parts, context: &mut Context) -> bool {
    let Some(group) = group(edge, request) else {
        return false;
    };
    context.attempts.failed(group);
    let retries_max = edge.upstreams.retries_max;
    let attempts = &context.attempts;
    attempts.may_go_on(group, retries_max, Failed::Otherwise)
}

/// Whose doing an error on the way to an origin and back is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// The client paused for longer than an origin may.
    Clients,
    /// Not certainly the origin's: it closed the connection on a client who was still sending, perhaps for his sake.
    Nobodys,
    Origins,
}

fn whose_doing(error: &ErrorType, is_client_sending: bool) -> Doing {
    match error {
        // Pingora waits for the origin all the while: it has nothing to say yet.
        ErrorType::ReadTimedout if is_client_sending => Doing::Clients,
        error if is_client_sending && has_broken_off(error) => Doing::Nobodys,
        _ => Doing::Origins,
    }
}

fn has_broken_off(error: &ErrorType) -> bool {
    matches!(
        error,
        ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::WriteError
    )
}

/// An exchange that has ended with an error.
#[derive(Clone, Copy, Debug)]
pub struct Exchange {
    /// Whether nothing of an answer was sent on, and the whole request is still there.
    pub is_untouched: bool,
    /// Whether its connection had been used before.
    pub is_reused: bool,
}

/// The exchange with the origin that was tried last has ended with an error, on this side or that; says whether the request
/// may be sent again.
pub fn broke_off(
    edge: &Edge,
    request: &Parts,
    context: &mut Context,
    exchange: Exchange,
    error: &mut Error,
) -> bool {
    // Another origin mends nothing of what the client has broken.
    let is_clients = error.esource() != &ErrorSource::Upstream;
    let Some(group) = group(edge, request).filter(|_| !is_clients) else {
        return false;
    };
    let attempts = &mut context.attempts;
    let has_broken_off = has_broken_off(error.etype());
    let is_repeatable = request.method.is_idempotent() && exchange.is_untouched;
    if is_repeatable && exchange.is_reused && has_broken_off {
        attempts.forget_last();
        return true;
    }
    match whose_doing(error.etype(), attempts.is_client_sending()) {
        Doing::Clients => {
            attempts.says_nothing();
            error.as_down();
            return false;
        }
        Doing::Nobodys => attempts.says_nothing(),
        Doing::Origins if has_broken_off => attempts.closed(group),
        Doing::Origins => attempts.failed(group),
    }
    let failed = match has_broken_off {
        true => Failed::BrokeOff,
        false => Failed::Otherwise,
    };
    is_repeatable && attempts.may_go_on(group, edge.upstreams.retries_max, failed)
}

/// The origin that was tried last has answered.
pub fn answered(
    edge: &Edge,
    request: &Parts,
    context: &mut Context,
    (status, fields): (StatusCode, &HeaderMap),
) {
    let Some(group) = group(edge, request) else {
        return;
    };
    let permit = context.permit.as_ref();
    context.attempts.answered(group, status, fields, permit);
    if client::is_event_stream(fields) {
        // It may last for hours: it keeps no slot, and its end is not waited for.
        context.permit = None;
        context.attempts.ended();
    }
}

fn group<'a>(edge: &'a Edge, request: &Parts) -> Option<&'a Group> {
    let route = edge.upstreams.route(request.uri.path());
    route.map(|(_, group)| group.as_ref())
}

/// A successful unsafe request makes what is stored of its path, and of those that its answer names, out of date
/// (RFC 9111 4.4).
pub fn learn(edge: &Edge, request: &Parts, status: StatusCode, fields: &HeaderMap) {
    let has_succeeded = status.is_success() || status.is_redirection();
    if request.method.is_safe() || !has_succeeded {
        return;
    }
    for path in invalidation::paths(host(request), request.uri.path(), fields) {
        // Nothing is kept of the others; most of what is written has a path of its own.
        if edge.config.cache.route(&path).is_some() {
            edge.cache.invalidate(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_while_the_client_sends_is_not_the_origins_doing() {
        for (error, while_sending, otherwise) in [
            (ErrorType::ReadTimedout, Doing::Clients, Doing::Origins),
            (ErrorType::ConnectionClosed, Doing::Nobodys, Doing::Origins),
            (ErrorType::ReadError, Doing::Nobodys, Doing::Origins),
            (ErrorType::WriteError, Doing::Nobodys, Doing::Origins),
            // It takes nothing, or says what nobody can read.
            (ErrorType::WriteTimedout, Doing::Origins, Doing::Origins),
            (ErrorType::InvalidHTTPHeader, Doing::Origins, Doing::Origins),
        ] {
            assert_eq!(whose_doing(&error, true), while_sending, "{error:?}");
            assert_eq!(whose_doing(&error, false), otherwise, "{error:?}");
        }
    }
}
