//! Bytes to a socket and back: for what no well-behaved client sends.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Sends bytes and reads until the other side closes, or falls silent for a while. Says whether it closed.
///
/// # Errors
/// When there is no connection.
pub fn exchange(port: u16, bytes: &[u8]) -> std::io::Result<(String, bool)> {
    talk(TcpStream::connect(("127.0.0.1", port))?, bytes)
}

/// The same over a Unix socket.
///
/// # Errors
/// When there is no connection.
pub fn exchange_unix(path: &Path, bytes: &[u8]) -> std::io::Result<(String, bool)> {
    talk(UnixStream::connect(path)?, bytes)
}

/// How long an answer may be in coming; who expects none waits so long.
const PAUSE: Duration = Duration::from_secs(10);
/// How long its next piece may be, or whatever comes behind it.
const SILENCE: Duration = Duration::from_secs(3);

trait Stream: Read + Write {
    fn wait_at_most(&self, time: Duration) -> std::io::Result<()>;
}

impl Stream for TcpStream {
    fn wait_at_most(&self, time: Duration) -> std::io::Result<()> {
        self.set_read_timeout(Some(time))
    }
}

impl Stream for UnixStream {
    fn wait_at_most(&self, time: Duration) -> std::io::Result<()> {
        self.set_read_timeout(Some(time))
    }
}

fn talk(mut stream: impl Stream, bytes: &[u8]) -> std::io::Result<(String, bool)> {
    stream.write_all(bytes)?;
    stream.wait_at_most(PAUSE)?;
    let (mut answer, mut part) = (Vec::new(), [0; 4096]);
    let closed = loop {
        match stream.read(&mut part) {
            Ok(0) => break true,
            Ok(read) => answer.extend_from_slice(&part[..read]),
            Err(error) => break error.kind() == std::io::ErrorKind::ConnectionReset,
        }
        stream.wait_at_most(SILENCE)?;
    };
    Ok((String::from_utf8_lossy(&answer).into_owned(), closed))
}
