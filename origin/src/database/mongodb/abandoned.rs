//! Transactions of programs that died. The server keeps what they hold for a minute (`transactionLifetimeLimitSeconds`),
//! and with it every product that such a transaction touched; on the night that counts nobody has that minute.

use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::{DatabaseOptions, ReadConcern};
use parking_lot::Mutex;

use super::Mongo;

/// How the server knows our sessions.
pub(super) const APP_NAME: &str = "crackers-origin";
/// Nothing of ours lets a transaction lie for so long between two commands. One that was only slow is told that its
/// transaction is gone, and tries again.
const LIES_FOR: Duration = Duration::from_secs(2);
/// From one look to the next.
const PAUSE: Duration = Duration::from_millis(500);

/// When it was looked last.
#[derive(Default)]
pub(super) struct Looks(Mutex<Option<Instant>>);

impl Looks {
    /// Whether a look is due; it counts as begun then.
    fn begin(&self) -> bool {
        let mut last = self.0.lock();
        let is_due = last.is_none_or(|last| last.elapsed() >= PAUSE);
        if is_due {
            *last = Some(Instant::now());
        }
        is_due
    }
}

/// Ends transactions of ours that lie about. Failing is no matter: the server ends them too, later.
pub(super) async fn free(this: &Mongo) {
    if !this.0.abandoned.begin() {
        return;
    }
    match end(this).await {
        Ok(0) => {}
        Ok(ended) => tracing::warn!(ended, "transactions of a program that died were ended"),
        Err(error) => tracing::warn!(%error, "it cannot be looked for abandoned transactions"),
    }
}

async fn end(this: &Mongo) -> Result<usize, mongodb::error::Error> {
    // The server tells of its sessions with local read concern only.
    let local = DatabaseOptions::builder()
        .read_concern(ReadConcern::local())
        .build();
    let admin = this.0.database.client();
    let admin = admin.database_with_options("admin", local);
    let lies_for = i64::try_from(LIES_FOR.as_micros()).unwrap_or(i64::MAX);
    let found = admin.aggregate([
        doc! { "$currentOp": { "allUsers": false, "idleSessions": true } },
        doc! { "$match": {
            "type": "idleSession",
            "appName": APP_NAME,
            "transaction.timeInactiveMicros": { "$gt": lies_for },
        } },
    ]);
    let found = found.max_time(this.0.query_timeout);
    let sessions: Vec<Document> = found.await?.try_collect().await?;
    let ids: Vec<_> = sessions
        .iter()
        .filter_map(|session| session.get_document("lsid").ok()?.get("id").cloned())
        .map(|id| Bson::Document(doc! { "id": id }))
        .collect();
    if !ids.is_empty() {
        let ended = ids.clone();
        admin.run_command(doc! { "killSessions": ended }).await?;
    }
    Ok(ids.len())
}
