//! `crackers-proxy`: the edge.

use std::process::ExitCode;

use clap::Parser as _;
use crackers_proxy::commands::{self, Command};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match commands::run(&Command::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Before the log is set up, or instead of it: a person is reading this.
            #[allow(clippy::print_stderr, reason = "the command line's answer to a person")]
            {
                eprintln!("crackers-proxy: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}
