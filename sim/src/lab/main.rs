//! The `tidings-sim` program.
//!
//! All it does is in `cli`; what it runs is in the library.

#![warn(clippy::disallowed_types, clippy::disallowed_methods)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
