//! An origin that takes everything at its word and writes down what it saw: every request by itself, as a careless program would
//! read it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;

/// A request as it was seen: its head, and its body.
pub type Request = (String, Vec<u8>);

/// What it says to everybody, without a word on caching.
const SAID: &[u8] = b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 2\r\n\r\nok";

/// The origin.
pub struct CarelessOrigin {
    /// Where it is.
    pub port: u16,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl CarelessOrigin {
    /// One that says the same to every request. Health checks pass, and are not written down.
    ///
    /// # Errors
    /// When it gets no port.
    pub fn start() -> Result<Self> {
        Self::answering(|_| SAID.to_vec())
    }

    /// One that answers each head as it is told to: with a whole message.
    ///
    /// # Errors
    /// When it gets no port.
    pub fn answering(answer: fn(&str) -> Vec<u8>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let seen: Arc<Mutex<Vec<Request>>> = Arc::default();
        let of_all = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let seen = Arc::clone(&of_all);
                // A connection that breaks off is the edge's affair.
                std::thread::spawn(move || record(stream, &seen, answer));
            }
        });
        Ok(Self { port, seen })
    }

    /// What was seen since this was asked last.
    pub fn take(&self) -> Vec<Request> {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn record(
    mut stream: TcpStream,
    seen: &Mutex<Vec<Request>>,
    answer: fn(&str) -> Vec<u8>,
) -> Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(byte(&mut stream)?);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let is_check = head.starts_with("GET /api/health/live ");
        if !is_check {
            // Before its body, which may never come whole.
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.push((head.clone(), Vec::new()));
        }
        let body = read_body(&mut stream, &head.to_ascii_lowercase())?;
        let answer = if is_check {
            SAID.to_vec()
        } else {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(own) = seen.iter_mut().rev().find(|one| one.0 == head) {
                own.1 = body;
            }
            answer(&head)
        };
        stream.write_all(&answer)?;
    }
}

fn byte(stream: &mut TcpStream) -> Result<u8> {
    let mut byte = [0];
    stream.read_exact(&mut byte)?;
    Ok(byte[0])
}

/// A line without its end.
fn line(stream: &mut TcpStream) -> Result<String> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(byte(stream)?);
    }
    line.truncate(line.len() - 2);
    Ok(String::from_utf8_lossy(&line).into_owned())
}

/// Reads a body as its head frames it, without a thought of what the edge might have meant.
fn read_body(stream: &mut TcpStream, head: &str) -> Result<Vec<u8>> {
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
    let mut body = Vec::new();
    if field("transfer-encoding: ").is_some() {
        loop {
            let text = line(stream)?;
            let size = text.split(';').next().unwrap_or_default();
            let size = usize::from_str_radix(size, 16)?;
            if size == 0 {
                while !line(stream)?.is_empty() {}
                return Ok(body);
            }
            let mut chunk = vec![0; size + 2];
            stream.read_exact(&mut chunk)?;
            body.extend_from_slice(&chunk[..size]);
        }
    }
    if let Some(length) = field("content-length: ") {
        body.resize(length.trim().parse()?, 0);
        stream.read_exact(&mut body)?;
    }
    Ok(body)
}
