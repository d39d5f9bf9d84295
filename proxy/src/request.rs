//! One request through the stages: identified, admitted, answered from the cache if possible, given a slot otherwise.

mod failures;
mod forward;

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use pingora::{Error, ErrorType, Result};

use crackers_shared::{headers, request_id};

use crate::admit::{Admission, Visitor, client_address, https};
use crate::cache::fetch::FetchRequest;
use crate::cache::{self, Answer, Ask, RouteConfig, key};
use crate::context::{Arrival, Context};
use crate::dispatch::{Asking, Class, User};
use crate::edge::Edge;
use crate::forward::headers::provenance;
use crate::respond::{Client, Problem};
use crate::telemetry::traces::Stage;
pub use failures::{body_too_slow, problem};
use failures::{of_fetch, overloaded};
use forward::from;
pub use forward::{
    Exchange, STAYS_ON_CONNECTION, answered, broke_off, dropped, forward, learn, not_reached,
    prepare,
};

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
    let is_from_outside = trace.is_some();
    let traces = &edge.traces;
    context.traced = traces.begin(&mut context.traceparent, is_from_outside, &edge.clock);
    context.enter(Stage::Admit);
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
    client: &mut impl Client,
    context: &mut Context,
) -> Result<bool> {
    match admit(edge, client.request(), context) {
        Admission::Passes(fields) => context.own_fields = fields,
        Admission::Preflight(fields) => {
            context.own_fields = fields;
            edge.respond
                .send(
                    client,
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
            edge.respond.send_problem(client, context, &problem).await?;
            return Ok(true);
        }
    }
    let secure = https::address(&edge.config.accept.tls, client.request(), context);
    if let Some(location) = secure {
        let fields = HeaderMap::from_iter([(header::LOCATION, location)]);
        edge.respond
            .send(
                client,
                context,
                StatusCode::PERMANENT_REDIRECT,
                fields,
                None,
            )
            .await?;
        return Ok(true);
    }
    if client.request().uri.path() == "/health" {
        send_health(edge, client, context).await?;
        return Ok(true);
    }
    if answer_from_cache(edge, client, context).await? {
        return Ok(true);
    }
    enter(edge, client, context).await
}

/// Gets a slot, or tells the client to come back. True when the answer was sent. A client that goes away leaves the line.
async fn enter(edge: &Edge, client: &mut impl Client, context: &mut Context) -> Result<bool> {
    context.enter(Stage::Dispatch);
    let class = class(edge, client.request());
    let entered = match edge.dispatch.enter_now(class) {
        Some(permit) => Ok(permit),
        None => {
            let user = user(edge, client.request(), context);
            tokio::select! {
                biased;
                entered = edge.dispatch.enter(class, user) => entered,
                () = client.gone() => return Err(Error::new_down(ErrorType::ConnectionClosed)),
            }
        }
    };
    match entered {
        Ok(permit) => {
            context.permit = Some(permit);
            Ok(false)
        }
        Err(full) => {
            edge.respond
                .send_problem(client, context, &overloaded(full.retry_after_seconds))
                .await?;
            Ok(true)
        }
    }
}

async fn send_health(edge: &Edge, client: &mut impl Client, context: &Context) -> Result<()> {
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
    let is_head = client.request().method == Method::HEAD;
    edge.respond
        .send(
            client,
            context,
            StatusCode::OK,
            fields,
            (!is_head).then_some(body),
        )
        .await
}

async fn answer_from_cache(
    edge: &Edge,
    client: &mut impl Client,
    context: &mut Context,
) -> Result<bool> {
    let has_body = client.has_body();
    let request = client.request();
    let (key, route) = match question(edge, request, has_body, context) {
        Ok(question) => question,
        // Who wants a stored answer or none gets none where nothing is stored.
        Err(why) if why != "method" && cache::wants_stored_only(&request.headers) => {
            context.cache_status = Some(format!("crackers; detail=only-if-cached; fwd={why}"));
            return send_nothing_stored(edge, client, context).await;
        }
        Err(why) => {
            context.cache_status = Some(format!("crackers; fwd={why}"));
            return Ok(false);
        }
    };
    context.enter(Stage::Cache);
    let ask = Ask {
        key,
        headers: &request.headers,
        fetch: &|key| fetch(edge, request, context, key),
        terms: edge.config.cache.terms(route),
    };
    let (answer, status) = edge.cache.answer(ask).await;
    context.cache_status = Some(status);
    match answer {
        Answer::Stored(entry) => {
            edge.respond
                .send_entry(client, context, &entry, edge.clock.now_microseconds())
                .await?;
        }
        Answer::Direct(fetched) => edge.respond.send_stream(client, context, fetched).await?,
        Answer::Pass => return Ok(false),
        Answer::OnlyIfCached => return send_nothing_stored(edge, client, context).await,
        Answer::Failed(error) => {
            edge.respond
                .send_problem(client, context, &of_fetch(&error))
                .await?;
        }
    }
    Ok(true)
}

/// What whoever wants a stored answer or none is told where there is none. True: it was sent.
async fn send_nothing_stored(
    edge: &Edge,
    client: &mut impl Client,
    context: &Context,
) -> Result<bool> {
    let detail = "Nothing is stored for this, and the request wanted nothing else.";
    let problem = Problem::new(StatusCode::GATEWAY_TIMEOUT, "only_if_cached", detail);
    let sent = edge.respond.send_problem(client, context, &problem).await;
    sent.map(|()| true)
}

fn class(edge: &Edge, request: &Parts) -> Class {
    let dispatch = &edge.config.dispatch;
    dispatch.class_of(request.method.as_str(), request.uri.path())
}

/// Who waits, where there is a line: whoever is logged in, else whoever has the address (IPv6: the /64).
fn user(edge: &Edge, request: &Parts, context: &Context) -> User {
    let account = edge.admit.account(&request.headers);
    match (account, context.client.ip) {
        (Some(account), _) => User::Account(account),
        (None, Some(ip)) => User::Address(client_address::limit_key(ip)),
        (None, None) => User::Unknown,
    }
}

/// What is asked of the cache, or why nothing is (RFC 9211 `fwd`).
fn question<'a>(
    edge: &'a Edge,
    request: &Parts,
    has_body: bool,
    context: &Context,
) -> Result<(key::Key, &'a RouteConfig), &'static str> {
    let fields = &request.headers;
    if request.method != Method::GET && request.method != Method::HEAD {
        return Err("method");
    }
    let is_special = [header::AUTHORIZATION, header::UPGRADE]
        .iter()
        .any(|name| fields.contains_key(name));
    if has_body || is_special {
        return Err("bypass");
    }
    key(edge, context.arrival.scheme(), host(request), &request.uri).ok_or("bypass")
}

/// What is sent to the origin to fill the cache: nothing that only this client says.
fn fetch(edge: &Edge, request: &Parts, context: &Context, key: &key::Key) -> FetchRequest {
    let mut headers = edge.cache.fetch_fields(&request.headers);
    for (name, value) in provenance(&request.headers, &from(request, context)) {
        headers.insert(name, value);
    }
    FetchRequest {
        method: Method::GET,
        path_and_query: key.path_and_query().to_owned(),
        headers,
        asking: Asking {
            class: class(edge, request),
            user: user(edge, request, context),
        },
    }
}

/// The key of a request and the route that it is on; none when nothing is kept of it.
pub fn key<'a>(
    edge: &'a Edge,
    scheme: &str,
    host: &str,
    uri: &Uri,
) -> Option<(key::Key, &'a RouteConfig)> {
    if edge.cache.is_retired() {
        return None;
    }
    let route = edge.config.cache.route(uri.path())?;
    let key = key::of(scheme, host, uri.path(), uri.query(), route)?;
    Some((key, route))
}
