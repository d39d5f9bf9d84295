//! Facts about the whole: the real binaries, driven through the edge.
//!
//! - `accept`: what is refused before anything else looks at it, sockets, starting and stopping
//! - `admit`: limits, methods, other sites
//! - `cache`: hits, codings, purges, one fetch for many, stale answers
//! - `dispatch`: who is served first, who waits, who is told to come back
//! - `forward`: several origins, ids and addresses on their way
//! - `respond`: what every answer carries, and in which coding it comes
//! - `load`: steady load while the shop is served, and whoever serves it is replaced
//! - `telemetry`: what is written of a request
//! - `shop`: the catalogue as a client sees it, on both databases, and the command line

#[path = "accept/mod.rs"]
mod accept;
#[path = "admit/mod.rs"]
mod admit;
#[path = "cache/mod.rs"]
mod cache;
#[path = "dispatch/mod.rs"]
mod dispatch;
#[path = "forward/mod.rs"]
mod forward;
#[path = "load/mod.rs"]
mod load;
#[path = "respond/mod.rs"]
mod respond;
#[path = "shop/mod.rs"]
mod shop;
#[path = "telemetry/mod.rs"]
mod telemetry;
