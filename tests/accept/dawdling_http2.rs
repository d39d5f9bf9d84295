//! Who takes answers over HTTP/2 slowly, a window at a time: next to nothing gives up what it holds, slow ones get everything.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use crackers_tests::careless_origin::CarelessOrigin;
use crackers_tests::lone_edge::LoneEdge;
use crackers_tests::process::PATIENCE;
use h2::RecvStream;

use super::http2::{Client, Place, ask, request};

/// More than what lies between two programs of one machine.
const BYTES: usize = 8 * 1024 * 1024;

/// An answer from the cache, and one that comes from the origin each time.
const WAYS: [&str; 2] = ["/kept", "/large"];

fn answer(head: &str) -> Vec<u8> {
    let (control, length) = match head.split(' ').nth(1) {
        Some("/kept") => ("max-age=600", BYTES),
        Some("/large") => ("no-store", BYTES),
        _ => ("no-store", 2),
    };
    let mut said = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nCache-Control: {control}\r\nContent-Length: {length}\r\n\r\n"
    )
    .into_bytes();
    said.resize(said.len() + length, b'x');
    said
}

/// An edge with one slot that waits so long for a client.
fn edge(place: &Place, origin: u16, slots: u32, patience_ms: u32) -> Result<LoneEdge> {
    let accept = format!("body_timeout_ms: {patience_ms}, bytes_per_second_min: 1000, ");
    let more = format!(
        "admit: {{rate_limits: []}}\n\
         dispatch: {{concurrency_max: {slots}, concurrency_when_full: {slots}, queue_wait_ms: 20000, slots_percent: {{checkout: 100, cart: 100, browse: 100, export: 100}}}}\n\
         cache: {{entry_bytes_max: 50000000, routes: [{{path_prefix: /kept, enabled: true, query: [], ignored_query: [], ttl_seconds: null}}]}}\n"
    );
    place.edge_of(origin, &accept, &more)
}

/// The body of an answer, of which nothing was taken yet.
async fn begun(client: &Client, path: &str) -> Result<RecvStream> {
    let mut send = client.send.clone().ready().await?;
    let (answer, _) = send.send_request(request("GET", path, &[])?, true)?;
    let answer = tokio::time::timeout(PATIENCE, answer).await??;
    ensure!(answer.status() == 200);
    Ok(answer.into_body())
}

/// Takes so many bytes and rests so long, again and again; how many came before the end, or before it was cut.
async fn taken(mut body: RecvStream, bytes: usize, rest: Duration) -> Result<(usize, bool)> {
    let (mut got, mut owed, begun) = (0, 0, Instant::now());
    loop {
        ensure!(begun.elapsed() < PATIENCE, "it never ends");
        let part = tokio::select! {
            part = body.data() => part,
            () = tokio::time::sleep(rest), if owed > 0 => {
                let back = owed.min(bytes);
                body.flow_control().release_capacity(back)?;
                owed -= back;
                continue;
            }
        };
        match part {
            None => return Ok((got, true)),
            Some(Err(_)) => return Ok((got, false)),
            Some(Ok(part)) => {
                got += part.len();
                owed += part.len();
            }
        }
    }
}

/// Has the edge keep what it keeps, however long this machine takes to take it.
async fn keep(place: &Place) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let client = place.connect().await?;
        let asked = ask(&client, request("GET", "/kept", &[])?, b"").await;
        match asked {
            Ok((_, kept)) if kept.len() == BYTES => return Ok(()),
            other => ensure!(Instant::now() < deadline, "{:?}", other.err()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_takes_nothing_or_next_to_nothing_over_http2_gives_up_his_slot() -> Result<()> {
    let (place, origin) = (Place::new()?, CarelessOrigin::answering(answer)?);
    let edge = edge(&place, origin.port, 1, 700)?;
    let others = place.connect().await?;
    keep(&place).await?;
    for path in WAYS {
        let client = place.connect().await?;
        let still = begun(&client, path).await?;
        // Nobody else waits for him longer than he may take.
        let (other, _) = ask(&others, request("GET", "/small", &[])?, b"").await?;
        assert_eq!(other.status(), 200);
        edge.metric_is("dispatch_in_flight", 0).await?;
        drop(still);
        let client = place.connect().await?;
        let sipping = begun(&client, path).await?;
        let sip = taken(sipping, 64, Duration::from_millis(100)).await?;
        assert!(sip.0 < BYTES && !sip.1, "{path}: {sip:?}");
        edge.metric_is("dispatch_in_flight", 0).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_over_http2_who_goes_on_gets_everything() -> Result<()> {
    let (place, origin) = (Place::new()?, CarelessOrigin::answering(answer)?);
    let _edge = edge(&place, origin.port, 8, 4000)?;
    let client = place.connect().await?;
    ask(&client, request("GET", "/kept", &[])?, b"").await?;
    for path in WAYS {
        // In all longer than the longest wait, none of which is too long.
        let begun_at = Instant::now();
        let slow = begun(&client, path).await?;
        let got = taken(slow, 65_535, Duration::from_millis(40)).await?;
        assert_eq!(got, (BYTES, true), "{path}");
        assert!(begun_at.elapsed() > Duration::from_millis(4000));
    }
    Ok(())
}
