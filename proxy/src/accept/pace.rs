//! How long a client may take to send a body, or to take an answer: no wait for him is too long, nor are all of them together
//! for what he has moved. Whoever moves a byte now and then would hold what he occupies for ever.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep, timeout};

use super::Config;

/// One body or one answer on its way.
#[derive(Debug)]
pub(super) struct Pace {
    patience: Duration,
    bytes_per_second_min: u64,
    waited: Duration,
    bytes: u64,
    /// Since when the next bytes are waited for.
    since: Option<Instant>,
    /// Of whoever waits by polling.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    /// Before the first byte.
    pub(super) fn new(config: &Config) -> Self {
        Self {
            patience: Duration::from_millis(config.body_timeout_ms),
            bytes_per_second_min: config.bytes_per_second_min,
            waited: Duration::ZERO,
            bytes: 0,
            since: None,
            timer: None,
        }
    }

    /// How many bytes were moved.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Waits for a step, which moves so many bytes.
    ///
    /// # Errors
    /// The step's own, and [`io::ErrorKind::TimedOut`].
    pub(super) async fn wait(
        &mut self,
        step: impl Future<Output = io::Result<usize>>,
    ) -> io::Result<usize> {
        let mut step = pin!(step);
        let moved = match futures_util::poll!(step.as_mut()) {
            Poll::Ready(done) => done?,
            Poll::Pending => {
                self.begin_to_wait();
                timeout(self.patience, step).await??
            }
        };
        self.moved(moved)?;
        Ok(moved)
    }

    /// From now on the client is waited for.
    pub(super) fn begin_to_wait(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }

    /// Goes on waiting for the client; ready when that was too long.
    pub(super) fn poll_patience(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        self.begin_to_wait();
        let patience = self.patience;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(timer.as_mut().poll(context));
        Poll::Ready(too_slow())
    }

    /// The client has moved so many bytes.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] where that is too little for the time that he took.
    pub(super) fn moved(&mut self, bytes: usize) -> io::Result<()> {
        self.bytes += bytes as u64;
        self.timer = None;
        let Some(since) = self.since.take() else {
            return Ok(());
        };
        self.waited += since.elapsed();
        if self.waited > self.allowed() {
            return Err(too_slow());
        }
        Ok(())
    }

    fn allowed(&self) -> Duration {
        let rate = self.bytes_per_second_min;
        let earned = self.bytes.saturating_mul(1000).checked_div(rate);
        earned.map_or(Duration::MAX, |milliseconds| {
            self.patience
                .saturating_add(Duration::from_millis(milliseconds))
        })
    }
}

fn too_slow() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "too slow")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(bytes_per_second_min: u64) -> Pace {
        Pace {
            patience: Duration::from_secs(10),
            bytes_per_second_min,
            waited: Duration::ZERO,
            bytes: 0,
            since: None,
            timer: None,
        }
    }

    /// Whether somebody who moves so many bytes every nine seconds comes to the end of twenty of them.
    async fn arrives(mut pace: Pace, bytes: usize) -> bool {
        for _ in 0..20 {
            let step = async {
                tokio::time::sleep(Duration::from_secs(9)).await;
                Ok(bytes)
            };
            if pace.wait(step).await.is_err() {
                return false;
            }
        }
        pace.bytes() == 20 * bytes as u64
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_moves_too_little_for_his_time_is_cut_and_a_slow_one_is_not() {
        assert!(!arrives(pace(100), 1).await);
        assert!(!arrives(pace(100), 800).await);
        assert!(arrives(pace(100), 900).await);
        assert!(arrives(pace(0), 1).await, "no rate is asked for");
    }

    #[tokio::test(start_paused = true)]
    async fn no_single_wait_is_longer_than_patience() {
        let never = std::future::pending::<io::Result<usize>>();
        let late = pace(0).wait(never).await;
        assert_eq!(late.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_nobody_waits_for_the_client_is_not_his() {
        let mut pace = pace(100);
        for _ in 0..20 {
            tokio::time::advance(Duration::from_secs(60)).await;
            assert!(pace.wait(async { Ok(1) }).await.is_ok());
        }
    }
}
