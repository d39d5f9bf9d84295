//! What one stage leaves for a later one.
