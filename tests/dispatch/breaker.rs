//! An origin that fails gets nothing for a while, even when it is the only one.

use anyhow::Result;
use crackers_tests::gated::DONE;

use super::{ANN, Busy};

const BAD: &str = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n";
const LATER: &str =
    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_that_fails_gets_nothing_then_probes_then_everything() -> Result<()> {
    let shop = Busy::start(
        "dispatch: {concurrency_max: 9, breaker: {requests_min: 10, open_ms: 5000, probes: 2}}\n",
    )?;
    shop.origin.allow(1000);
    let state = format!(
        "dispatch_breaker_state{{group=\"origin\",server=\"127.0.0.1:{}\"}}",
        shop.origin.port
    );
    // Meant so, and no failure however often.
    shop.origin.answer(LATER);
    for _ in 0..12 {
        assert_eq!(shop.ask("POST", "/api/cart", ANN).await??.status(), 503);
    }
    assert_eq!(shop.edge.metric(&state).await?, 0);
    shop.origin.answer(BAD);
    for _ in 0..12 {
        assert_eq!(shop.ask("POST", "/api/cart", ANN).await??.status(), 502);
    }
    assert_eq!(shop.edge.metric(&state).await?, 2);
    let asked = shop.origin.arrived().len();
    let refused = shop.ask("POST", "/api/cart", ANN).await??;
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(shop.origin.arrived().len(), asked, "the origin was asked");

    shop.origin.answer(DONE);
    shop.edge.metric_is(&state, 1).await?;
    for _ in 0..2 {
        assert_eq!(shop.ask("POST", "/api/cart", ANN).await??.status(), 200);
    }
    assert_eq!(shop.edge.metric(&state).await?, 0);
    let opened = format!(
        "dispatch_breaker_opened_total{{group=\"origin\",reason=\"failures\",server=\"127.0.0.1:{}\"}}",
        shop.origin.port
    );
    assert_eq!(shop.edge.metric(&opened).await?, 1);
    Ok(())
}
