//! What end-to-end tests stand on: the real binaries as processes of their own, on free ports, with data of their own.

pub mod raw;
pub mod stack;
