//! Floods over HTTP/2 from a client who never reads: frames that cost him next to nothing. The edge remembers none of them, ends
//! his connection, and serves others meanwhile.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use crackers_tests::careless_origin::CarelessOrigin;
use crackers_tests::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, HELLO, PING, PRIORITY, SETTINGS,
    WINDOW_UPDATE, field, frame,
};
use crackers_tests::lone_edge::LoneEdge;
use crackers_tests::process::PATIENCE;
use tokio::io::AsyncWriteExt as _;

use super::http2::{Client, NAME, Place, ask, request};

const FRAMES: u32 = 100_000;

/// An edge that needs more than this in addition has kept something of each frame.
const BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Why a connection that has begun may end.
const REASONS: [&str; 4] = ["idle", "closed", "error", "too_many_refused"];

/// What came of a flood.
struct Flooded {
    /// Why its connection ended, as the edge's metrics have it.
    reason: &'static str,
    /// What the edge has written by then.
    log: String,
}

/// Why a connection has ended; `None` while all are open.
async fn ended(edge: &LoneEdge) -> Result<Option<&'static str>> {
    for reason in REASONS {
        let line = format!("accept_http2_connections_ended_total{{reason=\"{reason}\"}}");
        if edge.metric(&line).await? > 0 {
            return Ok(Some(reason));
        }
    }
    Ok(None)
}

async fn serve(other: &Client) -> Result<()> {
    let (answer, _) = ask(other, request("GET", "/y", &[])?, b"").await?;
    ensure!(answer.status() == 200, "{}", answer.status());
    Ok(())
}

/// Sends frames on a connection that is not read, until the edge has ended it.
async fn flood(frames: Vec<u8>) -> Result<Flooded> {
    let (place, origin) = (Place::new()?, CarelessOrigin::start()?);
    let accept = "idle_timeout_ms: 5000, body_timeout_ms: 1000, ";
    let edge = place.edge_of(origin.port, accept, "admit: {rate_limits: []}\n")?;
    let other = place.connect().await?;
    for _ in 0..20 {
        serve(&other).await?;
    }
    let before = edge.process.usage()?.resident_bytes;
    let mut stream = place.stream().await?;
    let flooding = tokio::spawn(async move {
        // The edge may take no more of it, or hang up in the middle.
        let _ = stream.write_all(&[HELLO, &frames[..]].concat()).await;
        let _ = stream.flush().await;
        // Open as long as somebody holds the task.
        stream
    });
    let (begun, mut most) = (Instant::now(), before);
    let reason = loop {
        ensure!(begun.elapsed() < PATIENCE * 2, "the edge never ends it");
        // Never idle itself, so that it is the other connection that ends.
        serve(&other).await?;
        most = most.max(edge.process.usage()?.resident_bytes);
        if let Some(reason) = ended(&edge).await? {
            break reason;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    serve(&other).await?;
    flooding.abort();
    let more = most - before;
    ensure!(more < BYTES_MAX, "{more} bytes more than before");
    Ok(Flooded {
        reason,
        log: edge.process.log(),
    })
}

fn repeated(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    frame(kind, flags, stream, payload).repeat(FRAMES as usize)
}

/// The fields of a request that has a body.
fn head() -> Vec<u8> {
    let fields = [
        (":method", "POST"),
        (":path", "/x"),
        (":scheme", "https"),
        (":authority", NAME),
    ];
    let fields = fields.map(|(name, value)| field(name.as_bytes(), value.as_bytes()));
    fields.concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn pings_whose_answers_nobody_reads_cost_no_memory_and_delay_nobody() -> Result<()> {
    flood(repeated(PING, 0, 0, b"pingpong")).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_whose_acknowledgements_nobody_reads_cost_no_memory_and_delay_nobody() -> Result<()>
{
    flood(repeated(SETTINGS, 0, 0, b"")).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_to_pings_that_nobody_sent_cost_no_memory_and_fill_no_log() -> Result<()> {
    let flooded = flood(repeated(PING, ACK, 0, b"pingpong")).await?;
    let lines = flooded.log.lines().count();
    assert!(lines < 1000, "{lines} lines in the log");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_parts_of_a_body_cost_no_memory_and_delay_nobody() -> Result<()> {
    let begun = frame(HEADERS, END_HEADERS, 1, &head());
    flood([begun, repeated(DATA, 0, 1, b"")].concat()).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_that_grow_without_end_cost_no_memory_and_delay_nobody() -> Result<()> {
    flood(repeated(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes())).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn priorities_without_end_cost_no_memory_and_delay_nobody() -> Result<()> {
    // A stream that nobody has begun, which depends on none (RFC 7540 6.3).
    flood(repeated(PRIORITY, 0, 1, &[0, 0, 0, 0, 15])).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_without_a_field_cost_their_client_the_connection() -> Result<()> {
    let flags = END_STREAM | END_HEADERS;
    let heads = (0..FRAMES).flat_map(|number| frame(HEADERS, flags, 2 * number + 1, b""));
    assert_eq!(flood(heads.collect()).await?.reason, "error");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_pieces_of_a_head_cost_their_client_the_connection() -> Result<()> {
    let begun = frame(HEADERS, END_STREAM, 1, &head());
    let flooded = flood([begun, repeated(CONTINUATION, 0, 1, b"")].concat()).await?;
    assert_eq!(flooded.reason, "error");
    Ok(())
}
