//! Nobody holds a connection by saying nothing.

use anyhow::Result;
use crackers_tests::raw::exchange;
use crackers_tests::stack::{Setup, Stack};

const HALF_A_HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n";
const HALF_A_BODY: &[u8] = b"POST /api/cart/quote HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{\"l";

#[tokio::test(flavor = "multi_thread")]
async fn slow_heads_slow_bodies_and_idle_connections_are_ended_by_both_programs() -> Result<()> {
    let limits = "accept: {head_timeout_ms: 300, body_timeout_ms: 300, idle_timeout_ms: 400}\n";
    let setup = Setup {
        edge: limits,
        origin: "accept: {body_timeout_ms: 300, idle_timeout_ms: 400}\n",
        ..Setup::default()
    };
    let shop = Stack::of(setup).await?;
    let (said, closed) = exchange(shop.port, HALF_A_HEAD)?;
    assert!(said.starts_with("HTTP/1.1 408 ") && closed, "{said}");
    for port in [shop.port, shop.origin_ports[0]] {
        let (said, closed) = exchange(port, HALF_A_BODY)?;
        assert!(
            said.starts_with("HTTP/1.1 408 ") && closed,
            "{port}: {said}"
        );
        let (said, closed) = exchange(port, b"")?;
        assert!(said.is_empty() && closed, "{port}: {said}");
    }
    let (_, closed) = exchange(shop.origin_ports[0], HALF_A_HEAD)?;
    assert!(closed, "the origin waits for ever");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_takes_longer_than_the_origin_gives_it_is_told_so() -> Result<()> {
    let setup = Setup {
        origin: "accept: {body_timeout_ms: 600000, idle_timeout_ms: 600000, request_timeout_ms: 300}\n",
        ..Setup::default()
    };
    let shop = Stack::of(setup).await?;
    let (said, closed) = exchange(shop.origin_ports[0], HALF_A_BODY)?;
    assert!(said.starts_with("HTTP/1.1 503 ") && closed, "{said}");
    assert!(said.contains("\"code\":\"timed_out\""), "{said}");
    Ok(())
}
