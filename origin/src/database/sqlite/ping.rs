//! Whether the file is there, is the one that was opened, can be read, and takes writes.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Answer, DatabaseError, Sqlite};

/// The file that was opened, by its name and by what the system knows it by.
pub(super) struct File {
    path: PathBuf,
    identity: (u64, u64),
}

impl File {
    /// The file as it is now.
    pub(super) fn opened(path: &Path) -> Answer<Self> {
        Ok(Self {
            path: path.to_owned(),
            identity: identity(path)?,
        })
    }

    /// Refuses when it was removed, or replaced by another: what is written to it now is lost with this process.
    fn check(&self) -> Answer<()> {
        if identity(&self.path)? == self.identity {
            return Ok(());
        }
        let path = self.path.display();
        Err(DatabaseError::Unavailable(format!(
            "{path} is not the file that was opened"
        )))
    }
}

fn identity(path: &Path) -> Answer<(u64, u64)> {
    let found = std::fs::metadata(path)
        .map_err(|error| DatabaseError::Unavailable(format!("{}: {error}", path.display())))?;
    Ok((found.dev(), found.ino()))
}

impl Sqlite {
    /// How long the smallest question takes, where the file is the one that was opened and writes are taken.
    pub async fn ping(&self) -> Answer<Duration> {
        let begin = Instant::now();
        let sql = "SELECT value FROM meta WHERE key = 'database_id'";
        let ask = self.read(|connection| Ok(connection.query_row(sql, [], |row| row.get(0))?));
        let found: String = ask.await?;
        let latency = begin.elapsed();
        if found != self.0.database_id {
            let other = format!("it is the database {found} now");
            return Err(DatabaseError::Unavailable(other));
        }
        self.0.file.check()?;
        match tokio::time::timeout(self.0.query_timeout, self.0.writer.ping()).await {
            // So many writes wait that there is no room: they are taken.
            Ok(Ok(()) | Err(DatabaseError::PoolTimeout)) => Ok(latency),
            Ok(Err(error)) => Err(error),
            Err(_) => {
                let limit_ms = u64::try_from(self.0.query_timeout.as_millis());
                Err(DatabaseError::QueryTimeout(limit_ms.unwrap_or(u64::MAX)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::config;
    use super::*;

    #[tokio::test]
    async fn a_file_that_takes_no_writes_is_down_and_up_again_once_it_does() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path());
        config.sqlite.busy_timeout_ms = 1;
        let database = Sqlite::open(&config).await.unwrap();
        database.ping().await.unwrap();
        // Somebody else keeps all others from writing; reading goes on.
        let other = rusqlite::Connection::open(&config.sqlite.file).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        for _ in 0..2 {
            let down = database.ping().await;
            assert!(
                matches!(down, Err(DatabaseError::Unavailable(_))),
                "{down:?}"
            );
        }
        other.execute_batch("ROLLBACK").unwrap();
        database.ping().await.unwrap();
        let row = "SELECT count(*) FROM meta WHERE key = 'pinged_at'";
        let counted = database
            .read(|connection| Ok(connection.query_row(row, [], |row| row.get::<_, i64>(0))?));
        // Once it was refused, only a write that is kept shows that writes are taken.
        assert_eq!(counted.await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_file_that_is_gone_or_another_is_down() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        let database = Sqlite::open(&config).await.unwrap();
        let (file, aside) = (&config.sqlite.file, folder.path().join("aside"));
        std::fs::rename(file, &aside).unwrap();
        let is_down =
            |pinged: Answer<Duration>| matches!(pinged, Err(DatabaseError::Unavailable(_)));
        assert!(is_down(database.ping().await));
        std::fs::copy(&aside, file).unwrap();
        assert!(is_down(database.ping().await));
        std::fs::rename(&aside, file).unwrap();
        database.ping().await.unwrap();
    }
}
