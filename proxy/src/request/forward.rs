//! A request on its way to an origin, and what its answer means for the stages: the same whoever talks to the origin.

use std::borrow::Cow;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use pingora::{Error, ErrorType, Result};

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

/// Whether another origin may be tried.
pub fn may_retry(edge: &Edge, request: &Parts, context: &Context, failed: Failed) -> bool {
    let retries_max = edge.upstreams.retries_max;
    let attempts = &context.attempts;
    group(edge, request).is_some_and(|group| attempts.may_go_on(group, retries_max, failed))
}

/// The origin that was tried last gave no answer.
pub fn failed(edge: &Edge, request: &Parts, context: &mut Context) {
    if let Some(group) = group(edge, request) {
        context.attempts.failed(group);
    }
}

/// The origin that was tried last has answered.
pub fn answered(
    edge: &Edge,
    request: &Parts,
    context: &mut Context,
    (status, fields): (StatusCode, &HeaderMap),
) {
    if let Some(group) = group(edge, request) {
        let permit = context.permit.as_ref();
        context.attempts.answered(group, status, fields, permit);
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
