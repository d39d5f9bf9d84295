//! See `checks::answer_head`.
#![no_main]

#[path = "../checks/mod.rs"]
#[allow(dead_code, unused_imports, reason = "each target uses one of them")]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::answer_head(bytes));
