//! Tells customers of each step of their orders. The trace that every step leaves in `changes` is what is owed: it is
//! written with the step, and one follower for the whole shop turns it into mails. Every origin looks; of two that look at
//! the same moment one is refused, and looks again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::still_running;
use crate::app::App;
use crate::commerce::order_mails::{Looked, Told, untold};
use crate::commerce::records::{Stored, Writes};
use crate::database::{Answer, DatabaseError};

/// Changes looked at before it is written down how far that was.
const AT_ONCE: u32 = 200;

/// Looks until asked to stop.
pub(super) async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let pause = Duration::from_millis(app.config.outbox.mail_interval_ms);
    while still_running(&mut stop, pause).await {
        loop {
            match look(&app).await {
                Ok(true) => {}
                // Another origin looked at the same moment.
                Ok(false)
                | Err(DatabaseError::VersionConflict { .. } | DatabaseError::AlreadyExists(_)) => {
                    break;
                }
                Err(error) => {
                    tracing::error!(%error, "customers cannot be told of their orders");
                    break;
                }
            }
        }
    }
}

/// Writes down where looking begins, the first time that this shop's program sends mail: what was before is told. To be
/// done before anything is served.
pub(super) async fn begin(app: &App) -> Answer<()> {
    let database = &app.database;
    if database.get::<Looked>(Looked::ID).await?.is_some() {
        return Ok(());
    }
    let first = Looked {
        id: Looked::ID.to_owned(),
        sequence: database.last_sequence().await?,
    };
    let writes = Writes::default().with(&first)?;
    match database.write_records(&writes, app.clock.now()).await {
        Err(DatabaseError::AlreadyExists(_)) => Ok(()),
        done => done,
    }
}

/// One look; whether there is more to look at.
async fn look(app: &App) -> Answer<bool> {
    let database = &app.database;
    let Some(mut looked) = database.get::<Looked>(Looked::ID).await? else {
        begin(app).await?;
        return Ok(true);
    };
    let changes = database
        .changes_after(looked.value.sequence, AT_ONCE)
        .await?;
    let Some(last) = changes.last() else {
        return Ok(false);
    };
    looked.value.sequence = last.sequence;
    let of_orders = changes.iter().filter(|change| change.entity == "order");
    let ids: BTreeSet<_> = of_orders.map(|change| change.entity_id.as_str()).collect();
    // One write for all of them: a rush of orders costs a handful of commits.
    let mut writes = Writes::default().replace(&looked)?;
    for id in ids {
        writes = told(app, id, writes).await?;
    }
    database.write_records(&writes, app.clock.now()).await?;
    Ok(changes.len() == AT_ONCE as usize)
}

/// Adds what an order's customer is to be told.
async fn told(app: &App, order_id: &str, mut writes: Writes) -> Answer<Writes> {
    let database = &app.database;
    let Some(order) = database.order_by_id(order_id).await? else {
        return Ok(writes);
    };
    let told = database.get::<Told>(order_id).await?;
    let steps = told.as_ref().map_or(0, |told| told.value.steps);
    if steps >= order.history.len() {
        return Ok(writes);
    }
    let shop = app.shop_settings().await?;
    let shop = shop.map_or_else(String::new, |shop| shop.name.clone());
    let link = format!(
        "{}/order/{}",
        app.config.api.public_url, order.tracking_token
    );
    let now = app.clock.now();
    let next = Told {
        order_id: order_id.to_owned(),
        steps: order.history.len(),
    };
    writes = match told {
        None => writes.with(&next)?,
        Some(Stored { version, .. }) => writes.replace(&Stored {
            version,
            value: next,
        })?,
    };
    for mail in untold(&order, steps, &shop, &link, now) {
        writes = writes.with(&mail)?;
    }
    Ok(writes)
}
