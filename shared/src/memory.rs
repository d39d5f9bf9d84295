//! The resident memory of this process.

/// Resident set size in bytes; `0` where the system does not tell.
pub fn resident_bytes() -> u64 {
    memory_stats::memory_stats().map_or(0, |stats| stats.physical_mem as u64)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_running_process_has_resident_memory() {
        assert!(super::resident_bytes() > 100_000);
    }
}
