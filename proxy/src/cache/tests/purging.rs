//! What a purge reaches, and what becomes of whoever waits meanwhile.

use super::*;

#[tokio::test]
async fn urls_prefixes_and_another_database_purge_too() {
    let bench = bench();
    let requests = [
        PurgeRequest {
            urls: vec!["/p".to_owned()],
            ..PurgeRequest::default()
        },
        PurgeRequest {
            prefixes: vec!["/".to_owned()],
            ..PurgeRequest::default()
        },
        PurgeRequest {
            database_id: Some("b".to_owned()),
            sequence: Some(1),
            ..PurgeRequest::default()
        },
    ];
    for request in requests {
        bench.ask().await;
        assert!(bench.status().await.contains("hit"));
        assert_eq!(
            bench.cache.purge(&request, &bench.cache.config).purged,
            1,
            "{request:?}"
        );
    }
}

#[tokio::test]
async fn a_url_is_purged_however_its_query_is_written() {
    let bench = bench();
    for (asked, purged, is_its) in [
        ("sort=name&limit=9", "/api/products?sort=name&limit=9", true),
        ("sort=name&limit=9", "/api/products?limit=9&sort=name", true),
        ("sort=name&limit=9", "/api/products?sort=name", false),
        ("sort=name&limit=9", "/api/products", true),
        ("sort=name", "/api/products?colour=red", false),
    ] {
        let nobody = HeaderMap::new();
        bench.ask_for("/api/products", Some(asked), &nobody).await;
        let request = PurgeRequest {
            urls: vec![purged.to_owned()],
            ..PurgeRequest::default()
        };
        let expected = usize::from(is_its);
        assert_eq!(
            bench.cache.purge(&request, &bench.cache.config).purged,
            expected,
            "{purged}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waited_for_what_a_purge_made_old_waits_for_the_next_with_all_others() {
    let bench = Arc::new(bench());
    let tasks = together(&bench, 200).await;
    bench.purge(None, &["products"]);
    bench.origin.gate.add_permits(1);
    until(|| bench.calls() == 2).await;
    bench.origin.gate.add_permits(10);
    for task in tasks {
        assert!(matches!(task.await.unwrap().0, Answer::Stored(_)));
    }
    assert_eq!(bench.calls(), 2);
}

#[tokio::test]
async fn the_settings_in_use_say_which_part_of_a_query_counts() {
    let bench = bench();
    let mut later = bench.cache.config.clone();
    for route in &mut later.routes {
        route.query.push("new".to_owned());
    }
    let path = "/api/products";
    let route = later.route(path).unwrap();
    let key = key::of("http", "a", path, Some("new=2&limit=1"), route).unwrap();
    let key = key.path_and_query().to_owned();
    assert_eq!(key, "/api/products?limit=1&new=2");
    assert_eq!(
        purge::url_tag(&key),
        purge::tag_of("/api/products?new=2&limit=1", &later)
    );
}
