//! Follows the `changes` sequence and brings this process's memory up to date: answers and the search index; then tells those
//! who listen.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::wake::next_look;
use crate::app::App;
use crate::commerce::changes::{CATALOGUE, Change, session_tag};
use crate::database::DatabaseError;

/// Products read at once for the index.
const PRODUCTS_AT_ONCE: u32 = 500;

/// The first step; `None` when the database failed, and the follower tries again.
pub(super) async fn catch_up(app: &App) -> Option<i64> {
    look(app, None).await
}

/// Follows until asked to stop, from where the first step ended.
pub(super) async fn run(app: Arc<App>, mut followed: Option<i64>, mut stop: watch::Receiver<bool>) {
    let pause = Duration::from_millis(app.config.outbox.poll_interval_ms);
    let mut woken = app.woken.subscribe();
    let _panicking = Panicking(&app);
    while next_look(&mut woken, &mut stop, pause).await {
        followed = look(&app, followed).await;
    }
}

/// Sets the answers in memory aside where the follower panics: until it follows again, nobody says when they go stale.
struct Panicking<'a>(&'a App);

impl Drop for Panicking<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.answers.set_following(false);
        }
    }
}

/// Ends the streams of live events as soon as the process is asked to stop: they would last longer than it waits.
pub(super) async fn let_listeners_go(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    // Nobody can ask any more: then it stops as well.
    let _ = stop.wait_for(|stop| *stop).await;
    app.live.close();
}

/// One look; says up to where the sequence is followed now. While the database fails, answers in memory are used no
/// more: nobody says when they go stale.
async fn look(app: &App, followed: Option<i64>) -> Option<i64> {
    match step(app, followed).await {
        Ok(sequence) => {
            app.answers.set_following(true);
            app.metrics.changes_sequence.set(sequence);
            Some(sequence)
        }
        Err(error) => {
            if app.answers.is_following() {
                tracing::error!(%error, "the changes sequence cannot be followed; answers in memory are set aside");
            }
            app.answers.set_following(false);
            app.metrics.changes_failures.inc();
            followed
        }
    }
}

/// Reads what is new. The first time, and after falling too far behind, everything is read anew.
async fn step(app: &App, followed: Option<i64>) -> Result<i64, DatabaseError> {
    let Some(mut sequence) = followed else {
        return start_over(app).await;
    };
    let at_once = app.config.outbox.changes_at_once;
    loop {
        let changes = app.database.changes_after(sequence, at_once).await?;
        let Some(last) = changes.last() else {
            // A restored database may be behind what was followed.
            let newest = app.database.last_sequence().await?;
            return if newest < sequence {
                start_over(app).await
            } else {
                Ok(sequence)
            };
        };
        let is_gap = changes
            .first()
            .is_some_and(|first| first.sequence != sequence + 1);
        if is_gap || changes.iter().any(|change| change.entity == CATALOGUE) {
            return start_over(app).await;
        }
        sequence = last.sequence;
        apply(app, &changes).await?;
    }
}

async fn start_over(app: &App) -> Result<i64, DatabaseError> {
    let sequence = app.database.last_sequence().await?;
    let mut products = Vec::new();
    let mut after = String::new();
    loop {
        let page = app
            .database
            .products_after(&after, PRODUCTS_AT_ONCE)
            .await?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.id);
        products.extend(page);
    }
    app.search.rebuild(products);
    app.known.forget_all();
    read_shop(app).await?;
    if let Some(shared) = &app.answers.shared {
        let last = app.database.changes_after(sequence - 1, 1).await?;
        shared.begin(app.database.database_id().await?, &last);
    }
    app.answers.touched.reset();
    app.answers.touched.touch_everything(sequence);
    app.answers.forget();
    app.live.tell_of_everything();
    Ok(sequence)
}

async fn read_shop(app: &App) -> Result<(), DatabaseError> {
    let shop = app.database.shop_settings().await?.map(Arc::new);
    *app.shop.write() = shop;
    Ok(())
}

async fn apply(app: &App, changes: &[Change]) -> Result<(), DatabaseError> {
    if changes.iter().any(|change| change.entity == "shop") {
        read_shop(app).await?;
    }
    let mut ids: Vec<_> = changes
        .iter()
        .filter(|change| matches!(change.entity.as_str(), "product" | "stock"))
        .map(|change| change.entity_id.as_str())
        // An order changes the public words of what it takes, and says so by its tags.
        .chain(changes.iter().flat_map(Change::tagged_products))
        .map(str::to_owned)
        .collect();
    ids.sort();
    ids.dedup();
    app.known.forget_products(ids.iter().map(String::as_str));
    for change in changes.iter().filter(|change| change.entity == "combo") {
        app.known.forget_combo(&change.entity_id);
    }
    for ids in ids.chunks(PRODUCTS_AT_ONCE as usize) {
        let products = app.database.products_by_ids(ids).await?;
        app.search.update(ids, products);
    }
    if let Some(shared) = &app.answers.shared {
        shared.note(changes);
    }
    // Tags last: an answer made from now on must find the index up to date.
    for change in changes {
        app.answers
            .touched
            .touch(change.tags.iter().map(String::as_str), change.sequence);
    }
    for change in changes.iter().filter(|change| change.entity == "session") {
        let tag = session_tag(&change.entity_id);
        app.answers.touched.touch([tag.as_str()], change.sequence);
    }
    // And then those who listen: what they ask for now is new.
    app.live.tell(changes);
    Ok(())
}
