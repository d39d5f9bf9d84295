//! From the driver's errors to those of every database.

use std::time::Duration;

use mongodb::error::{ErrorKind, WriteFailure};

use super::super::DatabaseError;
use super::milliseconds;

/// What a question can fail with while its session is still needed to tell whether it may be asked again.
pub(super) enum Failure {
    /// An answer of ours.
    Known(DatabaseError),
    /// Whatever the driver says.
    Driver(mongodb::error::Error),
}

impl Failure {
    /// In the words of every database, where each question named `query_timeout` to the server as its longest time.
    pub(super) fn within(self, query_timeout: Duration) -> DatabaseError {
        match self {
            Self::Driver(error) if code_of(&error) == Some(TOO_LONG) => {
                DatabaseError::QueryTimeout(milliseconds(query_timeout))
            }
            other => other.into(),
        }
    }

    /// Whether the driver put a label on it.
    pub(super) fn has_label(&self, label: &str) -> bool {
        matches!(self, Self::Driver(error) if error.contains_label(label))
    }
}

impl From<DatabaseError> for Failure {
    fn from(error: DatabaseError) -> Self {
        Self::Known(error)
    }
}

impl From<mongodb::error::Error> for Failure {
    fn from(error: mongodb::error::Error) -> Self {
        Self::Driver(error)
    }
}

impl From<Failure> for DatabaseError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Known(error) => error,
            Failure::Driver(error) => of_driver(&error),
        }
    }
}

/// Codes of the server: a value that must be unique is taken; it took too long; there is no primary here.
const DUPLICATE_KEY: i32 = 11_000;
const TOO_LONG: i32 = 50;
const NO_PRIMARY: [i32; 3] = [10_107, 13_435, 189];

fn code_of(error: &mongodb::error::Error) -> Option<i32> {
    match error.kind.as_ref() {
        ErrorKind::Command(command) => Some(command.code),
        ErrorKind::Write(WriteFailure::WriteError(write)) => Some(write.code),
        ErrorKind::InsertMany(many) => Some(many.write_errors.as_ref()?.first()?.code),
        _ => None,
    }
}

fn of_driver(error: &mongodb::error::Error) -> DatabaseError {
    let text = error.to_string();
    if let ErrorKind::ServerSelection { .. }
    | ErrorKind::Io(_)
    | ErrorKind::ConnectionPoolCleared { .. } = error.kind.as_ref()
    {
        return DatabaseError::Unavailable(text);
    }
    match code_of(error) {
        Some(DUPLICATE_KEY) => DatabaseError::AlreadyExists(text),
        Some(code) if NO_PRIMARY.contains(&code) => DatabaseError::ReadOnly(text),
        _ => DatabaseError::Driver(text),
    }
}
