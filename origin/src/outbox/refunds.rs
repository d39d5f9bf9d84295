//! Sends money back that staff said is owed: at least once, under a key that makes it once. Every origin looks; whoever holds a
//! refund sends it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::still_running;
use crate::app::App;
use crate::commerce::gateway::{BY, Refund};
use crate::commerce::money::Paise;
use crate::commerce::orders::Order;
use crate::commerce::payments::{Payment, PaymentState};
use crate::commerce::records::{Kept as _, Stored, Writes};
use crate::commerce::refunds;
use crate::database::{Answer, DatabaseError};

/// Refunds taken on at once.
const AT_ONCE: u32 = 20;

/// How often a step is decided anew when somebody else was faster.
const TRIES_MAX: u32 = 8;

/// Looks until asked to stop.
pub(super) async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let pause = Duration::from_millis(app.config.outbox.mail_interval_ms);
    while still_running(&mut stop, pause).await {
        if let Err(error) = look(&app).await {
            tracing::error!(%error, "money that is owed cannot be sent back");
        }
    }
}

async fn look(app: &App) -> Answer<()> {
    let due = app.database.due::<Refund>(app.clock.now(), AT_ONCE).await?;
    for refund in due {
        match settle(app, refund).await {
            // Another origin has it, or staff touched it.
            Err(DatabaseError::VersionConflict { .. }) => {}
            done => done?,
        }
    }
    Ok(())
}

async fn settle(app: &App, mut refund: Stored<Refund>) -> Answer<()> {
    let now = app.clock.now();
    refund.value = refund.value.held(now);
    let held = Writes::default().replace(&refund)?;
    app.database.write_records(&held, now).await?;
    refund.version += 1;
    let sent = send(app, &refund.value).await;
    let outcome = if sent.is_ok() { "sent" } else { "failed" };
    app.metrics.refunds.with_label_values(&[outcome]).inc();
    let now = app.clock.now();
    refund.value = match sent {
        Ok(()) => refund.value.done(now),
        Err(error) => {
            tracing::warn!(
                payment = refund.value.payment_id,
                "a refund failed: {error:#}"
            );
            refund.value.failed(format!("{error:#}"), now)
        }
    };
    let writes = Writes::default().replace(&refund)?;
    app.database.write_records(&writes, now).await
}

/// Sends the money, unless the gateway says that it went, and takes the order on. Broken off anywhere, it is done again from the
/// start, and does no more than what is missing.
async fn send(app: &App, refund: &Refund) -> anyhow::Result<()> {
    let (order, payment) = owed(app, refund).await?;
    if is_written_down(&payment, refund) {
        return Ok(());
    }
    refunds::step(&order, &payment.id, &refund.part(refund.asked_at), BY)?;
    let gateway = app.gateway.as_ref();
    let gateway = gateway.ok_or_else(|| anyhow::anyhow!("no gateway is set"))?;
    let known = gateway.fetch(&refund.payment_id).await?;
    let missing = refund.missing(known.refunded);
    if missing > Paise(0) {
        gateway
            .refund(&refund.payment_id, missing, &refund.key())
            .await?;
    }
    write_down(app, refund).await
}

fn is_written_down(payment: &Payment, refund: &Refund) -> bool {
    let mut rows = payment.given_back.iter();
    payment.state == PaymentState::Refunded || rows.any(|row| row.id == refund.id())
}

async fn owed(app: &App, refund: &Refund) -> anyhow::Result<(Order, Payment)> {
    let order = app.database.order_by_id(&refund.order_id).await?;
    let order = order.ok_or_else(|| anyhow::anyhow!("its order is not there"))?;
    let mut payments = order.payments.iter();
    let payment = payments.find(|one| one.id == refund.payment_id).cloned();
    let payment = payment.ok_or_else(|| anyhow::anyhow!("its order has no such payment"))?;
    Ok((order, payment))
}

/// The part as gone back, and the order as settled where nothing else is owed.
async fn write_down(app: &App, refund: &Refund) -> anyhow::Result<()> {
    for _ in 0..TRIES_MAX {
        let (order, payment) = owed(app, refund).await?;
        if is_written_down(&payment, refund) {
            return Ok(());
        }
        let part = refund.part(app.clock.now());
        let step = refunds::step(&order, &payment.id, &part, BY)?;
        let database = &app.database;
        match database
            .step_order(&order.id, &step, Some(order.version))
            .await
        {
            Err(DatabaseError::VersionConflict { .. }) => {}
            done => return Ok(done.map(drop)?),
        }
    }
    anyhow::bail!("its order was changed again and again")
}
