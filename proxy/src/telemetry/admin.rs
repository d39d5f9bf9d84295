//! The two small listeners beside the shop's own: metrics for everybody on the machine, the admin interface for those
//! with the token.

use std::convert::Infallible;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use subtle::ConstantTimeEq as _;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio_util::either::Either;
use tokio_util::task::TaskTracker;

use crackers_shared::{memory, request_id};

use crate::cache::purge::PurgeRequest;
use crate::edge::Edge;
use crate::live::Live;
use crate::respond::Problem;
use crate::telemetry::orders;

/// A purge message of more bytes is refused.
const BODY_BYTES_MAX: usize = 1024 * 1024;

type Reply = Result<(StatusCode, &'static str, Vec<u8>), Problem>;

/// Which of the two a listener is.
#[derive(Clone)]
pub enum Role {
    /// `GET /metrics`.
    Metrics,
    /// The admin interface, with its token.
    Admin(Arc<str>),
}

/// The token of the admin interface: what the file holds, or a new one in a new file that only its owner can read.
///
/// # Errors
/// When the file cannot be read or made, or holds nothing.
pub fn token(file: &Path) -> anyhow::Result<Arc<str>> {
    if let Some(token) = read_token(file)? {
        return Ok(token);
    }
    let name = || named(file);
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).with_context(name)?;
    }
    let token = request_id::hexadecimal(&request_id::random::<32>());
    let made = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file);
    std::io::Write::write_all(&mut made.with_context(name)?, token.as_bytes())
        .with_context(name)?;
    Ok(token.into())
}

/// The same without making one; `None` where there is no file.
///
/// # Errors
/// When the file cannot be read, or holds nothing.
pub fn read_token(file: &Path) -> anyhow::Result<Option<Arc<str>>> {
    match std::fs::read_to_string(file) {
        Ok(text) if !text.trim().is_empty() => Ok(Some(text.trim().into())),
        Ok(_) => anyhow::bail!("{}: the file is empty", named(file)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| named(file)),
    }
}

fn named(file: &Path) -> String {
    format!("telemetry.admin_token_file: {}", file.display())
}

/// Where those who steer come in.
pub enum Door {
    /// An address.
    Tcp(TcpListener),
    /// A socket file.
    Unix(UnixListener),
}

impl Door {
    async fn accept(&self) -> std::io::Result<Either<TcpStream, UnixStream>> {
        match self {
            Self::Tcp(listener) => Ok(Either::Left(listener.accept().await?.0)),
            Self::Unix(listener) => Ok(Either::Right(listener.accept().await?.0)),
        }
    }
}

/// How long whoever is being answered may take when another edge takes over.
const LEAVES_WITHIN: Duration = Duration::from_secs(5);

/// Serves until `leave` turns true and the last answer is given.
pub async fn serve(door: Door, role: Role, live: Arc<Live>, mut leave: watch::Receiver<bool>) {
    let connections = TaskTracker::new();
    loop {
        let taken = tokio::select! {
            taken = door.accept() => taken,
            () = asked_to_leave(&mut leave) => break,
        };
        let Ok(stream) = taken else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (role, live) = (role.clone(), Arc::clone(&live));
        let mut leave = leave.clone();
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let (role, live) = (role.clone(), Arc::clone(&live));
                async move { Ok::<_, Infallible>(answer(&role, &live, request).await) }
            });
            let mut builder = hyper::server::conn::http1::Builder::new();
            builder
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(30));
            let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
            tokio::select! {
                // Whoever goes away early is no event.
                _ = connection.as_mut() => {}
                () = asked_to_leave(&mut leave) => {
                    connection.as_mut().graceful_shutdown();
                    let _ = tokio::time::timeout(LEAVES_WITHIN, connection).await;
                }
            }
        });
    }
    drop(door);
    connections.close();
    connections.wait().await;
}

/// Never comes true once nobody can ask any more.
async fn asked_to_leave(leave: &mut watch::Receiver<bool>) {
    if leave.wait_for(|leave| *leave).await.is_err() {
        std::future::pending().await
    }
}

async fn answer(
    role: &Role,
    live: &Arc<Live>,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let reply = match role {
        Role::Metrics => metrics(&live.edge(), &request),
        Role::Admin(token) => match authorize(token, request.headers()) {
            Ok(()) => admin(live, request).await,
            Err(problem) => Err(problem),
        },
    };
    let (status, kind, body) = match reply {
        Ok(reply) => reply,
        Err(problem) => {
            let (_, body) = problem.render(None, &request_id::generate());
            (
                problem.status,
                "application/problem+json",
                body.into_bytes(),
            )
        }
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn metrics(edge: &Edge, request: &Request<Incoming>) -> Reply {
    if request.method() != Method::GET || request.uri().path() != "/metrics" {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "There is only GET /metrics here.",
        ));
    }
    let (entries, bytes) = edge.cache.size();
    edge.metrics
        .cache_entries
        .set(i64::try_from(entries).unwrap_or(i64::MAX));
    edge.metrics
        .cache_bytes
        .set(i64::try_from(bytes).unwrap_or(i64::MAX));
    edge.metrics.mode.set(i64::from(edge.admit.mode().number()));
    for group in &edge.upstreams.groups {
        for server in &group.servers {
            let gauge = &edge.metrics.breaker_state;
            let gauge = gauge.with_label_values(&[&group.name, &server.address]);
            gauge.set(group.breaker_state(server).number());
        }
    }
    Ok((
        StatusCode::OK,
        "text/plain; version=0.0.4; charset=utf-8",
        edge.metrics.to_text().into_bytes(),
    ))
}

/// Whether the bearer token is the right one; compared in constant time.
fn authorize(token: &str, fields: &HeaderMap) -> Result<(), Problem> {
    let given = fields
        .get(header::AUTHORIZATION)
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    if given.is_some_and(|given| bool::from(given.ct_eq(token.as_bytes()))) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "This needs the bearer token of the admin interface.",
    ))
}

async fn admin(live: &Arc<Live>, request: Request<Incoming>) -> Reply {
    let edge = &*live.edge();
    let json = |value: &serde_json::Value| {
        Ok((
            StatusCode::OK,
            "application/json",
            value.to_string().into_bytes(),
        ))
    };
    match (request.method().as_str(), request.uri().path()) {
        ("GET", "/purge") => json(&json!(edge.cache.applied())),
        ("POST", "/purge") => {
            let body = whole_body(request).await?;
            let purge: PurgeRequest = serde_json::from_slice(&body).map_err(|_| {
                let detail = "Expected database_id, sequence, tags, urls, prefixes; all optional, nothing else.";
                Problem::new(StatusCode::BAD_REQUEST, "malformed_purge", detail)
            })?;
            json(&json!(edge.cache.purge(&purge, &edge.config.cache)))
        }
        ("POST", path @ ("/drain" | "/undrain")) => {
            let is_drained = path == "/drain";
            json(&orders::drain(
                edge,
                &whole_body(request).await?,
                is_drained,
            )?)
        }
        ("POST", "/breaker") => json(&orders::breaker(edge, &whole_body(request).await?)?),
        ("POST", "/mode") => json(&orders::mode(edge, &whole_body(request).await?)?),
        ("POST", "/reload") => reload(live).await,
        ("GET", "/status") => json(&status(edge)),
        ("GET", "/config") => json(&json!(*edge.config)),
        _ => Err(Problem::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "There are /purge, /drain, /undrain, /breaker, /mode, /reload, /status and /config here.",
        )),
    }
}

/// What a reload has brought, or what is wrong with the configuration: file, line and key.
async fn reload(live: &Arc<Live>) -> Reply {
    let kind =
        |kind, status, body: serde_json::Value| Ok((status, kind, body.to_string().into_bytes()));
    match live.reload().await {
        Ok(reloaded) => kind("application/json", StatusCode::OK, json!(reloaded)),
        Err(error) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            let problem = json!({ "type": "about:blank", "title": "Unprocessable Content", "status": status.as_u16(),
                "code": "configuration_refused", "detail": format!("{error:#}") });
            kind("application/problem+json", status, problem)
        }
    }
}

async fn whole_body(request: Request<Incoming>) -> Result<Bytes, Problem> {
    let body = Limited::new(request.into_body(), BODY_BYTES_MAX).collect();
    let body = body.await.map_err(|_| {
        let detail = "A message has at most 1 MiB.";
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
    })?;
    Ok(body.to_bytes())
}

fn status(edge: &Edge) -> serde_json::Value {
    let (entries, bytes) = edge.cache.size();
    let groups = edge.upstreams.groups.iter().map(|group| {
        let servers = group.servers.iter().map(|server| {
            let in_flight = server.in_flight.load(std::sync::atomic::Ordering::Relaxed);
            json!({ "address": server.address, "up": group.is_up(server), "stopping": server.is_stopping.load(std::sync::atomic::Ordering::Relaxed), "in_flight": in_flight,
                "breaker": group.breaker_state(server).label(), "ejected": group.is_ejected(server), "drained": server.drained.load(std::sync::atomic::Ordering::Relaxed) })
        });
        json!({ "name": group.name, "servers": servers.collect::<Vec<_>>() })
    });
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "generation": edge.metrics.generation.get(),
        "uptime_seconds": edge.clock.now().as_second() - edge.started.as_second(),
        "memory_bytes": memory::resident_bytes(),
        "connections": edge.metrics.connections.get(),
        "mode": orders::mode_in_use(edge),
        "cache": { "entries": entries, "bytes": bytes, "applied": edge.cache.applied() },
        "groups": groups.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_missing_token_is_made_for_its_owner_only_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/token");
        assert_eq!(read_token(&file).unwrap(), None);
        let made = token(&file).unwrap();
        assert_eq!(made.len(), 64);
        assert_eq!(
            std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(token(&file).unwrap(), made);
    }

    #[test]
    fn only_the_right_token_is_let_in() {
        let fields =
            |value: &str| HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
        assert!(authorize("secret", &fields("Bearer secret")).is_ok());
        for value in [
            "Bearer secre",
            "Bearer secret2",
            "Bearer ",
            "secret",
            "Basic secret",
        ] {
            assert!(authorize("secret", &fields(value)).is_err(), "{value}");
        }
        assert!(authorize("secret", &HeaderMap::new()).is_err());
    }
}
