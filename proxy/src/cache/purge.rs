//! What was purged, and when: an entry is checked against it whenever it is used or stored, so a purge is done as soon
//! as it is noted, and cannot lose a race against a fetch that began before it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use prometheus::IntCounter;
use serde::{Deserialize, Serialize};

use crackers_shared::tag_sequences::TagSequences;

use super::entry::Entry;
use super::key;
use super::{Cache, Config as CacheConfig};

/// Tag of everything.
const EVERYTHING: &str = "everything";

/// Prefixes remembered; beyond them everything counts as purged.
const PREFIXES_MAX: usize = 64;

/// A purge, as an origin or a person sends it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PurgeRequest {
    /// Which database's sequence it is about; another one than before purges everything.
    #[serde(default)]
    pub database_id: Option<String>,
    /// The last change it covers; absent for a purge by hand.
    #[serde(default)]
    pub sequence: Option<i64>,
    /// What went stale.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Paths, with or without a query.
    #[serde(default)]
    pub urls: Vec<String>,
    /// Everything whose path begins so.
    #[serde(default)]
    pub prefixes: Vec<String>,
}

/// What a purge did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Purged {
    /// Entries taken out.
    pub purged: usize,
    /// The last change that was covered, this purge included.
    pub sequence: i64,
}

/// Where the edge stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// Of which database; null before the first purge.
    pub database_id: Option<String>,
    /// The last change that was covered.
    pub sequence: i64,
}

/// The tag that stands for a path, with or without its query.
pub fn url_tag(path_and_query: &str) -> String {
    format!("url:{path_and_query}")
}

/// What was purged, and when.
pub struct Purges {
    by_sequence: TagSequences,
    by_hand: TagSequences,
    /// Prefixes purged by hand, each with the count at that time.
    prefixes: RwLock<Vec<(String, i64)>>,
    count: AtomicI64,
    /// Goes up whenever anything above has changed.
    edition: AtomicU64,
    database_id: Mutex<Option<String>>,
    /// Of [`crate::telemetry::Metrics::cache_purge_overflows`].
    overflows: IntCounter,
}

/// The edition of the purges in which an entry was last found current: as long as nothing was purged since, nobody looks
/// up its tags again. A clone of an entry was not looked at yet.
#[derive(Debug, Default)]
pub struct SeenCurrent(AtomicU64);

impl Clone for SeenCurrent {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Purges {
    pub(super) fn new(tags_max: usize, overflows: IntCounter) -> Self {
        Self {
            by_sequence: TagSequences::new(tags_max),
            by_hand: TagSequences::new(tags_max),
            prefixes: RwLock::new(Vec::new()),
            count: AtomicI64::new(0),
            edition: AtomicU64::new(1),
            database_id: Mutex::new(None),
            overflows,
        }
    }

    /// Whether nothing of an entry was purged since it was made.
    pub fn is_current(&self, entry: &Entry) -> bool {
        // Read before the tags are looked up: what is noted meanwhile makes a newer edition.
        let edition = self.edition.load(Ordering::Acquire);
        if entry.seen_current.0.load(Ordering::Relaxed) == edition {
            return true;
        }
        let is_current = self.has_no_newer_purge(entry);
        if is_current {
            entry.seen_current.0.store(edition, Ordering::Relaxed);
        }
        is_current
    }

    fn has_no_newer_purge(&self, entry: &Entry) -> bool {
        let tags = || entry.tags.iter().map(String::as_str);
        let by_hand = self.by_hand.latest(tags().chain([EVERYTHING]));
        entry.purges >= by_hand
            && entry.sequence >= self.by_sequence.latest(tags())
            && !self
                .prefixes
                .read()
                .iter()
                .any(|(prefix, count)| entry.purges < *count && entry.is_under(prefix))
    }

    /// Purges by hand so far.
    pub fn count(&self) -> i64 {
        self.count.load(Ordering::Acquire)
    }

    /// The last change that was covered.
    pub fn sequence(&self) -> i64 {
        self.by_sequence.last()
    }

    /// Whatever carries one of these tags, or is being fetched now, is out of date.
    pub fn by_hand<'a>(&self, tags: impl IntoIterator<Item = &'a str>) {
        let number = self.count.fetch_add(1, Ordering::AcqRel) + 1;
        if self.by_hand.touch(tags, number) {
            self.overflows.inc();
        }
        self.changed();
    }

    /// To be called after a purge was noted: from then on no entry counts as looked at.
    fn changed(&self) {
        self.edition.fetch_add(1, Ordering::AcqRel);
    }

    /// Whatever stands under one of these prefixes, or is being fetched now, is out of date.
    fn by_prefix(&self, wanted: &[String]) {
        let mut prefixes = self.prefixes.write();
        for prefix in wanted {
            let number = self.count.fetch_add(1, Ordering::AcqRel) + 1;
            prefixes.retain(|(known, _)| known != prefix);
            prefixes.push((prefix.clone(), number));
        }
        let is_full = prefixes.len() > PREFIXES_MAX;
        if is_full {
            prefixes.clear();
        }
        drop(prefixes);
        if is_full {
            self.by_hand([EVERYTHING]);
        }
        self.changed();
    }

    /// Goes on where another edge has ended: whatever was asked for before is out of date. What origins answer from now on
    /// is not, however long ago they made it: each of them tells what it hears of later.
    fn begin_at(&self, applied: &Applied) {
        self.database_id.lock().clone_from(&applied.database_id);
        self.by_sequence.touch([], applied.sequence);
        self.by_hand([EVERYTHING]);
    }

    fn note(&self, request: &PurgeRequest) {
        let tags = request.tags.iter().map(String::as_str);
        let mut database_id = self.database_id.lock();
        if request.database_id.is_some() && *database_id != request.database_id {
            database_id.clone_from(&request.database_id);
            self.by_sequence.reset();
            self.by_hand([EVERYTHING]);
        }
        if let Some(sequence) = request.sequence {
            // Even without tags it moves the sequence on.
            let is_full = self.by_sequence.touch(tags, sequence);
            self.overflows.inc_by(u64::from(is_full));
        } else if !request.tags.is_empty() {
            self.by_hand(tags);
        }
        self.changed();
    }
}

/// The tag of a URL as answers carry it: of its query only what they depend on, in one order.
pub(super) fn tag_of(url: &str, config: &CacheConfig) -> String {
    let Some((path, query)) = url.split_once('?') else {
        return url_tag(url);
    };
    let route = config.route(path);
    let key = route.and_then(|route| key::of("", "", path, Some(query), route));
    key.map_or_else(|| url_tag(url), |key| url_tag(key.path_and_query()))
}

impl Cache {
    /// Purges; done when this returns. The settings in use say which part of a query counts.
    pub fn purge(&self, request: &PurgeRequest, config: &CacheConfig) -> Purged {
        self.purges.note(request);
        let urls = request.urls.iter().map(|url| tag_of(url, config));
        let urls: Vec<_> = urls.collect();
        if !urls.is_empty() {
            self.purges.by_hand(urls.iter().map(String::as_str));
        }
        self.purges.by_prefix(&request.prefixes);
        let stale: Vec<Arc<String>> = self
            .store
            .iter()
            .filter(|(_, slot)| {
                let entry = slot.clone().answer();
                entry.is_some_and(|entry| !self.purges.is_current(&entry))
            })
            .map(|(key, _)| key)
            .collect();
        for key in &stale {
            self.store.invalidate(key.as_str());
        }
        self.metrics.cache_purges.inc();
        Purged {
            purged: stale.len(),
            sequence: self.purges.sequence(),
        }
    }

    /// Goes on where another edge has ended; what was stored before is gone.
    pub fn begin_at(&self, applied: &Applied) {
        self.purges.begin_at(applied);
        self.store.invalidate_all();
    }

    /// Where the edge stands in the origin's `changes`.
    pub fn applied(&self) -> Applied {
        Applied {
            database_id: self.purges.database_id.lock().clone(),
            sequence: self.purges.sequence(),
        }
    }
}
