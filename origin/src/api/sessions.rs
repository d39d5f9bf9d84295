//! Sessions of customers, from Redis where one is configured, else from the database, which alone says whether one is good.
//!
//! A session is kept in Redis with the number in `changes` that it is at least as new as. Ending one first puts a mark in its
//! place there, so that nobody reads or keeps it any more, and leaves a change: where the mark cannot be put, each origin
//! sees by its own following of `changes` that what Redis has is too old.

use crate::app::App;
use crate::commerce::accounts::{self, Ending, Session, Subject};
use crate::commerce::changes::session_tag;
use crate::database::Answer;

/// The session of a cookie's value, as [`accounts::session`] gives it.
pub(super) async fn of_customer(app: &App, cookie: &str) -> Answer<Option<Session>> {
    let now = app.clock.now();
    let (database, keys) = (&app.database, &app.session_keys);
    let Some(redis) = &app.redis else {
        return accounts::session(database, keys, cookie, now).await;
    };
    let Some(known) = keys.verify(cookie, now.as_second()) else {
        return Ok(None);
    };
    // Only who follows `changes` can say whether what is kept is too old.
    if !app.answers.is_following() {
        return accounts::session(database, keys, cookie, now).await;
    }
    let database_id = database.database_id().await?;
    if let Some((sequence, document)) = redis.session(&database_id, &known.id).await
        && let Ok(session) = serde_json::from_str::<Session>(&document)
    {
        let tag = session_tag(&known.id);
        let ended = app.answers.touched.latest([tag.as_str()]);
        if sequence >= ended && now < session.expires_at {
            return Ok(Some(session));
        }
    }
    // Taken before the database is read: the session is at least as new as this.
    let sequence = app.answers.touched.last();
    let session = accounts::session(database, keys, cookie, now).await?;
    if let Some(session) = &session
        && let Ok(document) = serde_json::to_string(session)
    {
        let id = &session.id;
        redis
            .keep_session(&database_id, id, sequence, &document)
            .await;
    }
    Ok(session)
}

/// Ends sessions of an account, everywhere.
pub(super) async fn end(app: &App, subject: &Subject, which: Ending<'_>) -> Answer<()> {
    mark_ended(app, subject, which).await?;
    accounts::end_sessions(&app.database, subject, which, app.clock.now()).await
}

/// Lets nobody use what Redis has of sessions that are about to end.
pub(super) async fn mark_ended(app: &App, subject: &Subject, which: Ending<'_>) -> Answer<()> {
    if let Some(redis) = &app.redis {
        let database_id = app.database.database_id().await?;
        for id in accounts::session_ids(&app.database, subject, which).await? {
            redis.end_session(&database_id, &id).await;
        }
    }
    Ok(())
}
