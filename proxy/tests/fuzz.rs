//! Runs what the fuzz targets run, on their seeds and on random bytes, so that neither can rot.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a check that does not hold, or a seed that cannot be read, has failed"
)]

#[path = "../fuzz/checks/mod.rs"]
mod checks;

use std::path::Path;

use proptest::prelude::*;

/// A target's name, and what it runs.
type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 13] = [
    ("head", checks::head),
    ("configuration", checks::configuration),
    ("cache_key", checks::cache_key),
    ("cache_policy", checks::cache_policy),
    ("accept_encoding", checks::accept_encoding),
    ("body", checks::body),
    ("range", checks::range),
    ("stored", checks::stored),
    ("vary", checks::vary),
    ("client_address", checks::client_address),
    ("proxy_protocol", checks::proxy_protocol),
    ("answer_head", checks::answer_head),
    ("path", checks::path),
];

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let files = std::fs::read_dir(folder).unwrap();
    files
        .map(|file| std::fs::read(file.unwrap().path()).unwrap())
        .collect()
}

#[test]
fn every_seed_of_every_target_holds() {
    for (target, check) in TARGETS {
        let seeds = seeds(target);
        assert!(seeds.len() >= 4, "{target} has too few seeds");
        for seed in seeds {
            check(&seed);
        }
    }
}

#[test]
fn every_target_stands_in_the_manifest_and_runs_its_check() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = std::fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    for (target, _) in TARGETS {
        assert!(
            manifest.contains(&format!("name = \"{target}\"")),
            "{target}"
        );
        let text = std::fs::read_to_string(fuzz.join(format!("fuzz_targets/{target}.rs"))).unwrap();
        assert!(
            text.contains(&format!("checks::{target}(bytes)")),
            "{target}"
        );
    }
    let files = std::fs::read_dir(fuzz.join("fuzz_targets"))
        .unwrap()
        .count();
    assert_eq!(files, TARGETS.len());
}

proptest! {
    #[test]
    fn random_bytes_break_nothing(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for (_, check) in TARGETS {
            check(&bytes);
        }
    }

    /// Bytes of one seed put into another, which reaches further than bytes at random.
    #[test]
    fn seeds_put_together_break_nothing(
        target in 0..TARGETS.len(), one: prop::sample::Index, other: prop::sample::Index,
        at: prop::sample::Index, from: prop::sample::Index, length in 0_usize..40, byte: Option<u8>
    ) {
        let (name, check) = TARGETS[target];
        let seeds = seeds(name);
        let (mut bytes, other) = (one.get(&seeds).clone(), other.get(&seeds));
        let from = from.index(other.len() + 1);
        let part = &other[from..(from + length).min(other.len())];
        let at = at.index(bytes.len() + 1);
        let to = (at + part.len() / 2).min(bytes.len());
        bytes.splice(at..to, part.iter().copied().chain(byte));
        check(&bytes);
    }
}
