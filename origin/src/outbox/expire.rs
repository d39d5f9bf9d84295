//! What is over: orders that were not paid in time, whose stock becomes free again; sessions, codes and keys; pictures of payments. Every origin looks; the first one does it.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::watch;

use super::still_running;
use crate::app::App;
use crate::commerce::orders::{OrderState, OrderStep};
use crate::commerce::{accounts, waiting};
use crate::database::DatabaseError;

/// Orders taken on at once.
const AT_ONCE: u32 = 100;

/// How long the key of a request that placed an order is known.
const KEYS_KEPT: SignedDuration = SignedDuration::from_hours(24);

/// Looks until asked to stop.
pub(super) async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let pause = Duration::from_millis(app.config.commerce.expiry_interval_ms);
    while still_running(&mut stop, pause).await {
        if let Err(error) = look(&app).await {
            tracing::error!(%error, "orders that are due cannot be freed");
        }
    }
}

async fn look(app: &App) -> Result<(), DatabaseError> {
    let now = app.clock.now();
    for id in app.database.orders_due(now, AT_ONCE).await? {
        let step = OrderStep::to(OrderState::Expired, now, "shop", "");
        match app.database.step_order(&id, &step, None).await {
            Ok(_) => app.metrics.orders.expired.inc(),
            // It was paid, called off or freed by another origin in between.
            Err(DatabaseError::NoSuchStep(_)) => {}
            Err(error) => return Err(error),
        }
    }
    // A client repeats a request for minutes, not for days.
    app.database
        .forget_order_keys(now - KEYS_KEPT, AT_ONCE)
        .await?;
    waiting::forget(&app.database, now, AT_ONCE).await?;
    super::proofs::look(app).await?;
    accounts::forget_what_is_over(&app.database, now, AT_ONCE).await
}
