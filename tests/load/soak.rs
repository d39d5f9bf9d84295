//! A long time at high load with customers who come, go, break off and read slowly: memory stays flat, and descriptors come
//! back. `make soak MINUTES=30` does it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use crackers_tests::load::Load;
use crackers_tests::process::{Process, Usage};
use crackers_tests::stack::Stack;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::{Place, number, requests, say};

/// Eight customers of every kind so many times.
const CUSTOMERS_TIMES: usize = 4;
/// Customers of each bad kind.
const RUDE: usize = 4;
const SAMPLE_EVERY: Duration = Duration::from_secs(5);
/// Growth of the last quarter above the second one that is no leak: a part, and bytes besides.
const GROWTH_PERCENT: u64 = 10;
const GROWTH_BYTES: u64 = 8 * 1024 * 1024;
/// Descriptors more than at the start that are no leak: connections of metrics and health checks come and go.
const DESCRIPTORS_MORE: usize = 8;

/// Readers, and one that writes: `pool.size_max` and one.
const DATABASE_CONNECTIONS_MAX: usize = 51;

/// How long idle ones may take to go: connections to the database and to the origins within four seconds of their last use.
const TIDYING: Duration = Duration::from_secs(90);

const ASK: &[u8] = b"GET /api/products?limit=100 HTTP/1.1\r\nHost: shop.example.in\r\n\r\n";
const HALF: &[u8] =
    b"POST /api/cart/quote HTTP/1.1\r\nHost: shop.example.in\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{";

/// Sends something and breaks off, before or within its answer.
async fn break_off(port: u16, turn: usize) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    match turn % 4 {
        0 => stream.write_all(&ASK[..20]).await,
        1 => stream.write_all(HALF).await,
        2 => stream.write_all(ASK).await,
        _ => {
            stream.write_all(ASK).await?;
            stream.read_exact(&mut [0; 100]).await.map(drop)
        }
    }
}

/// Reads one answer in small bites, with as little in its kernel's buffer as there can be.
async fn read_slowly(port: u16) -> std::io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(1)?;
    let mut stream = socket.connect(([127, 0, 0, 1], port).into()).await?;
    stream.write_all(ASK).await?;
    let mut bite = [0; 2048];
    for _ in 0..20 {
        stream.read_exact(&mut bite).await?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Those who behave badly, until it is enough. What becomes of their requests is nobody's promise.
fn rude(port: u16, enough: &Arc<AtomicBool>) -> Vec<tokio::task::JoinHandle<usize>> {
    let customers = (0..RUDE * 2).map(|customer| {
        let enough = Arc::clone(enough);
        tokio::spawn(async move {
            let mut turn = customer;
            while !enough.load(Ordering::Relaxed) {
                let _ = if customer % 2 == 0 {
                    break_off(port, turn / 2).await
                } else {
                    read_slowly(port).await
                };
                tokio::time::sleep(Duration::from_millis(5)).await;
                turn += 2;
            }
            turn / 2
        })
    });
    customers.collect()
}

const NAMES: [&str; 3] = ["edge", "origin 0", "origin 1"];

fn usage(shop: &Stack) -> Result<[Usage; 3]> {
    let processes: [&Process; 3] = [&shop.edge, &shop.origins[0], &shop.origins[1]];
    let [edge, one, other] = processes.map(Process::usage);
    Ok([edge?, one?, other?])
}

fn line(now: &[Usage; 3]) -> String {
    let parts = NAMES.iter().zip(now).map(|(name, usage)| {
        let megabytes = usage.resident_bytes / 1024 / 1024;
        let (descriptors, kept) = (usage.descriptors, usage.kept_by_sqlite);
        format!("{name}: {megabytes} MiB, {descriptors} descriptors and {kept} of the database")
    });
    parts.collect::<Vec<_>>().join("; ")
}

/// Mean memory of one process in one quarter of the time, in bytes.
fn mean(samples: &[[Usage; 3]], process: usize, quarter: usize) -> u64 {
    let length = samples.len() / 4;
    let part = &samples[quarter * length..(quarter + 1) * length];
    let sum: u64 = part.iter().map(|now| now[process].resident_bytes).sum();
    sum / u64::try_from(length).unwrap_or(1).max(1)
}

fn memory_is_flat(samples: &[[Usage; 3]]) -> Result<()> {
    for (process, name) in NAMES.iter().enumerate() {
        let (second, last) = (mean(samples, process, 1), mean(samples, process, 3));
        say(&format!(
            "{name}: {second} bytes in the second quarter, {last} in the last"
        ));
        let most = second + second * GROWTH_PERCENT / 100 + GROWTH_BYTES;
        ensure!(last <= most, "{name} grows: from {second} to {last} bytes");
    }
    Ok(())
}

async fn descriptors_come_back(shop: &Stack, start: &[Usage; 3]) -> Result<()> {
    let deadline = Instant::now() + TIDYING;
    loop {
        let now = usage(shop)?;
        let is_back = |(now, start): (&Usage, &Usage)| {
            now.descriptors <= start.descriptors + DESCRIPTORS_MORE
                && now.kept_by_sqlite <= DATABASE_CONNECTIONS_MAX
        };
        if now.iter().zip(start).all(is_back) {
            say(&format!("afterwards: {}", line(&now)));
            return Ok(());
        }
        let late = Instant::now() >= deadline;
        ensure!(!late, "they stay: {}; before: {}", line(&now), line(start));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it takes minutes: make soak"]
async fn memory_stays_flat_and_descriptors_come_back() -> Result<()> {
    // Short, so that descriptors come back soon.
    let routes = "forward:\n  routes:\n    - path_prefix: /\n      group: origin\n      timeouts: {connect_ms: 2000, read_ms: 30000, write_ms: 30000, idle_ms: 2000}\n";
    let pool = "database: {pool: {idle_timeout_seconds: 2}}\n";
    let place = Place::new(
        "idle_timeout_ms: 2000, body_timeout_ms: 2000, ",
        routes,
        pool,
    )
    .await?;
    let shop = &place.shop;
    let requests = requests(shop).await?;
    let start = usage(shop)?;
    say(&format!("before: {}", line(&start)));
    let load = Load::begin(place.target()?, requests, CUSTOMERS_TIMES, Duration::ZERO);
    let enough = Arc::new(AtomicBool::new(false));
    let rude = rude(shop.port, &enough);
    let minutes = number("CRACKERS_SOAK_MINUTES").unwrap_or(1);
    let (begun, mut samples) = (Instant::now(), Vec::new());
    let length = Duration::from_secs(u64::try_from(minutes)? * 60);
    while begun.elapsed() < length {
        tokio::time::sleep(SAMPLE_EVERY).await;
        let now = usage(shop)?;
        let answered: u64 = load.answered().values().sum();
        let seconds = begun.elapsed().as_secs();
        say(&format!("{seconds} s: {}; {answered} answers", line(&now)));
        samples.push(now);
        load.check()?;
    }
    enough.store(true, Ordering::Relaxed);
    let mut attempts = 0;
    for customer in rude {
        attempts += customer.await?;
    }
    let counts = load.end().await?;
    say(&format!("{counts:?}; {attempts} by those who are rude"));
    ensure!(counts.failed == 0, "{counts:?}");
    memory_is_flat(&samples)?;
    descriptors_come_back(shop, &start).await
}
