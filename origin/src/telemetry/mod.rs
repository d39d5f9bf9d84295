//! Stage `telemetry`.
