//! The edge of Crackers, in the order in which a request meets it.
//!
//! A connection is taken and its head judged by [`accept`], [`admit`] decides who may pass, [`cache`] answers what it
//! can, [`dispatch`] hands out origin slots, [`forward`] chooses the origin and talks to it, [`respond`] finishes the
//! answer, [`telemetry`] counts and logs it. [`phases`] is the one place where Pingora calls these stages, [`request`]
//! the way of one request through them.

pub mod accept;
pub mod admit;
pub mod cache;
pub mod commands;
pub mod config;
pub mod context;
pub mod dispatch;
pub mod edge;
pub mod forward;
pub mod live;
mod method_names;
pub mod path_pattern;
pub mod phases;
pub mod record;
pub mod request;
pub mod respond;
pub mod serve;
pub mod telemetry;
pub mod upgrade;
mod within;
