//! One request through the stages: identified, admitted, answered from the cache if possible, given a slot otherwise.

mod failures;

use std::time::Duration;

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use pingora::Result;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora_proxy::Session;

use crackers_shared::{headers, request_id};

use crate::admit::{Admission, Visitor, client_address, https};
use crate::cache::fetch::FetchRequest;
use crate::cache::{self, Answer, Ask, RouteConfig, invalidation, key};
use crate::context::{Arrival, Context};
use crate::dispatch::{Asking, Class, User};
use crate::edge::Edge;
use crate::forward::group::{Failed, Group};
use crate::phases::{Provenance, STAYS_ON_CONNECTION, provenance};
use crate::respond::Problem;
pub use failures::problem;
use failures::{of_fetch, overloaded};

/// The host that was asked for; `accept` has seen to it that there is one, and one only.
pub fn host(request: &Parts) -> &str {
    let field = request
        .headers
        .get(header::HOST)
        .and_then(|value| value.to_str().ok());
    field
        .or_else(|| request.uri.authority().map(http::uri::Authority::as_str))
        .unwrap_or_default()
}

/// Gives the request its ids and its client.
pub fn identify(edge: &Edge, fields: &HeaderMap, arrival: Arrival, context: &mut Context) {
    let text = |name| {
        fields
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let own = text(headers::REQUEST_ID).filter(|id| request_id::is_acceptable(id));
    context.request_id = own.map_or_else(request_id::generate, str::to_owned);
    let trace = text(headers::TRACEPARENT).filter(|trace| request_id::is_traceparent(trace));
    context.traceparent = trace.map_or_else(request_id::generate_traceparent, str::to_owned);
    context.traced = edge.traces.begin(&mut context.traceparent, trace.is_some());
    context.arrival = arrival;
    context.strict_transport = edge.strict_transport.clone().filter(|_| arrival.is_tls);
    context.client = edge.admit.client(arrival.ip, fields);
}

/// Decides whether a request passes.
pub fn admit<'a>(edge: &'a Edge, request: &Parts, context: &Context) -> Admission<'a> {
    edge.admit.decide(&Visitor {
        method: &request.method,
        path: request.uri.path(),
        address: context.client.ip,
        headers: &request.headers,
    })
}

/// Answers whatever needs no origin, and gets a slot for what does. True when the answer was sent.
///
/// # Errors
/// When the client is gone.
pub async fn answer_here(
    edge: &Edge,
    session: &mut Session,
    context: &mut Context,
) -> Result<bool> {
    match admit(edge, session.req_header(), context) {
        Admission::Passes(fields) => context.own_fields = fields,
        Admission::Preflight(fields) => {
            context.own_fields = fields;
            edge.respond
                .send(
                    session,
                    context,
                    StatusCode::NO_CONTENT,
                    HeaderMap::new(),
                    None,
                )
                .await?;
            return Ok(true);
        }
        Admission::Refused(problem, reason) => {
            edge.metrics.refused.with_label_values(&[reason]).inc();
            edge.respond
                .send_problem(session, context, &problem)
                .await?;
            return Ok(true);
        }
    }
    let secure = https::address(&edge.config.accept.tls, session.req_header(), context);
    if let Some(location) = secure {
        let fields = HeaderMap::from_iter([(header::LOCATION, location)]);
        edge.respond
            .send(
                session,
                context,
                StatusCode::PERMANENT_REDIRECT,
                fields,
                None,
            )
            .await?;
        return Ok(true);
    }
    if session.req_header().uri.path() == "/health" {
        send_health(edge, session, context).await?;
        return Ok(true);
    }
    if answer_from_cache(edge, session, context).await? {
        return Ok(true);
    }
    enter(edge, session, context).await
}

/// Gets a slot, or tells the client to come back. True when the answer was sent.
async fn enter(edge: &Edge, session: &mut Session, context: &mut Context) -> Result<bool> {
    let request = session.req_header();
    let class = class(edge, request);
    let entered = edge.dispatch.enter(class, || user(edge, request, context));
    match entered.await {
        Ok(permit) => {
            context.permit = Some(permit);
            Ok(false)
        }
        Err(full) => {
            edge.respond
                .send_problem(session, context, &overloaded(full.retry_after_seconds))
                .await?;
            Ok(true)
        }
    }
}

async fn send_health(edge: &Edge, session: &mut Session, context: &Context) -> Result<()> {
    let mut fields = HeaderMap::new();
    fields.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    fields.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-store"),
    );
    let body = bytes::Bytes::from_static(b"{\"status\":\"ok\"}");
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    let is_head = session.req_header().method == Method::HEAD;
    edge.respond
        .send(
            session,
            context,
            StatusCode::OK,
            fields,
            (!is_head).then_some(body),
        )
        .await
}

async fn answer_from_cache(
    edge: &Edge,
    session: &mut Session,
    context: &mut Context,
) -> Result<bool> {
    let ask = match ask(edge, session.req_header(), context) {
        Ok(ask) => ask,
        Err(why) => {
            context.cache_status = Some(format!("crackers; fwd={why}"));
            return Ok(false);
        }
    };
    let (answer, status) = edge.cache.answer(ask).await;
    context.cache_status = Some(status);
    match answer {
        Answer::Stored(entry) => {
            edge.respond
                .send_entry(session, context, &entry, edge.clock.now_microseconds())
                .await?;
        }
        Answer::Direct(fetched) => edge.respond.send_stream(session, context, fetched).await?,
        Answer::Pass => return Ok(false),
        Answer::OnlyIfCached => {
            let detail = "Nothing is stored for this, and the request wanted nothing else.";
            let problem = Problem::new(StatusCode::GATEWAY_TIMEOUT, "only_if_cached", detail);
            edge.respond
                .send_problem(session, context, &problem)
                .await?;
        }
        Answer::Failed(error) => {
            edge.respond
                .send_problem(session, context, &of_fetch(&error))
                .await?;
        }
    }
    Ok(true)
}

fn class(edge: &Edge, request: &RequestHeader) -> Class {
    let dispatch = &edge.config.dispatch;
    dispatch.class_of(request.method.as_str(), request.uri.path())
}

/// Who waits, where there is a line: whoever is logged in, else whoever has the address (IPv6: the /64).
fn user(edge: &Edge, request: &RequestHeader, context: &Context) -> User {
    let account = edge.admit.account(&request.headers);
    match (account, context.client.ip) {
        (Some(account), _) => User::Account(account),
        (None, Some(ip)) => User::Address(client_address::limit_key(ip)),
        (None, None) => User::Unknown,
    }
}

/// The question to the cache, or why there is none (RFC 9211 `fwd`).
fn ask<'a>(
    edge: &Edge,
    request: &'a RequestHeader,
    context: &Context,
) -> Result<Ask<'a>, &'static str> {
    let fields = &request.headers;
    if request.method != Method::GET && request.method != Method::HEAD {
        return Err("method");
    }
    let has_body = fields.contains_key(header::CONTENT_LENGTH)
        || fields.contains_key(header::TRANSFER_ENCODING);
    let is_special = [header::AUTHORIZATION, header::UPGRADE]
        .iter()
        .any(|name| fields.contains_key(name));
    if has_body || is_special {
        return Err("bypass");
    }
    let (key, route) =
        key(edge, context.arrival.scheme(), host(request), &request.uri).ok_or("bypass")?;
    let mut sent = edge.cache.fetch_fields(fields);
    for (name, value) in provenance(fields, &from(request, context)) {
        sent.insert(name, value);
    }
    let fetch = FetchRequest {
        method: Method::GET,
        path_and_query: key.path_and_query().to_owned(),
        headers: sent,
        asking: Asking {
            class: class(edge, request),
            user: user(edge, request, context),
        },
    };
    Ok(Ask {
        key,
        headers: fields,
        fetch,
        ttl: route.ttl_seconds.map(Duration::from_secs),
    })
}

/// The key of a request and the route that it is on; none when nothing is kept of it.
pub fn key<'a>(
    edge: &'a Edge,
    scheme: &str,
    host: &str,
    uri: &Uri,
) -> Option<(key::Key, &'a RouteConfig)> {
    let route = edge.config.cache.route(uri.path())?;
    let key = key::of(scheme, host, uri.path(), uri.query(), route)?;
    Some((key, route))
}

fn from<'a>(request: &'a RequestHeader, context: &'a Context) -> Provenance<'a> {
    Provenance {
        client: context.client.ip,
        trusted: context.client.through_trusted,
        scheme: context.arrival.scheme(),
        host: host(request),
        request_id: &context.request_id,
        traceparent: &context.traceparent,
    }
}

/// Changes a request's fields for the origin.
///
/// # Errors
/// When a field cannot be sent.
pub fn prepare(session: &Session, upstream: &mut RequestHeader, context: &Context) -> Result<()> {
    let request = session.req_header();
    for name in STAYS_ON_CONNECTION {
        upstream.remove_header(name);
    }
    let mut conditions = HeaderMap::new();
    for name in [header::IF_NONE_MATCH, header::IF_MATCH] {
        conditions.extend(
            request
                .headers
                .get(&name)
                .map(|value| (name, value.clone())),
        );
    }
    cache::unmark_conditions(&mut conditions);
    for (name, value) in &conditions {
        upstream.insert_header(name.clone(), value)?;
    }
    // The edge compresses: an origin that also did would be asked to do the same work again and again.
    upstream.insert_header(header::ACCEPT_ENCODING, "identity")?;
    for (name, value) in provenance(&request.headers, &from(request, context)) {
        upstream.insert_header(name, value)?;
    }
    Ok(())
}

/// Whether another origin may be tried.
pub fn may_retry(edge: &Edge, session: &Session, context: &Context, failed: Failed) -> bool {
    let retries_max = edge.upstreams.retries_max;
    let attempts = &context.attempts;
    group(edge, session).is_some_and(|group| attempts.may_go_on(group, retries_max, failed))
}

/// The origin that was tried last gave no answer.
pub fn failed(edge: &Edge, session: &Session, context: &mut Context) {
    if let Some(group) = group(edge, session) {
        context.attempts.failed(group);
    }
}

/// The origin that was tried last has answered.
pub fn answered(edge: &Edge, session: &Session, context: &mut Context, answer: &ResponseHeader) {
    if let Some(group) = group(edge, session) {
        let (status, permit) = (answer.status, context.permit.as_ref());
        let attempts = &mut context.attempts;
        attempts.answered(group, status, &answer.headers, permit);
    }
}

fn group<'a>(edge: &'a Edge, session: &Session) -> Option<&'a Group> {
    let route = edge.upstreams.route(session.req_header().uri.path());
    route.map(|(_, group)| group.as_ref())
}

/// A successful unsafe request makes what is stored of its path, and of those that its answer names, out of date
/// (RFC 9111 4.4).
pub fn learn(edge: &Edge, request: &RequestHeader, answer: &ResponseHeader) {
    let has_succeeded = answer.status.is_success() || answer.status.is_redirection();
    if request.method.is_safe() || !has_succeeded {
        return;
    }
    for path in invalidation::paths(host(request), request.uri.path(), &answer.headers) {
        edge.cache.invalidate(&path);
    }
}
