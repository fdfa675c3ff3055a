//! The tag of a datagram: where it stands and what it is the hash of.

use twox_hash::XxHash3_64;

/// Where the tag stands, behind version and kind.
pub(super) const TAG_START: usize = 2;
/// Where it ends; all that follows is tagged.
pub(super) const TAG_END: usize = 10;

/// The hash of everything behind the tag, and through the seed of everything before it and of the cluster's name.
pub(super) fn tag(seed: u64, tagged: &[u8]) -> [u8; 8] {
    XxHash3_64::oneshot_with_seed(seed, tagged).to_le_bytes()
}
