//! Sockets that listen: those that the edge before this one has handed over, and others bound anew.

use std::collections::HashMap;
use std::fs::Permissions;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;

use tokio::net::{TcpListener, UnixListener, UnixSocket};

/// Connections to a socket file that may wait to be taken; the system has its own limit, too.
const BACKLOG: u32 = 1024;

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} ({key}){hint}")]
pub struct BindError {
    address: String,
    key: &'static str,
    source: io::Error,
    hint: &'static str,
}

impl BindError {
    fn new(address: String, key: &'static str, source: io::Error) -> Self {
        let hint = match source.kind() {
            io::ErrorKind::AddrInUse => {
                "; another program has it: stop that one, or choose another address"
            }
            _ => "",
        };
        Self {
            address,
            key,
            source,
            hint,
        }
    }
}

/// See the module. What is asked for under a name that was handed over is that very socket.
#[derive(Debug, Default)]
pub struct Sockets {
    handed: HashMap<String, OwnedFd>,
    copies: Vec<(String, OwnedFd)>,
}

impl Sockets {
    /// With these sockets of the edge before, by their names.
    pub fn of(handed: HashMap<String, OwnedFd>) -> Self {
        Self {
            handed,
            copies: Vec::new(),
        }
    }

    /// A TCP address that stands under `key` in the configuration.
    ///
    /// # Errors
    /// [`BindError`] says which address, which key and why.
    pub async fn tcp(
        &mut self,
        address: &str,
        key: &'static str,
    ) -> Result<TcpListener, BindError> {
        let bound = match self.handed.remove(address) {
            Some(socket) => TcpListener::from_std(socket.into()),
            None => TcpListener::bind(address).await,
        };
        let noted = bound.and_then(|bound| self.note(address, bound));
        noted.map_err(|source| BindError::new(address.to_owned(), key, source))
    }

    /// A socket file that stands under `key` in the configuration; its folder is made where it is missing.
    ///
    /// # Errors
    /// As for [`Sockets::tcp`].
    pub async fn unix(
        &mut self,
        path: &Path,
        key: &'static str,
    ) -> Result<UnixListener, BindError> {
        self.file(path, key, None).await
    }

    /// The same for a file that only the owner may open, and root.
    ///
    /// # Errors
    /// As for [`Sockets::tcp`].
    pub async fn private_unix(
        &mut self,
        path: &Path,
        key: &'static str,
    ) -> Result<UnixListener, BindError> {
        self.file(path, key, Some(0o600)).await
    }

    async fn file(
        &mut self,
        path: &Path,
        key: &'static str,
        mode: Option<u32>,
    ) -> Result<UnixListener, BindError> {
        let name = path.display().to_string();
        let bound = match self.handed.remove(&name) {
            Some(socket) => UnixListener::from_std(socket.into()),
            None => bind_unix(path, mode).await,
        };
        let noted = bound.and_then(|bound| self.note(&name, bound));
        noted.map_err(|source| BindError::new(name, key, source))
    }

    fn note<L: AsFd>(&mut self, name: &str, listener: L) -> io::Result<L> {
        let copy = listener.as_fd().try_clone_to_owned()?;
        self.copies.push((name.to_owned(), copy));
        Ok(listener)
    }

    /// All that were asked for, for the next edge. They listen as long as somebody holds them.
    pub fn into_copies(self) -> Vec<(String, OwnedFd)> {
        self.copies
    }
}

/// Binds a socket file; a socket that nobody listens on any more is a leftover and goes.
async fn bind_unix(path: &Path, mode: Option<u32>) -> io::Result<UnixListener> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    match listen_unix(path, mode) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let is_socket = std::fs::symlink_metadata(path)?.file_type().is_socket();
            if !is_socket || tokio::net::UnixStream::connect(path).await.is_ok() {
                return Err(error);
            }
            std::fs::remove_file(path)?;
            listen_unix(path, mode)
        }
        other => other,
    }
}

/// Nobody can connect before it listens, so nobody comes in before the file has its mode.
fn listen_unix(path: &Path, mode: Option<u32>) -> io::Result<UnixListener> {
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    if let Some(mode) = mode {
        std::fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    socket.listen(BACKLOG)
}
