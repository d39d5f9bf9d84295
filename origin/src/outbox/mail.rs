//! Sends the mails that are owed. Every origin looks; whoever holds a mail sends it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::watch;

use super::still_running;
use crate::app::App;
use crate::commerce::mail::Mail;
use crate::commerce::mailed_code;
use crate::commerce::records::{Stored, Writes};
use crate::database::{Answer, DatabaseError};

/// Looks until asked to stop.
pub(super) async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let pause = Duration::from_millis(app.config.outbox.mail_interval_ms);
    while still_running(&mut stop, pause).await {
        if let Err(error) = look(&app).await {
            tracing::error!(%error, "mails that are owed cannot be sent");
        }
    }
}

/// Sends what is due, several at once. In a rush there is more than one look takes: the rest waits, so that the database is
/// there for orders first; mails with a code stand before all others.
async fn look(app: &App) -> Answer<()> {
    let most = app.config.outbox.mails_per_look;
    let due = app.database.due::<Mail>(app.clock.now(), most).await?;
    let sending = futures_util::stream::iter(due).map(|mail| send(app, mail));
    let mut sent = sending.buffer_unordered(app.config.outbox.mails_at_once);
    while let Some(sent) = sent.next().await {
        match sent {
            // Another origin has it, or staff touched it.
            Err(DatabaseError::VersionConflict { .. }) => {}
            done => done?,
        }
    }
    Ok(())
}

async fn send(app: &App, mut mail: Stored<Mail>) -> Answer<()> {
    let now = app.clock.now();
    mail.value = mail.value.held(now);
    let held = Writes::default().replace(&mail)?;
    app.database.write_records(&held, now).await?;
    mail.version += 1;
    let ready = mailed_code::put_in(&app.session_keys, &mail.value);
    let sent = app.mailer.send(&ready).await;
    let outcome = if sent.is_ok() { "sent" } else { "failed" };
    app.metrics.mails.with_label_values(&[outcome]).inc();
    let writes = match sent {
        Ok(()) => Writes::default().remove(&mail),
        Err(error) => {
            tracing::warn!(mail = mail.value.id, %error, "a mail was not taken");
            mail.value = mail.value.failed(format!("{error:#}"), now);
            Writes::default().replace(&mail)?
        }
    };
    app.database.write_records(&writes, app.clock.now()).await
}
