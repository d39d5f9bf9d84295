//! Streams of HTTP/2 that are not what they should be: each is answered, and whoever goes on asking so loses his connection.

use anyhow::{Result, ensure};
use crackers_tests::gated::Gated;

use super::http2::{Place, ask, request};

/// More fields than a head may have, each of them a good one.
const MANY: [(&str, &str); 101] = [("x", "y"); 101];

#[tokio::test(flavor = "multi_thread")]
async fn whoever_goes_on_asking_for_malformed_streams_loses_his_connection() -> Result<()> {
    let (place, origin) = (Place::new()?, Gated::start()?);
    let edge = place.edge(&origin, "http2: {refused_streams_max: 20}, ")?;
    let client = place.connect().await?;
    let mut told = 0;
    while let Ok((answer, _)) = ask(&client, request("GET", "/api/x", &MANY)?, b"").await {
        assert_eq!(answer.status(), 431);
        told += 1;
        ensure!(told < 100, "nobody minds");
    }
    // What he asked for last was on its way when he was told to go.
    ensure!((15..=40).contains(&told), "{told}");
    let line = "accept_http2_connections_ended_total{reason=\"too_many_refused\"}";
    edge.metric_is(line, 1).await?;
    // A few are forgiven.
    let polite = place.connect().await?;
    for _ in 0..15 {
        let (answer, _) = ask(&polite, request("GET", "/api/x", &MANY)?, b"").await?;
        assert_eq!(answer.status(), 431);
    }
    let (answer, _) = ask(&polite, request("GET", "/health", &[])?, b"").await?;
    assert_eq!(answer.status(), 200);
    assert!(origin.arrived().is_empty());
    Ok(())
}
