//! Our binaries as processes of their own, started, watched, stopped and killed.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

/// How long anything may take to come true on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The folder of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The path of one of our binaries, built now if need be; or, where `CRACKERS_BINARIES` names a folder (from the
/// repository's), the one that lies there, as it is.
///
/// # Errors
/// When it cannot be built, or is not there.
pub fn binary(name: &str) -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("CRACKERS_BINARIES") {
        let file = repository().join(folder).join(name);
        return file
            .canonicalize()
            .with_context(|| format!("CRACKERS_BINARIES: {}", file.display()));
    }
    static BUILT: OnceLock<bool> = OnceLock::new();
    let built = *BUILT.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args([
            "build",
            "--locked",
            "-p",
            "crackers-proxy",
            "-p",
            "crackers-origin",
        ]);
        build
            .current_dir(repository())
            .status()
            .is_ok_and(|status| status.success())
    });
    ensure!(built, "the binaries cannot be built");
    // This test's own binary lies in target/PROFILE/deps.
    let own = std::env::current_exe()?;
    let folder = own
        .parent()
        .and_then(Path::parent)
        .context("no target folder")?;
    Ok(folder.join(name))
}

/// A port that was free a moment ago, below those that the system gives to outgoing connections: a thousand clients of
/// another test must not take it before its server does. Each is given once, for the same reason, and the three after it
/// never: workers of an origin serve their metrics there.
///
/// # Errors
/// When none of many is free.
pub fn free_port() -> Result<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    for _ in 0..1000 {
        let random = u16::from_be_bytes(crackers_shared::request_id::random());
        let port = 10_000 + random % 5_000 * 4;
        let is_first = {
            let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
            given.insert(port)
        };
        if is_first && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port")
}

/// What a process holds of the system.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Memory, in bytes.
    pub resident_bytes: u64,
    /// Open files and sockets, without those in `kept_by_sqlite`.
    pub descriptors: usize,
    /// Those of an SQLite database. SQLite closes none while another connection of the process is open, since that would
    /// let go of the file's locks (sqlite.org/src, `os_unix.c`, "Posix Advisory Locking"): the next connection gets it.
    pub kept_by_sqlite: usize,
}

/// A process that is killed with its test.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program in a folder, its output in a file there.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(program: &str, arguments: &[&str], folder: &Path, name: &str) -> Result<Self> {
        Self::start_with(program, arguments, &[], folder, name)
    }

    /// Starts a program with environment variables of its own.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_with(
        program: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
        folder: &Path,
        name: &str,
    ) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)?;
        let mut command = Command::new(binary(program)?);
        command
            .args(arguments)
            .envs(environment.iter().copied())
            .current_dir(folder)
            .stdin(Stdio::null());
        let child = command.stdout(file.try_clone()?).stderr(file).spawn()?;
        Ok(Self { child, log })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// What it holds now.
    ///
    /// # Errors
    /// When it is gone.
    pub fn usage(&self) -> Result<Usage> {
        let folder = PathBuf::from(format!("/proc/{}", self.child.id()));
        let status = std::fs::read_to_string(folder.join("status"))?;
        let resident = status.lines().find_map(|line| {
            let number = line.strip_prefix("VmRSS:")?.strip_suffix("kB")?;
            number.trim().parse::<u64>().ok()
        });
        let (mut descriptors, mut kept_by_sqlite) = (0, 0);
        for descriptor in std::fs::read_dir(folder.join("fd"))? {
            // One that is closed meanwhile has no target any more.
            let Ok(target) = std::fs::read_link(descriptor?.path()) else {
                continue;
            };
            descriptors += 1;
            kept_by_sqlite += usize::from(target.extension().is_some_and(|end| end == "sqlite"));
        }
        Ok(Usage {
            resident_bytes: resident.context("it says nothing of its memory")? * 1024,
            descriptors: descriptors - kept_by_sqlite,
            kept_by_sqlite,
        })
    }

    /// Kills it as a power cut would.
    pub fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to stop and waits for its end.
    ///
    /// # Errors
    /// When it does not end.
    pub fn terminate(&mut self) -> Result<std::process::ExitStatus> {
        self.ask_to_stop()?;
        self.wait()
    }

    /// Asks it to stop.
    ///
    /// # Errors
    /// When it is gone already.
    pub fn ask_to_stop(&self) -> Result<()> {
        self.signal(rustix::process::Signal::TERM)
    }

    /// Asks it to stop as a person at a terminal does.
    ///
    /// # Errors
    /// When it is gone already, or does not end.
    pub fn interrupt(&mut self) -> Result<std::process::ExitStatus> {
        self.signal(rustix::process::Signal::INT)?;
        self.wait()
    }

    /// Asks it to do what it does at SIGHUP.
    ///
    /// # Errors
    /// When it is gone already.
    pub fn hang_up(&self) -> Result<()> {
        self.signal(rustix::process::Signal::HUP)
    }

    fn signal(&self, signal: rustix::process::Signal) -> Result<()> {
        let id = rustix::process::Pid::from_child(&self.child);
        Ok(rustix::process::kill_process(id, signal)?)
    }

    /// Process ids of the processes that it has started and that still run.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn children(&self) -> Result<Vec<i32>> {
        let own = self.child.id().to_string();
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc")? {
            let folder = entry?.path();
            // The name in brackets may hold anything; state and parent come after it.
            let stat = std::fs::read_to_string(folder.join("stat")).unwrap_or_default();
            let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
            let mut words = rest.split(' ');
            let (state, parent) = (words.next(), words.next());
            if parent == Some(own.as_str()) && state != Some("Z") {
                let name = folder.file_name().and_then(|name| name.to_str());
                found.extend(name.and_then(|name| name.parse::<i32>().ok()));
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not end.
    pub fn wait(&mut self) -> Result<std::process::ExitStatus> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        bail!("it did not stop: {}", self.log())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            // Not `println`: nobody reads standard output of a test that passed.
            let _ = writeln!(
                std::io::stderr(),
                "--- {}\n{}",
                self.log.display(),
                self.log()
            );
        }
    }
}

/// Runs a program to its end; its standard output.
///
/// # Errors
/// When it fails; the error holds what it said.
pub fn run(program: &str, arguments: &[&str], folder: &Path) -> Result<String> {
    run_with(program, arguments, folder, "")
}

/// Runs a program to its end, with something on its standard input; its standard output.
///
/// # Errors
/// When it fails; the error holds what it said.
pub fn run_with(program: &str, arguments: &[&str], folder: &Path, input: &str) -> Result<String> {
    let mut child = Command::new(binary(program)?)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that reads nothing may be gone already.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.success(),
        "{program} {arguments:?}: {:?}: {said}",
        output.status.code()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
