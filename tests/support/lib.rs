//! What end-to-end tests stand on: the real binaries as processes of their own, on free ports, with data of their own.

pub mod answer;
pub mod bodies;
pub mod bucket;
pub mod careless_origin;
pub mod doorway;
pub mod frames;
pub mod gated;
pub mod gateway;
pub mod load;
pub mod lone_edge;
pub mod mail_server;
pub mod mongod;
pub mod peer;
pub mod process;
pub mod raw;
pub mod recording_origin;
pub mod redis_server;
pub mod replica_set;
pub mod rolling;
pub mod scripted;
pub mod stack;
pub mod stored;
pub mod tls;
