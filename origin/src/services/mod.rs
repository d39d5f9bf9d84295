//! Stage `services`.
