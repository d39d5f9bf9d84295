//! What is shared, what is not, and who goes to the origin for it.

use super::*;

fn fields(name: &'static str, value: &str) -> HeaderMap {
    let mut fields = HeaderMap::new();
    fields.insert(name, value.parse().unwrap());
    fields
}

fn private() -> Vec<(&'static str, String)> {
    vec![("cache-control", "private, no-store".to_owned())]
}

#[tokio::test]
async fn a_client_with_a_cookie_never_gets_the_answer_fetched_without_it() {
    let bench = bench();
    bench.say(Ok((200, private(), "nobody")));
    let cookie = fields("cookie", "session=1");
    assert!(matches!(bench.ask_with(&cookie).await.0, Answer::Pass));
    advance(&bench, 11);
    assert!(matches!(bench.ask().await.0, Answer::Direct(_)));
}

#[tokio::test]
async fn a_cookie_does_not_keep_a_public_answer_from_being_shared() {
    let bench = bench();
    bench.ask_with(&fields("cookie", "session=1")).await;
    assert!(bench.status().await.contains("hit"));
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn nobody_waits_for_a_question_whose_last_answer_was_private() {
    let bench = bench();
    bench.say(Ok((200, private(), "mine")));
    bench.ask().await;
    for _ in 0..5 {
        assert!(matches!(bench.ask().await.0, Answer::Pass));
    }
    assert_eq!(bench.calls(), 1);
    bench.say(Ok((200, public("max-age=300", "7"), "ours")));
    advance(&bench, 11);
    assert!(bench.status().await.ends_with("stored"));
    assert!(bench.status().await.contains("hit"));
}

#[tokio::test]
async fn an_answer_that_became_private_takes_the_stored_one_out() {
    let bench = bench();
    bench.ask().await;
    bench.say(Ok((200, private(), "mine")));
    advance(&bench, 301);
    assert!(
        bench
            .status()
            .await
            .ends_with("detail=stale-while-revalidate")
    );
    until(|| !bench.cache.store.contains_key("http://a/p")).await;
    assert!(matches!(bench.ask().await.0, Answer::Pass));
}

#[tokio::test]
async fn while_the_origin_hangs_a_stale_answer_is_served_at_once() {
    let bench = bench();
    bench.ask().await;
    bench.say(Err(FetchError::Timeout));
    advance(&bench, 361);
    assert!(bench.status().await.ends_with("detail=stale-if-error"));
    bench.origin.gate.forget_permits(1000);
    for _ in 0..5 {
        assert!(bench.status().await.ends_with("detail=stale-if-error"));
    }
    until(|| bench.calls() == 3).await;
}

#[tokio::test]
async fn a_client_that_forbids_storing_is_answered_from_memory_but_fills_nothing() {
    let bench = bench();
    let no_store = fields("cache-control", "no-store");
    assert!(matches!(bench.ask_with(&no_store).await.0, Answer::Pass));
    assert_eq!((bench.calls(), bench.cache.size().0), (0, 0));
    bench.ask().await;
    assert!(bench.ask_with(&no_store).await.1.contains("hit"));
    let no_cache = fields("cache-control", "no-cache");
    assert!(bench.ask_with(&no_cache).await.1.contains("hit"));
}

#[tokio::test]
async fn only_if_cached_never_reaches_the_origin() {
    let bench = bench();
    let only = fields("cache-control", "only-if-cached");
    assert!(matches!(
        bench.ask_with(&only).await.0,
        Answer::OnlyIfCached
    ));
    assert_eq!(bench.calls(), 0);
}

#[tokio::test]
async fn more_than_the_allowed_number_never_wait() {
    let bench = Arc::new(bench());
    let tasks = together(&bench, 1000).await;
    assert!(matches!(
        bench.ask().await.0,
        Answer::Failed(FetchError::Overloaded { .. })
    ));
    bench.origin.gate.add_permits(1);
    for task in tasks {
        assert!(matches!(task.await.unwrap().0, Answer::Stored(_)));
    }
}

#[tokio::test]
async fn a_fill_outlives_the_client_that_caused_it() {
    let bench = Arc::new(bench());
    bench.origin.gate.forget_permits(1000);
    let client = tokio::spawn({
        let bench = Arc::clone(&bench);
        async move { bench.ask().await }
    });
    until(|| bench.calls() == 1).await;
    client.abort();
    until(|| bench.cache.metrics.cache_waiters.get() == 0).await;
    bench.origin.gate.add_permits(1);
    until(|| bench.cache.store.contains_key("http://a/p")).await;
    assert!(bench.status().await.contains("hit"));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_who_wait_are_told_what_an_origin_says_of_its_failure() {
    let bench = Arc::new(bench());
    bench.say(Ok((503, vec![("retry-after", "7".to_owned())], "no")));
    let tasks = together(&bench, 20).await;
    bench.origin.gate.add_permits(1);
    let said = FetchError::Said {
        status: StatusCode::SERVICE_UNAVAILABLE,
        retry_after_seconds: Some(7),
    };
    let (mut direct, mut told) = (0, 0);
    for task in tasks {
        match task.await.unwrap().0 {
            Answer::Direct(fetched) if fetched.status == 503 => direct += 1,
            Answer::Failed(error) if error == said => told += 1,
            _ => panic!("neither the answer nor what it said"),
        }
    }
    assert_eq!((bench.calls(), direct, told), (1, 1, 19));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waited_for_a_place_that_another_lost_asks_once_more_by_himself() {
    let bench = Arc::new(bench());
    let retry_after_seconds = 1;
    bench.say(Err(FetchError::Overloaded {
        retry_after_seconds,
    }));
    let tasks = together(&bench, 20).await;
    bench.say(Ok((200, public("max-age=300", "7"), "body")));
    bench.origin.gate.add_permits(10);
    let (mut refused, mut answered) = (0, 0);
    for task in tasks {
        match task.await.unwrap().0 {
            Answer::Failed(FetchError::Overloaded { .. }) => refused += 1,
            Answer::Stored(_) => answered += 1,
            _ => panic!("neither refused nor answered"),
        }
    }
    assert_eq!((bench.calls(), refused, answered), (2, 1, 19));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_twice_with_others_is_told() {
    let bench = Arc::new(bench());
    let retry_after_seconds = 1;
    bench.say(Err(FetchError::Overloaded {
        retry_after_seconds,
    }));
    let tasks = together(&bench, 3).await;
    bench.origin.gate.add_permits(1);
    // Two ask once more, one of them in his own name.
    until(|| bench.calls() == 2 && bench.cache.metrics.cache_waiters.get() == 2).await;
    bench.origin.gate.add_permits(10);
    for task in tasks {
        let answer = task.await.unwrap().0;
        assert!(matches!(
            answer,
            Answer::Failed(FetchError::Overloaded { .. })
        ));
    }
    assert_eq!(bench.calls(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_too_many_wait_a_stale_answer_stands_in() {
    let mut bench = bench();
    let cache = Arc::get_mut(&mut bench.cache);
    cache.unwrap().config.waiters_max = 1;
    let bench = Arc::new(bench);
    bench.ask().await;
    advance(&bench, 1000);
    bench.origin.gate.forget_permits(1000);
    let waiting = tokio::spawn({
        let bench = Arc::clone(&bench);
        async move { bench.ask().await }
    });
    until(|| bench.cache.metrics.cache_waiters.get() == 1).await;
    let (answer, status) = bench.ask().await;
    assert!(matches!(answer, Answer::Stored(_)));
    assert!(status.ends_with("detail=too-many-waiters"), "{status}");
    bench.origin.gate.add_permits(1);
    assert_eq!(waiting.await.unwrap().1, "crackers; fwd=stale; stored");
}
