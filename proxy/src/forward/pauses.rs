//! Who waits for whom while an answer goes from an origin to a client. An origin that has to wait for a client may lose patience
//! and close its connection: that is not its failure, or a few slow clients could have it ejected.

use std::time::Duration;

use tokio::time::Instant;

/// The shortest pause after which an origin may have lost patience.
const LONG: Duration = Duration::from_secs(1);

/// The times in which nothing is taken from an origin.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    since: Option<Instant>,
    were_long: bool,
}

impl Pauses {
    /// From now on nothing is taken.
    pub(super) fn begin(&mut self) {
        self.since = Some(Instant::now());
    }

    /// The next part is asked for.
    pub(super) fn ended(&mut self) {
        let since = self.since.take();
        self.were_long |= since.is_some_and(|since| since.elapsed() >= LONG);
    }

    /// Whether one of them was long.
    pub(super) fn were_long(&self) -> bool {
        self.were_long
    }
}
