//! What a hostile reading of the core found, one test each: a verdict before its time, a state that never ends, a rumour taken
//! for more than it is.
#![allow(clippy::unwrap_used)]

use tidings::config::Config;
use tidings::member::{Generation, Identity};
use tidings::protocol::Protocol;
use tidings::time::Instant;

fn lan() -> Config {
    Config::lan("c")
}

#[test]
fn one_that_left_alone_may_be_asked_where_it_is_seen() {
    let identity = Identity::named("a", Generation(1), "127.0.0.1:1".parse().unwrap());
    let mut protocol = Protocol::new(lan(), identity, 1, Instant::ORIGIN).unwrap();
    protocol.leave(Instant::ORIGIN);
    assert_eq!(protocol.seen_elsewhere(), None);
}
