//! Private files, by name: on disk, each written whole or not at all. Nothing of them is ever served by its path.

use std::io;
use std::path::PathBuf;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crackers_shared::config_file::Problems;

use crate::commerce::ids;

/// Settings of private files.
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

/// Where private files are kept.
pub enum Objects {
    /// In a folder of this machine, or of one that it mounts.
    Disk(PathBuf),
}

impl Objects {
    /// The place that the settings name.
    pub fn new(config: &Config) -> Self {
        Self::Disk(config.folder.clone())
    }

    /// Keeps a file under a name that nobody can guess, and answers with the name. When this answers, it is on disk.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn put(&self, body: Bytes) -> io::Result<String> {
        let Self::Disk(folder) = self;
        let (folder, name) = (folder.clone(), ids::unguessable());
        let path = folder.join(&name);
        let write = move || {
            std::fs::create_dir_all(&folder)?;
            let unfinished = path.with_extension("unfinished");
            let mut file = std::fs::File::create(&unfinished)?;
            io::Write::write_all(&mut file, &body)?;
            file.sync_all()?;
            std::fs::rename(&unfinished, &path)?;
            // The name, too, must be there after a power cut.
            std::fs::File::open(&folder)?.sync_all()
        };
        tokio::task::spawn_blocking(write).await??;
        Ok(name)
    }

    /// A file by its name; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn get(&self, name: &str) -> io::Result<Option<Bytes>> {
        let Self::Disk(folder) = self;
        if !is_name(name) {
            return Ok(None);
        }
        match tokio::fs::read(folder.join(name)).await {
            Ok(body) => Ok(Some(body.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes a file that nothing names any more. One that cannot be removed is only space, and said in the log.
    pub async fn remove(&self, name: &str) {
        let Self::Disk(folder) = self;
        if !is_name(name) {
            return;
        }
        if let Err(error) = tokio::fs::remove_file(folder.join(name)).await {
            tracing::warn!(%error, name, "a file that nothing names is still there");
        }
    }
}

/// Whether this is a name that [`Objects::put`] makes: it leads nowhere else.
fn is_name(name: &str) -> bool {
    name.len() == 25 && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_put_is_read_until_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::Disk(folder.path().join("new"));
        let name = objects.put(Bytes::from_static(b"proof")).await.unwrap();
        let read = objects.get(&name).await.unwrap();
        assert_eq!(read.as_deref(), Some(&b"proof"[..]));
        objects.remove(&name).await;
        assert_eq!(objects.get(&name).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_name_leads_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), "secret").unwrap();
        let objects = Objects::Disk(folder.path().join("objects"));
        for name in ["../secret", "", "/etc/passwd", "aaaaaaaaaaaaaaaaaaaaaa/../"] {
            assert_eq!(objects.get(name).await.unwrap(), None, "{name}");
        }
    }
}
