//! The edge of Crackers, in the order in which a request meets it.
//!
//! A connection is taken and its head judged by [`accept`], [`admit`] decides who may pass, [`cache`] answers what it
//! can, [`dispatch`] hands out origin slots, [`forward`] chooses the origin and talks to it, [`respond`] finishes the
//! answer, [`telemetry`] counts and logs it. [`phases`] is the one place where these stages are called by Pingora.

pub mod accept;
pub mod admit;
pub mod cache;
pub mod config;
pub mod context;
pub mod dispatch;
pub mod forward;
pub mod phases;
pub mod respond;
pub mod route;
pub mod telemetry;
