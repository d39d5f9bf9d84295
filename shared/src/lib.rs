//! What both Crackers binaries need, and nothing that only one of them uses.
//!
//! | module | what lives there |
//! |---|---|
//! | [`config_file`] | YAML over compiled-in defaults, checked whole, errors with file and line |
//! | [`clock`] | the injected clock, so that tests own the time |
//! | [`headers`] | the header names on which edge and origin agree |
//! | [`request_id`] | `X-Request-Id` and `traceparent`, judged and made |
//! | [`memory`] | the resident memory of this process |
//! | [`tag_sequences`] | which tag was last touched by which change |
//! | [`telemetry_setup`] | where log lines go and how they look |
//! | [`session_cookie`] | who asks, signed so that the edge can tell a customer from a stranger |
//! | [`shutdown_signal`] | SIGTERM and SIGINT, one after the other |

pub mod clock;
pub mod config_file;
pub mod headers;
pub mod memory;
pub mod request_id;
pub mod session_cookie;
pub mod shutdown_signal;
pub mod tag_sequences;
pub mod telemetry_setup;
