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
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(SILENCE))?;
    talk(stream, bytes)
}

/// The same over a Unix socket.
///
/// # Errors
/// When there is no connection.
pub fn exchange_unix(path: &Path, bytes: &[u8]) -> std::io::Result<(String, bool)> {
    let stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(SILENCE))?;
    talk(stream, bytes)
}

const SILENCE: Duration = Duration::from_secs(3);

fn talk(mut stream: impl Read + Write, bytes: &[u8]) -> std::io::Result<(String, bool)> {
    stream.write_all(bytes)?;
    let (mut answer, mut part) = (Vec::new(), [0; 4096]);
    let closed = loop {
        match stream.read(&mut part) {
            Ok(0) => break true,
            Ok(read) => answer.extend_from_slice(&part[..read]),
            Err(error) => break error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    };
    Ok((String::from_utf8_lossy(&answer).into_owned(), closed))
}
