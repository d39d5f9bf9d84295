//! Answers in Redis that one origin has made and all may use: beside those in memory ([`super::answers`]), where Redis is configured.
//!
//! An answer there names the change that it is as new as, by its number and its time. Each origin judges it by the tags that it
//! has followed itself, as it judges those in its own memory; one of a change that it does not know is as good as none. So
//! neither a purge that somebody missed nor a database that was set back makes an old answer come again.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use http::StatusCode;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::response::{Caching, Reply};
use crate::commerce::changes::Change;
use crate::services::redis::Redis;

/// Changes whose times are remembered; answers that are as new as an older one only are made anew.
const CHANGES_MAX: usize = 10_000;
/// What an answer may be; pages are made of this origin's own files, and are not shared.
const CONTENT_TYPES: &[&str] = &[
    "application/json",
    "application/pdf",
    "text/csv; charset=utf-8; header=present",
];

/// The answers in Redis.
pub struct SharedAnswers {
    redis: Arc<Redis>,
    /// What answers depend on beside the database: which program made them, and its settings.
    made_by: String,
    known: Mutex<Known>,
}

/// The database, and when its latest changes were written.
#[derive(Default)]
struct Known {
    database_id: String,
    changes: VecDeque<(i64, i64)>,
}

impl Known {
    fn note(&mut self, changes: &[Change]) {
        let times = changes
            .iter()
            .map(|change| (change.sequence, change.at.as_microsecond()));
        self.changes.extend(times);
        let too_many = self.changes.len().saturating_sub(CHANGES_MAX);
        self.changes.drain(..too_many);
    }

    /// When a change was written; `None` where this origin has not followed it.
    fn time_of(&self, sequence: i64) -> Option<i64> {
        let found = self
            .changes
            .binary_search_by_key(&sequence, |(sequence, _)| *sequence);
        Some(self.changes.get(found.ok()?)?.1)
    }
}

/// What stands before the body, in a line of its own.
#[derive(Deserialize, Serialize)]
struct Head {
    content_type: String,
    tags: Vec<String>,
    sequence: i64,
    /// When that change was written, in microseconds since the epoch.
    at: i64,
    etag: String,
}

impl SharedAnswers {
    /// Answers that are shared with whoever was `made_by` the same.
    pub fn new(redis: Arc<Redis>, made_by: String) -> Self {
        Self {
            redis,
            made_by,
            known: Mutex::default(),
        }
    }

    /// Begins to follow a database at its last change.
    pub fn begin(&self, database_id: String, last: &[Change]) {
        let mut known = Known {
            database_id,
            ..Known::default()
        };
        known.note(last);
        *self.known.lock() = known;
    }

    /// Notes changes that were followed, in order.
    pub fn note(&self, changes: &[Change]) {
        self.known.lock().note(changes);
    }

    /// What another origin has made for this key, if this one knows the change that it is as new as.
    pub(super) async fn get(&self, key: &str) -> Option<Reply> {
        let name = self.name(key)?;
        let stored = Bytes::from(self.redis.answer(&name).await?);
        let end = stored.iter().position(|byte| *byte == b'\n')?;
        let head: Head = serde_json::from_slice(stored.get(..end)?).ok()?;
        if self.known.lock().time_of(head.sequence) != Some(head.at) {
            return None;
        }
        let is_it = |known: &&&str| **known == head.content_type;
        let content_type = CONTENT_TYPES.iter().find(is_it)?;
        let mut reply = Reply::public_body(content_type, stored.slice(end + 1..), head.tags);
        // One that was cut short or written over is none.
        if reply.etag.as_deref() != Some(head.etag.as_str()) {
            return None;
        }
        reply.sequence = head.sequence;
        Some(reply)
    }

    /// Lets the others use an answer.
    pub(super) async fn keep(&self, key: &str, reply: &Reply) {
        let is_for_all = reply.status == StatusCode::OK
            && reply.caching == Caching::Public
            && reply.stream.is_none()
            && reply.set_cookie.is_none()
            && reply.file_name.is_none()
            && CONTENT_TYPES.contains(&reply.content_type);
        let at = self.known.lock().time_of(reply.sequence);
        let (true, Some(at), Some(name)) = (is_for_all, at, self.name(key)) else {
            return;
        };
        let head = Head {
            content_type: reply.content_type.to_owned(),
            // The last one is put there again when it is read.
            tags: reply
                .tags
                .split_last()
                .map_or_else(Vec::new, |(_, own)| own.to_vec()),
            sequence: reply.sequence,
            at,
            etag: reply.etag.clone().unwrap_or_default(),
        };
        let Ok(mut stored) = serde_json::to_vec(&head) else {
            return;
        };
        stored.push(b'\n');
        stored.extend_from_slice(&reply.body);
        self.redis.keep_answer(&name, &stored).await;
    }

    /// Under which name an answer is kept; a hash that nobody can make meet another one's. `None` before a database is followed.
    fn name(&self, key: &str) -> Option<String> {
        let database_id = self.known.lock().database_id.clone();
        if database_id.is_empty() {
            return None;
        }
        let hash = Sha256::digest(format!("{}\u{1f}{key}", self.made_by));
        Some(format!(
            "crackers:{database_id}:answer:{}",
            HEXLOWER.encode(&hash)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_known_by_its_number_and_only_so_many_are() {
        let change = |sequence| Change {
            sequence,
            at: jiff::Timestamp::from_microsecond(sequence * 10).unwrap(),
            entity: "product".to_owned(),
            entity_id: String::new(),
            tags: Vec::new(),
        };
        let mut known = Known::default();
        known.note(&(1..=10_001).map(change).collect::<Vec<_>>());
        assert_eq!(known.time_of(1), None);
        assert_eq!(known.time_of(2), Some(20));
        assert_eq!(known.time_of(10_001), Some(100_010));
        assert_eq!(known.time_of(10_002), None);
        assert_eq!(known.changes.len(), CHANGES_MAX);
    }
}
