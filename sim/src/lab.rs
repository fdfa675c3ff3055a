//! Measuring with the simulator: what runs are asked for, and the tables of `docs/measured.md`. The program
//! `tidings-sim` and its command line stand beside it, in `lab/main.rs` and `lab/cli`; nothing of the simulator proper
//! knows of any of it.

pub mod measure;
