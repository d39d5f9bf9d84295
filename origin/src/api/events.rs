//! Server-sent events (the HTML standard's `text/event-stream`): how an order stands, for who may see it. A stream has no end of
//! its own; it is ended when the process is asked to stop, when its time is over, and when whoever listens may do so no more.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::auth::{OwnOrderView, own_order};
use super::error::ApiError;
use super::permission::{self, Asker, Permission};
use super::response::{Reply, Streamed};
use super::routes::Call;
use super::tracking::{TrackView, of_token};
use crate::app::App;
use crate::commerce::changes::Change;
use crate::commerce::orders::Order;
use crate::live::{Heard, Listener};

/// What begins every stream: after how many milliseconds a browser that was cut off comes back.
const BEGINNING: &str = "retry: 3000\n\n";
/// What says that the connection still is there; browsers ignore it.
const HEARTBEAT: &str = ": still here\n\n";

/// Makes the events of a stream.
pub(super) trait Source: Send + 'static {
    /// What is told at the beginning and when something may have been missed; `None` for nothing.
    fn catch_up(&mut self) -> impl Future<Output = Option<String>> + Send;
    /// What is told of changes; `None` for nothing.
    fn of_changes(&mut self, changes: &[Change]) -> impl Future<Output = Option<String>> + Send;
}

/// Whether somebody may still listen: asked again and again, since a log-in may end long before a stream does.
pub(super) struct Guard {
    app: Arc<App>,
    permission: Permission,
    headers: HeaderMap,
}

impl Guard {
    pub(super) fn of(call: &Call, permission: Permission) -> Self {
        Self {
            app: Arc::clone(&call.app),
            permission,
            headers: call.headers.clone(),
        }
    }

    /// Who asks, as long as they may.
    pub(super) async fn asker(&self) -> Option<Asker> {
        let asked = permission::check(&self.app, self.permission, &self.headers, true);
        asked.await.ok()
    }
}

struct State<S> {
    source: S,
    guard: Guard,
    listener: Listener,
    heartbeat: Duration,
    ends_at: Instant,
    has_begun: bool,
}

impl<S: Source> State<S> {
    /// The next part of the body; `None` at its end.
    async fn next(&mut self) -> Option<String> {
        if !self.has_begun {
            self.has_begun = true;
            let first = self.source.catch_up().await.unwrap_or_default();
            return Some(format!("{BEGINNING}{first}"));
        }
        loop {
            let left = self.ends_at.checked_duration_since(Instant::now())?;
            let heard = self.listener.next(left.min(self.heartbeat)).await;
            // Before anything is told, not after.
            self.guard.asker().await?;
            let told = match heard {
                Heard::Over => return None,
                // Also asked for when it is quiet: a database that was away is back, and tells what was missed.
                Heard::Quiet => {
                    let missed = self.source.catch_up().await;
                    Some(missed.unwrap_or_else(|| HEARTBEAT.to_owned()))
                }
                Heard::Missed => self.source.catch_up().await,
                Heard::Changes(changes) => self.source.of_changes(&changes).await,
            };
            if told.is_some() {
                return told;
            }
        }
    }
}

/// A stream of what `source` says, for listeners of `topic`.
pub(super) fn reply<S: Source>(
    app: &App,
    topic: String,
    guard: Guard,
    source: S,
) -> Result<Reply, ApiError> {
    let listener = app.live.listen(topic).map_err(|full| {
        app.metrics.event_streams_refused.inc();
        ApiError::Refused {
            status: StatusCode::SERVICE_UNAVAILABLE,
            code: "too_many_listeners",
            detail: full.to_string(),
            fields: Vec::new(),
        }
    })?;
    let config = &app.config.api;
    let state = State {
        source,
        guard,
        listener,
        heartbeat: Duration::from_secs(config.event_heartbeat_seconds),
        ends_at: Instant::now() + Duration::from_secs(config.event_stream_seconds_max),
        has_begun: false,
    };
    // Begun once: a reply of events is never kept.
    let state = Mutex::new(Some(state));
    let streamed = Streamed::new(move || {
        stream::unfold(state.lock().take(), async |state| {
            let mut state = state?;
            let part = state.next().await?;
            Some((Ok(Bytes::from(part)), Some(state)))
        })
    });
    Ok(Reply::events(streamed))
}

/// One event. What is sent as JSON has no line ends.
pub(super) fn event(id: i64, name: &str, data: &impl serde::Serialize) -> String {
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("id: {id}\nevent: {name}\ndata: {data}\n\n")
}

/// The id of the last event that a browser has seen before it was cut off.
pub(super) fn last_seen(headers: &HeaderMap) -> Option<i64> {
    let value = headers.get("last-event-id")?.to_str().ok()?;
    value.trim().parse().ok().filter(|id| *id >= 0)
}

/// An order's events: the whole of what may be seen of it, whenever it is another. The id is its version, so that whoever was
/// cut off is told what happened meanwhile, and nothing twice.
struct OrderSource {
    app: Arc<App>,
    id: String,
    seen: i64,
    written: fn(&Order) -> String,
}

impl OrderSource {
    fn of(call: &Call, order: &Order, written: fn(&Order) -> String) -> Self {
        Self {
            app: Arc::clone(&call.app),
            id: order.id.clone(),
            seen: last_seen(&call.headers).unwrap_or(0),
            written,
        }
    }
}

impl Source for OrderSource {
    async fn catch_up(&mut self) -> Option<String> {
        // A database that does not answer now does so later: the next catching up tells it.
        let order = self.app.database.order_by_id(&self.id).await.ok()??;
        if order.version <= self.seen {
            return None;
        }
        self.seen = order.version;
        Some((self.written)(&order))
    }

    async fn of_changes(&mut self, changes: &[Change]) -> Option<String> {
        let is_own = |change: &Change| change.entity == "order" && change.entity_id == self.id;
        if changes.iter().any(is_own) {
            self.catch_up().await
        } else {
            None
        }
    }
}

pub(super) async fn of_own_order(call: Call) -> Result<Reply, ApiError> {
    let order = own_order(&call).await?;
    let written = |order: &Order| event(order.version, "order", &OwnOrderView::from(order));
    let source = OrderSource::of(&call, &order, written);
    let guard = Guard::of(&call, Permission::Customer);
    reply(&call.app, order.id, guard, source)
}

pub(super) async fn of_tracked_order(call: Call) -> Result<Reply, ApiError> {
    let order = of_token(&call).await?;
    let written = |order: &Order| event(order.version, "order", &TrackView::from(order));
    let source = OrderSource::of(&call, &order, written);
    let guard = Guard::of(&call, Permission::Public);
    reply(&call.app, order.id, guard, source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_three_lines_and_an_empty_one_whatever_it_tells() {
        let written = event(7, "order", &"two\nlines\r");
        assert_eq!(written, "id: 7\nevent: order\ndata: \"two\\nlines\\r\"\n\n");
    }

    #[test]
    fn only_a_number_is_the_id_of_an_event() {
        let of = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("last-event-id", http::HeaderValue::from_static(text));
            last_seen(&headers)
        };
        assert_eq!(
            (of("12"), of("-1"), of("x"), of("")),
            (Some(12), None, None, None)
        );
        assert_eq!(last_seen(&HeaderMap::new()), None);
    }
}
