//! Answers to one question that depend on more of the request than their coding (RFC 9111 4.1): under the question's own key
//! stands what they depend on, and each of them under a key of its own. How many there may be is bounded; what they may depend
//! on stands in the configuration, since only that is sent along when an answer is fetched for all.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, header};
use parking_lot::Mutex;

use super::Cache;
use super::entry::Entry;
use super::key::Key;

/// Fields of a request, each with what the request says in it.
pub type Values = Vec<(HeaderName, String)>;

/// What stands under a key.
#[derive(Clone)]
pub(super) enum Slot {
    /// An answer.
    Answer(Arc<Entry>),
    /// What tells apart the answers to this question.
    Varies(Arc<Varies>),
}

impl Slot {
    /// The answer, if it is one.
    pub(super) fn answer(self) -> Option<Arc<Entry>> {
        match self {
            Self::Answer(entry) => Some(entry),
            Self::Varies(_) => None,
        }
    }

    /// About how many bytes it occupies.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Answer(entry) => entry.weight(),
            Self::Varies(varies) => varies.weight(),
        }
    }
}

/// What the answers to one question depend on, and which of them there are.
#[derive(Debug)]
pub struct Varies {
    names: Vec<HeaderName>,
    variants: Mutex<Vec<String>>,
}

impl Varies {
    /// On these fields.
    pub fn new(names: Vec<HeaderName>) -> Self {
        Self {
            names,
            variants: Mutex::default(),
        }
    }

    /// About how many bytes it occupies.
    fn weight(&self) -> usize {
        let variants = self.variants.lock();
        let keys: usize = variants.iter().map(|key| key.len() + 24).sum();
        512 + keys
    }

    /// The key of the answer that suits a request.
    pub fn key(&self, question: &Key, request: &HeaderMap) -> Key {
        question.variant(&values(&self.names, request))
    }

    /// Whether one more answer may be kept under this key; those that are not stored any more make room.
    pub fn admits(&self, key: &Key, most: usize, is_stored: impl Fn(&str) -> bool) -> bool {
        let mut variants = self.variants.lock();
        if variants.iter().any(|known| known == key.text()) {
            return true;
        }
        if variants.len() >= most {
            variants.retain(|known| is_stored(known));
        }
        let has_room = variants.len() < most;
        if has_room {
            variants.push(key.text().to_owned());
        }
        has_room
    }
}

impl Cache {
    /// Under which key an answer belongs that was fetched with these fields, and what of them it depends on; `None` when it
    /// cannot be kept apart from others, or when there are enough to the same question.
    pub(super) fn place(
        &self,
        key: &Key,
        sent: &HeaderMap,
        answer: &HeaderMap,
    ) -> Option<(Key, Values)> {
        let names = names(answer, &self.vary)?;
        let question = key.question();
        if names.is_empty() {
            return Some((question, Values::new()));
        }
        let varies = match self.store.get(question.text()) {
            Some(Slot::Varies(varies)) if varies.names == names => varies,
            _ => Arc::new(Varies::new(names)),
        };
        let key = varies.key(&question, sent);
        let is_stored = |key: &str| self.store.contains_key(key);
        let is_admitted = varies.admits(&key, self.config.variants_max, is_stored);
        // Again, since it weighs more with each of them.
        let slot = Slot::Varies(Arc::clone(&varies));
        self.store.insert(question.text().to_owned(), slot);
        if !is_admitted {
            self.metrics.cache_variants_refused.inc();
            return None;
        }
        Some((key, values(&varies.names, sent)))
    }
}

/// On which fields an answer depends besides its coding, in one order; `None` for one that depends on more than may be kept
/// apart, or on anything at all (`*`).
pub fn names(answer: &HeaderMap, allowed: &[HeaderName]) -> Option<Vec<HeaderName>> {
    let mut names = Vec::new();
    for value in answer.get_all(header::VARY) {
        for name in value.to_str().ok()?.split(',').map(str::trim) {
            if name.is_empty() || name.eq_ignore_ascii_case("accept-encoding") {
                continue;
            }
            let known = |known: &&HeaderName| known.as_str().eq_ignore_ascii_case(name);
            names.push(allowed.iter().find(known)?.clone());
        }
    }
    names.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    names.dedup();
    Some(names)
}

/// What a request says in these fields: the lines of one field together, without space around commas. What is not text is
/// kept apart, too.
pub fn values(names: &[HeaderName], request: &HeaderMap) -> Values {
    let of = |name: &HeaderName| {
        let lines = request
            .get_all(name)
            .iter()
            .map(|line| match line.to_str() {
                Ok(text) => text.split(',').map(str::trim).collect::<Vec<_>>().join(","),
                Err(_) => line.as_bytes().escape_ascii().to_string(),
            });
        lines.collect::<Vec<_>>().join(",")
    };
    names.iter().map(|name| (name.clone(), of(name))).collect()
}

/// Whether a request says the same in these fields.
pub fn fits(said: &Values, request: &HeaderMap) -> bool {
    said.iter()
        .all(|(name, value)| values(std::slice::from_ref(name), request)[0].1 == *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: [HeaderName; 2] = [header::ACCEPT, header::ACCEPT_LANGUAGE];

    fn fields(name: HeaderName, lines: &[&str]) -> HeaderMap {
        let lines = lines
            .iter()
            .map(|line| (name.clone(), line.parse().unwrap()));
        let mut fields = HeaderMap::new();
        lines.for_each(|(name, line)| {
            fields.append(name, line);
        });
        fields
    }

    #[test]
    fn what_may_not_be_kept_apart_and_a_star_are_refused() {
        for lines in [
            &["*"][..],
            &["Cookie"],
            &["Accept", "user-agent"],
            &["accept, *"],
        ] {
            assert_eq!(
                names(&fields(header::VARY, lines), &ALLOWED),
                None,
                "{lines:?}"
            );
        }
        let lines = ["Accept-Language, accept-encoding", ", ACCEPT,accept"];
        let found = names(&fields(header::VARY, &lines), &ALLOWED).unwrap();
        assert_eq!(found, ALLOWED);
    }

    #[test]
    fn space_makes_no_difference_and_everything_else_does() {
        let said = |lines: &[&str]| values(&ALLOWED[1..], &fields(header::ACCEPT_LANGUAGE, lines));
        let one = said(&["ta, en;q=0.8"]);
        assert_eq!(one, said(&["ta ,en;q=0.8"]));
        assert_eq!(one, said(&["ta", "en;q=0.8"]));
        for other in [&["en;q=0.8, ta"][..], &["ta"], &["TA,en;q=0.8"], &[]] {
            assert_ne!(one, said(other), "{other:?}");
        }
        assert!(fits(
            &one,
            &fields(header::ACCEPT_LANGUAGE, &["ta,en;q=0.8"])
        ));
        assert!(!fits(&one, &HeaderMap::new()));
    }

    #[test]
    fn variants_are_bounded_and_those_that_are_gone_make_room() {
        let route = super::super::RouteConfig {
            path_prefix: "/".to_owned(),
            enabled: true,
            query: Vec::new(),
            ignored_query: Vec::new(),
            ttl_seconds: None,
            heuristic_percent: 0,
        };
        let question = super::super::key::of("http", "a", "/p", None, &route).unwrap();
        let varies = Varies::new(vec![header::ACCEPT_LANGUAGE]);
        let key = |tongue| varies.key(&question, &fields(header::ACCEPT_LANGUAGE, &[tongue]));
        let all = |_: &str| true;
        assert!(varies.admits(&key("ta"), 2, all) && varies.admits(&key("en"), 2, all));
        assert!(varies.weight() > 512 + key("ta").text().len() + key("en").text().len());
        assert!(!varies.admits(&key("hi"), 2, all));
        assert!(varies.admits(&key("ta"), 2, all));
        assert!(varies.admits(&key("hi"), 2, |known| known != key("en").text()));
        assert_eq!(key("ta").path_and_query(), "/p");
        assert_eq!(key("ta").question(), question);
    }
}
