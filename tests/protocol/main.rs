//! The core alone, without a socket: what it takes from the heap, which report wins, and a saved view taken in.

mod allocations;
mod join;
mod preload;
