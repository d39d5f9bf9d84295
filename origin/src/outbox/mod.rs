//! Stage `outbox`.
