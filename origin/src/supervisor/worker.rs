//! One worker: a process that serves on sockets that it was handed.

use std::os::fd::{AsFd as _, OwnedFd};
use std::process::Stdio;
use std::time::Instant;

use command_fds::{CommandFdExt as _, FdMapping};
use crackers_shared::request_id::{hexadecimal, random};
use rustix::process::Signal;
use tokio::net::UnixDatagram;
use tokio::process::{Child, Command};

use super::Plan;

/// The first descriptor that is handed over, as the convention of `LISTEN_FDS` has it.
const FIRST_DESCRIPTOR: i32 = 3;

/// Why a worker is asked to leave.
#[derive(Clone, Copy, Debug)]
pub(super) enum Why {
    /// The whole origin stops, and says so for a while.
    AllStop,
    /// The whole origin stops, and somebody waits for it.
    AllStopNow,
    /// Another worker has taken its place.
    Replaced,
}

/// A running worker. Killed when it is dropped.
pub(super) struct Worker {
    child: Child,
    told: UnixDatagram,
    /// When it was started.
    pub(super) since: Instant,
    is_serving: bool,
}

impl Worker {
    /// Starts one on the shop's sockets and a socket for its metrics.
    ///
    /// # Errors
    /// When the system does not let it.
    pub(super) fn start(plan: &Plan, metrics: &OwnedFd) -> anyhow::Result<Self> {
        let path = plan.folder.path().join(hexadecimal(&random::<8>()));
        let told = UnixDatagram::bind(&path)?;
        let mut mappings = Vec::new();
        for (socket, child_fd) in plan.sockets.iter().chain([metrics]).zip(FIRST_DESCRIPTOR..) {
            let parent_fd = socket.as_fd().try_clone_to_owned()?;
            mappings.push(FdMapping {
                parent_fd,
                child_fd,
            });
        }
        let mut command = Command::new(std::env::current_exe()?);
        for file in &plan.files {
            command.arg("--config").arg(file);
        }
        command
            .args(["serve", "--worker"])
            .env("LISTEN_FDS", mappings.len().to_string())
            .env_remove("LISTEN_PID")
            .env("NOTIFY_SOCKET", &path)
            .stdin(Stdio::null())
            // Ctrl-C is for the supervisor, which tells the workers.
            .process_group(0)
            .kill_on_drop(true);
        command.fd_mappings(mappings)?;
        Ok(Self {
            child: command.spawn()?,
            told,
            since: Instant::now(),
            is_serving: false,
        })
    }

    /// Whether it has said that it serves.
    pub(super) fn is_serving(&mut self) -> bool {
        let mut message = [0; 256];
        while let Ok(bytes) = self.told.try_recv(&mut message) {
            let mut lines = message[..bytes].split(|byte| *byte == b'\n');
            self.is_serving |= lines.any(|line| line == b"READY=1");
        }
        self.is_serving
    }

    /// Whether it had said so when that was last looked at.
    pub(super) fn has_served(&self) -> bool {
        self.is_serving
    }

    /// How it ended, once it has.
    pub(super) fn ended(&mut self) -> Option<String> {
        match self.child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(status.to_string()),
            Err(error) => Some(error.to_string()),
        }
    }

    /// Its process id; `None` once it has ended.
    pub(super) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Asks it to end, once it has what it has finished.
    pub(super) fn ask_to_leave(&self, why: Why) {
        let signal = match why {
            Why::AllStop => Signal::TERM,
            Why::AllStopNow => Signal::INT,
            Why::Replaced => Signal::HUP,
        };
        let id = self.id().and_then(|id| i32::try_from(id).ok());
        if let Some(id) = id.and_then(rustix::process::Pid::from_raw) {
            // It may have ended just now.
            let _ = rustix::process::kill_process(id, signal);
        }
    }

    /// The memory that it has in use, in bytes; 0 where the system does not say.
    pub(super) fn memory_bytes(&self) -> u64 {
        let statm = self
            .id()
            .and_then(|id| std::fs::read_to_string(format!("/proc/{id}/statm")).ok());
        let pages = statm.and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
        pages.unwrap_or(0) * rustix::param::page_size() as u64
    }
}

/// Lets this process end when its supervisor does, however that ends.
///
/// # Errors
/// When the system refuses.
pub(super) fn end_with_supervisor() -> anyhow::Result<()> {
    #[cfg(target_os = "linux")]
    // At once: its address may be wanted by the next supervisor.
    rustix::process::set_parent_process_death_signal(Some(Signal::INT))?;
    Ok(())
}
