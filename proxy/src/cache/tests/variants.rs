//! Answers that depend on more of the request than their coding.

use super::*;

fn varying(on: &str) -> Vec<(&'static str, String)> {
    let mut fields = public("max-age=300", "7");
    fields.push(("vary", on.to_owned()));
    fields
}

fn speaks(tongue: &'static str) -> HeaderMap {
    let tongue = http::HeaderValue::from_static(tongue);
    HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, tongue)])
}

async fn body(bench: &Bench, headers: &HeaderMap) -> (String, String) {
    match bench.ask_with(headers).await {
        (Answer::Stored(entry), status) => {
            let body = String::from_utf8(entry.bodies.identity.to_vec()).unwrap();
            (body, status)
        }
        (_, status) => (String::new(), status),
    }
}

#[tokio::test]
async fn each_variant_is_fetched_once_and_given_to_those_whom_it_suits() {
    let bench = bench();
    for (tongue, text) in [("ta", "vanakkam"), ("en", "hello")] {
        bench.say(Ok((200, varying("Accept-Language"), text)));
        assert_eq!(body(&bench, &speaks(tongue)).await.0, text);
    }
    bench.say(Ok((500, vec![], "")));
    for (tongue, text) in [("en", "hello"), ("ta", "vanakkam")] {
        let (found, status) = body(&bench, &speaks(tongue)).await;
        assert_eq!(
            (found.as_str(), status.as_str()),
            (text, "crackers; hit; ttl=300")
        );
    }
    assert_eq!(bench.calls(), 2);
    assert!(
        body(&bench, &speaks("hi"))
            .await
            .1
            .contains("fwd=vary-miss")
    );
}

#[tokio::test]
async fn who_waited_for_a_variant_that_does_not_suit_him_gets_one_that_does() {
    let bench = Arc::new(bench());
    bench.origin.gate.forget_permits(1000);
    bench.say(Ok((200, varying("Accept-Language"), "x")));
    let asked: Vec<_> = ["ta", "ta", "en", "en"]
        .map(|tongue| {
            let bench = Arc::clone(&bench);
            tokio::spawn(async move {
                match bench.ask_with(&speaks(tongue)).await.0 {
                    Answer::Stored(entry) => entry.vary[0].1 == tongue,
                    _ => false,
                }
            })
        })
        .into();
    until(|| bench.cache.metrics.cache_waiters.get() == 4).await;
    bench.origin.gate.add_permits(9);
    for one in asked {
        assert!(one.await.unwrap());
    }
    assert_eq!(bench.calls(), 2);
}

#[tokio::test]
async fn an_answer_that_depends_on_anything_or_on_what_may_not_be_kept_apart_is_not_stored() {
    for on in ["*", "Cookie", "Accept-Language, Cookie"] {
        let bench = bench();
        bench.say(Ok((200, varying(on), "x")));
        assert!(!matches!(bench.ask().await.0, Answer::Stored(_)), "{on}");
        assert!(!matches!(bench.ask().await.0, Answer::Stored(_)), "{on}");
    }
}

#[tokio::test]
async fn variants_beyond_the_bound_are_answered_but_not_stored() {
    let bench = bench();
    bench.say(Ok((200, varying("Accept-Language"), "x")));
    let most = bench.cache.config.variants_max;
    for number in 0..most + 2 {
        let tongue = http::HeaderValue::from_str(&format!("x-{number}")).unwrap();
        let headers = HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, tongue)]);
        let answer = bench.ask_with(&headers).await.0;
        assert_eq!(matches!(answer, Answer::Stored(_)), number < most);
        assert!(!matches!(answer, Answer::Failed(_)));
    }
    assert_eq!(bench.cache.metrics.cache_variants_refused.get(), 2);
}

#[tokio::test]
async fn a_purge_of_the_path_takes_every_variant() {
    let bench = bench();
    for (tongue, text) in [("ta", "old"), ("en", "old")] {
        bench.say(Ok((200, varying("Accept-Language"), text)));
        body(&bench, &speaks(tongue)).await;
    }
    let urls = vec!["/p".to_owned()];
    let purge = PurgeRequest {
        urls,
        ..PurgeRequest::default()
    };
    bench.cache.purge(&purge, &bench.cache.config);
    bench.say(Ok((200, varying("Accept-Language"), "new")));
    for tongue in ["ta", "en"] {
        assert_eq!(body(&bench, &speaks(tongue)).await.0, "new");
    }
}

#[tokio::test]
async fn an_answer_says_what_it_depends_on_and_its_coding_too() {
    let bench = bench();
    bench.say(Ok((200, varying("accept-language"), &"x".repeat(2000))));
    let Answer::Stored(entry) = bench.ask_with(&speaks("ta")).await.0 else {
        panic!("not stored");
    };
    let fields = entry.fields(crate::respond::negotiation::Coding::Gzip);
    assert_eq!(fields[header::VARY], "Accept-Language, Accept-Encoding");
}
