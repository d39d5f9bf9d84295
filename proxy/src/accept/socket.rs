//! A client's socket of any kind, read and written in one way.

use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::os::fd::{AsRawFd as _, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

/// See the module.
#[derive(Debug)]
pub enum Socket {
    /// TCP, from this address. It is kept as it was when the connection was taken: of one that was reset since then, the system
    /// tells none, and what has come before can still be read.
    Tcp(TcpStream, SocketAddr),
    /// A socket file.
    Unix(UnixStream),
    /// TCP with TLS on it.
    Tls(Box<TlsStream<TcpStream>>, SocketAddr),
    /// One of these, on behalf of a client whom a trusted proxy has named.
    OnBehalf(Box<Self>, SocketAddr),
}

impl Socket {
    /// The same on behalf of a client, if one was named.
    pub(super) fn on_behalf_of(self, client: Option<SocketAddr>) -> Self {
        match client {
            Some(client) => Self::OnBehalf(Box::new(self), client),
            None => self,
        }
    }

    /// Who connects, or on whose behalf a trusted proxy does; nobody with an address on a socket file, and only there.
    pub(super) fn client(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(_, client) | Self::Tls(_, client) | Self::OnBehalf(_, client) => {
                Some(*client)
            }
            Self::Unix(_) => None,
        }
    }

    /// The address of that.
    pub(super) fn ip(&self) -> Option<IpAddr> {
        Some(self.client()?.ip().to_canonical())
    }

    /// Its file descriptor.
    pub(super) fn descriptor(&self) -> RawFd {
        match self {
            Self::Tcp(stream, _) => stream.as_raw_fd(),
            Self::Unix(stream) => stream.as_raw_fd(),
            Self::Tls(stream, _) => stream.get_ref().0.as_raw_fd(),
            Self::OnBehalf(socket, _) => socket.descriptor(),
        }
    }

    /// Whether both sides have agreed on HTTP/2.
    pub(super) fn is_http2(&self) -> bool {
        match self {
            Self::Tls(stream, _) => stream.get_ref().1.alpn_protocol() == Some(b"h2"),
            Self::Tcp(..) | Self::Unix(_) => false,
            Self::OnBehalf(socket, _) => socket.is_http2(),
        }
    }

    /// The protocol version and cipher suite of its TLS.
    pub(super) fn tls(&self) -> Option<(String, String)> {
        let stream = match self {
            Self::Tls(stream, _) => stream,
            Self::OnBehalf(socket, _) => return socket.tls(),
            Self::Tcp(..) | Self::Unix(_) => return None,
        };
        let session = stream.get_ref().1;
        let version = session.protocol_version();
        let suite = session.negotiated_cipher_suite();
        Some((
            version.map_or_else(String::new, |version| format!("{version:?}")),
            suite.map_or_else(String::new, |suite| format!("{:?}", suite.suite())),
        ))
    }

    /// Waits until there may be something to read, without holding a buffer.
    ///
    /// # Errors
    /// When the socket has failed.
    pub(super) async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream, _) => stream.readable().await,
            Self::Unix(stream) => stream.readable().await,
            // What was decrypted along with the message before is not seen by the system.
            Self::Tls(stream, _) if stream.get_ref().1.wants_read() => {
                stream.get_ref().0.readable().await
            }
            Self::Tls(..) => Ok(()),
            Self::OnBehalf(socket, _) => Box::pin(socket.readable()).await,
        }
    }

    /// Tells the other end that nothing more comes, without a word of TLS.
    pub(super) fn end_writing(&self) {
        let socket = match self {
            Self::Tcp(stream, _) => SockRef::from(stream),
            Self::Unix(stream) => SockRef::from(stream),
            Self::Tls(stream, _) => SockRef::from(stream.get_ref().0),
            Self::OnBehalf(socket, _) => return socket.end_writing(),
        };
        // It may have been told before, or be gone.
        let _ = socket.shutdown(Shutdown::Write);
    }
}

macro_rules! each {
    ($socket:expr, $stream:ident => $done:expr) => {
        match $socket {
            Socket::Tcp($stream, _) => $done,
            Socket::Unix($stream) => $done,
            Socket::Tls($stream, _) => $done,
            Socket::OnBehalf($stream, _) => $done,
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(&mut *self, stream => Pin::new(stream).poll_read(context, buffer))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        each!(&mut *self, stream => Pin::new(stream).poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(&mut *self, stream => Pin::new(stream).poll_write_vectored(context, parts))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(&mut *self, stream => Pin::new(stream).poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(&mut *self, stream => Pin::new(stream).poll_shutdown(context))
    }
}
