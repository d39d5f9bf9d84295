mod keeping;
mod law;
mod purging;
mod sharing;
mod variants;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::entry::Entry;
use super::fetch::{FetchError, FetchRequest, Fetched};
use super::purge::PurgeRequest;
use super::*;

/// Status, fields and body.
type Said<T> = (u16, Vec<(&'static str, String)>, T);

/// An origin that answers as it is told, when it is let.
struct Scripted {
    calls: AtomicUsize,
    gate: Semaphore,
    answer: Mutex<Result<Said<String>, FetchError>>,
    conditional: AtomicUsize,
    /// Whether its bodies break off.
    breaks_off: AtomicBool,
    /// When it was asked, if it says so.
    asked_at: Mutex<Option<i64>>,
    /// How long its bodies take, by which clock.
    slow: Mutex<Option<(Clock, Duration)>>,
}

impl Fetch for Scripted {
    fn fetch(&self, request: FetchRequest) -> BoxFuture<'_, Result<Fetched, FetchError>> {
        Box::pin(async move {
            self.calls.fetch_add(1, Ordering::SeqCst);
            let answer = self.answer.lock().clone();
            self.gate
                .acquire()
                .await
                .map_err(|_| FetchError::Timeout)?
                .forget();
            let (status, fields, body) = answer?;
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(HeaderName::from_static(name), value.parse().unwrap());
            }
            let is_current = request
                .headers
                .get(header::IF_NONE_MATCH)
                .is_some_and(|tag| Some(tag) == headers.get(header::ETAG));
            if is_current {
                self.conditional.fetch_add(1, Ordering::SeqCst);
            }
            let status = if is_current {
                StatusCode::NOT_MODIFIED
            } else {
                StatusCode::from_u16(status).unwrap()
            };
            let part = if is_current {
                Bytes::new()
            } else {
                Bytes::from(body)
            };
            let end = FetchError::Broken("the answer ended before its end".to_owned());
            let end = self.breaks_off.load(Ordering::SeqCst).then_some(Err(end));
            let slow = self.slow.lock().clone();
            let parts = [Ok(part)].into_iter().chain(end).inspect(move |_| {
                if let Some((clock, time)) = &slow {
                    clock.advance(*time);
                }
            });
            let body = futures_util::stream::iter(parts);
            Ok(Fetched {
                status,
                headers,
                body: Box::pin(body),
                asked_at: self.asked_at.lock().take(),
            })
        })
    }
}

struct Bench {
    cache: Arc<Cache>,
    origin: Arc<Scripted>,
    clock: Clock,
}

fn bench() -> Bench {
    jittering(0)
}

/// Where lifetimes are cut by so much at the most.
fn jittering(jitter_percent: u8) -> Bench {
    with(|config| config.jitter_percent = jitter_percent)
}

/// With settings of its own; lifetimes are not cut by default.
fn with(own: impl FnOnce(&mut Config)) -> Bench {
    let origin = Arc::new(Scripted {
        calls: AtomicUsize::new(0),
        gate: Semaphore::new(1000),
        answer: Mutex::new(Ok((
            200,
            public(
                "max-age=300, stale-while-revalidate=60, stale-if-error=3600",
                "7",
            ),
            "x".repeat(2000),
        ))),
        conditional: AtomicUsize::new(0),
        breaks_off: AtomicBool::new(false),
        asked_at: Mutex::new(None),
        slow: Mutex::new(None),
    });
    let mut config: crate::config::Config = serde_yaml::from_str(crate::config::DEFAULTS).unwrap();
    config.cache.jitter_percent = 0;
    config.cache.waiters_max = 1000;
    own(&mut config.cache);
    let clock = Clock::manual(Timestamp::UNIX_EPOCH);
    let fetch: Arc<dyn Fetch> = Arc::clone(&origin) as _;
    let cache = Cache::new(config.cache, clock.clone(), fetch, Arc::new(Metrics::new()));
    Bench {
        cache,
        origin,
        clock,
    }
}

fn public(lifetime: &str, sequence: &str) -> Vec<(&'static str, String)> {
    [
        ("content-type", "application/json"),
        ("cache-control", "public, no-cache"),
        ("cdn-cache-control", lifetime),
        ("cache-tag", "products, product:a"),
        ("x-changes-sequence", sequence),
        ("etag", "\"v1\""),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .to_vec()
}

impl Bench {
    fn say(&self, answer: Result<Said<&str>, FetchError>) {
        *self.origin.answer.lock() =
            answer.map(|(status, fields, body)| (status, fields, body.to_owned()));
    }

    async fn ask(&self) -> (Answer, String) {
        self.ask_with(&HeaderMap::new()).await
    }

    async fn ask_with(&self, headers: &HeaderMap) -> (Answer, String) {
        self.ask_for("/p", None, headers).await
    }

    async fn ask_for(
        &self,
        path: &str,
        query: Option<&str>,
        headers: &HeaderMap,
    ) -> (Answer, String) {
        let route = self.cache.config.route(path).unwrap();
        let key = key::of("http", "a", path, query, route).unwrap();
        let fetch = FetchRequest {
            method: Method::GET,
            path_and_query: "/p".to_owned(),
            headers: self.cache.fetch_fields(headers),
            asking: crate::dispatch::Asking::default(),
        };
        self.cache
            .answer(Ask {
                key,
                headers,
                fetch: &|_| fetch.clone(),
                terms: self.cache.config.terms(route),
            })
            .await
    }

    async fn status(&self) -> String {
        self.ask().await.1
    }

    fn calls(&self) -> usize {
        self.origin.calls.load(Ordering::SeqCst)
    }

    fn purge(&self, sequence: Option<i64>, tags: &[&str]) -> usize {
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        let purge = PurgeRequest {
            sequence,
            tags,
            ..PurgeRequest::default()
        };
        self.cache.purge(&purge, &self.cache.config).purged
    }
}

fn advance(bench: &Bench, seconds: u64) {
    bench.clock.advance(Duration::from_secs(seconds));
}

/// So many clients who ask at once; when this returns all of them wait for an origin that answers nobody yet.
async fn together(bench: &Arc<Bench>, clients: usize) -> Vec<JoinHandle<(Answer, String)>> {
    bench.origin.gate.forget_permits(1000);
    let asking = (0..clients).map(|_| {
        let bench = Arc::clone(bench);
        tokio::spawn(async move { bench.ask().await })
    });
    let asking = asking.collect();
    until(|| bench.cache.metrics.cache_waiters.get() == clients as i64).await;
    asking
}

async fn until(mut condition: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it never came true");
}

#[tokio::test]
async fn the_second_request_is_a_hit_until_freshness_ends() {
    let bench = bench();
    assert_eq!(bench.status().await, "crackers; fwd=uri-miss; stored");
    advance(&bench, 299);
    assert_eq!(bench.status().await, "crackers; hit; ttl=1");
    assert_eq!(bench.calls(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_clients_of_one_cold_key_cause_one_fetch() {
    let bench = Arc::new(bench());
    let tasks = together(&bench, 1000).await;
    bench.origin.gate.add_permits(1);
    let mut collapsed = 0;
    for task in tasks {
        let status = task.await.unwrap().1;
        collapsed += usize::from(status.contains("collapsed") || status.contains("hit"));
    }
    assert_eq!((bench.calls(), collapsed), (1, 999));
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_fetch_fails_all_who_wait_are_told_after_one_try() {
    let bench = Arc::new(bench());
    bench.say(Err(FetchError::Unreachable("down".to_owned())));
    let tasks = together(&bench, 50).await;
    bench.origin.gate.add_permits(1);
    for task in tasks {
        assert!(matches!(
            task.await.unwrap().0,
            Answer::Failed(FetchError::Unreachable(_))
        ));
    }
    assert_eq!(bench.calls(), 1);
    assert_eq!(bench.cache.metrics.cache_waiters.get(), 0);
}

#[tokio::test]
async fn a_stale_answer_is_served_while_it_is_fetched_anew() {
    let bench = bench();
    bench.ask().await;
    advance(&bench, 301);
    assert_eq!(
        bench.status().await,
        "crackers; hit; ttl=-1; detail=stale-while-revalidate"
    );
    until(|| bench.calls() == 2).await;
    until(|| bench.origin.conditional.load(Ordering::SeqCst) == 1).await;
    for _ in 0..1000 {
        if bench.status().await == "crackers; hit; ttl=300" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("the entry was never freshened");
}

#[tokio::test]
async fn a_stale_answer_stands_in_for_an_origin_that_fails_but_not_for_ever() {
    let bench = bench();
    bench.ask().await;
    bench.say(Err(FetchError::Unreachable("down".to_owned())));
    advance(&bench, 300 + 61);
    assert!(bench.status().await.ends_with("detail=stale-if-error"));
    bench.say(Ok((
        503,
        vec![("content-type", "text/plain".to_owned())],
        "no",
    )));
    assert!(bench.status().await.ends_with("detail=stale-if-error"));
    until(|| bench.calls() == 3).await;
    advance(&bench, 3600);
    assert!(matches!(bench.ask().await.0, Answer::Direct(fetched) if fetched.status == 503));
}

#[tokio::test]
async fn a_purge_by_tag_takes_effect_at_once_and_only_on_its_tag() {
    let bench = bench();
    bench.ask().await;
    assert_eq!(bench.purge(Some(8), &["product:b"]), 0);
    assert!(bench.status().await.contains("hit"));
    assert_eq!(bench.purge(Some(9), &["product:a"]), 1);
    assert!(bench.status().await.contains("fwd=uri-miss"));
}

#[tokio::test]
async fn an_answer_older_than_the_last_purge_of_its_tag_is_not_kept() {
    let bench = bench();
    bench.purge(Some(9), &["product:a"]);
    // Asked again a few times, then whoever wants it goes by himself.
    assert!(matches!(bench.ask().await.0, Answer::Pass));
    assert_eq!(bench.calls(), 4);
    bench.say(Ok((200, public("max-age=300", "9"), "new")));
    assert_eq!(bench.status().await, "crackers; fwd=uri-miss; stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_by_hand_beats_the_fetch_that_began_before_it() {
    let bench = Arc::new(bench());
    bench.origin.gate.forget_permits(1000);
    let asked = tokio::spawn({
        let bench = Arc::clone(&bench);
        async move { bench.ask().await }
    });
    until(|| bench.calls() == 1).await;
    bench.purge(None, &["products"]);
    bench.origin.gate.add_permits(10);
    // It is nobody's; the next one is.
    assert!(asked.await.unwrap().1.contains("fwd=uri-miss; stored"));
    assert_eq!(bench.calls(), 2);
    assert!(bench.status().await.contains("hit"));
}

#[tokio::test]
async fn an_edge_that_goes_on_for_another_forgets_what_it_has_and_keeps_what_comes() {
    let bench = bench();
    bench.ask().await;
    bench.purge(Some(99), &[]);
    let applied = bench.cache.applied();
    bench.cache.begin_at(&applied);
    assert_eq!(bench.status().await, "crackers; fwd=uri-miss; stored");
    assert!(bench.status().await.contains("hit"));
}

#[tokio::test]
async fn an_answer_for_one_person_is_never_shared() {
    let bench = bench();
    let mut fields = public("max-age=300", "7");
    fields.push(("set-cookie", "session=1".to_owned()));
    bench.say(Ok((200, fields, "mine")));
    assert!(matches!(bench.ask().await.0, Answer::Direct(_)));
    assert!(matches!(bench.ask().await.0, Answer::Pass));
    assert_eq!(bench.calls(), 1);
}
