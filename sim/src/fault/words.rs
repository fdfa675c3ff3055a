//! The words that faults choose by: what a clock says, where a process receives, what becomes of its inbox.

use serde::{Deserialize, Serialize};

/// What a wall clock says when a process starts; its generation comes from there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WallClock {
    /// The true time.
    #[default]
    Right,
    /// An hour ago.
    Behind,
    /// In an hour.
    Ahead,
    /// The same as at the start before.
    Stuck,
    /// 1970, as on a machine whose clock has not been set.
    Epoch,
}

impl WallClock {
    #[allow(clippy::trivially_copy_pass_by_ref)] // The shape that serde asks for.
    pub(super) fn is_right(&self) -> bool {
        *self == WallClock::Right
    }
}

/// Where a process receives after it started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// At its old address.
    #[default]
    Same,
    /// At a new one.
    New,
}

/// What becomes of datagrams that arrive while a process does not run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Inbox {
    /// The socket keeps as many as its buffer holds.
    #[default]
    Kept,
    /// They are lost.
    Dropped,
    /// The socket keeps so many bytes of them, and what comes after is lost: `inbox = { bytes = 4096 }`.
    Bytes(usize),
}

impl Inbox {
    #[allow(clippy::trivially_copy_pass_by_ref)] // The shape that serde asks for.
    pub(super) fn is_kept(&self) -> bool {
        *self == Inbox::Kept
    }
}

/// Which addresses a translation gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gateway {
    /// One address for each host, with the port that it has.
    #[default]
    Each,
    /// One address for all of the fault's hosts, and a port for each.
    One,
    /// An address for each host, and a port of its own for each of its destinations: where one member sees a host, no
    /// other reaches it.
    EachDestination,
}

/// What becomes of datagrams that are sent to an address which a translation gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Back {
    /// They are lost.
    #[default]
    Lost,
    /// They reach the host if it sent something to their sender in the last half minute.
    Answers,
    /// They reach the host.
    All,
}

/// Where a host moves to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MovesTo {
    /// To an address that no host had.
    #[default]
    New,
    /// Each to that of the next of the hosts named, the last to that of the first: the old ones are others' now.
    Next,
}

/// Which way a clock jumps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Towards {
    /// Into the future.
    #[default]
    Future,
    /// Into the past, which a monotonic clock never should.
    Past,
}

/// What a lying member says of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lie {
    /// That it is suspect.
    Suspect,
    /// That it is dead.
    Dead,
    /// That it left.
    Left,
    /// That it is alive at an absurd incarnation.
    Incarnation,
    /// That it restarted at an absurd generation.
    Generation,
    /// That a member is alive that was never started.
    Phantom,
}
