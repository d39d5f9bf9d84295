//! How visits went.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::errands::Errand;

pub(crate) enum Outcome {
    Served,
    /// 503: come back later.
    Refused,
    /// Any other answer, or none, and which.
    Wrong(String),
    GaveUp,
    /// Not asked, as every visitor waited: the crowd was too small.
    LeftOut,
}

#[derive(Default)]
struct Class {
    asked: u64,
    refused: u64,
    wrong: u64,
    gave_up: u64,
    left_out: u64,
    /// Of those that were served.
    took: Vec<Duration>,
}

pub(crate) struct Tally {
    /// In the order of the errands.
    classes: Vec<(String, Class)>,
    wrong: BTreeMap<String, u64>,
    /// The longest that a request was sent after it was due: how far the crowd itself fell behind.
    pub latest: Duration,
}

impl Tally {
    pub(crate) fn of(classes: Vec<String>) -> Self {
        let classes = classes.into_iter().map(|name| (name, Class::default()));
        Self {
            classes: classes.collect(),
            wrong: BTreeMap::new(),
            latest: Duration::ZERO,
        }
    }

    pub(crate) fn add(&mut self, errand: &Errand, outcome: Outcome, took: Duration) {
        let class = self
            .classes
            .iter_mut()
            .find(|(name, _)| *name == errand.class);
        let Some((_, class)) = class else { return };
        class.asked += 1;
        match outcome {
            Outcome::Served => class.took.push(took),
            Outcome::Refused => class.refused += 1,
            Outcome::GaveUp => class.gave_up += 1,
            Outcome::LeftOut => class.left_out += 1,
            Outcome::Wrong(what) => {
                class.wrong += 1;
                *self
                    .wrong
                    .entry(format!("{} {}: {what}", errand.method, errand.path))
                    .or_default() += 1;
            }
        }
    }

    /// `| class | asked/s | served/s | refused/s | gave up/s | left out/s | wrong | p50 | p95 | p99 |`, a line for each class and one for all;
    /// milliseconds of what was served. What went wrong stands below.
    pub(crate) fn table(&self, seconds: u64) -> String {
        let mut text = String::new();
        let mut all = Class::default();
        for (name, class) in &self.classes {
            line(&mut text, name, class, seconds);
            all.asked += class.asked;
            all.refused += class.refused;
            all.wrong += class.wrong;
            all.gave_up += class.gave_up;
            all.left_out += class.left_out;
            all.took.extend(&class.took);
        }
        if self.classes.len() > 1 {
            line(&mut text, "all", &all, seconds);
        }
        for (what, count) in self.wrong.iter().take(10) {
            let _ = writeln!(text, "wrong: {count} times {what}");
        }
        let _ = writeln!(
            text,
            "The crowd was at most {:.0} ms late.",
            self.latest.as_secs_f64() * 1e3
        );
        text
    }
}

fn line(text: &mut String, name: &str, class: &Class, seconds: u64) {
    let rate = |count: u64| format!("{:.0}", to_f64(count) / to_f64(seconds));
    let mut took = class.took.clone();
    took.sort_unstable();
    let at = |percent: usize| {
        let index = (took.len() * percent / 100).min(took.len().saturating_sub(1));
        took.get(index).map_or_else(
            || "-".to_owned(),
            |took| format!("{:.1}", took.as_secs_f64() * 1e3),
        )
    };
    let served = u64::try_from(took.len()).unwrap_or(u64::MAX);
    let _ = writeln!(
        text,
        "| {name} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
        rate(class.asked),
        rate(served),
        rate(class.refused),
        rate(class.gave_up),
        rate(class.left_out),
        class.wrong,
        at(50),
        at(95),
        at(99),
    );
}

/// Counts of a run are far below 2^52.
#[allow(clippy::cast_precision_loss)]
fn to_f64(count: u64) -> f64 {
    count as f64
}
