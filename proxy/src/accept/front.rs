//! One connection from its first byte to its last: every head is read and judged here, then handed to Pingora.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use pingora::apps::HttpServerApp as _;
use pingora::protocols::http::ServerSession;
use pingora_proxy::HttpProxy;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::body::BadBody;
use super::connection::{Connection, NoHead};
use super::early::{self, Hit};
use super::head::{self, Framing, Refusal};
use super::pace::Pace;
use super::plain::{self, Plain};
use super::refused::refuse;
use super::socket::Socket;
use crate::edge::Edge;
use crate::live::Live;
use crate::phases::Phases;
use crate::within::within;

const TOO_SLOW: Refusal = Refusal {
    status: StatusCode::REQUEST_TIMEOUT,
    reason: "the head took too long",
};
const TOO_LARGE: Refusal = Refusal {
    status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    reason: "the head is too large",
};

/// Serves a connection until one side ends it.
pub(super) async fn serve(
    socket: Socket,
    live: Arc<Live>,
    proxy: Arc<HttpProxy<Phases>>,
    stop: watch::Receiver<bool>,
) {
    let mut edge = live.edge();
    let mut connection = Connection::new(socket);
    let mut watched = stop.clone();
    // One registration and one timer for a whole connection, not for each of its requests.
    let mut stopping = pin!(watched.wait_for(|stop| *stop));
    let mut changed = pin!(change(live.changes()));
    let idle = |edge: &Edge| Duration::from_millis(edge.config.accept.idle_timeout_ms);
    let mut patience = pin!(sleep(idle(&edge)));
    let mut is_leaving = false;
    for served in 1.. {
        let idle_since = Instant::now();
        let mut patient_until = idle_since + idle(&edge);
        let waited = loop {
            tokio::select! {
                biased;
                waited = connection.wait() => break waited,
                _ = &mut stopping, if !is_leaving => {
                    if !live.is_handed_over() {
                        return;
                    }
                    // Hung up on now, a client could lose the request that it is just sending. It gets one more answer,
                    // which says that it is the last.
                    is_leaving = true;
                    let idle_ms = edge.config.accept.upgrade.idle_ms;
                    let until = Instant::now() + Duration::from_millis(idle_ms);
                    patient_until = patient_until.min(until);
                    patience.as_mut().reset(patient_until);
                }
                changes = &mut changed, if !is_leaving => {
                    edge = live.edge();
                    patient_until = idle_since + idle(&edge);
                    patience.as_mut().reset(patient_until);
                    changed.set(change(changes));
                }
                () = &mut patience => {
                    if Instant::now() >= patient_until {
                        return;
                    }
                    patience.as_mut().reset(patient_until);
                }
            }
        };
        if waited.is_err() {
            return;
        }
        // Settings may have changed while the request before was answered.
        edge = live.edge();
        // Whoever is not told that an answer is the last could lose the request that he sends next.
        let is_last = *stop.borrow() || served >= edge.config.accept.requests_per_connection_max;
        match judge_next(&mut connection, &edge, is_last).await {
            Ok(Next::Pingora) => {}
            Ok(next) => {
                if !answer(&mut connection, &edge, next, &stop).await {
                    return Box::pin(connection.close()).await;
                }
                continue;
            }
            Err(Some(refusal)) => return Box::pin(refuse(connection, &edge, refusal)).await,
            Err(None) => return,
        }
        // In a box of its own, as whatever an idle connection has no room to keep for.
        let answered = proxied(connection, &edge, &proxy, &stop, is_last);
        match Box::pin(answered).await {
            Some(same) => connection = same,
            None => return,
        }
    }
}

/// Has a judged message answered by Pingora; the connection where it stays open for the next one.
async fn proxied(
    mut connection: Connection,
    edge: &Edge,
    proxy: &Arc<HttpProxy<Phases>>,
    stop: &watch::Receiver<bool>,
    is_last: bool,
) -> Option<Connection> {
    let config = &edge.config.accept;
    let mut rest = connection.lend();
    let mut session = ServerSession::new_http1(Box::new(connection));
    session.set_keepalive(Some(config.idle_timeout_ms.div_ceil(1000)));
    let body_timeout = Duration::from_millis(config.body_timeout_ms);
    session.set_read_timeout(Some(body_timeout));
    // Pingora keeps every connection open but those that end because the program does.
    let ending = is_last.then(|| watch::channel(true));
    let stop = ending.as_ref().map_or(stop, |(_, ending)| ending);
    let reused = proxy.process_new_http(session, stop).await;
    let same = reused.and_then(|reused| {
        let stream = reused.consume().0.into_any();
        stream.downcast::<Connection>().ok()
    });
    if let Some(mut same) = same.filter(|same| same.is_between_messages()) {
        same.take_back();
        return Some(*same);
    }
    // Without Pingora, so that the request has ended: its client may still be sending.
    if let Ok(rest) = rest.try_recv() {
        rest.close().await;
    }
    None
}

/// Resolves when the settings change, and gives back what it heard of that by.
pub(super) async fn change(mut changes: watch::Receiver<()>) -> watch::Receiver<()> {
    if changes.changed().await.is_err() {
        // They are nobody's any more; what waits beside this ends by itself.
        std::future::pending::<()>().await;
    }
    changes
}

/// Answers a request without Pingora; says whether the connection goes on.
async fn answer(
    connection: &mut Connection,
    edge: &Edge,
    next: Next,
    stop: &watch::Receiver<bool>,
) -> bool {
    match next {
        Next::Hit(hit) => send(connection, edge, &hit).await,
        Next::Plain(plain) => Box::pin(plain::answer(connection, edge, plain, stop)).await,
        Next::Pingora => true,
    }
}

/// Sends what was found in the cache; says whether the client is still there.
async fn send(connection: &mut Connection, edge: &Edge, hit: &Hit) -> bool {
    let mut pace = Pace::new(&edge.config.accept);
    connection.take_head(hit.request_bytes);
    let sent = connection.send_all(hit.answer.parts(), &mut pace).await;
    hit.record(edge, pace.bytes());
    sent.is_ok()
}

/// Who answers a request.
enum Next {
    /// The cache, here and now.
    Hit(Box<Hit>),
    /// The stages, without Pingora.
    Plain(Box<Plain>),
    /// The stages, called by Pingora, which sees the message.
    Pingora,
}

/// Reads and judges the next head, and looks who answers it; `Err(None)` when there is nobody to answer.
async fn judge_next(
    connection: &mut Connection,
    edge: &Edge,
    is_last: bool,
) -> Result<Next, Option<Refusal>> {
    let config = &edge.config.accept;
    let deadline = Duration::from_millis(config.head_timeout_ms);
    let head_bytes = match within(deadline, connection.read_head(config.head_bytes_max)).await {
        Ok(Ok(head_bytes)) => head_bytes,
        Ok(Err(NoHead::Closed)) => return Err(None),
        Ok(Err(NoHead::TooLarge)) => return Err(Some(TOO_LARGE)),
        Err(_) => return Err(Some(TOO_SLOW)),
    };
    let bytes = connection.head(head_bytes);
    let (framing, next) = head::judge_then(bytes, config.body_bytes_max, |request, framing| {
        // That a request is the last one of its connection, Pingora says.
        let may_hit = config.serve_hits_early && framing == Framing::Empty && !is_last;
        let hit = may_hit.then(|| early::find(edge, request, head_bytes, connection.arrival()));
        if let Some(hit) = hit.flatten() {
            return Some(Next::Hit(hit));
        }
        // A WebSocket has no other way.
        let may_be_plain = config.forward_plain_requests && !is_last || framing == Framing::Upgrade;
        let plain = may_be_plain.then(|| plain::take(request, head_bytes, framing));
        plain.flatten().map(Next::Plain)
    })
    .map_err(Some)?;
    if let Some(next) = next {
        return Ok(next);
    }
    let paces = Some([Pace::new(config), Pace::new(config)]);
    let begun = connection.begin(head_bytes, framing, config.body_bytes_max, paces);
    begun.map_err(|bad| Some(of_body(bad)))?;
    Ok(Next::Pingora)
}

/// What somebody is told whose body is not what its framing says.
fn of_body(bad: BadBody) -> Refusal {
    match bad {
        BadBody::TooLarge => head::BODY_TOO_LARGE,
        BadBody::Malformed(reason) => Refusal {
            status: StatusCode::BAD_REQUEST,
            reason,
        },
    }
}
