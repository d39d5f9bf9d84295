//! Whose turn it is to bring the schema up to date. The turn ends by the server's clock unless it is renewed, so that nobody
//! waits long for a program that died, and nobody takes over from one that lives.

use std::time::{Duration, Instant};

use mongodb::bson::{Document, doc};
use mongodb::options::ReturnDocument;
use mongodb::{ClientSession, Collection, Database};

use super::super::super::DatabaseError;
use super::super::{Answer, Failure, milliseconds};
use crate::commerce::ids;

/// How often a lock that another program holds is asked for again.
const PAUSE: Duration = Duration::from_millis(200);

/// The lock, held by this program.
pub(super) struct Lock {
    meta: Collection<Document>,
    owner: String,
    lease: Duration,
    taken: Instant,
}

impl Lock {
    /// Takes the lock as soon as nobody holds it, or its holder no longer renews it.
    ///
    /// # Errors
    /// [`DatabaseError::Unavailable`] when another program holds it for longer than `wait`.
    pub(super) async fn take(database: &Database, lease: Duration, wait: Duration) -> Answer<Self> {
        let begun = Instant::now();
        let mut lock = Self {
            meta: database.collection("meta"),
            owner: ids::unguessable(),
            lease,
            taken: begun,
        };
        loop {
            lock.taken = Instant::now();
            if lock.ask().await? {
                return Ok(lock);
            }
            if begun.elapsed() >= wait {
                return Err(DatabaseError::Unavailable(format!(
                    "another program has been bringing its schema up to date for {} ms",
                    milliseconds(begun.elapsed())
                )));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Takes or renews the lock, unless another program holds it; whether it is ours now.
    async fn ask(&self) -> Answer<bool> {
        let lease = i64::try_from(milliseconds(self.lease)).unwrap_or(i64::MAX);
        let is_free = doc! { "$or": [
            { "$eq": ["$lock.owner", &self.owner] },
            // A lock that is not there is below every time.
            { "$lt": ["$lock.until", "$$NOW"] },
        ] };
        let ours = doc! { "owner": &self.owner, "until": { "$add": ["$$NOW", lease] } };
        let change = doc! { "$set": {
            "version": { "$ifNull": ["$version", 0_i64] },
            "lock": { "$cond": [is_free, ours, "$lock"] },
        } };
        let asked = self
            .meta
            .find_one_and_update(doc! { "_id": "schema" }, vec![change])
            .upsert(true)
            .return_document(ReturnDocument::After)
            .await;
        match asked.map_err(|error| DatabaseError::from(Failure::from(error))) {
            Ok(found) => {
                let lock = found.as_ref().map(|found| found.get_document("lock"));
                let owner = lock.and_then(|lock| lock.ok()?.get_str("owner").ok());
                Ok(owner == Some(self.owner.as_str()))
            }
            // Another program has made the document at the same moment.
            Err(DatabaseError::AlreadyExists(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Renews the lock again and again; ends only when it is lost.
    pub(super) async fn keep(&self) -> DatabaseError {
        let mut renewed = self.taken;
        loop {
            tokio::time::sleep(self.lease / 3).await;
            let asked = Instant::now();
            let left = self.lease.saturating_sub(renewed.elapsed());
            match tokio::time::timeout(left, self.ask()).await {
                Ok(Ok(true)) => renewed = asked,
                Ok(Ok(false)) => return lost(),
                // It may be without a primary for a moment: the lock is ours for as long as was said.
                Ok(Err(error)) => tracing::warn!(%error, "the lock of the schema is not renewed"),
                Err(_) => return lost(),
            }
        }
    }

    /// Makes a transaction fail unless the lock is ours when it is committed.
    pub(super) async fn guard(&self, session: &mut ClientSession) -> Result<(), Failure> {
        let touch = doc! { "$inc": { "lock.guarded": 1_i64 } };
        let touched = self.meta.update_one(self.as_ours(), touch);
        let touched = touched.session(session).await?;
        match touched.matched_count {
            1 => Ok(()),
            _ => Err(Failure::Known(lost())),
        }
    }

    /// Writes down that a step was taken.
    pub(super) async fn write_down(&self, number: i64) -> Answer<()> {
        let mut before = self.as_ours();
        before.insert("version", number - 1);
        let step = doc! { "number": number, "owner": &self.owner, "at": "$$NOW" };
        let steps = doc! { "$concatArrays": [{ "$ifNull": ["$steps", []] }, [step]] };
        let change = doc! { "$set": { "version": number, "steps": steps } };
        let written = self.meta.update_one(before, vec![change]).await;
        match written.map_err(Failure::from)?.matched_count {
            1 => Ok(()),
            _ => Err(lost()),
        }
    }

    /// Lets the next program have it. Nothing is written where it is lost already.
    pub(super) async fn release(&self) -> Answer<()> {
        let free = doc! { "$unset": { "lock": "" } };
        let freed = self.meta.update_one(self.as_ours(), free).await;
        freed.map_err(Failure::from)?;
        Ok(())
    }

    fn as_ours(&self) -> Document {
        doc! { "_id": "schema", "lock.owner": &self.owner }
    }
}

fn lost() -> DatabaseError {
    DatabaseError::Unavailable(
        "another program has taken over bringing its schema up to date".to_owned(),
    )
}
