//! Why a datagram was not accepted: by its form, its sender, or the election that it is about.

use std::fmt;

use serde::Serialize;

/// Why a datagram was not accepted; the protocol's state is unchanged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rejected {
    /// Shorter than its own fields say.
    Truncated,
    /// Longer than UDP carries, or a field longer than its range.
    Oversized,
    /// A version byte that this release does not speak.
    Version,
    /// A kind of election message that this release does not know, or a message without a kind.
    Kind,
    /// The tag does not match: another cluster, or damage on the way.
    Tag,
    /// A field is not in its one permitted form, or a value is outside its range.
    Malformed,
    /// This node's own datagram came back.
    FromSelf,
    /// An answer to a nonce that this node did not send, or that has expired.
    UnknownNonce,
    /// Meant for another node or another start of this one.
    Misdirected,
    /// The protocol has stopped.
    Stopped,
    /// An election message about an election that this node does not know.
    Election,
    /// An election message about an election under other voters, another lease or another drift than this node's.
    Voters,
    /// An election message from somebody who is no voter, or to a node that is none.
    NoVoter,
    /// An election message about what is over: an old term, or an answer to a round that nobody waits for.
    Stale,
}

impl Rejected {
    /// All reasons.
    pub const ALL: [Rejected; 14] = [
        Rejected::Truncated,
        Rejected::Oversized,
        Rejected::Version,
        Rejected::Kind,
        Rejected::Tag,
        Rejected::Malformed,
        Rejected::FromSelf,
        Rejected::UnknownNonce,
        Rejected::Misdirected,
        Rejected::Stopped,
        Rejected::Election,
        Rejected::Voters,
        Rejected::NoVoter,
        Rejected::Stale,
    ];

    /// The reason's name in lower case, as metrics print it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Rejected::Truncated => "truncated",
            Rejected::Oversized => "oversized",
            Rejected::Version => "version",
            Rejected::Kind => "kind",
            Rejected::Tag => "tag",
            Rejected::Malformed => "malformed",
            Rejected::FromSelf => "from_self",
            Rejected::UnknownNonce => "unknown_nonce",
            Rejected::Misdirected => "misdirected",
            Rejected::Stopped => "stopped",
            Rejected::Election => "election",
            Rejected::Voters => "voters",
            Rejected::NoVoter => "no_voter",
            Rejected::Stale => "stale",
        }
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rejected::Truncated => "truncated",
            Rejected::Oversized => "oversized",
            Rejected::Version => "unknown version",
            Rejected::Kind => "unknown kind",
            Rejected::Tag => "another cluster's, or damaged",
            Rejected::Malformed => "malformed",
            Rejected::FromSelf => "our own",
            Rejected::UnknownNonce => "an answer to nothing we asked",
            Rejected::Misdirected => "meant for another node",
            Rejected::Stopped => "we have stopped",
            Rejected::Election => "about an election that we do not know",
            Rejected::Voters => "about an election under other voters than ours",
            Rejected::NoVoter => "between members of which one is no voter",
            Rejected::Stale => "about a term or a round that is over",
        })
    }
}

impl std::error::Error for Rejected {}
