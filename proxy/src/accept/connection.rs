//! A client's connection, as Pingora sees it: exactly one judged message at a time. What a client sends beyond the
//! message that is being answered stays here, unread, until its own head has been judged.

mod leaving;
mod stream;

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use pingora::protocols::SocketDigest;
use pingora::protocols::tls::SslDigest;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::oneshot;

use super::body::{BadBody, Follower};
use super::head::{self, Framing};
use super::pace::Pace;
use super::socket::Socket;
use crate::context::Arrival;
use leaving::Held;
pub(super) use leaving::Rest;

/// Bytes asked of the socket at once.
const READ_BYTES: usize = 8 * 1024;
/// Answers are gathered up to so many bytes, so that head and body leave in one write.
const WRITE_BYTES: usize = 16 * 1024;
/// Bytes of following messages that are taken in while one is being answered.
const AHEAD_BYTES_MAX: usize = 64 * 1024;
/// Empty lines before a request that are passed over.
const EMPTY_LINES_MAX: u8 = 4;

/// See the module.
#[derive(Debug)]
pub struct Connection {
    socket: Held,
    arrival: Arrival,
    digest: Arc<SocketDigest>,
    tls: Option<Arc<SslDigest>>,
    incoming: BytesMut,
    /// How many bytes of `incoming` belong to the message that is being answered.
    deliverable: usize,
    follower: Follower,
    outgoing: BytesMut,
    /// Of what Pingora moves; over HTTP/2 each stream has its own.
    paces: Option<Box<Paces>>,
    /// Since the message before.
    empty_lines: u8,
    /// Who gets what is left of it, once nobody needs it any more.
    heir: Option<oneshot::Sender<Rest>>,
}

#[derive(Debug)]
struct Paces {
    body: Pace,
    answer: Pace,
}

/// Why there is no next head.
#[derive(Debug)]
pub enum NoHead {
    /// The client has closed the connection, or it failed.
    Closed,
    /// The head is larger than it may be.
    TooLarge,
}

impl Connection {
    /// A connection on which nothing has been read.
    pub fn new(socket: Socket) -> Self {
        let tls = socket.tls().map(|(version, suite)| {
            Arc::new(SslDigest::new(suite, version, None, None, Vec::new()))
        });
        let digest = SocketDigest::from_raw_fd(socket.descriptor());
        if let Some(client) = socket.client() {
            // It holds nothing yet, and must not ask the system later.
            let _ = digest.peer_addr.set(Some(client.into()));
        }
        Self {
            digest: Arc::new(digest),
            arrival: Arrival {
                ip: socket.ip(),
                is_tls: tls.is_some(),
            },
            socket: Held::new(socket),
            tls,
            incoming: BytesMut::new(),
            deliverable: 0,
            follower: Follower::new(Framing::Empty, 0),
            outgoing: BytesMut::new(),
            paces: None,
            empty_lines: 0,
            heir: None,
        }
    }

    /// Whether the message before was read to its end; otherwise nobody knows where the next one begins.
    pub fn is_between_messages(&self) -> bool {
        self.follower.has_ended() && self.deliverable == 0
    }

    /// Waits for the first byte of the next message. Whoever sends nothing but an empty line is as idle as before.
    ///
    /// # Errors
    /// [`NoHead::Closed`].
    pub async fn wait(&mut self) -> Result<(), NoHead> {
        loop {
            self.pass_over_empty_lines();
            match &self.incoming[..] {
                [] => {
                    // An idle connection holds nothing.
                    self.incoming = BytesMut::new();
                    self.paces = None;
                    self.socket.readable().await.map_err(|_| NoHead::Closed)?;
                }
                // Half of an empty line.
                b"\r" => {}
                _ => {
                    self.empty_lines = 0;
                    return Ok(());
                }
            }
            self.read_more().await?;
        }
    }

    /// An empty line before a request is an old habit of clients (RFC 9112 2.2). Of many, one is left, which is no request.
    fn pass_over_empty_lines(&mut self) {
        while self.empty_lines < EMPTY_LINES_MAX && self.incoming.starts_with(b"\r\n") {
            self.incoming.advance(2);
            self.empty_lines += 1;
        }
    }

    /// Reads until the next head is whole; says how long it is. Its bytes are [`Connection::head`].
    ///
    /// # Errors
    /// [`NoHead`].
    pub async fn read_head(&mut self, bytes_max: usize) -> Result<usize, NoHead> {
        loop {
            // One empty line more than are passed over: let it be judged, and refused.
            if self.incoming.starts_with(head::EMPTY_LINE) {
                return Ok(head::EMPTY_LINE.len());
            }
            match head::length(&self.incoming) {
                Some(length) if length <= bytes_max => return Ok(length),
                Some(_) => return Err(NoHead::TooLarge),
                None if self.incoming.len() >= bytes_max => return Err(NoHead::TooLarge),
                // A head with bare line feeds never ends for us: let it be judged, and refused.
                None if self.incoming.windows(2).any(|two| two == b"\n\n") => {
                    return Ok(self.incoming.len());
                }
                None => self.read_more().await?,
            }
        }
    }

    /// The bytes of a head that was read.
    pub fn head(&self, length: usize) -> &[u8] {
        &self.incoming[..length.min(self.incoming.len())]
    }

    /// Lets Pingora read the judged head and the body that follows it.
    ///
    /// # Errors
    /// [`BadBody`] when what has already arrived of the body is malformed.
    pub(super) fn begin(
        &mut self,
        head_bytes: usize,
        framing: Framing,
        body_bytes_max: u64,
        paces: Option<[Pace; 2]>,
    ) -> Result<(), BadBody> {
        self.paces = paces.map(|[body, answer]| Box::new(Paces { body, answer }));
        self.follower = Follower::new(framing, body_bytes_max);
        self.deliverable = head_bytes + self.follower.advance(&self.incoming[head_bytes..])?;
        Ok(())
    }

    /// How its requests come.
    pub(super) fn arrival(&self) -> Arrival {
        self.arrival
    }

    /// Takes a message away; as much of its body as has arrived.
    pub(super) fn take_whole(&mut self, head_bytes: usize, body_bytes: usize) -> Bytes {
        self.take_head(head_bytes);
        let arrived = body_bytes.min(self.incoming.len());
        let missing = (body_bytes - arrived) as u64;
        self.follower = Follower::new(Framing::Length(missing), missing);
        self.incoming.split_to(arrived).freeze()
    }

    /// The socket for what follows an answer that changes the protocol, and what has arrived of it.
    pub(super) fn tunnel(&mut self) -> (&mut Socket, BytesMut) {
        (&mut *self.socket, std::mem::take(&mut self.incoming))
    }

    /// Takes a head away that nothing follows.
    pub(super) fn take_head(&mut self, head_bytes: usize) {
        self.incoming.advance(head_bytes);
    }

    /// Reads until so many bytes are there.
    ///
    /// # Errors
    /// When the client is gone or too slow.
    pub(super) async fn read_to(&mut self, bytes: usize, pace: &mut Pace) -> io::Result<()> {
        while self.incoming.len() < bytes {
            self.incoming.reserve(READ_BYTES);
            let read = pace.wait(self.socket.read_buf(&mut self.incoming)).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    /// Sends these one behind the other, in one write where the socket takes it.
    ///
    /// # Errors
    /// When the client is gone or too slow.
    pub(super) async fn send_all<const N: usize>(
        &mut self,
        parts: [&[u8]; N],
        pace: &mut Pace,
    ) -> io::Result<()> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let mut sent = 0;
        while sent < length {
            let mut skip = sent;
            let left = parts.map(|part| {
                let skipped = skip.min(part.len());
                skip -= skipped;
                IoSlice::new(&part[skipped..])
            });
            let written = pace.wait(self.socket.write_vectored(&left)).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            sent += written;
        }
        let flush = async { self.socket.flush().await.map(|()| 0) };
        pace.wait(flush).await.map(|_| ())
    }

    /// Resolves when the client has ended the connection, also when that is only his half of it. What he sends meanwhile is
    /// kept for later, up to a bound.
    pub(super) async fn gone(&mut self) {
        std::future::poll_fn(|context| {
            while self.incoming.len() < AHEAD_BYTES_MAX {
                match ready!(self.poll_more(context)) {
                    Ok(bytes) if bytes > 0 => {}
                    _ => return Poll::Ready(()),
                }
            }
            Poll::Pending
        })
        .await;
    }

    async fn read_more(&mut self) -> Result<(), NoHead> {
        self.incoming.reserve(READ_BYTES);
        match self.socket.read_buf(&mut self.incoming).await {
            Ok(bytes) if bytes > 0 => Ok(()),
            _ => Err(NoHead::Closed),
        }
    }

    fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = [const { MaybeUninit::uninit() }; READ_BYTES];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut *self.socket).poll_read(context, &mut buffer))?;
        self.incoming.extend_from_slice(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    }

    fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outgoing.is_empty() {
            let written = match Pin::new(&mut *self.socket).poll_write(context, &self.outgoing)? {
                Poll::Ready(written) => written,
                Poll::Pending => return self.poll_patience(context),
            };
            self.taken(written)?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.outgoing.advance(written);
        }
        self.outgoing = BytesMut::new();
        match Pin::new(&mut *self.socket).poll_flush(context)? {
            Poll::Ready(()) => Poll::Ready(self.taken(0)),
            Poll::Pending => self.poll_patience(context),
        }
    }

    /// The client has taken so many bytes of an answer.
    fn taken(&mut self, bytes: usize) -> io::Result<()> {
        match &mut self.paces {
            Some(paces) => paces.answer.moved(bytes),
            None => Ok(()),
        }
    }

    /// He takes nothing now.
    fn poll_patience(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.paces {
            Some(paces) => paces.answer.poll_patience(context).map(Err),
            None => Poll::Pending,
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if this.deliverable > 0 {
                let bytes = this.deliverable.min(buffer.remaining());
                buffer.put_slice(&this.incoming[..bytes]);
                this.incoming.advance(bytes);
                this.deliverable -= bytes;
                return Poll::Ready(Ok(()));
            }
            if this.follower.has_ended() && this.incoming.len() >= AHEAD_BYTES_MAX {
                // Woken again by nobody, on purpose: whoever answers this message makes progress elsewhere.
                return Poll::Pending;
            }
            let known = this.incoming.len();
            let arrived = match this.poll_more(context)? {
                Poll::Ready(arrived) => arrived,
                Poll::Pending => {
                    // Behind the body nothing is owed.
                    let owes = !this.follower.has_ended();
                    if let Some(paces) = this.paces.as_mut().filter(|_| owes) {
                        paces.body.begin_to_wait();
                    }
                    return Poll::Pending;
                }
            };
            if arrived == 0 {
                return Poll::Ready(Ok(()));
            }
            if let Some(paces) = &mut this.paces {
                paces.body.moved(arrived)?;
            }
            let taken = this.follower.advance(&this.incoming[known..]);
            this.deliverable =
                taken.map_err(|bad| io::Error::new(io::ErrorKind::InvalidData, bad))?;
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.outgoing.len() >= WRITE_BYTES {
            ready!(self.poll_drain(context))?;
        }
        let taken = bytes.len().min(WRITE_BYTES);
        self.outgoing.extend_from_slice(&bytes[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_drain(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(context))?;
        Pin::new(&mut *self.socket).poll_shutdown(context)
    }
}
