//! Clients of HTTP/2 that ask and take back what they asked (CVE-2023-44487).

use std::time::Instant;

use anyhow::{Result, ensure};
use crackers_tests::gated::Gated;
use crackers_tests::process::PATIENCE;
use h2::Reason;

use super::http2::{Client, Place, ask, request};

#[tokio::test(flavor = "multi_thread")]
async fn whoever_takes_back_streams_as_fast_as_he_asks_loses_his_connection() -> Result<()> {
    let (place, origin) = (Place::new()?, Gated::start()?);
    let edge = place.edge(
        &origin,
        "http2: {streams_max: 10, refused_streams_max: 20}, ",
    )?;
    let client = place.connect().await?;
    let (begun, mut asked) = (Instant::now(), 0);
    while !client.ended.is_finished() {
        ensure!(begun.elapsed() < PATIENCE, "nobody minds {asked}");
        let Ok(mut send) = client.send.clone().ready().await else {
            break;
        };
        let Ok((answer, mut stream)) = send.send_request(request("POST", "/api/x", &[])?, true)
        else {
            break;
        };
        stream.send_reset(Reason::CANCEL);
        drop(answer);
        asked += 1;
    }
    let ended = tokio::time::timeout(PATIENCE, client.ended).await??;
    let reason = ended.err().and_then(|error| error.reason());
    assert!(
        matches!(reason, Some(Reason::ENHANCE_YOUR_CALM) | None),
        "{reason:?}"
    );
    // Of all that, the origin has seen no more than may be at work at once, and one for each that was taken back before the edge
    // had enough of those: that many, those at work by then, and the last.
    let arrived = origin.arrived().len() as u64;
    let taken_back = edge
        .metric("accept_http2_streams_total{outcome=\"taken_back\"}")
        .await?;
    assert!(
        arrived <= 10 + taken_back && arrived <= 20 + 10 + 1,
        "{arrived} of {asked}, {taken_back} taken back"
    );
    origin.allow(1000);
    let other = place.connect().await?;
    assert_eq!(
        ask(&other, request("GET", "/api/y", &[])?, b"")
            .await?
            .0
            .status(),
        200
    );
    let lost = async || -> Result<u64> {
        let mut lost = 0;
        for reason in ["too_many_refused", "error"] {
            let line = format!("accept_http2_connections_ended_total{{reason=\"{reason}\"}}");
            lost += edge.metric(&line).await?;
        }
        Ok(lost)
    };
    let begun = Instant::now();
    while lost().await? == 0 {
        ensure!(begun.elapsed() < PATIENCE, "it is not counted");
    }
    assert_eq!(lost().await?, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_takes_back_one_stream_after_the_other_loses_his_connection_and_who_reads_most_does_not()
-> Result<()> {
    let (place, origin) = (Place::new()?, Gated::start()?);
    let _edge = place.edge(&origin, "http2: {refused_streams_max: 20}, ")?;
    let take_back = async |client: &Client, count: usize| -> Result<usize> {
        for number in 0..count {
            let before = origin.arrived().len();
            let Ok(mut send) = client.send.clone().ready().await else {
                return Ok(number);
            };
            let asked =
                send.send_request(request("GET", "/api/x", &[("authorization", "x")])?, true);
            let Ok((answer, mut stream)) = asked else {
                return Ok(number);
            };
            // Only once it is at work: nothing else bounds those.
            let begun = Instant::now();
            while origin.arrived().len() == before && !client.ended.is_finished() {
                ensure!(begun.elapsed() < PATIENCE, "it never arrives");
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
            stream.send_reset(Reason::CANCEL);
            drop(answer);
        }
        Ok(count)
    };
    let rude = place.connect().await?;
    let done = take_back(&rude, 100).await?;
    assert!((20..100).contains(&done), "{done}");
    let polite = place.connect().await?;
    origin.allow(done + 40);
    for _ in 0..40 {
        let answer = ask(&polite, request("GET", "/api/y", &[])?, b"").await?;
        assert_eq!(answer.0.status(), 200);
    }
    assert_eq!(take_back(&polite, 30).await?, 30);
    origin.allow(1000);
    let answer = ask(&polite, request("GET", "/api/y", &[])?, b"").await?;
    assert_eq!(answer.0.status(), 200);
    Ok(())
}
