//! A request that changes something makes what is kept of it out of date (RFC 9111 4.4), before its client hears of it.

use anyhow::Result;
use crackers_tests::careless_origin::CarelessOrigin;
use crackers_tests::lone_edge::lone_edge_with;
use crackers_tests::raw::exchange;

/// Whoever writes to /kept/other names /kept/a; whoever writes to /kept/failing fails.
fn answer(head: &str) -> Vec<u8> {
    let said = match head.split(' ').take(2).collect::<Vec<_>>()[..] {
        ["POST", "/kept/other"] => "201 Created\r\nLocation: /kept/a",
        ["POST", "/kept/failing"] => "500 Internal Server Error\r\nLocation: /kept/a",
        ["POST", _] => "204 No Content",
        _ => "200 OK\r\nCache-Control: max-age=600",
    };
    let length = if said.starts_with("204") {
        ""
    } else {
        "Content-Length: 0\r\n"
    };
    format!("HTTP/1.1 {said}\r\n{length}\r\n").into_bytes()
}

/// Both on one connection, so that nothing lies between the answer to the one and the other.
fn write_then_read(port: u16, path: &str, body: &str) -> Result<()> {
    let text = format!(
        "POST {path} HTTP/1.1\r\nHost: shop\r\n{body}GET /kept/a HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n"
    );
    let (said, _) = exchange(port, text.as_bytes())?;
    assert_eq!(said.matches("HTTP/1.1 ").count(), 2, "{said}");
    Ok(())
}

#[test]
fn what_a_request_has_changed_is_asked_for_again_whichever_way_it_took() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, CarelessOrigin::answering(answer)?);
    let own = "cache: {routes: [{path_prefix: /kept, enabled: true, query: [], ignored_query: [], ttl_seconds: null}]}\n";
    let (_edge, port) = lone_edge_with(folder.path(), origin.port, own)?;
    let reads = || {
        origin
            .take()
            .iter()
            .filter(|(head, _)| head.starts_with("GET /kept/a "))
            .count()
    };
    let get = b"GET /kept/a HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n";
    exchange(port, get)?;
    exchange(port, get)?;
    assert_eq!(reads(), 1, "it is kept");
    // Plainly forwarded, and through Pingora.
    for body in [
        "Content-Length: 2\r\n\r\nok",
        "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ] {
        for (path, expected) in [
            ("/kept/a", 1),
            ("/kept/other", 1),
            ("/kept/failing", 0),
            ("/kept/else", 0),
            ("/somewhere", 0),
        ] {
            write_then_read(port, path, body)?;
            assert_eq!(reads(), expected, "{path} {body:?}");
        }
    }
    Ok(())
}

#[test]
fn writes_to_what_is_never_kept_push_nothing_out() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, CarelessOrigin::answering(answer)?);
    let own = "cache: {tags_max: 5, routes: [{path_prefix: /kept, enabled: true, query: [], ignored_query: [], ttl_seconds: null}]}\n\
        admit: {rate_limits: []}\n";
    let (_edge, port) = lone_edge_with(folder.path(), origin.port, own)?;
    let get = b"GET /kept/a HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n";
    exchange(port, get)?;
    for number in 0..20 {
        let text = format!(
            "POST /orders/{number} HTTP/1.1\r\nHost: shop\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        exchange(port, text.as_bytes())?;
    }
    origin.take();
    exchange(port, get)?;
    assert!(origin.take().is_empty(), "it is kept still");
    Ok(())
}
