//! What can go wrong with a question, in the same words for both databases.

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// No connection, no primary, disk gone: asking again later may work.
    #[error("the database cannot be reached: {0}")]
    Unavailable(String),
    /// Every connection stayed in use for the whole time a lease may wait.
    #[error("no database connection became free in time")]
    PoolTimeout,
    /// The question took longer than it may.
    #[error("the database took longer than {0} ms")]
    QueryTimeout(u64),
    /// Reads work, writes do not (no primary, read-only file).
    #[error("the database takes no writes now: {0}")]
    ReadOnly(String),
    /// The thing to change is not there.
    #[error("{entity} {id} does not exist")]
    NotFound {
        /// What kind of thing.
        entity: &'static str,
        /// Its id.
        id: String,
    },
    /// Somebody changed it in between.
    #[error("the version is {actual}, not {expected}")]
    VersionConflict {
        /// What the caller had.
        expected: i64,
        /// What is there.
        actual: i64,
    },
    /// The stock would become negative.
    #[error(transparent)]
    StockTooLow(#[from] crate::commerce::stock::StockTooLow),
    /// An order cannot take that step from where it stands.
    #[error(transparent)]
    NoSuchStep(#[from] crate::commerce::orders::NoSuchStep),
    /// A unique value (SKU, slug) is taken, or the catalogue is not empty.
    #[error("already exists: {0}")]
    AlreadyExists(String),
    /// The data was written by a newer program.
    #[error("the database has schema {found}, this program knows {known}: use the newer program")]
    NewerSchema {
        /// Version in the database.
        found: i64,
        /// The newest this program knows.
        known: i64,
    },
    /// What is stored cannot be read as what it should be.
    #[error("stored data is broken: {0}")]
    Corrupt(String),
    /// Anything else the driver says.
    #[error("database: {0}")]
    Driver(String),
}

/// The version that a write makes: the first where nothing is there and nothing was expected, else one more than what is
/// there, which must be what was expected.
pub(super) fn next_version(
    actual: Option<i64>,
    expected: Option<i64>,
) -> Result<i64, DatabaseError> {
    match (actual, expected) {
        (None, None) => Ok(1),
        (Some(actual), Some(expected)) if actual == expected => Ok(actual + 1),
        (Some(_), None) => Err(DatabaseError::AlreadyExists("it is there".to_owned())),
        (actual, Some(expected)) => Err(DatabaseError::VersionConflict {
            expected,
            actual: actual.unwrap_or(0),
        }),
    }
}

/// The version after `actual`, which must be what was expected where something was.
pub(super) fn version_after(actual: i64, expected: Option<i64>) -> Result<i64, DatabaseError> {
    match expected {
        Some(expected) if expected != actual => {
            Err(DatabaseError::VersionConflict { expected, actual })
        }
        _ => Ok(actual + 1),
    }
}

impl DatabaseError {
    /// Whether the database itself is to blame, and not what was asked of it: another question now would fare no better.
    pub fn is_of_the_database(&self) -> bool {
        matches!(
            self,
            Self::Unavailable(_) | Self::PoolTimeout | Self::QueryTimeout(_) | Self::ReadOnly(_)
        )
    }
}
