//! Dates, parts and variants from the cache, of an origin that a test writes byte by byte.

use anyhow::Result;
use crackers_tests::lone_edge::{lone_edge, lone_edge_with, raw_origin};
use crackers_tests::raw;

const TEXT: &str = "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nCDN-Cache-Control: max-age=300\r\nETag: \"v1\"\r\n\
    Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 10\r\nConnection: close\r\n\r\n0123456789";

/// The statuses of the answers to requests for one path with these fields, one after the other on one connection, and all bytes.
fn ask(port: u16, fields: &[&str]) -> Result<(Vec<u16>, String)> {
    let requests: String = fields
        .iter()
        .map(|fields| format!("GET /a HTTP/1.1\r\nHost: shop\r\n{fields}\r\n"))
        .collect();
    let last = "GET /health HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n";
    let (answers, _) = raw::exchange(port, format!("{requests}{last}").as_bytes())?;
    let starts = answers.match_indices("HTTP/1.1 ");
    let statuses =
        starts.filter_map(|(at, start)| answers.get(at + start.len()..)?.get(..3)?.parse().ok());
    let mut statuses: Vec<u16> = statuses.collect();
    statuses.pop();
    Ok((statuses, answers))
}

#[test]
fn a_stored_answer_meets_dates_and_gives_parts_on_both_ways() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (_edge, port) = lone_edge(folder.path(), raw_origin(TEXT)?)?;
    assert_eq!(ask(port, &[""])?.0, [200]);
    for way in ["", "Connection: keep-alive, x-slow\r\n"] {
        let fields = [
            "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
            "If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n",
            "Range: bytes=2-4\r\n",
            "Range: bytes=-3\r\nIf-Range: \"v1\"\r\n",
            "Range: bytes=-3\r\nIf-Range: \"v2\"\r\n",
            "Range: bytes=0-1,4-5\r\n",
            "Range: bytes=10-\r\n",
            "",
        ]
        .map(|fields| format!("{fields}{way}"));
        let (statuses, answers) = ask(port, &fields.each_ref().map(String::as_str))?;
        assert_eq!(
            statuses,
            [304, 200, 206, 206, 200, 200, 416, 200],
            "{way:?} {answers}"
        );
        for said in [
            "bytes 2-4/10",
            "\r\n\r\n234HTTP",
            "bytes 7-9/10",
            "\r\n\r\n789HTTP",
            "bytes */10",
            "accept-ranges: bytes",
        ] {
            assert!(
                answers.to_lowercase().contains(&said.to_lowercase()),
                "{said} {answers}"
            );
        }
        assert_eq!(
            answers.matches("cache-status: crackers; hit").count(),
            8,
            "{answers}"
        );
    }
    Ok(())
}

#[test]
fn the_first_request_for_a_part_stores_the_whole() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (_edge, port) = lone_edge(folder.path(), raw_origin(TEXT)?)?;
    let (statuses, answers) = ask(port, &["Range: bytes=2-4\r\n", ""])?;
    assert_eq!(statuses, [206, 200], "{answers}");
    assert!(
        answers.contains("fwd=uri-miss; stored") && answers.contains("crackers; hit"),
        "{answers}"
    );
    Ok(())
}

#[test]
fn what_depends_on_the_language_is_kept_for_each_language() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let varying = "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nCDN-Cache-Control: max-age=300\r\n\
        Vary: Accept-Language\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx";
    let (_edge, port) = lone_edge(folder.path(), raw_origin(varying)?)?;
    let fields = ["ta", "en", "en", "ta"].map(|tongue| format!("Accept-Language: {tongue}\r\n"));
    let (statuses, answers) = ask(port, &fields.each_ref().map(String::as_str))?;
    assert_eq!(statuses, [200; 4], "{answers}");
    for (said, times) in [
        ("fwd=uri-miss; stored", 1),
        ("fwd=vary-miss; stored", 1),
        ("crackers; hit", 2),
        ("vary: Accept-Language", 4),
    ] {
        assert_eq!(answers.matches(said).count(), times, "{said} {answers}");
    }
    Ok(())
}

#[test]
fn the_field_for_caches_is_taken_off_unless_a_further_cdn_is_there_to_read_it() -> Result<()> {
    for (own, is_there) in [("", false), ("respond: {further_cdn: true}\n", true)] {
        let folder = tempfile::tempdir()?;
        let (_edge, port) = lone_edge_with(folder.path(), raw_origin(TEXT)?, own)?;
        // Fetched, from memory at once, from memory the long way.
        let (statuses, answers) = ask(port, &["", "", "Connection: keep-alive, x-slow\r\n"])?;
        assert_eq!(statuses, [200; 3], "{answers}");
        let said = answers.matches("cdn-cache-control: max-age=300").count();
        assert_eq!(said, if is_there { 3 } else { 0 }, "{answers}");
    }
    Ok(())
}

#[test]
fn who_wants_a_stored_answer_or_none_gets_none_where_nothing_is_stored() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (_edge, port) = lone_edge(folder.path(), raw_origin(TEXT)?)?;
    for way in ["", "Connection: keep-alive, x-slow\r\n"] {
        let only = format!("Cache-Control: only-if-cached\r\n{way}");
        let with_key = format!("Authorization: Bearer a\r\n{only}");
        let (statuses, answers) = ask(port, &[&only, &with_key])?;
        assert_eq!(statuses, [504, 504], "{answers}");
    }
    let (statuses, _) = ask(port, &["", "Cache-Control: only-if-cached\r\n"])?;
    assert_eq!(statuses, [200, 200]);
    Ok(())
}

const OLD: &str = "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nCDN-Cache-Control: max-age=100000\r\nAge: 1000\r\n\
    Content-Length: 1\r\nConnection: close\r\n\r\nx";

#[test]
fn a_stored_answer_says_how_old_it_is() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (_edge, port) = lone_edge(folder.path(), raw_origin(OLD)?)?;
    assert_eq!(ask(port, &[""])?.0, [200]);
    for way in ["", "Connection: keep-alive, x-slow\r\n"] {
        let (_, answers) = ask(port, &[way])?;
        let small = answers.to_lowercase();
        assert!(small.contains("cache-status: crackers; hit"), "{answers}");
        let age = small.split("\r\nage: ").nth(1).unwrap_or_default();
        let age: u32 = age.split('\r').next().unwrap_or_default().parse()?;
        // As old as it came, and what has passed since then.
        assert!((1000..2000).contains(&age), "{answers}");
    }
    Ok(())
}
