//! Requirements of RFC 9111 that need the whole cache; `requirements.md` lists which test shows which.

use super::*;

fn with(extra: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    let mut fields = public("max-age=300", "7");
    fields.retain(|(name, _)| !extra.iter().any(|(other, _)| other == name));
    fields.extend(
        extra
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned())),
    );
    fields
}

async fn stored(bench: &Bench) -> Arc<Entry> {
    match bench.ask().await.0 {
        Answer::Stored(entry) => entry,
        _ => panic!("not stored"),
    }
}

#[tokio::test]
async fn fields_that_connection_names_are_not_stored() {
    let bench = bench();
    let fields = with(&[
        ("connection", "x-one, close"),
        ("x-one", "1"),
        ("x-two", "2"),
    ]);
    bench.say(Ok((200, fields, "a")));
    let entry = stored(&bench).await;
    assert!(!entry.headers.contains_key("x-one") && entry.headers.contains_key("x-two"));
    assert!(!entry.headers.contains_key(header::CONNECTION));
}

#[tokio::test]
async fn a_304_renews_fields_and_keeps_the_body() {
    let bench = bench();
    bench.say(Ok((200, with(&[("x-one", "old")]), "body")));
    bench.ask().await;
    advance(&bench, 301);
    bench.say(Ok((
        200,
        with(&[("x-one", "new"), ("content-type", "text/plain")]),
        "other",
    )));
    let entry = stored(&bench).await;
    assert_eq!(entry.headers["x-one"], "new");
    assert_eq!(entry.headers["content-type"], "application/json");
    assert_eq!(entry.bodies.identity, "body");
    assert_eq!(bench.origin.conditional.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_304_that_says_nothing_of_freshness_begins_the_old_one_anew() {
    let bench = bench();
    bench.ask().await;
    advance(&bench, 400);
    bench.say(Ok((200, vec![("etag", "\"v1\"".to_owned())], "")));
    until_hit(&bench, "crackers; hit; ttl=300").await;
}

#[tokio::test]
async fn a_304_begins_what_was_said_anew_and_not_what_was_left_of_it() {
    let bench = bench();
    // Older than it may be when it comes, and what a shortened lifetime left.
    bench.say(Ok((200, with(&[("age", "1000")]), "body")));
    bench.ask().await;
    bench.say(Ok((200, vec![("etag", "\"v1\"".to_owned())], "")));
    advance(&bench, 1);
    until_hit(&bench, "crackers; hit; ttl=300").await;
}

async fn until_hit(bench: &Bench, wanted: &str) {
    for _ in 0..1000 {
        if bench.status().await == wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("never {wanted}");
}

#[tokio::test]
async fn a_304_about_another_entity_tag_is_not_believed() {
    let bench = bench();
    bench.ask().await;
    advance(&bench, 4000);
    bench.say(Ok((304, with(&[("etag", "\"v2\"")]), "")));
    assert!(matches!(bench.ask().await.0, Answer::Pass));
    assert!(!bench.cache.store.contains_key("http://a/p"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_clients_of_a_fetch_that_fails_cause_one_request() {
    let bench = Arc::new(bench());
    bench.say(Ok((500, vec![], "no")));
    let tasks = together(&bench, 1000).await;
    bench.origin.gate.add_permits(1);
    for task in tasks {
        let answer = task.await.unwrap().0;
        assert!(matches!(answer, Answer::Failed(_) | Answer::Direct(_)));
    }
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn a_weak_entity_tag_asks_whether_an_answer_is_current() {
    let bench = bench();
    bench.say(Ok((200, with(&[("etag", "W/\"v1\"")]), "body")));
    assert_eq!(stored(&bench).await.etag.as_deref(), Some("W/\"v1\""));
    advance(&bench, 301);
    bench.ask().await;
    until(|| bench.origin.conditional.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test]
async fn what_has_no_entity_tag_is_asked_for_by_its_date() {
    let bench = bench();
    let date = "Thu, 01 Jan 1970 00:00:00 GMT";
    let mut fields = with(&[("last-modified", date)]);
    fields.retain(|(name, _)| *name != "etag");
    bench.say(Ok((200, fields, "body")));
    let entry = stored(&bench).await;
    let mut sent = HeaderMap::new();
    fill::ask_whether_current(&entry, &mut sent);
    assert_eq!(sent[header::IF_MODIFIED_SINCE], date);
    assert!(!sent.contains_key(header::IF_NONE_MATCH));
}

#[tokio::test]
async fn a_304_that_sets_a_cookie_is_for_one_person_and_ends_what_was_stored() {
    let bench = bench();
    bench.ask().await;
    let mut fields = vec![("etag", "\"v1\"".to_owned())];
    fields.push(("set-cookie", "session=1".to_owned()));
    bench.say(Ok((200, fields, "")));
    // Too old to be served meanwhile.
    advance(&bench, 4000);
    assert!(matches!(bench.ask().await.0, Answer::Pass));
    assert!(!bench.cache.store.contains_key("http://a/p"));
}

#[tokio::test]
async fn freshness_after_a_304_goes_by_all_that_is_said_then_and_was_before() {
    let told = |name: &'static str, value: &str| (name, value.to_owned());
    let etag = || told("etag", "\"v1\"");
    let later = "Thu, 01 Jan 1970 03:00:00 GMT";
    for (before, then, expected) in [
        // What is left out is as it was, and stands above an Expires.
        (
            vec![
                etag(),
                told("cache-control", "max-age=100, must-revalidate"),
            ],
            vec![etag(), told("expires", later)],
            "crackers; hit; ttl=100",
        ),
        // A field for clients does not take the place of the one for caches.
        (
            vec![
                etag(),
                told("cache-control", "public, no-cache"),
                told("cdn-cache-control", "max-age=100"),
            ],
            vec![etag(), told("cache-control", "public, no-cache")],
            "crackers; hit; ttl=100",
        ),
        (
            vec![etag(), told("cache-control", "max-age=100")],
            vec![etag(), told("cache-control", "max-age=50")],
            "crackers; hit; ttl=50",
        ),
    ] {
        let bench = bench();
        bench.say(Ok((200, before, "body")));
        bench.ask().await;
        bench.say(Ok((200, then, "")));
        advance(&bench, 101);
        bench.ask().await;
        until_hit(&bench, expected).await;
        assert_eq!(bench.origin.conditional.load(Ordering::SeqCst), 1);
    }
}
