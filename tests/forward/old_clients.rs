//! Clients of HTTP/1.0 are told nothing that it does not know.

use anyhow::{Context as _, Result};
use crackers_tests::careless_origin::CarelessOrigin;
use crackers_tests::raw::exchange;

use super::plain::edge;

fn answer(_: &str) -> Vec<u8> {
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nCache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
        .to_vec()
}

#[test]
fn a_body_of_unknown_length_ends_with_the_connection_of_an_old_client() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, CarelessOrigin::answering(answer)?);
    let edge = edge(folder.path(), origin.port, true)?;
    // Around the cache, and through its fetch.
    for request in ["GET /api/cart", "GET /api/cart?x=1", "GET /api/products"] {
        for fields in [
            "",
            "Connection: keep-alive\r\n",
            "Accept-Encoding: gzip\r\n",
        ] {
            let text = format!("{request} HTTP/1.0\r\nHost: shop\r\n{fields}\r\n");
            let (said, is_closed) = exchange(edge.port, text.as_bytes())?;
            let (head, body) = said.split_once("\r\n\r\n").context("no head")?;
            let head = head.to_lowercase();
            assert!(
                is_closed && head.starts_with("http/1.1 200 "),
                "{text}: {said}"
            );
            assert!(!head.contains("transfer-encoding"), "{text}: {said}");
            let is_coded = head.contains("content-encoding");
            assert!(is_coded || body == "ok", "{text}: {said}");
        }
    }
    Ok(())
}
