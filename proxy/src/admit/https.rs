//! The way from plain HTTP to TLS.

use http::HeaderValue;
use http::request::Parts;

use crate::accept::tls;
use crate::context::Context;
use crate::request::host;

/// Where a request over plain TCP is sent instead, if it is. Health checks and proofs of who has the name come without TLS, and
/// a trusted proxy or a socket file speaks for a client whose own connection nobody here knows.
pub fn address(tls: &tls::Config, request: &Parts, context: &Context) -> Option<HeaderValue> {
    let path = request.uri.path();
    let stays = path == "/health" || path.starts_with("/.well-known/acme-challenge/");
    if !tls.redirect || context.arrival.is_tls || context.client.through_trusted || stays {
        return None;
    }
    let host = host(request);
    // HTTP/1.0 needs to name none.
    if host.is_empty() {
        return None;
    }
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let port = match tls.redirect_port {
        443 => String::new(),
        port => format!(":{port}"),
    };
    let target = request.uri.path_and_query();
    let rest = target.map_or("/", |rest| rest.as_str());
    HeaderValue::try_from(format!("https://{name}{port}{rest}")).ok()
}
