//! Files that are kept for others, by name, each written whole or not at all: in a folder ([`disk`]) or where S3's protocol is spoken
//! ([`s3`]). Private ones are never served by their name; public ones are, under names that nobody can guess and whose content
//! never changes.

mod disk;
mod s3;

use std::io;
use std::path::PathBuf;

use bytes::Bytes;
use jiff::Timestamp;
use prometheus::IntCounterVec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crackers_shared::{clock::Clock, config_file::Problems};

/// Where files are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// In a folder of this machine, or of one that it mounts.
    Disk,
    /// In a bucket, by S3's protocol.
    S3,
}

/// Settings of files that are kept.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where they are kept.
    pub kind: Kind,
    /// The folder, where it is one.
    pub folder: PathBuf,
    /// The bucket, where it is one.
    pub s3: s3::Config,
}

impl Config {
    /// Reports impossible values under `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        problems.require(
            !self.folder.as_os_str().is_empty(),
            format!("{path}.folder"),
            "must name a folder",
        );
        let is_used = self.kind == Kind::S3;
        self.s3.check(&format!("{path}.s3"), is_used, problems);
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

/// The largest file that is read back; what is kept was drawn by us, and is far smaller.
const FILE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Characters of an unguessable id, which every name begins with.
const STEM_LENGTH: usize = 25;

/// The most files of a page.
const PAGE_MAX: usize = 1000;

/// A private file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateFile {
    /// Its name.
    pub name: String,
    /// When it was written.
    pub written_at: Timestamp,
}

/// Private files in order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// At most a thousand.
    pub files: Vec<PrivateFile>,
    /// The name that the next page comes after; `None` on the last one.
    pub next: Option<String>,
}

/// Where files are kept.
pub enum Objects {
    /// In a folder.
    Disk(PathBuf),
    /// In a bucket.
    S3(Box<s3::S3>),
}

impl Objects {
    /// The place that the settings name.
    ///
    /// # Errors
    /// When a secret cannot be read, or TLS cannot be set up.
    pub fn new(config: &Config, clock: Clock, calls: IntCounterVec) -> anyhow::Result<Self> {
        Ok(match config.kind {
            Kind::Disk => Self::Disk(config.folder.clone()),
            Kind::S3 => Self::S3(Box::new(s3::S3::new(&config.s3, clock, calls)?)),
        })
    }

    /// Keeps a file under a new name of its room. When this answers, it is kept.
    ///
    /// # Errors
    /// When it cannot be written, or the name is none of this room.
    pub async fn put(&self, room: Room, name: &str, body: Bytes) -> io::Result<()> {
        let key = room.key(name).ok_or(io::ErrorKind::InvalidInput)?;
        match self {
            Self::Disk(folder) => disk::put(folder, &key, body).await,
            Self::S3(bucket) => bucket.put(&key, body).await,
        }
    }

    /// A file by its name; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn get(&self, room: Room, name: &str) -> io::Result<Option<Bytes>> {
        let Some(key) = room.key(name) else {
            return Ok(None);
        };
        match self {
            Self::Disk(folder) => disk::get(folder, &key).await,
            Self::S3(bucket) => bucket.get(&key).await,
        }
    }

    /// Removes a file that nothing names any more; one that is not there is removed already.
    ///
    /// # Errors
    /// When it is there still.
    pub async fn remove(&self, room: Room, name: &str) -> io::Result<()> {
        let Some(key) = room.key(name) else {
            return Ok(());
        };
        match self {
            Self::Disk(folder) => disk::remove(folder, &key).await,
            Self::S3(bucket) => bucket.remove(&key).await,
        }
    }

    /// A page of the private files whose names come after one; all of them come after an empty one.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub async fn private(&self, after: String) -> io::Result<Page> {
        match self {
            Self::Disk(folder) => disk::private(folder, after).await,
            Self::S3(bucket) => bucket.private(after).await,
        }
    }

    /// Removes a file that nothing names any more. One that cannot be removed is only space, and said in the log.
    pub async fn discard(&self, room: Room, name: &str) {
        if let Err(error) = self.remove(room, name).await {
            tracing::warn!(%error, name, "a file that nothing names is still there");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_put_is_read_until_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::Disk(folder.path().join("new"));
        let name = "a".repeat(STEM_LENGTH);
        let proof = Bytes::from_static(b"proof");
        let put = objects.put(Room::Private, &name, proof);
        put.await.unwrap();
        let read = objects.get(Room::Private, &name).await.unwrap();
        assert_eq!(read.as_deref(), Some(&b"proof"[..]));
        let public = format!("{name}-320.jpg");
        for (room, name) in [(Room::Public, &name), (Room::Public, &public)] {
            assert_eq!(objects.get(room, name).await.unwrap(), None);
        }
        objects.remove(Room::Private, &name).await.unwrap();
        objects.remove(Room::Private, &name).await.unwrap();
        assert_eq!(objects.get(Room::Private, &name).await.unwrap(), None);
    }

    #[tokio::test]
    async fn private_files_are_listed_in_pages_each_once_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::Disk(folder.path().join("new"));
        assert_eq!(
            objects.private(String::new()).await.unwrap(),
            Page::default()
        );
        let names: Vec<_> = (0..PAGE_MAX + 5)
            .map(|number| format!("{number:025}"))
            .collect();
        std::fs::create_dir_all(folder.path().join("new/public")).unwrap();
        for name in names
            .iter()
            .map(String::as_str)
            .chain(["other", "00.unfinished"])
        {
            std::fs::write(folder.path().join("new").join(name), "proof").unwrap();
        }
        let first = objects.private(String::new()).await.unwrap();
        let second = objects.private(first.next.unwrap()).await.unwrap();
        assert_eq!((first.files.len(), second.next), (PAGE_MAX, None));
        let listed = first.files.iter().chain(&second.files);
        let listed: Vec<_> = listed.map(|file| file.name.clone()).collect();
        assert_eq!(listed, names);
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
                let put = objects.put(room, name, Bytes::new()).await;
                assert!(put.is_err(), "{name}");
            }
        }
        assert_eq!(Room::Private.key(&stem), Some(stem.clone()));
        let public = format!("{stem}-1280.jpg");
        assert_eq!(Room::Public.key(&public), Some(format!("public/{public}")));
        assert_eq!(Room::Private.key(&public), None);
    }
}
