//! Redis, where several origins share one. It wakes them, so that what is owed after a write is done at once and not at the
//! next look, and keeps sessions, answers and limits that are used up nearer than the database. Nothing is true because it says so: while it is gone everything takes
//! longer and is the same.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::{Stream, StreamExt as _};
use prometheus::IntCounterVec;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{AsyncCommands as _, ExistenceCheck, RedisResult, SetExpiry, SetOptions};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crackers_shared::{clock::Clock, config_file::Problems};

/// How long it is not asked again after it has failed: nobody waits for it twice in a row.
const LEFT_ALONE_MICROSECONDS: i64 = 1_000_000;
/// What stands in the place of a session that was ended.
const ENDED: &str = "ended";

/// Settings of Redis.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where it is.
    pub url: Option<String>,
    /// The longest wait for it, in milliseconds.
    pub timeout_ms: u64,
    /// How long a customer's session is kept there, in seconds.
    pub session_seconds: u64,
    /// How long a public answer is kept there, in seconds.
    pub answer_seconds: u64,
    /// The largest answer that is kept there, in bytes.
    pub answer_bytes_max: usize,
    /// The most bytes of answers that this process puts there in `answer_seconds`.
    pub answers_bytes_max: usize,
}

impl Config {
    /// Reports impossible values under `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        problems.require(
            self.url
                .as_deref()
                .is_none_or(|url| redis::Client::open(url).is_ok()),
            format!("{path}.url"),
            "must begin with redis:// and name a server",
        );
        problems.require(
            (1..=5000).contains(&self.timeout_ms),
            format!("{path}.timeout_ms"),
            "must be 1 to 5000",
        );
        for (key, seconds) in [
            ("session_seconds", self.session_seconds),
            ("answer_seconds", self.answer_seconds),
        ] {
            problems.require(
                (1..=3600).contains(&seconds),
                format!("{path}.{key}"),
                "must be 1 to 3600",
            );
        }
    }
}

/// What answers may take up: so much each, and so much together in the time that one is kept.
struct AnswerLimits {
    seconds: u64,
    bytes_max: usize,
    all_bytes_max: usize,
    /// When counting begins anew, in microseconds since the epoch.
    term_ends: AtomicI64,
    bytes: AtomicUsize,
}

impl AnswerLimits {
    /// Counts an answer; whether it may be kept.
    fn take(&self, bytes: usize, now: i64) -> bool {
        if bytes > self.bytes_max {
            return false;
        }
        let term = i64::try_from(self.seconds).unwrap_or(i64::MAX);
        let ends = self.term_ends.load(Ordering::Relaxed);
        let next = now.saturating_add(term.saturating_mul(1_000_000));
        let begins_anew = now >= ends
            && self
                .term_ends
                .compare_exchange(ends, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if begins_anew {
            self.bytes.store(0, Ordering::Relaxed);
        }
        self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes <= self.all_bytes_max
    }
}

/// The way to Redis. Each question is answered in the time that the settings name, or not at all.
pub struct Redis {
    client: redis::Client,
    connection: ConnectionManager,
    timeout: Duration,
    session_seconds: u64,
    answers: AnswerLimits,
    clock: Clock,
    /// Until when it is left alone, in microseconds since the epoch.
    left_alone_until: AtomicI64,
    asked: IntCounterVec,
}

impl Redis {
    /// The way that the settings name, not gone yet; none where they name none. `asked` counts questions by outcome.
    ///
    /// # Errors
    /// When the settings cannot be used; [`Config::check`] has said so before.
    pub fn new(
        config: &Config,
        clock: Clock,
        asked: IntCounterVec,
    ) -> anyhow::Result<Option<Self>> {
        let Some(url) = &config.url else {
            return Ok(None);
        };
        let client = redis::Client::open(url.as_str()).context("services.redis.url")?;
        let timeout = Duration::from_millis(config.timeout_ms);
        let settings = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(timeout))
            .set_response_timeout(Some(timeout))
            .set_number_of_retries(1);
        let connection = ConnectionManager::new_lazy_with_config(client.clone(), settings)?;
        Ok(Some(Self {
            client,
            connection,
            timeout,
            session_seconds: config.session_seconds,
            answers: AnswerLimits {
                seconds: config.answer_seconds,
                bytes_max: config.answer_bytes_max,
                all_bytes_max: config.answers_bytes_max,
                term_ends: AtomicI64::new(0),
                bytes: AtomicUsize::new(0),
            },
            clock,
            left_alone_until: AtomicI64::new(0),
            asked,
        }))
    }

    /// Tells every origin of this database that something was written. False where Redis did not take it.
    pub async fn wake(&self, database_id: &str) -> bool {
        let mut connection = self.connection.clone();
        let asked = connection.publish::<_, _, i64>(channel(database_id), "");
        self.answered(asked).await.is_some()
    }

    /// A message for each time that an origin says so; ends when Redis is gone.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn woken(&self, database_id: &str) -> anyhow::Result<impl Stream<Item = ()> + use<>> {
        let channel = channel(database_id);
        let listening = async {
            let mut listening = self.client.get_async_pubsub().await?;
            listening.subscribe(channel).await?;
            Ok::<_, redis::RedisError>(listening)
        };
        let listening = tokio::time::timeout(self.timeout, listening).await;
        let listening = listening.context("it does not answer in time")??;
        Ok(listening.into_on_message().map(drop))
    }

    /// What is kept of a session, and the number in `changes` that it is at least as new as. `None` where nothing is known:
    /// then the database is asked.
    pub async fn session(&self, database_id: &str, id: &str) -> Option<(i64, String)> {
        let mut connection = self.connection.clone();
        let asked = connection.get::<_, Option<String>>(session(database_id, id));
        let kept = self.answered(asked).await??;
        let (sequence, document) = kept.split_once(':')?;
        Some((sequence.parse().ok()?, document.to_owned()))
    }

    /// Keeps a session as the database gave it, unless it was ended in between.
    pub async fn keep_session(&self, database_id: &str, id: &str, sequence: i64, document: &str) {
        let options = SetOptions::default()
            .conditional_set(ExistenceCheck::NX)
            .with_expiration(SetExpiry::EX(self.session_seconds));
        let mut connection = self.connection.clone();
        let value = format!("{sequence}:{document}");
        let asked = connection.set_options::<_, _, Option<String>>(
            session(database_id, id),
            value,
            options,
        );
        self.answered(asked).await;
    }

    /// Lets nobody read or keep a session for as long as one may still be on its way; the database is asked meanwhile. To be
    /// said before the session is removed there.
    pub async fn end_session(&self, database_id: &str, id: &str) {
        let mut connection = self.connection.clone();
        let seconds = self.session_seconds + 60;
        let asked = connection.set_ex::<_, _, ()>(session(database_id, id), ENDED, seconds);
        self.answered(asked).await;
    }

    /// Until when a limit is used up, in microseconds since the epoch, where that was kept and is not over.
    pub async fn used_up_until(&self, database_id: &str, limit: &str) -> Option<i64> {
        let mut connection = self.connection.clone();
        let asked = connection.get::<_, Option<i64>>(used_up(database_id, limit));
        let until = self.answered(asked).await??;
        (self.clock.now_microseconds() < until).then_some(until)
    }

    /// Keeps that a limit is used up until then, as the database has counted.
    pub async fn keep_used_up(&self, database_id: &str, limit: &str, until: i64) {
        let left = until.saturating_sub(self.clock.now_microseconds()) / 1000;
        let Some(left) = u64::try_from(left).ok().filter(|left| *left > 0) else {
            return;
        };
        let mut connection = self.connection.clone();
        let asked = connection.pset_ex::<_, _, ()>(used_up(database_id, limit), until, left);
        self.answered(asked).await;
    }

    /// What is kept under the name of a public answer.
    pub async fn answer(&self, name: &str) -> Option<Vec<u8>> {
        let mut connection = self.connection.clone();
        let asked = connection.get::<_, Option<Vec<u8>>>(name);
        self.answered(asked).await?
    }

    /// Keeps a public answer for a while, unless it is too large or this process has put too much there lately.
    pub async fn keep_answer(&self, name: &str, answer: &[u8]) {
        if !self
            .answers
            .take(answer.len(), self.clock.now_microseconds())
        {
            return;
        }
        let mut connection = self.connection.clone();
        let asked = connection.set_ex::<_, _, ()>(name, answer, self.answers.seconds);
        self.answered(asked).await;
    }

    /// The answer, if it comes in time; for a moment after it did not, nothing is asked.
    async fn answered<T>(&self, asked: impl Future<Output = RedisResult<T>>) -> Option<T> {
        let count = |outcome: &str| self.asked.with_label_values(&[outcome]).inc();
        if self.clock.now_microseconds() < self.left_alone_until.load(Ordering::Relaxed) {
            count("left_alone");
            return None;
        }
        let problem = match tokio::time::timeout(self.timeout, asked).await {
            Ok(Ok(answer)) => {
                count("answered");
                return Some(answer);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it does not answer in time".to_owned(),
        };
        count("failed");
        tracing::warn!(%problem, "Redis does not answer; the database does");
        let until = self.clock.now_microseconds() + LEFT_ALONE_MICROSECONDS;
        self.left_alone_until.store(until, Ordering::Relaxed);
        None
    }
}

fn channel(database_id: &str) -> String {
    format!("crackers:{database_id}:written")
}

fn session(database_id: &str, id: &str) -> String {
    format!("crackers:{database_id}:session:{id}")
}

fn used_up(database_id: &str, limit: &str) -> String {
    format!("crackers:{database_id}:used_up:{limit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_take_up_so_much_each_and_so_much_in_a_term() {
        let limits = AnswerLimits {
            seconds: 60,
            bytes_max: 10,
            all_bytes_max: 25,
            term_ends: AtomicI64::new(0),
            bytes: AtomicUsize::new(0),
        };
        assert!(!limits.take(11, 1));
        assert!(limits.take(10, 1) && limits.take(10, 2));
        assert!(!limits.take(10, 3) && !limits.take(10, 60_000_000));
        assert!(limits.take(10, 60_000_001));
    }
}
