//! The program: what it prints, measures, replays and draws, and that two runs of it agree.

#[path = "../support/program.rs"]
mod program;

mod browser;
mod cli;
mod determinism;
mod measure;
mod page;
mod recording;
mod sample_trace;
