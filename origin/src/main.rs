//! `crackers-origin`: the shop's own server and its command line.

use std::process::ExitCode;

use clap::Parser as _;
use crackers_origin::commands::{self, Command};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let command = Command::parse();
    match commands::run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Before the log is set up, or instead of it: a person is reading this.
            #[allow(clippy::print_stderr, reason = "the command line's answer to a person")]
            {
                eprintln!("crackers-origin: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}
