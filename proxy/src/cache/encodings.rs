//! Compresses a body once, when it is stored, instead of for each hit.

use std::io::Write as _;
use std::num::NonZero;

use bytes::Bytes;
use flate2::{Compression, GzBuilder};
use http::{HeaderMap, header};
use prometheus::{IntCounter, IntGauge};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::Config;
use super::coalesce::Waiting;
use super::entry::Bodies;
use crate::respond::negotiation::is_compressible;
use crate::telemetry::Metrics;

/// Compressed bodies must save at least this part in 16 of the whole to be kept.
const WORTH: usize = 1;

/// What compresses answers that are kept.
pub struct Encoder {
    /// Smaller bodies stay as they are.
    bytes_min: usize,
    levels: (u32, u32),
    /// More of them than cores would only take memory.
    turns: Semaphore,
    waiting_max: usize,
    waiting: IntGauge,
    skipped: IntCounter,
}

impl Encoder {
    /// One for these settings.
    pub fn new(config: &Config, metrics: &Metrics) -> Self {
        let cores = || std::thread::available_parallelism().map_or(1, NonZero::get);
        let turns = match config.compress_at_once {
            0 => cores(),
            named => named,
        };
        Self {
            bytes_min: config.compress_bytes_min,
            levels: (config.gzip_level, config.brotli_level),
            turns: Semaphore::new(turns),
            waiting_max: config.compress_waiting_max,
            waiting: metrics.cache_compress_waiting.clone(),
            skipped: metrics.cache_compress_skipped.clone(),
        }
    }

    /// Makes every coding of a body, where it may block, once it is its turn; none where too many wait already.
    pub async fn make(&self, identity: Bytes, headers: &HeaderMap) -> Bodies {
        let is_plain = !headers.contains_key(header::CONTENT_ENCODING);
        let is_worth = identity.len() >= self.bytes_min && is_compressible(headers);
        let turn = if is_plain && is_worth {
            self.turn().await
        } else {
            None
        };
        let Some(turn) = turn else {
            return Bodies {
                identity,
                gzip: None,
                brotli: None,
            };
        };
        let (body, levels) = (identity.clone(), self.levels);
        let made = tokio::task::spawn_blocking(move || compress(&body, levels)).await;
        drop(turn);
        let worth = |made: Option<Vec<u8>>| {
            let made =
                made.filter(|made| made.len() + identity.len() * WORTH / 16 < identity.len());
            // Without the room that it had to grow.
            made.map(|made| Bytes::copy_from_slice(&made))
        };
        let (gzip, brotli) = made.unwrap_or_default();
        Bodies {
            gzip: worth(gzip),
            brotli: worth(brotli),
            identity,
        }
    }

    async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        if let Ok(turn) = self.turns.try_acquire() {
            return Some(turn);
        }
        let waiting = Waiting::begin(&self.waiting);
        // Their bodies are in memory.
        if usize::try_from(self.waiting.get()).is_ok_and(|all| all > self.waiting_max) {
            self.skipped.inc();
            return None;
        }
        // It is never closed.
        let turn = self.turns.acquire().await.ok();
        drop(waiting);
        turn
    }
}

/// A body by gzip and by brotli, at these levels.
pub fn compress(body: &[u8], levels: (u32, u32)) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    (gzip(body, levels.0), brotli(body, levels.1))
}

fn gzip(body: &[u8], level: u32) -> Option<Vec<u8>> {
    let mut encoder =
        GzBuilder::new().write(Vec::with_capacity(body.len() / 3), Compression::new(level));
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}

/// The smallest window that holds so many bytes, up to 4 MiB: the encoder takes memory for all of it. Below 128 KiB it would hash
/// in another way that takes 24 times as long for a list of products.
fn window_bits(bytes: usize) -> u32 {
    // A window of n bits is 16 bytes short of 2^n (RFC 7932 9.1).
    (bytes + 16).next_power_of_two().ilog2().clamp(17, 22)
}

fn brotli(body: &[u8], level: u32) -> Option<Vec<u8>> {
    let mut made = Vec::with_capacity(body.len() / 3);
    let mut encoder =
        brotli::CompressorWriter::new(&mut made, 4096, level, window_bits(body.len()));
    encoder.write_all(body).ok()?;
    drop(encoder);
    Some(made)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::sync::Arc;

    use http::HeaderValue;

    use super::*;
    use crate::config::DEFAULTS;

    fn encoder(at_once: usize, waiting_max: usize) -> Arc<Encoder> {
        let config: crate::config::Config = serde_yaml::from_str(DEFAULTS).unwrap();
        let config = Config {
            compress_at_once: at_once,
            compress_waiting_max: waiting_max,
            ..config.cache
        };
        Arc::new(Encoder::new(&config, &Metrics::new()))
    }

    fn text() -> HeaderMap {
        let json = HeaderValue::from_static("application/json");
        HeaderMap::from_iter([(header::CONTENT_TYPE, json)])
    }

    /// Something to compress, in a task of its own.
    fn made(encoder: &Arc<Encoder>) -> tokio::task::JoinHandle<Bodies> {
        let encoder = Arc::clone(encoder);
        let body = Bytes::from(vec![b'a'; 2000]);
        tokio::spawn(async move { encoder.make(body, &text()).await })
    }

    #[test]
    fn a_window_holds_the_body_and_is_no_larger() {
        let most = |bits: u32| (1_usize << bits) - 16;
        for (bytes, bits) in [
            (0, 17),
            (most(16), 17),
            (most(17), 17),
            (most(17) + 1, 18),
            (most(21), 21),
            (most(21) + 1, 22),
            (most(22) + 1, 22),
            (1 << 30, 22),
        ] {
            assert_eq!(window_bits(bytes), bits, "{bytes} bytes");
        }
    }

    #[tokio::test]
    async fn a_body_of_any_length_is_read_again() {
        let encoder = encoder(0, 0);
        for length in [300, (1 << 17) - 16, 1 << 17, (1 << 22) + 1] {
            let body: Vec<u8> = (0..length)
                .map(|n: u32| b'a' + (n % 25 * n % 7) as u8)
                .collect();
            let made = encoder.make(Bytes::from(body.clone()), &text()).await;
            let mut read = Vec::new();
            let brotli = made.brotli.unwrap();
            let mut reader = brotli::Decompressor::new(&brotli[..], 4096);
            reader.read_to_end(&mut read).unwrap();
            assert!(read == body, "brotli, {length} bytes");
            read.clear();
            let gzip = made.gzip.unwrap();
            let mut reader = flate2::read::GzDecoder::new(&gzip[..]);
            reader.read_to_end(&mut read).unwrap();
            assert!(read == body, "gzip, {length} bytes");
        }
    }

    #[tokio::test]
    async fn who_waits_for_a_turn_is_counted_and_beyond_a_bound_nothing_is_compressed() {
        let encoder = encoder(1, 1);
        let turn = encoder.turn().await;
        let first = made(&encoder);
        while encoder.waiting.get() == 0 {
            tokio::task::yield_now().await;
        }
        assert!(made(&encoder).await.unwrap().brotli.is_none());
        assert_eq!((encoder.waiting.get(), encoder.skipped.get()), (1, 1));
        assert!(!first.is_finished());
        drop(turn);
        assert!(first.await.unwrap().brotli.is_some());
        assert_eq!(encoder.waiting.get(), 0);
    }

    /// The task that compresses has to wait itself, for the only thread that may block: whoever compresses keeps the turn meanwhile.
    #[test]
    fn a_turn_lasts_until_its_body_is_compressed() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.max_blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            let encoder = encoder(1, 1);
            let (go, gate) = std::sync::mpsc::channel::<()>();
            let busy = tokio::task::spawn_blocking(move || gate.recv());
            let first = made(&encoder);
            let second = made(&encoder);
            // Both tasks run on this thread, as far as they come.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            assert_eq!(encoder.waiting.get(), 1);
            go.send(()).unwrap();
            busy.await.unwrap().unwrap();
            for made in [first, second] {
                assert!(made.await.unwrap().gzip.is_some());
            }
            assert_eq!(encoder.turns.available_permits(), 1);
        });
    }
}
