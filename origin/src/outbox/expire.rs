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
    let interval = Duration::from_millis(app.config.commerce.expiry_interval_ms);
    let mut pause = interval;
    while still_running(&mut stop, pause).await {
        pause = match look(&app).await {
            // After a rush there is more than one look finds.
            Ok(true) => Duration::ZERO,
            Ok(false) => interval,
            Err(error) => {
                tracing::error!(%error, "orders that are due cannot be freed");
                interval
            }
        };
    }
}

/// Frees and forgets what is over; whether there may be more.
async fn look(app: &App) -> Result<bool, DatabaseError> {
    let now = app.clock.now();
    let due = app.database.orders_due(now, AT_ONCE).await?;
    let (is_full, mut is_freed) = (due.len() == AT_ONCE as usize, false);
    for id in due {
        let step = OrderStep::to(OrderState::Expired, now, "shop", "");
        match app.database.step_order(&id, &step, None).await {
            Ok(_) => {
                is_freed = true;
                app.metrics.orders.expired.inc();
            }
            // It was paid, called off or freed by another origin in between.
            Err(DatabaseError::NoSuchStep(_)) => {}
            Err(error) => return Err(error),
        }
    }
    // A client repeats a request for minutes, not for days.
    let keys = app.database.forget_order_keys(now - KEYS_KEPT, AT_ONCE);
    let is_forgotten = keys.await? == u64::from(AT_ONCE);
    waiting::forget(&app.database, now, AT_ONCE).await?;
    super::proofs::look(app).await?;
    accounts::forget_what_is_over(&app.database, now, AT_ONCE).await?;
    Ok(is_full && is_freed || is_forgotten)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commerce::orders::{NewOrder, Placed};
    use crate::commerce::seed;
    use crate::database::Replace;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_key_of_an_order_is_known_for_a_day() {
        let folder = tempfile::tempdir().unwrap();
        let app = App::in_folder(folder.path(), |_| ()).await;
        let clock = app.clock.clone();
        let made = seed::catalogue(150, 1, || ()).batch;
        let written = app
            .database
            .write_catalogue(&made, Replace::Nothing, clock.now());
        written.await.unwrap();
        let sellable = made.products.iter().find(|(_, pieces, _)| *pieces > 0);
        let order: NewOrder = seed::orders::order_of(&[(&sellable.unwrap().0.id, 1)], clock.now());
        let placed = app.database.place_order(&order).await.unwrap();
        assert!(matches!(placed, Placed::New(_)), "{placed:?}");

        let day = Duration::from_secs(24 * 60 * 60);
        for (later, is_known) in [(day, true), (Duration::from_micros(1), false)] {
            clock.advance(later);
            look(&app).await.unwrap();
            let known = app.database.order_by_key(&order.idempotency_key).await;
            assert_eq!(known.unwrap().is_some(), is_known, "{later:?}");
        }
    }
}
