//! Removes pictures of payments that nobody needs any more. Every origin looks; the file goes first, so that one whose removal broke
//! off is found again.

use jiff::SignedDuration;

use crate::app::App;
use crate::commerce::orders::OrderStep;
use crate::commerce::proofs::{Due, KeptProof, due};
use crate::commerce::records::{Stored, Writes};
use crate::database::{Answer, DatabaseError};
use crate::services::objects::Room;

/// Pictures taken on at once.
const AT_ONCE: u32 = 50;

/// How soon a file that cannot be removed now is tried again.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(10);

/// One look.
pub(super) async fn look(app: &App) -> Answer<()> {
    let found = app.database.due::<KeptProof>(app.clock.now(), AT_ONCE);
    for proof in found.await? {
        match settle(app, proof).await {
            // Another origin has it, or its order was changed: it is due again.
            Err(DatabaseError::VersionConflict { .. }) => {}
            done => done?,
        }
    }
    Ok(())
}

async fn settle(app: &App, mut proof: Stored<KeptProof>) -> Answer<()> {
    let (database, now) = (&app.database, app.clock.now());
    let order = database.order_by_id(&proof.value.order_id).await?;
    let kept_for = app.config.commerce.proofs_kept();
    let payment = match due(order.as_ref(), &proof.value.name, kept_for, now) {
        Due::Later(at) => {
            proof.value.due_at = at;
            let writes = Writes::default().replace(&proof)?;
            return database.write_records(&writes, now).await;
        }
        Due::Over(payment) => Some(*payment),
        Due::Unnamed => None,
    };
    let removed = app.objects.remove(Room::Private, &proof.value.name).await;
    if let Err(error) = removed {
        tracing::warn!(%error, "a picture of a payment cannot be removed now");
        proof.value.due_at = now + AGAIN_AFTER;
        let writes = Writes::default().replace(&proof)?;
        return database.write_records(&writes, now).await;
    }
    if let (Some(order), Some(payment)) = (order, payment) {
        let step = OrderStep {
            to: None,
            payment: Some(payment),
            expires_at: None,
            at: now,
            by: "shop".to_owned(),
            note: String::new(),
        };
        let expected = Some(order.version);
        database.step_order(&order.id, &step, expected).await?;
    }
    let writes = Writes::default().remove(&proof);
    database.write_records(&writes, now).await
}
