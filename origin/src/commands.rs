//! Placeholder: commands.
