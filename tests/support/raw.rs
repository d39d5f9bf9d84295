//! Bytes to a socket and back: for what no well-behaved client sends.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// Sends bytes and reads until the other side closes, or falls silent for a while. Says whether it closed.
///
/// # Errors
/// When there is no connection.
pub fn exchange(port: u16, bytes: &[u8]) -> std::io::Result<(String, bool)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(3)))?;
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
