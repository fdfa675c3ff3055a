//! The one source of entropy: the seed of a node that was not given one.
//!
//! The protocol draws everything else from that seed, so that a run can be repeated.

use rand::TryRng;
use rand::rngs::SysRng;

use crate::leader::Holder;
use crate::runtime::error::StartError;

/// What tells this process apart from all others.
pub(crate) fn holder() -> Result<Holder, StartError> {
    Ok(Holder(u128::from(seed()?) << 64 | u128::from(seed()?)))
}

/// 64 unpredictable bits from the operating system.
pub(crate) fn seed() -> Result<u64, StartError> {
    SysRng.try_next_u64().map_err(|error| StartError::Entropy(error.to_string()))
}
