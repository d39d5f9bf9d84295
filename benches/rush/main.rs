//! A crowd at the shop's door.
//!
//! Visitors come at a rate of their own, by chance (a Poisson process), whether or not the others have been served: an overloaded
//! shop does not slow its customers down as a load generator with a fixed number of clients would let it. Each has a kept connection
//! and an address of their own (`X-Forwarded-For`: the edge must trust this machine). How long an answer took counts from when its
//! visitor wanted it. With a rate of 0 the next one asks as soon as one is answered, which finds the shop's capacity.

mod errands;
mod tally;
mod visitor;

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::ensure;
use clap::Parser;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use errands::{Errand, Errands};
use tally::{Outcome, Tally};
use visitor::Visitor;

/// Sends a crowd through the edge and says how it was served, a line of a table for each class of errands.
#[derive(Parser)]
struct Options {
    /// The edge's port on this machine.
    #[arg(long)]
    port: u16,
    /// What they ask for: JSON, an errand a line (see errands.rs).
    #[arg(long)]
    errands: std::path::PathBuf,
    /// Visitors at once.
    #[arg(long)]
    visitors: u32,
    /// Requests of all of them a second; 0: as many as are answered.
    #[arg(long)]
    rate: f64,
    /// With a rate of 0, how many of them ask at once; they take turns.
    #[arg(long, default_value_t = 32)]
    at_once: usize,
    /// Seconds that are counted.
    #[arg(long)]
    seconds: u64,
    /// Seconds before those.
    #[arg(long, default_value_t = 3)]
    warm_seconds: u64,
    /// How long a visitor waits for an answer before they hang up, in milliseconds.
    #[arg(long, default_value_t = 10_000)]
    patience_ms: u64,
}

/// What one visit came to: who made it, on which errand, whether it is counted, and how it went.
struct Visit {
    visitor: Visitor,
    errand: usize,
    is_counted: bool,
    outcome: Outcome,
    took: Duration,
}

/// How long after the last arrival its answer may come.
const LAST_ANSWERS: Duration = Duration::from_secs(30);

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let errands = Errands::read(&options.errands)?;
    ensure!(options.visitors > 0, "--visitors: nobody comes");
    let tally = Box::pin(Crowd::of(&options, errands).run(options.at_once)).await?;
    let mut out = tokio::io::stdout();
    out.write_all(tally.table(options.seconds).as_bytes())
        .await?;
    out.flush().await?;
    Ok(())
}

struct Crowd {
    errands: Errands,
    /// Nobody's turn yet; whoever has waited longest is the first.
    idle: VecDeque<Visitor>,
    rate: f64,
    patience: Duration,
    counted_from: Instant,
    end: Instant,
    tally: Tally,
    back: (mpsc::UnboundedSender<Visit>, mpsc::UnboundedReceiver<Visit>),
    away: usize,
}

impl Crowd {
    fn of(options: &Options, errands: Errands) -> Self {
        let counted_from = Instant::now() + Duration::from_secs(options.warm_seconds);
        Self {
            idle: (0..options.visitors)
                .map(|number| Visitor::new(options.port, number))
                .collect(),
            rate: options.rate,
            patience: Duration::from_millis(options.patience_ms),
            counted_from,
            end: counted_from + Duration::from_secs(options.seconds),
            tally: Tally::of(errands.classes()),
            errands,
            back: mpsc::unbounded_channel(),
            away: 0,
        }
    }

    async fn run(mut self, at_once: usize) -> anyhow::Result<Tally> {
        if self.rate > 0.0 {
            self.arrive_by_chance().await;
        } else {
            self.ask_in_turn(at_once).await;
        }
        let last = Instant::now() + LAST_ANSWERS;
        while self.away > 0 {
            let back = tokio::time::timeout_at(last, self.back.1.recv()).await;
            let Ok(Some(visit)) = back else { break };
            self.welcome(visit);
        }
        ensure!(self.away == 0, "{} visits never ended", self.away);
        Ok(self.tally)
    }

    async fn arrive_by_chance(&mut self) {
        let mut due = Instant::now();
        while due < self.end {
            while let Ok(visit) = self.back.1.try_recv() {
                self.welcome(visit);
            }
            sleep_until(due).await;
            match self.idle.pop_front() {
                Some(visitor) => self.send(visitor, due),
                None => self.leave_out(due),
            }
            // Intervals of a Poisson process; f64() is below 1.
            due += Duration::from_secs_f64(-(1.0 - fastrand::f64()).ln() / self.rate);
        }
    }

    async fn ask_in_turn(&mut self, at_once: usize) {
        while Instant::now() < self.end {
            while self.away < at_once
                && let Some(visitor) = self.idle.pop_front()
            {
                self.send(visitor, Instant::now());
            }
            let Some(visit) = self.back.1.recv().await else {
                return;
            };
            self.welcome(visit);
        }
    }

    /// Every visitor waits, and somebody comes all the same.
    fn leave_out(&mut self, due: Instant) {
        let (number, _) = self.errands.next();
        if due >= self.counted_from {
            let errand = self.errands.at(number);
            self.tally.add(errand, Outcome::LeftOut, Duration::ZERO);
        }
    }

    fn send(&mut self, mut visitor: Visitor, due: Instant) {
        let (number, errand) = self.errands.next();
        let (back, patience) = (self.back.0.clone(), self.patience);
        let is_counted = due >= self.counted_from;
        self.tally.latest = self.tally.latest.max(due.elapsed());
        self.away += 1;
        tokio::spawn(async move {
            let outcome = match timeout(patience, visitor.go(&errand)).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    visitor.hang_up();
                    Outcome::GaveUp
                }
            };
            let took = due.elapsed();
            let _ = back.send(Visit {
                visitor,
                errand: number,
                is_counted,
                outcome,
                took,
            });
        });
    }

    fn welcome(&mut self, visit: Visit) {
        self.away -= 1;
        self.idle.push_back(visit.visitor);
        if visit.is_counted {
            let errand: &Errand = self.errands.at(visit.errand);
            self.tally.add(errand, visit.outcome, visit.took);
        }
    }
}
