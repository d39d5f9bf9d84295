//! Records what SQLite asks of the file system, and makes the files that a power cut would leave.

pub mod journal;
pub mod recorder;
