//! The end of a connection. Closing with bytes unread resets it, and a reset can overtake the answer that was sent before: what
//! a client is still sending is read away first, for a while (RFC 9112 9.6).

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::{BytesMut, Connection, Follower, Framing, Socket};
use crate::within::within;

/// The longest wait for a client to take the goodbye of TLS; its answer was sent before.
const GOODBYE: Duration = Duration::from_secs(1);
/// The longest wait for the end of what a client is still sending.
const LINGER: Duration = Duration::from_secs(5);
/// The longest wait for more of it.
const LULL: Duration = Duration::from_secs(1);
/// More than any body that is taken by default, and less than costs much to read away.
const LINGER_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Bytes read away at once.
const PART_BYTES: usize = 16 * 1024;

/// A connection's socket, which stays when the connection goes.
#[derive(Debug)]
pub(super) struct Held(Option<Socket>);

impl Held {
    pub(super) fn new(socket: Socket) -> Self {
        Self(Some(socket))
    }
}

impl Deref for Held {
    type Target = Socket;

    fn deref(&self) -> &Socket {
        self.0.as_ref().expect("taken only when its holder goes")
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut Socket {
        self.0.as_mut().expect("taken only when its holder goes")
    }
}

/// What is left of a connection that nobody needs any more.
#[derive(Debug)]
pub(in crate::accept) struct Rest {
    socket: Socket,
    /// Of what the client still has to send.
    follower: Follower,
}

impl Rest {
    /// Reads away what the client is still sending, if that is anything, and closes the connection.
    pub(in crate::accept) async fn close(mut self) {
        if self.follower.has_ended() {
            return;
        }
        // Whoever waits for the end of the answer must not wait for this. An answer that was broken off gets no goodbye of TLS.
        self.socket.end_writing();
        let deadline = Instant::now() + LINGER;
        let (mut part, mut left) = (vec![0; PART_BYTES], LINGER_BYTES_MAX);
        while left > 0 && !self.follower.has_ended() {
            let until = deadline.min(Instant::now() + LULL);
            match timeout_at(until, self.socket.read(&mut part)).await {
                Ok(Ok(read)) if read > 0 => {
                    left = left.saturating_sub(read as u64);
                    // Of a malformed body nobody knows the end.
                    let _ = self.follower.advance(&part[..read]);
                }
                _ => return,
            }
        }
    }
}

impl Connection {
    /// Lets somebody else use the connection, who drops it when he is done; then what is left of it comes back.
    pub(in crate::accept) fn lend(&mut self) -> oneshot::Receiver<Rest> {
        let (heir, rest) = oneshot::channel();
        self.heir = Some(heir);
        rest
    }

    /// It was given back as it is.
    pub(in crate::accept) fn take_back(&mut self) {
        self.heir = None;
    }

    /// Takes away whatever has arrived of a message whose end nobody knows.
    pub(in crate::accept) fn take_all(&mut self) -> BytesMut {
        self.follower = Follower::new(Framing::Upgrade, u64::MAX);
        std::mem::take(&mut self.incoming)
    }

    /// Closes the connection for good, after an answer that said so or that could not be ended.
    pub(in crate::accept) async fn close(mut self) {
        self.say_goodbye().await;
        if let Some(rest) = self.rest() {
            rest.close().await;
        }
    }

    pub(super) async fn say_goodbye(&mut self) {
        // The client may be gone already. Over TLS, what he did not take would have to leave before the goodbye.
        let _ = within(GOODBYE, self.shutdown()).await;
    }

    /// What is left of it, once; nothing works without that.
    fn rest(&mut self) -> Option<Rest> {
        let none = Follower::new(Framing::Empty, 0);
        let follower = std::mem::replace(&mut self.follower, none);
        // Whoever has begun with another message is in the middle of something, too; an empty line is no beginning.
        let is_amid = self.incoming[self.deliverable..]
            .iter()
            .any(|byte| !matches!(byte, b'\r' | b'\n'));
        let follower = match is_amid && follower.has_ended() {
            true => Follower::new(Framing::Upgrade, u64::MAX),
            false => follower,
        };
        let socket = self.socket.0.take()?;
        Some(Rest { socket, follower })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(heir) = self.heir.take()
            && let Some(rest) = self.rest()
        {
            // Whoever does not wait for it lets it go.
            let _ = heir.send(rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixStream;

    use super::*;

    /// A connection, and its client.
    fn pair() -> (Connection, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Connection::new(Socket::Unix(ours)), theirs)
    }

    /// More than a socket holds.
    const LARGE: usize = 4 * 1024 * 1024;

    #[tokio::test]
    async fn whoever_is_answered_early_can_send_to_the_end_and_read_the_answer() {
        let (mut connection, mut client) = pair();
        connection
            .begin(0, Framing::Length(LARGE as u64), u64::MAX, None)
            .unwrap();
        let rest = connection.lend();
        let served = async {
            connection.write_all(b"no").await.unwrap();
            connection.say_goodbye().await;
            drop(connection);
            rest.await.unwrap().close().await;
        };
        let asked = async {
            client.write_all(&vec![b'x'; LARGE]).await.unwrap();
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.unwrap();
            answer
        };
        let ((), answer) = tokio::join!(served, asked);
        assert_eq!(answer, b"no");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_holds_a_connection_by_sending_nothing_or_without_an_end() {
        let (mut connection, _silent) = pair();
        let begun = Instant::now();
        connection.take_all();
        connection.close().await;
        assert!(begun.elapsed() < LULL * 2, "{:?}", begun.elapsed());
        let (mut connection, mut endless) = pair();
        connection.take_all();
        let begun = Instant::now();
        let sending = async {
            loop {
                if endless.write_all(b"x").await.is_err() {
                    return;
                }
                tokio::time::sleep(LULL / 2).await;
            }
        };
        tokio::join!(connection.close(), sending);
        assert!(begun.elapsed() < LINGER + LULL, "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_waited_for_where_nothing_is_owed() {
        let (mut connection, _client) = pair();
        let (begun, rest) = (Instant::now(), connection.lend());
        drop(connection);
        rest.await.unwrap().close().await;
        let (connection, _client) = pair();
        connection.close().await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test]
    async fn an_empty_line_begins_no_message() {
        let (mut connection, mut client) = pair();
        let short = Duration::from_millis(20);
        for part in ["\r\n", "\r", "\n"] {
            client.write_all(part.as_bytes()).await.unwrap();
            let waited = tokio::time::timeout(short, connection.wait()).await;
            assert!(waited.is_err(), "{part:?}");
        }
        client.write_all(b"\r\nGET").await.unwrap();
        connection.wait().await.unwrap();
        assert_eq!(connection.head(9), b"GET");
    }

    #[tokio::test]
    async fn of_empty_lines_without_end_one_is_left_to_be_refused() {
        let (mut connection, mut client) = pair();
        client.write_all(&b"\r\n".repeat(20)).await.unwrap();
        connection.wait().await.unwrap();
        let length = connection.read_head(1024).await.unwrap();
        assert_eq!(connection.head(length), crate::accept::head::EMPTY_LINE);
    }
}
