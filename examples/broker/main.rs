//! A small partitioned log broker whose leader may be killed, frozen or cut off:
//! `cargo run --release --example broker`.
//!
//! Three of five processes elect a leader, which spreads twelve partitions over the members that live. Each partition
//! is a log in a folder that all of them can write to, as shared storage is, behind a durable fence. A client writes
//! numbered records without a pause while the processes are killed, stopped, cut off and sent away, and while the
//! voters become all five, and any three of those; in the end it reads the logs and proves that nothing it was told is
//! written is lost, and nothing is there twice. Exits with 1 if that fails.
//!
//! To copy: `broker.rs`, one process, and `log.rs`, a log behind its fence. The rest is the test of the two.

mod assignment;
mod broker;
mod client;
mod cluster;
mod log;
mod options;
mod proof;
mod show;
mod voters;

use std::process::ExitCode;

use options::{Options, USAGE};

/// Partitions of the log.
const PARTITIONS: usize = 12;
/// Processes. The first so many of them vote at first, and as many in the end.
const NAMES: [&str; 5] = ["b1", "b2", "b3", "b4", "b5"];
const VOTERS: usize = 3;
const ELECTION: &str = "default";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let options = match Options::read(&args) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("broker: {error}");
            return ExitCode::from(2);
        }
    };

    let done = match &options {
        Options::Show(options) => show::play(options),
        Options::Broker(options) => broker::serve(options).map(|()| true),
    };

    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("broker: {error}");
            ExitCode::FAILURE
        }
    }
}
