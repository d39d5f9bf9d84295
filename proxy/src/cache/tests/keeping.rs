//! What is kept, for how long, and in which codings.

use std::collections::BTreeSet;

use super::*;

fn lasting(seconds: u32) -> Vec<(&'static str, String)> {
    public(&format!("max-age={seconds}"), "7")
}

#[tokio::test]
async fn lifetimes_are_cut_by_chance_and_never_made_longer() {
    let bench = jittering(5);
    bench.say(Ok((200, lasting(1000), "body")));
    let mut lifetimes = BTreeSet::new();
    for number in 0..200 {
        let path = format!("/p{number}");
        let (answer, _) = bench.ask_for(&path, None, &HeaderMap::new()).await;
        let Answer::Stored(entry) = answer else {
            panic!("not stored");
        };
        lifetimes.insert(entry.lifetime.fresh.as_secs());
    }
    let all = lifetimes.iter().copied();
    assert!(
        all.clone().all(|one| (950..=1000).contains(&one)),
        "{lifetimes:?}"
    );
    // So that what was stored at once does not go out of date at once.
    assert!(all.count() > 10, "{lifetimes:?}");
}

#[tokio::test]
async fn more_than_there_is_room_for_is_not_kept() {
    const ROOM: u64 = 100_000;
    let bench = with(|config| config.bytes_max = ROOM);
    // Not to be compressed: each takes its 2,000 bytes at the least.
    let mut fields = lasting(1000);
    fields.push(("content-encoding", "x".to_owned()));
    bench.say(Ok((200, fields, &"x".repeat(2000))));
    for number in 0..500 {
        let path = format!("/p{number}");
        let (answer, _) = bench.ask_for(&path, None, &HeaderMap::new()).await;
        assert!(matches!(answer, Answer::Stored(_)), "{path}");
        let (_, bytes) = bench.cache.size();
        assert!(bytes <= ROOM, "{bytes} after {number}");
    }
    let (entries, bytes) = bench.cache.size();
    assert!(entries > 10 && bytes > ROOM / 2, "{entries}, {bytes}");
    assert_eq!(bench.cache.metrics.cache_evictions.get(), 500 - entries);
}

#[tokio::test]
async fn what_is_not_there_is_remembered_for_a_moment_whatever_is_said_of_it() {
    for status in [404, 410] {
        let bench = bench();
        bench.say(Ok((status, lasting(300), "")));
        bench.ask().await;
        assert!(bench.status().await.contains("crackers; hit"), "{status}");
        let moment = bench.cache.config.negative_ttl_seconds;
        advance(&bench, moment);
        assert!(bench.status().await.contains("fwd=stale"), "{status}");
        assert_eq!(bench.calls(), 2, "{status}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_nobodys_and_not_kept() {
    let bench = bench();
    bench.origin.breaks_off.store(true, Ordering::SeqCst);
    let answer = bench.ask().await.0;
    assert!(matches!(answer, Answer::Failed(FetchError::Broken(_))));
    assert_eq!(bench.cache.size().0, 0);
    bench.origin.breaks_off.store(false, Ordering::SeqCst);
    assert_eq!(bench.status().await, "crackers; fwd=uri-miss; stored");
}

#[tokio::test]
async fn a_body_that_may_not_be_transformed_is_kept_as_it_is() {
    for (directives, is_kept_compressed) in [("public", true), ("public, no-transform", false)] {
        let bench = bench();
        let mut fields = lasting(300);
        fields.retain(|(name, _)| *name != "cache-control");
        fields.push(("cache-control", directives.to_owned()));
        bench.say(Ok((200, fields, &"x".repeat(2000))));
        let (Answer::Stored(entry), _) = bench.ask().await else {
            panic!("not stored");
        };
        let bodies = &entry.bodies;
        let codings = (bodies.gzip.is_some(), bodies.brotli.is_some());
        assert_eq!(codings, (is_kept_compressed, is_kept_compressed));
    }
}

#[tokio::test]
async fn an_answer_that_is_not_kept_is_its_clients_unless_it_depends_on_what_was_not_sent() {
    for (vary, is_his) in [
        ("Accept-Encoding", true),
        ("Accept-Language", true),
        ("User-Agent", false),
        ("*", false),
    ] {
        let bench = bench();
        let fields = [("cache-control", "private"), ("vary", vary)];
        let fields = fields.map(|(name, value)| (name, value.to_owned()));
        bench.say(Ok((200, fields.to_vec(), "mine")));
        let answer = bench.ask().await.0;
        assert_eq!(matches!(answer, Answer::Direct(_)), is_his, "{vary}");
        assert_eq!(matches!(answer, Answer::Pass), !is_his, "{vary}");
    }
}

#[tokio::test]
async fn who_waits_is_told_that_he_shared_a_fetch_and_who_is_late_that_it_was_stale() {
    let bench = Arc::new(bench());
    let tasks = together(&bench, 2).await;
    bench.origin.gate.add_permits(10);
    let mut told = Vec::new();
    for task in tasks {
        told.push(task.await.unwrap().1);
    }
    told.sort_unstable();
    assert_eq!(
        told,
        [
            "crackers; fwd=uri-miss; stored",
            "crackers; fwd=uri-miss; stored; collapsed",
        ]
    );
    advance(&bench, 4000);
    assert_eq!(bench.status().await, "crackers; fwd=stale; stored");
}

#[tokio::test]
async fn a_body_is_compressed_once_and_each_coding_has_its_own_tag() {
    let bench = bench();
    let (Answer::Stored(entry), _) = bench.ask().await else {
        panic!("not stored")
    };
    use crate::respond::negotiation::Coding;
    let tags = [Coding::Identity, Coding::Gzip, Coding::Brotli]
        .map(|coding| entry.etag_in(coding).unwrap());
    assert_eq!(tags, ["\"v1\"", "\"v1-gzip\"", "\"v1-br\""]);
    assert!(
        entry.body([Coding::Brotli; 3]).0.len() < 200
            && entry.body([Coding::Identity; 3]).0.len() == 2000
    );
    let fields = entry.fields(Coding::Gzip);
    assert!(
        INTERNAL_FIELDS
            .iter()
            .all(|name| !fields.contains_key(*name))
    );
}

/// `CDN-Cache-Control` is taken off on the way out, unless a further CDN is there to read it.
const INTERNAL_FIELDS: [&str; 3] = ["cache-tag", "x-changes-sequence", "x-memory-usage"];

#[tokio::test]
async fn a_body_over_the_limit_passes_whole_and_is_not_kept() {
    let bench = bench();
    bench.say(Ok((
        200,
        public("max-age=300", "7"),
        &"y".repeat(5_000_000),
    )));
    let (Answer::Direct(mut fetched), _) = bench.ask().await else {
        panic!("kept")
    };
    let mut bytes = 0;
    while let Some(part) = futures_util::StreamExt::next(&mut fetched.body).await {
        bytes += part.unwrap().len();
    }
    assert_eq!((bytes, bench.cache.size().0), (5_000_000, 0));
}

#[tokio::test]
async fn an_answer_grows_old_from_its_request_on_however_long_it_takes() {
    let bench = bench();
    // A minute for the head, and one for the body.
    *bench.origin.asked_at.lock() = Some(bench.clock.now_microseconds());
    advance(&bench, 60);
    let slow = (bench.clock.clone(), Duration::from_secs(60));
    *bench.origin.slow.lock() = Some(slow);
    bench.ask().await;
    assert_eq!(bench.status().await, "crackers; hit; ttl=180");
}

#[tokio::test]
async fn what_is_not_shared_is_for_nobody_whose_own_fields_were_not_sent() {
    for (name, is_his) in [
        ("user-agent", true),
        ("sec-fetch-mode", true),
        ("accept-language", true),
        ("range", false),
        ("last-event-id", false),
        ("x-api-key", false),
        ("cookie", false),
    ] {
        let bench = bench();
        let private = ("cache-control", "private".to_owned());
        bench.say(Ok((200, vec![private], "mine")));
        let name = HeaderName::from_static(name);
        let fields = HeaderMap::from_iter([(name.clone(), "x".parse().unwrap())]);
        let answer = bench.ask_with(&fields).await.0;
        assert_eq!(matches!(answer, Answer::Direct(_)), is_his, "{name}");
    }
}

#[tokio::test]
async fn what_an_origin_says_of_one_asker_ends_nothing_that_is_stored() {
    for status in [400, 406, 429] {
        let bench = bench();
        bench.ask().await;
        advance(&bench, 4000);
        bench.say(Ok((status, vec![], "not you")));
        let answer = bench.ask().await.0;
        assert!(matches!(answer, Answer::Direct(fetched) if fetched.status == status));
        assert!(bench.cache.store.contains_key("http://a/p"), "{status}");
        // And the next one is not sent by himself.
        bench.say(Ok((200, public("max-age=300", "7"), "body")));
        assert_eq!(bench.status().await, "crackers; fwd=stale; stored");
    }
}
