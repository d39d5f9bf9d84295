//! The pool of reading connections.

use std::path::PathBuf;

use bb8::{ManageConnection, Pool};
use rusqlite::{Connection, OpenFlags};

use super::super::settings;
use super::{Answer, DatabaseError};

/// Opens reading connections for the pool.
#[derive(Debug)]
pub(super) struct Readers {
    file: PathBuf,
    busy_timeout_ms: u64,
    cache_bytes: u32,
}

impl Readers {
    pub(super) fn new(settings: &settings::Sqlite) -> Self {
        Self {
            file: settings.file.clone(),
            busy_timeout_ms: settings.busy_timeout_ms,
            cache_bytes: settings.reader_cache_bytes,
        }
    }

    pub(super) async fn pool(self, settings: &settings::Pool) -> Answer<Pool<Self>> {
        let builder = settings.builder().test_on_check_out(false);
        builder.build(self).await
    }
}

impl ManageConnection for Readers {
    type Connection = Connection;
    type Error = DatabaseError;

    async fn connect(&self) -> Result<Connection, DatabaseError> {
        let (file, busy_timeout_ms) = (self.file.clone(), self.busy_timeout_ms);
        let cache_bytes = self.cache_bytes;
        tokio::task::spawn_blocking(move || {
            // Read-write, because a reader may have to make the WAL's shared memory; query_only keeps it from writing.
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(&file, flags)?;
            super::prepare(&connection, busy_timeout_ms)?;
            super::cache_at_most(&connection, cache_bytes)?;
            connection.pragma_update(None, "query_only", true)?;
            Ok(connection)
        })
        .await
        .map_err(super::stopped)?
    }

    async fn is_valid(&self, connection: &mut Connection) -> Result<(), DatabaseError> {
        Ok(connection.query_row("SELECT 1", [], |_| Ok(()))?)
    }

    fn has_broken(&self, connection: &mut Connection) -> bool {
        // A question that was given up may still hold its statement: such a connection is not reused.
        !connection.is_autocommit()
    }
}
