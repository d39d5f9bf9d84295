//! What visitors come for.

use std::path::Path;

use anyhow::{Context as _, ensure};
use serde::Deserialize;

/// A line of the file, for example `{"class": "lists", "weight": 4, "method": "GET", "path": "/api/products?max={n}"}`.
/// `{n}` becomes a number of eight digits that no other request of this run has, nor, but by chance, one of another run.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Errand {
    /// Those of one class are counted together.
    pub class: String,
    /// How often it is chosen, beside the others.
    weight: f64,
    pub method: String,
    pub path: String,
    /// Whether it takes a key of its own (`Idempotency-Key`).
    #[serde(default)]
    pub keyed: bool,
    pub body: Option<String>,
}

/// One errand as it is sent.
pub(crate) struct Sent {
    pub method: String,
    pub path: String,
    pub key: Option<String>,
    pub body: String,
}

pub(crate) struct Errands {
    all: Vec<Errand>,
    /// Up to and with each of them.
    weights: Vec<f64>,
    /// What its keys have in common; its numbers begin there.
    run: u64,
    sent: u64,
}

/// Numbers have eight digits.
const NUMBERS: u64 = 100_000_000;

impl Errands {
    pub(crate) fn read(file: &Path) -> anyhow::Result<Self> {
        let text =
            std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        let mut all = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let errand: Errand = serde_json::from_str(line)
                .with_context(|| format!("{} line {}", file.display(), number + 1))?;
            ensure!(errand.weight > 0.0, "line {}: no weight", number + 1);
            all.push(errand);
        }
        ensure!(!all.is_empty(), "{}: no errands", file.display());
        let mut sum = 0.0;
        let weights = all.iter().map(|errand| {
            sum += errand.weight;
            sum
        });
        let weights = weights.collect();
        let run = fastrand::u64(..);
        Ok(Self {
            all,
            weights,
            run,
            sent: 0,
        })
    }

    /// Each class once, in the order of the file.
    pub(crate) fn classes(&self) -> Vec<String> {
        let mut classes: Vec<String> = Vec::new();
        for errand in &self.all {
            if !classes.contains(&errand.class) {
                classes.push(errand.class.clone());
            }
        }
        classes
    }

    pub(crate) fn at(&self, number: usize) -> &Errand {
        &self.all[number]
    }

    /// One by chance, and its place in the file.
    pub(crate) fn next(&mut self) -> (usize, Sent) {
        let sum = self.weights.last().copied().unwrap_or_default();
        let chosen = fastrand::f64() * sum;
        let number = self.weights.partition_point(|upto| *upto <= chosen);
        let number = number.min(self.all.len() - 1);
        self.sent += 1;
        let errand = &self.all[number];
        let sent = Sent {
            method: errand.method.clone(),
            path: errand.path.replace(
                "{n}",
                &format!("{:08}", self.run.wrapping_add(self.sent) % NUMBERS),
            ),
            key: errand
                .keyed
                .then(|| format!("rush-{:x}-{}", self.run, self.sent)),
            body: errand.body.clone().unwrap_or_default(),
        };
        (number, sent)
    }
}
