//! What the admin interface may ask of the edge, beside purges and reloads: servers drained or called back, breakers turned, how
//! far the shop is open.

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use crate::admit::mode::Mode;
use crate::edge::Edge;
use crate::respond::Problem;

fn malformed(detail: &'static str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "malformed_order", detail)
}

fn no_server() -> Problem {
    let detail = "No server has this address.";
    Problem::new(StatusCode::NOT_FOUND, "not_found", detail)
}

/// Which server.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct DrainRequest {
    address: String,
}

/// Gives a server nothing new, or something again.
///
/// # Errors
/// What a client is told whose message is malformed, or who names a server that is not there.
pub(super) fn drain(
    edge: &Edge,
    body: &[u8],
    is_drained: bool,
) -> Result<serde_json::Value, Problem> {
    let asked: DrainRequest = serde_json::from_slice(body).map_err(|_| {
        let detail = "Expected address, as the configuration has it.";
        Problem::new(StatusCode::BAD_REQUEST, "malformed_drain", detail)
    })?;
    if !edge.upstreams.drain(&asked.address, is_drained) {
        return Err(no_server());
    }
    tracing::info!(server = %asked.address, is_drained, "an origin is drained or called back");
    Ok(json!({ "address": asked.address, "drained": is_drained }))
}

/// How a server's breaker shall stand.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BreakerRequest {
    address: String,
    state: BreakerState,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum BreakerState {
    Open,
    Closed,
}

/// Opens a server's breaker as if it had failed, or closes it.
///
/// # Errors
/// As [`drain`].
pub(super) fn breaker(edge: &Edge, body: &[u8]) -> Result<serde_json::Value, Problem> {
    let asked: BreakerRequest = serde_json::from_slice(body).map_err(|_| {
        malformed("Expected address, as the configuration has it, and state: open or closed.")
    })?;
    let is_open = asked.state == BreakerState::Open;
    if !edge.upstreams.turn_breaker(&asked.address, is_open) {
        return Err(no_server());
    }
    tracing::info!(server = %asked.address, is_open, "an origin's breaker is opened or closed by hand");
    let state = if is_open { "open" } else { "closed" };
    Ok(json!({ "address": asked.address, "state": state }))
}

/// How far the shop shall be open; null leaves it to the configuration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModeRequest {
    #[serde(deserialize_with = "Option::deserialize")]
    mode: Option<Mode>,
}

/// Sets how far the shop is open, until it is set anew, or the program ends and no other one takes over.
///
/// # Errors
/// As [`drain`].
pub(super) fn mode(edge: &Edge, body: &[u8]) -> Result<serde_json::Value, Problem> {
    let asked: ModeRequest = serde_json::from_slice(body)
        .map_err(|_| malformed("Expected mode: open, read_only, maintenance or null."))?;
    edge.admit.switch.set(asked.mode);
    tracing::info!(mode = ?edge.admit.mode(), "how far the shop is open was set by hand");
    Ok(mode_in_use(edge))
}

/// The mode, and where it comes from.
pub(super) fn mode_in_use(edge: &Edge) -> serde_json::Value {
    json!({ "is": edge.admit.mode(), "configured": edge.config.admit.mode.is, "switched": edge.admit.switch.get() })
}
