//! The origin of Crackers, in the order in which a request meets it.
//!
//! A connection is taken by [`accept`], its request is routed and decoded by [`api`], answered by the rules in
//! [`commerce`], which ask their questions of a [`database`]. Beside that path stand [`assets`] (the storefront's
//! files), [`outbox`] (what is owed to others after a write), [`services`] (others we call) and [`telemetry`]. Where several
//! processes share the sockets, a [`supervisor`] starts, replaces and stops them.

pub mod accept;
pub mod api;
pub mod app;
pub mod assets;
pub mod commands;
pub mod commerce;
pub mod config;
pub mod database;
pub mod live;
pub mod outbox;
pub mod services;
pub mod supervisor;
pub mod telemetry;
