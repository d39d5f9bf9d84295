//! An origin that answers each path with the bytes that a test gives, and remembers what it was sent.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};

/// What a path is answered with, and whether the connection is closed behind it.
#[derive(Clone, Debug)]
pub struct Script {
    /// The path.
    pub path: String,
    /// The answer; the connection ends where the answer is empty.
    pub answer: Vec<u8>,
    /// Whether the connection ends with it.
    pub closes: bool,
}

/// The origin.
pub struct Scripted {
    /// Where it is.
    pub port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    /// An origin with these answers; health checks pass.
    ///
    /// # Errors
    /// When it gets no port.
    pub fn start(scripts: &[Script]) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (of_all, scripts) = (Arc::clone(&seen), Arc::new(scripts.to_vec()));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, scripts) = (Arc::clone(&of_all), Arc::clone(&scripts));
                // A connection that breaks off is the edge's affair.
                std::thread::spawn(move || serve(stream, &scripts, &seen));
            }
        });
        Ok(Self { port, seen })
    }

    /// The requests since the last time, each with its fields in order of their names; health checks aside.
    pub fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn serve(mut stream: TcpStream, scripts: &[Script], seen: &Mutex<Vec<String>>) -> Result<()> {
    loop {
        let head = until(&mut stream, b"\r\n\r\n")?;
        let path = head.split(' ').nth(1).context("no path")?.to_owned();
        if path == "/api/health/live" {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
            continue;
        }
        let body = body(&mut stream, &head)?;
        let mut lines: Vec<_> = head.trim_end().split("\r\n").map(lower_name).collect();
        lines.sort();
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push(format!("{}\n\n{body}", lines.join("\n")));
        drop(seen);
        let script = scripts.iter().find(|script| script.path == path);
        let script = script.context("no script")?;
        stream.write_all(&script.answer)?;
        if script.closes || script.answer.is_empty() {
            return Ok(());
        }
    }
}

fn lower_name(line: &str) -> String {
    match line.split_once(':') {
        Some((name, value)) => format!("{}:{value}", name.to_ascii_lowercase()),
        None => line.to_owned(),
    }
}

fn until(stream: &mut TcpStream, end: &[u8]) -> Result<String> {
    let (mut bytes, mut byte) = (Vec::new(), [0]);
    while !bytes.ends_with(end) {
        stream.read_exact(&mut byte)?;
        bytes.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn body(stream: &mut TcpStream, head: &str) -> Result<String> {
    let small = head.to_ascii_lowercase();
    if small.contains("transfer-encoding: chunked") {
        return until(stream, b"0\r\n\r\n");
    }
    let length = small
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body)?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}
