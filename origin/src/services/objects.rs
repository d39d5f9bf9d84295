//! Files that are kept for others, by name: on disk, each written whole or not at all. Private ones are never served by their name;
//! public ones are, under names that nobody can guess and whose content never changes.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crackers_shared::config_file::Problems;

use crate::commerce::ids;

/// Settings of files that are kept.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where they are kept.
    pub folder: PathBuf,
}

impl Config {
    /// Reports impossible values under `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        problems.require(
            !self.folder.as_os_str().is_empty(),
            format!("{path}.folder"),
            "must name a folder",
        );
    }
}

/// Who may see a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Whoever this program shows it to.
    Private,
    /// Everybody who knows its name.
    Public,
}

impl Room {
    /// Under which name a file of this room is kept; `None` for a name that no file of this room has: it leads nowhere else.
    fn key(self, name: &str) -> Option<String> {
        let (stem, rest) = name.split_at_checked(STEM_LENGTH)?;
        let is_stem = stem.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let is_rest = match self {
            Self::Private => rest.is_empty(),
            Self::Public => rest
                .strip_prefix('-')
                .and_then(|rest| rest.strip_suffix(".jpg"))
                .is_some_and(|width| {
                    (1..=5).contains(&width.len()) && width.bytes().all(|b| b.is_ascii_digit())
                }),
        };
        (is_stem && is_rest).then(|| match self {
            Self::Private => name.to_owned(),
            Self::Public => format!("public/{name}"),
        })
    }
}

/// Characters of [`ids::unguessable`], which every name begins with.
const STEM_LENGTH: usize = 25;

/// Where files are kept.
pub enum Objects {
    /// In a folder of this machine, or of one that it mounts.
    Disk(PathBuf),
}

impl Objects {
    /// The place that the settings name.
    pub fn new(config: &Config) -> Self {
        Self::Disk(config.folder.clone())
    }

    /// Keeps a private file under a name that nobody can guess, and answers with the name. When this answers, it is kept.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn put(&self, body: Bytes) -> io::Result<String> {
        let name = ids::unguessable();
        self.put_named(Room::Private, &name, body).await?;
        Ok(name)
    }

    /// Keeps a file under a new name of its room. When this answers, it is kept.
    ///
    /// # Errors
    /// When it cannot be written, or the name is none of this room.
    pub async fn put_named(&self, room: Room, name: &str, body: Bytes) -> io::Result<()> {
        let Self::Disk(folder) = self;
        let key = room.key(name);
        let path = folder.join(key.ok_or(io::ErrorKind::InvalidInput)?);
        tokio::task::spawn_blocking(move || write(&path, &body)).await?
    }

    /// A file by its name; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn get(&self, room: Room, name: &str) -> io::Result<Option<Bytes>> {
        let Self::Disk(folder) = self;
        let Some(key) = room.key(name) else {
            return Ok(None);
        };
        match tokio::fs::read(folder.join(key)).await {
            Ok(body) => Ok(Some(body.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes a file that nothing names any more. One that cannot be removed is only space, and said in the log.
    pub async fn remove(&self, room: Room, name: &str) {
        let Self::Disk(folder) = self;
        let Some(key) = room.key(name) else {
            return;
        };
        if let Err(error) = tokio::fs::remove_file(folder.join(key)).await {
            tracing::warn!(%error, name, "a file that nothing names is still there");
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_put_is_read_until_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::Disk(folder.path().join("new"));
        let name = objects.put(Bytes::from_static(b"proof")).await.unwrap();
        let read = objects.get(Room::Private, &name).await.unwrap();
        assert_eq!(read.as_deref(), Some(&b"proof"[..]));
        let public = format!("{name}-320.jpg");
        for (room, name) in [(Room::Public, &name), (Room::Public, &public)] {
            assert_eq!(objects.get(room, name).await.unwrap(), None);
        }
        objects.remove(Room::Private, &name).await;
        assert_eq!(objects.get(Room::Private, &name).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_name_leads_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), "secret").unwrap();
        let objects = Objects::Disk(folder.path().join("objects"));
        let stem = "a".repeat(STEM_LENGTH);
        for name in [
            "../secret",
            "",
            "/etc/passwd",
            "aaaaaaaaaaaaaaaaaaaaaa/../",
            &format!("{stem}/../secret"),
            &format!("{stem}-../../secret.jpg"),
            &format!("{stem}-.jpg"),
            &format!("{stem}-320.jpg/../secret"),
            &"é".repeat(20),
        ] {
            for room in [Room::Private, Room::Public] {
                assert_eq!(room.key(name), None, "{name}");
                let put = objects.put_named(room, name, Bytes::new()).await;
                assert!(put.is_err(), "{name}");
            }
        }
        assert_eq!(Room::Private.key(&stem), Some(stem.clone()));
        let public = format!("{stem}-1280.jpg");
        assert_eq!(Room::Public.key(&public), Some(format!("public/{public}")));
        assert_eq!(Room::Private.key(&public), None);
    }
}
