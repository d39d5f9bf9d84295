//! Compresses a body once, when it is stored, instead of for each hit.

use std::io::Write as _;

use bytes::Bytes;
use flate2::{Compression, GzBuilder};
use http::{HeaderMap, header};

use super::entry::Bodies;
use crate::respond::negotiation::is_compressible;

/// Compressed bodies must save at least this part in 16 of the whole to be kept.
const WORTH: usize = 1;

/// Makes every coding of a body; runs where it may block.
pub async fn make(
    identity: Bytes,
    headers: &HeaderMap,
    bytes_min: usize,
    levels: (u32, u32),
) -> Bodies {
    let is_plain = !headers.contains_key(header::CONTENT_ENCODING);
    if !is_plain || identity.len() < bytes_min || !is_compressible(headers) {
        return Bodies {
            identity,
            gzip: None,
            brotli: None,
        };
    }
    let body = identity.clone();
    let made =
        tokio::task::spawn_blocking(move || (gzip(&body, levels.0), brotli(&body, levels.1))).await;
    let worth = |made: Option<Vec<u8>>| {
        made.filter(|made| made.len() + identity.len() * WORTH / 16 < identity.len())
            .map(Bytes::from)
    };
    let (gzip, brotli) = made.unwrap_or_default();
    Bodies {
        gzip: worth(gzip),
        brotli: worth(brotli),
        identity,
    }
}

fn gzip(body: &[u8], level: u32) -> Option<Vec<u8>> {
    let mut encoder =
        GzBuilder::new().write(Vec::with_capacity(body.len() / 3), Compression::new(level));
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}

fn brotli(body: &[u8], level: u32) -> Option<Vec<u8>> {
    let mut made = Vec::with_capacity(body.len() / 3);
    let mut encoder = brotli::CompressorWriter::new(&mut made, 4096, level, 22);
    encoder.write_all(body).ok()?;
    drop(encoder);
    Some(made)
}
