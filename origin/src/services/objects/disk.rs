//! Files in a folder of this machine, or of one that it mounts.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use bytes::Bytes;

use jiff::Timestamp;

use super::{FILE_BYTES_MAX, PAGE_MAX, Page, PrivateFile, Room};

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

/// Private files in order of their names, after one of them.
pub(super) async fn private(folder: &Path, after: String) -> io::Result<Page> {
    let folder = folder.to_owned();
    tokio::task::spawn_blocking(move || read_page(&folder, &after)).await?
}

fn read_page(folder: &Path, after: &str) -> io::Result<Page> {
    // Never more in memory than a page, however many there are.
    let mut names = BTreeSet::new();
    let Some(entries) = none_when_absent(std::fs::read_dir(folder))? else {
        return Ok(Page::default());
    };
    for entry in entries {
        let Ok(name) = entry?.file_name().into_string() else {
            continue;
        };
        if Room::Private.key(&name).is_some() && *name > *after {
            names.insert(name);
        }
        if names.len() > PAGE_MAX {
            names.pop_last();
        }
    }
    let next = names.last().filter(|_| names.len() == PAGE_MAX).cloned();
    let mut files = Vec::new();
    for name in names {
        // One that is gone meanwhile is nobody's concern.
        let Some(about) = none_when_absent(std::fs::metadata(folder.join(&name)))? else {
            continue;
        };
        let written_at = Timestamp::try_from(about.modified()?).map_err(io::Error::other)?;
        files.push(PrivateFile { name, written_at });
    }
    Ok(Page { files, next })
}

fn none_when_absent<T>(done: io::Result<T>) -> io::Result<Option<T>> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
