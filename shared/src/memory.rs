//! The resident memory of this process.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// How long a reading is good enough, in milliseconds: asking the system costs more than most requests.
const FRESH_MS: u64 = 100;

/// Resident set size in bytes, at most a tenth of a second old; `0` where the system does not tell.
pub fn resident_bytes() -> u64 {
    static BEGUN: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    /// Milliseconds since `BEGUN`, plus one so that zero means never.
    static READ_AT: AtomicU64 = AtomicU64::new(0);
    static BYTES: AtomicU64 = AtomicU64::new(0);
    let now = u64::try_from(BEGUN.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1;
    let read_at = READ_AT.load(Ordering::Acquire);
    if read_at != 0 && now < read_at + FRESH_MS {
        return BYTES.load(Ordering::Acquire);
    }
    let bytes = memory_stats::memory_stats().map_or(0, |stats| stats.physical_mem as u64);
    BYTES.store(bytes, Ordering::Release);
    READ_AT.store(now, Ordering::Release);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_process_has_resident_memory_and_a_reading_is_used_again() {
        let first = resident_bytes();
        assert!(first > 100_000);
        assert!((0..1000).all(|_| resident_bytes() > 100_000));
    }
}
