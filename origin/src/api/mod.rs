//! Stage `api`.
