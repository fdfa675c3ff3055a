//! Runs the built program and keeps what it said.

#![allow(dead_code)] // Each test file uses what it needs.

use std::process::Command;

use serde_json::Value;

/// The program that was built with the tests.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_tidings-sim");

/// How a program ended, and what it said.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

/// Runs the program to its end.
pub fn sim(args: &[&str]) -> Ended {
    ended(Command::new(PROGRAM).args(args))
}

/// Runs a command to its end.
pub fn ended(command: &mut Command) -> Ended {
    let done = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended { code: done.status.code(), out: text(done.stdout), err: text(done.stderr) }
}

/// The object on the last line.
pub fn last_json(ended: &Ended) -> Value {
    let last = ended.out.lines().next_back().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {last:?}\n{}{}", ended.out, ended.err))
}
