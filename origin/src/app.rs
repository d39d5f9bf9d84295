//! Placeholder: app.
