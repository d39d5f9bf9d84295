//! Removes old private files that the database knows nothing of. What is uploaded is written down before its file is there, so
//! there are none until the database is set back to an older state; then nobody else would ever remove them. Every origin looks.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use super::still_running;
use crate::app::App;
use crate::commerce::proofs::KeptProof;
use crate::services::objects::Room;

/// Names that the database is asked for at once.
const AT_ONCE: usize = 500;

/// Looks until asked to stop; not at all where they are kept.
pub(super) async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let Some(kept_for) = app.config.commerce.stray_files_kept() else {
        return;
    };
    let pause = Duration::from_millis(app.config.commerce.stray_files_interval_ms);
    while still_running(&mut stop, pause).await {
        if let Err(error) = look(&app, app.clock.now() - kept_for).await {
            tracing::warn!("private files that nothing names cannot be looked for: {error:#}");
        }
    }
}

/// Goes through all private files once.
async fn look(app: &App, before: Timestamp) -> anyhow::Result<()> {
    let mut after = String::new();
    loop {
        let page = app.objects.private(after).await?;
        let old = page
            .files
            .into_iter()
            .filter(|file| file.written_at < before);
        let old: Vec<_> = old.map(|file| file.name).collect();
        for names in old.chunks(AT_ONCE) {
            remove_unnamed(app, names).await?;
        }
        match page.next {
            Some(last) => after = last,
            None => return Ok(()),
        }
    }
}

async fn remove_unnamed(app: &App, names: &[String]) -> anyhow::Result<()> {
    let known = app.database.get_all::<KeptProof>(names).await?;
    for name in names {
        if known.iter().any(|proof| proof.value.name == *name) {
            continue;
        }
        let removed = app.objects.remove(Room::Private, name).await;
        let outcome = if removed.is_ok() { "removed" } else { "failed" };
        app.metrics.stray_files.with_label_values(&[outcome]).inc();
        removed?;
    }
    Ok(())
}
