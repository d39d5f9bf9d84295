//! What follows an answer with which a connection has changed to WebSocket: bytes both ways, of which the edge knows nothing.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use prometheus::IntGauge;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep};

use super::connection::Connection;
use crate::forward::upstreams::InFlight;

/// Bytes asked of a socket at once.
const READ_BYTES: usize = 8 * 1024;

/// The origin's end of a tunnel, with its place among the origin's requests.
pub struct Tunnel {
    connection: Connection,
    /// Nothing for this long ends it.
    patience: Duration,
    open: IntGauge,
    _in_flight: Option<InFlight>,
}

/// What has become of a tunnel.
pub struct Passed {
    /// Bytes that the client got.
    pub to_client: u64,
    /// Why it has ended, if neither side has ended it.
    pub end: io::Result<()>,
}

impl Tunnel {
    pub(super) fn new(
        connection: Connection,
        in_flight: Option<InFlight>,
        patience: Duration,
        open: IntGauge,
    ) -> Self {
        open.inc();
        Self {
            connection,
            patience,
            open,
            _in_flight: in_flight,
        }
    }

    /// Passes bytes both ways, `arrived` from the client first, until one side has ended and the other has got all of what it
    /// said, or until nothing has passed for the patience of the route.
    pub async fn pass<S>(mut self, client: &mut S, arrived: BytesMut) -> Passed
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut up = Way::new(arrived);
        let mut down = Way::new(std::mem::take(&mut self.connection.buffer));
        let origin = &mut self.connection.stream;
        let mut last = (0, Instant::now());
        let mut silence = std::pin::pin!(sleep(self.patience));
        let end = std::future::poll_fn(|context| {
            let ended = up.poll_pass(client, origin, context)?;
            let ended = ended.is_ready() || down.poll_pass(origin, client, context)?.is_ready();
            if ended {
                return Poll::Ready(Ok(()));
            }
            if last.0 != up.bytes + down.bytes {
                last = (up.bytes + down.bytes, Instant::now());
            }
            while silence.as_mut().poll(context).is_ready() {
                let until = last.1 + self.patience;
                if Instant::now() >= until {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
                silence.as_mut().reset(until);
            }
            Poll::Pending
        });
        Passed {
            end: end.await,
            to_client: down.bytes,
        }
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.open.dec();
    }
}

/// One direction.
struct Way {
    /// What was read and not written; holds no memory while nobody says anything.
    waiting: BytesMut,
    has_ended: bool,
    /// Bytes that were written.
    bytes: u64,
}

impl Way {
    fn new(waiting: BytesMut) -> Self {
        Self {
            waiting,
            has_ended: false,
            bytes: 0,
        }
    }

    /// Passes on what there is; ready when whoever speaks has ended and all of it was passed on.
    fn poll_pass(
        &mut self,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            while !self.waiting.is_empty() {
                let written = ready!(Pin::new(&mut *to).poll_write(context, &self.waiting))?;
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.waiting.advance(written);
                self.bytes += written as u64;
            }
            self.waiting = BytesMut::new();
            ready!(Pin::new(&mut *to).poll_flush(context))?;
            if self.has_ended {
                return Poll::Ready(Ok(()));
            }
            let mut space = [const { MaybeUninit::uninit() }; READ_BYTES];
            let mut buffer = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut *from).poll_read(context, &mut buffer))?;
            self.has_ended = buffer.filled().is_empty();
            self.waiting.extend_from_slice(buffer.filled());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    proptest! {
        #[test]
        fn every_byte_passes_in_order_however_little_each_side_takes(
            said in prop::collection::vec(any::<u8>(), 0..20_000),
            early in 0_usize..2000,
            room in 1_usize..300,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let got = runtime.block_on(async {
                let (mut speaker, mut from) = duplex(room);
                let (mut to, mut listener) = duplex(room);
                let (early, late) = said.split_at(early.min(said.len()));
                let mut way = Way::new(BytesMut::from(early));
                let passing = std::future::poll_fn(|context| way.poll_pass(&mut from, &mut to, context));
                let speaking = async {
                    speaker.write_all(late).await.unwrap();
                    drop(speaker);
                };
                let mut got = vec![0; said.len()];
                let (passed, (), heard) = tokio::join!(passing, speaking, listener.read_exact(&mut got));
                passed.unwrap();
                heard.unwrap();
                got
            });
            prop_assert_eq!(got, said);
        }
    }
}
