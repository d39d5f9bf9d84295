//! The embedded database: one file, WAL, full synchronous. One thread writes and takes many writes into one commit;
//! many connections read, each from a snapshot of its own. Several processes may open the same file.

mod catalogue;
mod changes;
mod combos;
mod migrations;
mod orders;
mod orders_by_time;
mod ping;
mod product_batches;
mod products;
mod ratings;
mod readers;
mod records;
mod rows;
mod shop;
mod stock;
mod tallies;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use bb8::Pool;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use self::ping::File;
use self::readers::Readers;
use self::writer::Writer;
use super::settings::Config;
use super::{Answer, DatabaseError, PoolUse};

/// The embedded database. Cheap to clone; clones share pool and writer.
#[derive(Clone)]
pub struct Sqlite(Arc<Shared>);

struct Shared {
    readers: Pool<Readers>,
    writer: Writer,
    database_id: String,
    file: File,
    query_timeout: Duration,
    size_max: u32,
}

impl Sqlite {
    /// Opens the file, making it when it is missing, and brings its schema up to date.
    ///
    /// # Errors
    /// [`DatabaseError::NewerSchema`] for a file of a newer program, [`DatabaseError::Unavailable`] when it cannot be
    /// opened, [`DatabaseError::Corrupt`] when it is no database.
    pub async fn open(config: &Config) -> Answer<Self> {
        let settings = config.sqlite.clone();
        let changes_kept = config.changes_kept;
        let (connection, database_id) = tokio::task::spawn_blocking(move || {
            if let Some(folder) = settings.file.parent() {
                std::fs::create_dir_all(folder).map_err(|error| {
                    DatabaseError::Unavailable(format!("{}: {error}", folder.display()))
                })?;
            }
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
                | OpenFlags::SQLITE_OPEN_CREATE
                | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let mut connection = Connection::open_with_flags(&settings.file, flags)?;
            prepare(&connection, settings.busy_timeout_ms)?;
            connection.pragma_update(None, "wal_autocheckpoint", settings.checkpoint_pages)?;
            cache_at_most(&connection, settings.writer_cache_bytes)?;
            let id = migrations::run(&mut connection)?;
            Ok::<_, DatabaseError>((connection, id))
        })
        .await
        .map_err(stopped)??;
        let readers = Readers::new(&config.sqlite);
        let pool = readers.pool(&config.pool).await?;
        Ok(Self(Arc::new(Shared {
            readers: pool,
            writer: Writer::start(connection, &config.sqlite, changes_kept)?,
            database_id,
            file: File::opened(&config.sqlite.file)?,
            query_timeout: Duration::from_millis(config.query_timeout_ms),
            size_max: config.pool.size_max,
        })))
    }

    /// Asks `question` on a reading connection, away from the runtime's threads; interrupted when it takes too long.
    async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let lease = self
            .0
            .readers
            .get_owned()
            .await
            .map_err(|error| match error {
                bb8::RunError::TimedOut => DatabaseError::PoolTimeout,
                bb8::RunError::User(error) => error,
            })?;
        let interrupt = lease.get_interrupt_handle();
        let work = tokio::task::spawn_blocking(move || question(&lease));
        let limit = self.0.query_timeout;
        tokio::pin!(work);
        match tokio::time::timeout(limit, &mut work).await {
            Ok(answer) => answer.map_err(stopped)?,
            Err(_) => {
                interrupt.interrupt();
                let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
                Err(DatabaseError::QueryTimeout(limit_ms))
            }
        }
    }

    /// Hands `change` to the writer and waits until it is committed. Takes effect whole or not at all.
    async fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        self.0.writer.write(change).await
    }

    /// See [`super::Database::database_id`].
    pub async fn database_id(&self) -> Answer<String> {
        Ok(self.0.database_id.clone())
    }

    /// How much of the reader pool is in use.
    pub fn pool_use(&self) -> PoolUse {
        let state = self.0.readers.state();
        let statistics = &state.statistics;
        PoolUse {
            size: state.connections,
            in_use: state.connections.saturating_sub(state.idle_connections),
            size_max: self.0.size_max,
            waited: statistics.get_waited,
            timed_out: statistics.get_timed_out,
        }
    }
}

/// What every connection is told first.
fn prepare(connection: &Connection, busy_timeout_ms: u64) -> Answer<()> {
    connection.busy_timeout(Duration::from_millis(busy_timeout_ms))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(())
}

/// How many bytes of pages a connection keeps.
fn cache_at_most(connection: &Connection, bytes: u32) -> Answer<()> {
    // A negative size is in KiB.
    let kib = i64::from(bytes / 1024);
    Ok(connection.pragma_update(None, "cache_size", -kib)?)
}

fn stopped(error: tokio::task::JoinError) -> DatabaseError {
    DatabaseError::Unavailable(format!("the database thread ended: {error}"))
}

impl From<rusqlite::Error> for DatabaseError {
    fn from(error: rusqlite::Error) -> Self {
        let text = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation) => Self::AlreadyExists(text),
            Some(ErrorCode::ReadOnly) => Self::ReadOnly(text),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt(text),
            Some(
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::CannotOpen
                | ErrorCode::SystemIoFailure
                | ErrorCode::DiskFull,
            ) => Self::Unavailable(text),
            _ => Self::Driver(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Instant;

    use super::*;

    pub(super) fn config(folder: &std::path::Path) -> Config {
        let whole: crate::config::Config = serde_yaml::from_str(crate::config::DEFAULTS).unwrap();
        let mut config = whole.database;
        config.sqlite.file = folder.join("shop.sqlite");
        config
    }

    /// So many questions at once.
    async fn rush(database: &Sqlite, readers: usize) {
        let all_at_once = Arc::new(std::sync::Barrier::new(readers));
        let rush = (0..readers).map(|_| {
            let (database, all_at_once) = (database.clone(), Arc::clone(&all_at_once));
            tokio::spawn(async move {
                let question = move |_: &Connection| {
                    all_at_once.wait();
                    Ok(())
                };
                database.read(question).await
            })
        });
        for reader in rush.collect::<Vec<_>>() {
            reader.await.unwrap().unwrap();
        }
    }

    /// How often this process has a file open.
    fn descriptors_of(file: &std::path::Path) -> usize {
        let descriptors = std::fs::read_dir("/proc/self/fd").unwrap();
        let targets = descriptors.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        targets.filter(|target| target == file).count()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn readers_that_a_rush_opened_go_though_little_work_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path());
        (config.pool.size_max, config.pool.size_min) = (8, 1);
        config.pool.idle_timeout_seconds = 1;
        let database = Sqlite::open(&config).await.unwrap();
        rush(&database, 8).await;
        assert_eq!(database.pool_use().size, 8);
        let deadline = Instant::now() + Duration::from_secs(60);
        while database.pool_use().size > 2 {
            assert!(Instant::now() < deadline, "{:?}", database.pool_use());
            database.last_sequence().await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // SQLite keeps the descriptors of those that went, for its locks' sake, and takes them again.
        rush(&database, 8).await;
        assert_eq!(descriptors_of(&config.sqlite.file), 8 + 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn whoever_finds_every_reader_in_use_waits_so_long_and_no_longer() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path());
        (config.pool.size_max, config.pool.size_min) = (1, 0);
        config.pool.wait_timeout_ms = 100;
        config.query_timeout_ms = 600_000;
        let database = Sqlite::open(&config).await.unwrap();
        let (began, has_begun) = tokio::sync::oneshot::channel();
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let slow = database.clone();
        let slow = tokio::spawn(async move {
            let question = move |_: &Connection| {
                let _ = began.send(());
                let _ = may_go_on.recv();
                Ok(1)
            };
            slow.read(question).await
        });
        has_begun.await.unwrap();
        let refused = database.last_sequence().await;
        assert!(
            matches!(refused, Err(DatabaseError::PoolTimeout)),
            "{refused:?}"
        );
        assert_eq!(database.pool_use().timed_out, 1);
        go_on.send(()).unwrap();
        assert_eq!(slow.await.unwrap().unwrap(), 1);
        assert_eq!(database.last_sequence().await.unwrap(), 0);
    }
}
