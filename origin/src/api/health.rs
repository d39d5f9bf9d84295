//! `GET /api/health` says whether the shop can work, `GET /api/health/live` only that this process serves.

use http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use crackers_shared::memory;

use super::error::ApiError;
use super::response::Reply;
use super::routes::Call;
use crate::accept::Phase;

/// How the origin is.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Health {
    /// `ok` or `unavailable`.
    pub status: &'static str,
    /// Of this program.
    pub version: &'static str,
    /// Since the start.
    pub uptime_seconds: i64,
    /// Resident memory.
    pub memory_bytes: u64,
    /// The database behind it.
    pub database: DatabaseHealth,
}

/// How the database is.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DatabaseHealth {
    /// `sqlite` or `mongodb`.
    pub kind: &'static str,
    /// `up` or `down`.
    pub state: &'static str,
    /// How long the smallest question took; null when it had no answer.
    pub latency_ms: Option<f64>,
    /// Its pool.
    pub pool: PoolHealth,
}

/// How full the pool is.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PoolHealth {
    /// Leases that exist.
    pub size: u32,
    /// Leases in use.
    pub in_use: u32,
    /// The most there may be.
    pub size_max: u32,
    /// Leases that had to be waited for, since the start.
    pub waited: u64,
    /// Leases given up, since the start.
    pub timed_out: u64,
}

/// That this process serves, and will go on to.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Live {
    /// `ok`, or `stopping`: it serves, but send it nothing new.
    pub status: &'static str,
}

pub(super) async fn show(call: Call) -> Result<Reply, ApiError> {
    let app = &call.app;
    let pinged = app.database.ping().await;
    let pool = app.database.pool_use();
    if let Ok(latency) = &pinged {
        app.metrics
            .database_ping_seconds
            .observe(latency.as_secs_f64());
    }
    let (code, status, state) = match &pinged {
        Ok(_) => (StatusCode::OK, "ok", "up"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "down"),
    };
    let health = Health {
        status,
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: app.uptime_seconds(),
        memory_bytes: memory::resident_bytes(),
        database: DatabaseHealth {
            kind: app.database.kind(),
            state,
            latency_ms: pinged.ok().map(|latency| latency.as_secs_f64() * 1000.0),
            pool: PoolHealth {
                size: pool.size,
                in_use: pool.in_use,
                size_max: pool.size_max,
                waited: pool.waited,
                timed_out: pool.timed_out,
            },
        },
    };
    Reply::fresh(code, &health)
}

pub(super) async fn live(call: Call) -> Result<Reply, ApiError> {
    let (code, status) = match *call.app.phase.borrow() {
        Phase::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
        Phase::Serving | Phase::Replaced | Phase::Draining => (StatusCode::OK, "ok"),
    };
    Reply::fresh(code, &Live { status })
}
