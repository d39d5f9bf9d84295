//! SIGTERM and SIGINT, one after the other.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// How a process is asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// By SIGTERM: in good order.
    ToStop,
    /// By SIGINT, as Ctrl-C sends it: somebody waits for the end.
    ToStopNow,
}

impl Asked {
    /// The signal's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::ToStop => "SIGTERM",
            Self::ToStopNow => "SIGINT",
        }
    }
}

/// Hears every such signal from the moment it is made.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Begins to listen; the signals do not end the process any more.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The next one.
    pub async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::ToStop,
            _ = self.interrupt.recv() => Asked::ToStopNow,
        }
    }
}
