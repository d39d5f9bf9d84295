//! Tells customers of each step of their orders. The trace that every step leaves in `changes` is what is owed: it is
//! written with the step, and one follower for the whole shop turns it into mails. Every origin looks; of two that look at
//! the same moment one is refused, and looks again. The same look tells who waits for a product that is back, and
//! staff of stocks that fall.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::{back_in_stock, catch_up, still_running, stock_alerts};
use crate::app::App;
use crate::commerce::order_mails::{Looked, Told, untold};
use crate::commerce::orders::Order;
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
pub(super) async fn look(app: &App) -> Answer<bool> {
    let database = &app.database;
    let Some(mut looked) = database.get::<Looked>(Looked::ID).await? else {
        begin(app).await?;
        return Ok(true);
    };
    let changes = database
        .changes_after(looked.value.sequence, AT_ONCE)
        .await?;
    let (Some(first), Some(last)) = (changes.first(), changes.last()) else {
        return Ok(false);
    };
    if first.sequence != looked.value.sequence + 1 {
        let behind = first.sequence - looked.value.sequence - 1;
        tracing::error!(
            behind,
            "changes were forgotten before mails were made of them (database.changes_kept); everything is looked at"
        );
        catch_up::look_at_everything(app).await?;
    }
    looked.value.sequence = last.sequence;
    let of_orders = changes.iter().filter(|change| change.entity == "order");
    let ids: BTreeSet<_> = of_orders.map(|change| &change.entity_id).collect();
    let ids: Vec<_> = ids.into_iter().cloned().collect();
    // A handful of questions and one write for all of them: a rush of orders costs little more than one.
    let mut writes = Writes::default().replace(&looked)?;
    if !ids.is_empty() {
        writes = owed(app, &database.orders_by_ids(&ids).await?, writes).await?;
    }
    writes = back_in_stock::owed(app, &changes, writes).await?;
    writes = stock_alerts::owed(app, &changes, writes).await?;
    database.write_records(&writes, app.clock.now()).await?;
    Ok(changes.len() == AT_ONCE as usize)
}

/// Adds what the customers of at most 500 orders are to be told.
pub(super) async fn owed(app: &App, orders: &[Order], mut writes: Writes) -> Answer<Writes> {
    let ids: Vec<_> = orders.iter().map(|order| order.id.clone()).collect();
    let told = app.database.get_all::<Told>(&ids).await?;
    let told: BTreeMap<_, _> = told
        .into_iter()
        .map(|told| (told.value.order_id.clone(), told))
        .collect();
    let shop = app.shop_settings().await?;
    let shop = shop.map_or_else(String::new, |shop| shop.name.clone());
    for order in orders {
        writes = tell(app, &shop, order, told.get(&order.id), writes)?;
    }
    Ok(writes)
}

/// Adds what an order's customer is to be told.
fn tell(
    app: &App,
    shop: &str,
    order: &Order,
    told: Option<&Stored<Told>>,
    writes: Writes,
) -> Answer<Writes> {
    let nothing = Told::nothing_of(order);
    let before = told.map_or(&nothing, |told| &told.value);
    let value = Told::all_of(order);
    if value == *before {
        return Ok(writes);
    }
    let link = format!(
        "{}/order/{}",
        app.config.api.public_url, order.tracking_token
    );
    let mails = untold(order, before, shop, &link, app.clock.now());
    let mut writes = match told {
        None => writes.with(&value)?,
        Some(Stored { version, .. }) => writes.replace(&Stored {
            version: *version,
            value,
        })?,
    };
    for mail in mails {
        writes = writes.with(&mail)?;
    }
    Ok(writes)
}
