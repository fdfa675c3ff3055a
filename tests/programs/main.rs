//! The examples as programs: run as their users run them, on one host and on several, and shown as the README shows
//! them.

#[path = "../support/mod.rs"]
mod support;

mod demo;
mod examples;
mod namespaces;
mod processes;
mod readme;

/// A program of `examples`. Cargo builds them beside the tests, but not for `--test programs` alone.
fn example(name: &str) -> std::path::PathBuf {
    let test = std::env::current_exe().unwrap();
    let example = test.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(example.exists(), "{} is missing: cargo build --example {name}", example.display());
    example
}
