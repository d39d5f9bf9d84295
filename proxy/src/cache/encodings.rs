//! Compresses a body once, when it is stored, instead of for each hit.

use std::io::Write as _;
use std::num::NonZero;

use bytes::Bytes;
use flate2::{Compression, GzBuilder};
use http::{HeaderMap, header};
use prometheus::IntGauge;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::Config;
use super::coalesce::Waiting;
use super::entry::Bodies;
use crate::respond::negotiation::is_compressible;

/// Compressed bodies must save at least this part in 16 of the whole to be kept.
const WORTH: usize = 1;

/// What compresses answers that are kept.
pub struct Encoder {
    /// Smaller bodies stay as they are.
    bytes_min: usize,
    levels: (u32, u32),
    /// More of them than cores would only take memory, about 2 MiB each.
    turns: Semaphore,
    waiting: IntGauge,
}

impl Encoder {
    /// One for these settings; `waiting` is [`crate::telemetry::Metrics::cache_compress_waiting`].
    pub fn new(config: &Config, waiting: IntGauge) -> Self {
        let cores = || std::thread::available_parallelism().map_or(1, NonZero::get);
        let turns = match config.compress_at_once {
            0 => cores(),
            named => named,
        };
        Self {
            bytes_min: config.compress_bytes_min,
            levels: (config.gzip_level, config.brotli_level),
            turns: Semaphore::new(turns),
            waiting,
        }
    }

    /// Makes every coding of a body, where it may block, once it is its turn.
    pub async fn make(&self, identity: Bytes, headers: &HeaderMap) -> Bodies {
        let is_plain = !headers.contains_key(header::CONTENT_ENCODING);
        if !is_plain || identity.len() < self.bytes_min || !is_compressible(headers) {
            return Bodies {
                identity,
                gzip: None,
                brotli: None,
            };
        }
        let (body, levels) = (identity.clone(), self.levels);
        let turn = self.turn().await;
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
        let _waiting = Waiting::begin(&self.waiting);
        // It is never closed.
        self.turns.acquire().await.ok()
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

    fn encoder(at_once: usize) -> Encoder {
        let config: crate::config::Config = serde_yaml::from_str(DEFAULTS).unwrap();
        let config = Config {
            compress_at_once: at_once,
            ..config.cache
        };
        Encoder::new(&config, IntGauge::new("waiting", "waiting").unwrap())
    }

    fn text() -> HeaderMap {
        let json = HeaderValue::from_static("application/json");
        HeaderMap::from_iter([(header::CONTENT_TYPE, json)])
    }

    /// Windows change at these lengths.
    #[tokio::test]
    async fn a_body_of_any_length_is_read_again() {
        let encoder = encoder(0);
        let lengths = [16, 17, 22].map(|bits| (1_usize << bits) - 16);
        for length in lengths.into_iter().flat_map(|most| [most, most + 1]) {
            let body: Vec<u8> = (0..length).map(|n| b'a' + (n % 25 * n % 7) as u8).collect();
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
    async fn no_more_are_compressed_at_once_than_may_be_and_who_waits_is_counted() {
        let encoder = Arc::new(encoder(1));
        let turn = encoder.turn().await;
        let of_task = Arc::clone(&encoder);
        let body = Bytes::from(vec![b'a'; 2000]);
        let made = tokio::spawn(async move { of_task.make(body, &text()).await });
        while encoder.waiting.get() == 0 {
            tokio::task::yield_now().await;
        }
        assert!(!made.is_finished());
        drop(turn);
        assert!(made.await.unwrap().brotli.is_some());
        assert_eq!(encoder.waiting.get(), 0);
    }
}
