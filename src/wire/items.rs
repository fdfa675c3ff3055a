//! The items a datagram carries after its message: news of members, and the steps of a comparison.

use std::net::SocketAddr;

use crate::member::{Accusers, Generation, Incarnation, NodeId, Record};
use crate::time::Instant;
use std::time::Duration;
