//! One connection to an origin: bytes to it and from it, each within its time.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pingora::protocols::l4::socket::SocketAddr;
use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio_util::either::Either;

use crate::cache::fetch::FetchError;
use crate::within::within;

/// Bytes asked of the socket at once, unless more are known to come.
const READ_BYTES: usize = 8 * 1024;
/// The most bytes asked of the socket at once.
const READ_BYTES_MAX: usize = 64 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: Either<TcpStream, UnixStream>,
    /// What has arrived and was not looked at.
    pub buffer: BytesMut,
}

/// Why a request was not sent whole.
pub(super) struct NotSent {
    pub error: FetchError,
    /// Bytes of it that may have arrived.
    pub sent: usize,
}

impl Connection {
    pub(super) async fn open(address: &SocketAddr, limit: Duration) -> Result<Self, FetchError> {
        let opened = within(limit, connect(address)).await;
        let unreachable = |why: String| FetchError::Unreachable(format!("{address}: {why}"));
        let stream = opened
            .map_err(|_| unreachable(format!("no connection within {} ms", limit.as_millis())))?
            .map_err(|error| unreachable(error.to_string()))?;
        Ok(Self {
            stream,
            buffer: BytesMut::new(),
        })
    }

    /// Whether nothing was heard of the other side since it was last read from: an origin that has closed it, or has sent
    /// what nobody asked for, is not asked anything on it. Costs no system call, and may overlook the last moments.
    pub(super) fn is_quiet(&self) -> bool {
        let mut byte = [0];
        let read = match &self.stream {
            Either::Left(stream) => stream.try_read(&mut byte),
            Either::Right(stream) => stream.try_read(&mut byte),
        };
        self.buffer.is_empty() && would_wait(&read)
    }

    /// The same by asking the system: for requests that cannot be sent a second time.
    pub(super) fn is_quiet_now(&self) -> bool {
        let mut byte = [std::mem::MaybeUninit::uninit()];
        let read = match &self.stream {
            Either::Left(stream) => SockRef::from(stream).peek(&mut byte),
            Either::Right(stream) => SockRef::from(stream).peek(&mut byte),
        };
        self.buffer.is_empty() && would_wait(&read)
    }

    /// Sends bytes; no wait for room takes longer than `limit`.
    pub(super) async fn send(&mut self, bytes: &Bytes, limit: Duration) -> Result<(), NotSent> {
        let mut sent = 0;
        while sent < bytes.len() {
            let error = match within(limit, self.stream.write(&bytes[sent..])).await {
                Ok(Ok(written)) if written > 0 => {
                    sent += written;
                    continue;
                }
                Ok(Ok(_)) => FetchError::Broken("it takes no more bytes".to_owned()),
                Ok(Err(error)) => FetchError::Broken(error.to_string()),
                Err(_) => FetchError::Timeout,
            };
            return Err(NotSent { error, sent });
        }
        Ok(())
    }

    /// Reads more into the buffer, `expected` bytes or what there is; false at the end of the stream.
    pub(super) async fn read(
        &mut self,
        expected: u64,
        limit: Duration,
    ) -> Result<bool, FetchError> {
        let expected = usize::try_from(expected).unwrap_or(usize::MAX);
        let room = expected.clamp(READ_BYTES, READ_BYTES_MAX);
        self.buffer.reserve(room);
        match within(limit, self.stream.read_buf(&mut self.buffer)).await {
            Ok(Ok(read)) => Ok(read > 0),
            Ok(Err(error)) => Err(FetchError::Broken(error.to_string())),
            Err(_) => Err(FetchError::Timeout),
        }
    }

    /// Lets go of memory while it waits for its next request.
    pub(super) fn rest(&mut self) {
        self.buffer = BytesMut::new();
    }
}

async fn connect(address: &SocketAddr) -> io::Result<Either<TcpStream, UnixStream>> {
    match address {
        SocketAddr::Inet(address) => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(Either::Left(stream))
        }
        SocketAddr::Unix(address) => {
            let path = address
                .as_pathname()
                .ok_or(io::ErrorKind::AddrNotAvailable)?;
            Ok(Either::Right(UnixStream::connect(path).await?))
        }
    }
}

fn would_wait(read: &io::Result<usize>) -> bool {
    let error = read.as_ref().err();
    error.is_some_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}
