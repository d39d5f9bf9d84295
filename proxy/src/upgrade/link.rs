//! One JSON line with sockets beside it, over a Unix stream: the kernel gives the other process descriptors of its own for
//! the same sockets (`SCM_RIGHTS`, unix(7)).

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::Interest;
use tokio::net::UnixStream;

/// Sockets in one message; the kernel takes 253.
pub(super) const SOCKETS_MAX: usize = 250;
/// A longer message is none of ours, in bytes.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

const CONTROL_BYTES: usize = rustix::cmsg_space!(ScmRights(SOCKETS_MAX));

/// Sends a message; the other side gets descriptors of its own for these sockets.
///
/// # Errors
/// When there are too many sockets, or the other side is gone.
pub(super) async fn send(
    stream: &UnixStream,
    message: &impl Serialize,
    sockets: &[OwnedFd],
) -> anyhow::Result<()> {
    ensure!(
        sockets.len() <= SOCKETS_MAX,
        "{} sockets are more than the {SOCKETS_MAX} that can be handed over",
        sockets.len()
    );
    let mut bytes = serde_json::to_vec(message)?;
    bytes.push(b'\n');
    let mut descriptors: Vec<BorrowedFd<'_>> = sockets.iter().map(|one| one.as_fd()).collect();
    let mut sent = 0;
    while sent < bytes.len() {
        let write = || {
            let mut space = [MaybeUninit::uninit(); CONTROL_BYTES];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !descriptors.is_empty() {
                control.push(SendAncillaryMessage::ScmRights(&descriptors));
            }
            let parts = [IoSlice::new(&bytes[sent..])];
            Ok(sendmsg(stream, &parts, &mut control, SendFlags::empty())?)
        };
        sent += stream.async_io(Interest::WRITABLE, write).await?;
        // They went with the first bytes.
        descriptors.clear();
    }
    Ok(())
}

/// Waits for a message, and the sockets that come with it.
///
/// # Errors
/// When it does not come in time, the other side is gone, or it is not what was expected.
pub(super) async fn receive<T: DeserializeOwned>(
    stream: &UnixStream,
    within: Duration,
) -> anyhow::Result<(T, Vec<OwnedFd>)> {
    let received = tokio::time::timeout(within, receive_line(stream)).await;
    let (line, sockets) =
        received.with_context(|| format!("nothing came within {} ms", within.as_millis()))??;
    let message = serde_json::from_slice(&line).context("the message was not understood")?;
    Ok((message, sockets))
}

async fn receive_line(stream: &UnixStream) -> anyhow::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let (mut line, mut sockets) = (Vec::new(), Vec::new());
    while !line.ends_with(b"\n") {
        ensure!(line.len() < MESSAGE_BYTES_MAX, "the message is too long");
        let mut part = [0; 4096];
        let read = || {
            let mut space = [MaybeUninit::uninit(); CONTROL_BYTES];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut parts = [IoSliceMut::new(&mut part)];
            let read = recvmsg(stream, &mut parts, &mut control, RecvFlags::empty())?;
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                    sockets.extend(descriptors);
                }
            }
            Ok(read.bytes)
        };
        match stream.async_io(Interest::READABLE, read).await? {
            0 => bail!("the other side has gone"),
            read => line.extend_from_slice(&part[..read]),
        }
    }
    for socket in &sockets {
        // Whatever this process ever starts is not to hold them.
        fcntl_setfd(socket, FdFlags::CLOEXEC)?;
    }
    Ok((line, sockets))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_socket_arrives_with_its_message_and_is_the_same_socket() {
        let (one, other) = UnixStream::pair().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let text = "x".repeat(100_000);
        let given = [OwnedFd::from(listener)];
        let both = tokio::join!(send(&one, &text, &given), receive::<String>(&other, SOON));
        let (received, mut sockets) = both.1.unwrap();
        both.0.unwrap();
        drop(given);
        assert_eq!(received, text);
        assert_eq!(sockets.len(), 1);
        let same = TcpListener::from(sockets.remove(0));
        let _client = TcpStream::connect(address).unwrap();
        assert_eq!(same.local_addr().unwrap(), address);
        same.accept().unwrap();
    }

    #[tokio::test]
    async fn whoever_is_gone_or_says_nonsense_is_an_error() {
        let (one, other) = UnixStream::pair().unwrap();
        send(&one, &7, &[]).await.unwrap();
        let error = receive::<String>(&other, SOON).await.unwrap_err();
        assert!(error.to_string().contains("not understood"), "{error}");
        drop(one);
        let error = receive::<String>(&other, SOON).await.unwrap_err();
        assert!(error.to_string().contains("has gone"), "{error}");
    }
}
