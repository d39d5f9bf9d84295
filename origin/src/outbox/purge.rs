//! Tells one edge which tags went stale, at least once and in order.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::edge_link::{EdgeLink, Purge};
use super::wake::next_look;
use super::{Edge, still_running};
use crate::app::App;

/// Tells the edge until asked to stop. Where it stands is asked of the edge itself: it may have restarted.
pub(super) async fn run(app: Arc<App>, edge: Edge, mut stop: watch::Receiver<bool>) {
    let config = &app.config.outbox;
    let link = EdgeLink::new(edge, Duration::from_millis(config.purge_timeout_ms));
    let shortest = Duration::from_millis(config.poll_interval_ms);
    let longest = Duration::from_millis(config.purge_backoff_max_ms).max(shortest);
    let (mut pause, mut told, mut heard) = (shortest, None, 0);
    let mut woken = app.woken.subscribe();
    let lag = app.metrics.purge_lag.with_label_values(&[&link.edge.url]);
    loop {
        match tell(&app, &link, told).await {
            Ok(sequence) => {
                if told.is_none() {
                    tracing::info!(edge = %link.edge.url, sequence, "the edge is told of changes");
                }
                (pause, told, heard) = (shortest, Some(sequence), sequence);
                lag.set(0);
            }
            Err(error) => {
                if told.is_some() || pause == shortest {
                    tracing::warn!(edge = %link.edge.url, "the edge cannot be told of changes: {error:#}");
                }
                app.metrics.purges.with_label_values(&["failed"]).inc();
                (pause, told) = ((pause * 2).min(longest), None);
                if let Ok(newest) = app.database.last_sequence().await {
                    lag.set((newest - heard).max(0));
                }
            }
        }
        // Whoever does not answer is not asked more often because others write.
        let is_up = told.is_some();
        let goes_on = if is_up {
            next_look(&mut woken, &mut stop, pause).await
        } else {
            still_running(&mut stop, pause).await
        };
        if !goes_on {
            return;
        }
    }
}

/// Sends what the edge has not heard; returns up to where it has now.
async fn tell(app: &App, link: &EdgeLink, told: Option<i64>) -> anyhow::Result<i64> {
    let database_id = app.database.database_id().await?;
    let mut sequence = match told {
        Some(sequence) => sequence,
        None => {
            let applied = link.applied().await?;
            // This origin may serve another build of the storefront than the one before it.
            let pages = vec!["pages".to_owned()];
            link.purge(&Purge {
                database_id: None,
                sequence: None,
                tags: pages,
            })
            .await?;
            if applied.database_id.as_deref() == Some(&database_id) {
                applied.sequence
            } else {
                -1
            }
        }
    };
    let newest = app.database.last_sequence().await?;
    if sequence < 0 || sequence > newest {
        // A new edge or another database: it forgets all it has and starts here.
        link.purge(&Purge {
            database_id: Some(&database_id),
            sequence: Some(newest),
            tags: Vec::new(),
        })
        .await?;
        return Ok(newest);
    }
    while sequence < newest {
        let changes = app
            .database
            .changes_after(sequence, app.config.outbox.changes_at_once)
            .await?;
        let (Some(first), Some(last)) = (changes.first(), changes.last()) else {
            break;
        };
        let mut tags: Vec<String> = if first.sequence == sequence + 1 {
            changes
                .iter()
                .flat_map(|change| change.tags.iter().cloned())
                .collect()
        } else {
            // Changes in between are no longer kept: everything may be stale.
            crate::commerce::changes::tags_of_catalogue()
        };
        tags.sort();
        tags.dedup();
        let up_to = last.sequence;
        link.purge(&Purge {
            database_id: Some(&database_id),
            sequence: Some(up_to),
            tags,
        })
        .await?;
        app.metrics.purges.with_label_values(&["sent"]).inc();
        sequence = up_to;
    }
    Ok(sequence)
}
