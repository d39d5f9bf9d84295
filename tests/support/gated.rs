//! An origin that answers when it is told to, and says what arrived in which order.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};

use crate::process::PATIENCE;

/// An answer without a body that no cache keeps.
pub const DONE: &str = "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 0\r\n\r\n";

/// An origin whose requests wait at a gate.
pub struct Gated {
    /// Where it is.
    pub port: u16,
    gate: Arc<(Mutex<State>, Condvar)>,
}

struct State {
    arrived: Vec<String>,
    allowed: usize,
    answer: String,
}

impl Gated {
    /// An origin at whose gate everybody waits. Health checks pass.
    ///
    /// # Errors
    /// When it gets no port.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let state = State {
            arrived: Vec::new(),
            allowed: 0,
            answer: DONE.to_owned(),
        };
        let gate = Arc::new((Mutex::new(state), Condvar::new()));
        let of_all = Arc::clone(&gate);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let gate = Arc::clone(&of_all);
                // A connection that breaks off is the edge's affair.
                std::thread::spawn(move || serve(stream, &gate));
            }
        });
        Ok(Self { port, gate })
    }

    /// Lets so many more pass.
    pub fn allow(&self, more: usize) {
        let (state, changed) = &*self.gate;
        state.lock().unwrap_or_else(PoisonError::into_inner).allowed += more;
        changed.notify_all();
    }

    /// What everybody gets from now on.
    pub fn answer(&self, answer: &str) {
        let (state, _) = &*self.gate;
        answer.clone_into(&mut state.lock().unwrap_or_else(PoisonError::into_inner).answer);
    }

    /// The request lines so far, in the order of their arrival.
    pub fn arrived(&self) -> Vec<String> {
        let (state, _) = &*self.gate;
        let state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.arrived.clone()
    }

    /// Waits until so many have arrived, and says which.
    ///
    /// # Errors
    /// When they do not.
    pub fn wait_for(&self, count: usize) -> Result<Vec<String>> {
        let (state, changed) = &*self.gate;
        let state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = changed.wait_timeout_while(state, PATIENCE, |one| one.arrived.len() < count);
        let (state, _) = waited.ok().context("the gate is broken")?;
        let arrived = state.arrived.clone();
        ensure!(arrived.len() >= count, "only {arrived:?}");
        Ok(arrived)
    }
}

fn serve(stream: TcpStream, gate: &(Mutex<State>, Condvar)) -> Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (line, length) = read_head(&mut stream)?;
        match length {
            Length::Known(length) => stream.read_exact(&mut vec![0; length])?,
            Length::Chunked => read_chunks(&mut stream)?,
        }
        let answer = if line.contains("/api/health/live") {
            DONE.to_owned()
        } else {
            pass(&line, gate)?
        };
        stream.get_mut().write_all(answer.as_bytes())?;
    }
}

/// Waits at the gate.
fn pass(line: &str, gate: &(Mutex<State>, Condvar)) -> Result<String> {
    let (state, changed) = gate;
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    state.arrived.push(line.to_owned());
    changed.notify_all();
    let waited = changed.wait_while(state, |state| state.allowed == 0);
    let mut state = waited.ok().context("the gate is broken")?;
    state.allowed -= 1;
    Ok(state.answer.clone())
}

/// How long a body is.
enum Length {
    Known(usize),
    Chunked,
}

/// The request line, without the version, and how long the body is.
fn read_head(stream: &mut BufReader<TcpStream>) -> Result<(String, Length)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        ensure!(stream.read_line(&mut head)? > 0, "closed after {head:?}");
    }
    let head = head.to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let length = match head.contains("transfer-encoding: chunked") {
        true => Length::Chunked,
        false => Length::Known(length.unwrap_or(0)),
    };
    let line = head.split(" http/1.1").next().unwrap_or_default();
    Ok((line.to_owned(), length))
}

/// Chunks without trailers.
fn read_chunks(stream: &mut BufReader<TcpStream>) -> Result<()> {
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let length = usize::from_str_radix(line.trim_end(), 16)?;
        stream.read_exact(&mut vec![0; length + 2])?;
        if length == 0 {
            return Ok(());
        }
    }
}
