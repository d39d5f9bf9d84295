//! Encoded answers kept in memory, in front of the database. An answer is used only while no change of one of its tags
//! is newer than it, whichever process wrote that change: the follower of `changes` touches the tags.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use moka::future::Cache;

use crackers_shared::tag_sequences::TagSequences;

use super::error::ApiError;
use super::response::Reply;
use super::shared_answers::SharedAnswers;
use crate::telemetry::Metrics;

/// How many distinct tags are remembered before everything counts as touched.
const TAGS_MAX: usize = 50_000;

/// The answers in memory.
pub struct Answers {
    kept: Cache<String, Reply>,
    /// Which tag was last touched by which change.
    pub touched: TagSequences,
    following: AtomicBool,
    /// Those that other origins have made, where there is Redis.
    pub shared: Option<SharedAnswers>,
}

impl Answers {
    /// Keeps at most `bytes_max` of encoded answers in memory.
    pub fn new(bytes_max: u64, shared: Option<SharedAnswers>) -> Self {
        let kept = Cache::builder()
            .max_capacity(bytes_max)
            .weigher(|key: &String, reply: &Reply| {
                let tags: usize = reply.tags.iter().map(String::len).sum();
                u32::try_from(key.len() + reply.body.len() + tags + 256).unwrap_or(u32::MAX)
            })
            .build();
        Self {
            kept,
            touched: TagSequences::new(TAGS_MAX),
            following: AtomicBool::new(false),
            shared,
        }
    }

    /// The answer in memory for `key`, or the one that `make` makes now. Askers at the same time share one making.
    ///
    /// # Errors
    /// What `make` failed with; failures are not kept.
    pub async fn get(
        &self,
        key: String,
        metrics: &Metrics,
        make: impl Future<Output = Result<Reply, ApiError>>,
    ) -> Result<Reply, ApiError> {
        if !self.is_following() {
            metrics.answers.with_label_values(&["bypass"]).inc();
            let sequence = self.touched.last();
            return make.await.map(|reply| Reply { sequence, ..reply });
        }
        if let Some(reply) = self.kept.get(&key).await {
            if let Some(reply) = self.current(reply) {
                metrics.answers.with_label_values(&["hit"]).inc();
                return Ok(reply);
            }
            self.kept.invalidate(&key).await;
        }
        metrics.answers.with_label_values(&["miss"]).inc();
        // Taken before the database is read: the answer is at least as new as this.
        let sequence = self.touched.last();
        let made = self.kept.try_get_with(key.clone(), async {
            if let Some(reply) = self.shared(&key).await {
                metrics.answers.with_label_values(&["shared"]).inc();
                return Ok(reply);
            }
            let reply = make.await.map(|reply| Reply {
                sequence,
                // It is kept for long: without the room that it had to grow.
                body: Bytes::copy_from_slice(&reply.body),
                ..reply
            })?;
            if let Some(shared) = &self.shared {
                shared.keep(&key, &reply).await;
            }
            Ok(reply)
        });
        made.await.map_err(|error| match Arc::try_unwrap(error) {
            Ok(error) => error,
            Err(shared) => copy(&shared),
        })
    }

    /// Whether answers in memory may be used: only while the `changes` sequence is being followed.
    pub fn is_following(&self) -> bool {
        self.following.load(Ordering::Acquire)
    }

    /// Says whether the `changes` sequence is being followed.
    pub fn set_following(&self, following: bool) {
        self.following.store(following, Ordering::Release);
    }

    /// Forgets every answer in memory.
    pub fn forget(&self) {
        self.kept.invalidate_all();
    }

    /// Bytes held.
    pub fn bytes(&self) -> u64 {
        self.kept.weighted_size()
    }

    /// What another origin has made, unless it is too old.
    async fn shared(&self, key: &str) -> Option<Reply> {
        let reply = self.shared.as_ref()?.get(key).await?;
        self.current(reply)
    }

    /// An answer that nothing of has changed, as new as the last change that is known of: an edge that was told of several changes at
    /// once takes all their tags for as new as the last of them, and would not keep an older answer.
    fn current(&self, reply: Reply) -> Option<Reply> {
        // Before the tags are looked at: whatever is known by then is among them.
        let known = self.touched.last();
        let touched = self.touched.latest(reply.tags.iter().map(String::as_str));
        (reply.sequence >= touched).then(|| Reply {
            sequence: reply.sequence.max(known),
            ..reply
        })
    }
}

/// What several askers are told of one failure.
fn copy(error: &ApiError) -> ApiError {
    match error {
        ApiError::NotFound => ApiError::NotFound,
        ApiError::TimedOut => ApiError::TimedOut,
        ApiError::Database(error) => ApiError::Database(
            crate::database::DatabaseError::Unavailable(error.to_string()),
        ),
        other => ApiError::Internal(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[tokio::test]
    async fn an_answer_in_memory_is_as_new_as_the_last_change_that_left_it_alone() {
        let (answers, metrics) = (Answers::new(1_000_000, None), Metrics::new());
        answers.set_following(true);
        answers.touched.touch(["shop"], 8);
        let ask = async || {
            let tags = vec!["shop".to_owned()];
            let make = async { Ok(Reply::public_body("text/plain", Bytes::new(), tags)) };
            let reply = answers.get("key".to_owned(), &metrics, make).await;
            reply.unwrap().sequence
        };
        assert_eq!((ask().await, ask().await), (8, 8));
        answers.touched.touch(["products"], 20);
        assert_eq!(ask().await, 20);
        answers.touched.touch(["shop"], 21);
        assert_eq!(ask().await, 21);
    }
}
