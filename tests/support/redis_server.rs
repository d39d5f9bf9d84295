//! A real Redis server: a process of its own that can be killed and started again.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::process::{PATIENCE, free_port};

/// A server that keeps nothing on disk.
pub struct RedisServer {
    child: Child,
    port: u16,
}

impl RedisServer {
    /// Starts a server; `None`, with a word on standard error, where there is none.
    ///
    /// # Errors
    /// When it does not answer, and in CI when there is none.
    pub fn start() -> Result<Option<Self>> {
        let version = Command::new("redis-server")
            .arg("--version")
            .stdout(Stdio::null())
            .status();
        if version.is_err() {
            ensure!(
                std::env::var("CI").as_deref() != Ok("true"),
                "CI needs redis-server"
            );
            // Not `println`: this must be seen although the test passes.
            let _ = writeln!(
                std::io::stderr(),
                "skipped: Redis; it needs redis-server (Debian: apt install redis-server)"
            );
            return Ok(None);
        }
        let port = free_port()?;
        let server = Self {
            child: launch(port)?,
            port,
        };
        server.wait()?;
        Ok(Some(server))
    }

    /// Where to reach it.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Kills it as a power cut would.
    pub fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Stops it where it stands: connections stay, and nobody gets an answer.
    ///
    /// # Errors
    /// When it is gone.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on, with all that it knew.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)?;
        self.wait()
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }

    /// Starts it again, empty.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn restart(&mut self) -> Result<()> {
        self.kill();
        self.child = launch(self.port)?;
        self.wait()
    }

    /// What it answers to a line.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn ask(&self, line: &str) -> Result<String> {
        let mut connection = TcpStream::connect(("127.0.0.1", self.port))?;
        connection.set_read_timeout(Some(Duration::from_secs(5)))?;
        connection.write_all(format!("{line}\r\nQUIT\r\n").as_bytes())?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        Ok(answer)
    }

    fn wait(&self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if self.ask("PING").is_ok_and(|answer| answer.contains("PONG")) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("redis-server does not answer")
    }
}

fn launch(port: u16) -> Result<Child> {
    let port = port.to_string();
    Ok(Command::new("redis-server")
        .args([
            "--port",
            &port,
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?)
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}
