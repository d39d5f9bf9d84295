//! Files in a folder of this machine, or of one that it mounts.

use std::io;
use std::path::Path;

use bytes::Bytes;

use super::FILE_BYTES_MAX;

pub(super) async fn put(folder: &Path, key: &str, body: Bytes) -> io::Result<()> {
    let path = folder.join(key);
    tokio::task::spawn_blocking(move || write(&path, &body)).await?
}

/// Writes a file whole or not at all.
fn write(path: &Path, body: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    std::fs::create_dir_all(folder)?;
    let unfinished = path.with_extension("unfinished");
    let mut file = std::fs::File::create(&unfinished)?;
    io::Write::write_all(&mut file, body)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    // The name, too, must be there after a power cut.
    std::fs::File::open(folder)?.sync_all()
}

pub(super) async fn get(folder: &Path, key: &str) -> io::Result<Option<Bytes>> {
    let path = folder.join(key);
    let read = async {
        let length = tokio::fs::metadata(&path).await?.len();
        if length > FILE_BYTES_MAX as u64 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        tokio::fs::read(&path).await.map(Bytes::from)
    };
    none_when_absent(read.await)
}

pub(super) async fn remove(folder: &Path, key: &str) -> io::Result<()> {
    none_when_absent(tokio::fs::remove_file(folder.join(key)).await).map(|_| ())
}

fn none_when_absent<T>(done: io::Result<T>) -> io::Result<Option<T>> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
