//! Members in a line of the log.

use std::fmt;

use tracing::field::{DisplayValue, display};

use crate::member::{Accusers, NodeId};
use crate::protocol::Protocol;

/// Members by name, as far as they are known, else by id.
pub(super) struct Names<'a> {
    pub(super) ids: Vec<NodeId>,
    pub(super) protocol: &'a Protocol,
}

/// The accusers of a member as a field of a line, which is there only if there are any.
pub(super) fn names<'a>(accusers: &Accusers, protocol: &'a Protocol) -> Option<DisplayValue<Names<'a>>> {
    let ids: Vec<NodeId> = accusers.iter().collect();
    (!ids.is_empty()).then(|| display(Names { ids, protocol }))
}

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, id) in self.ids.iter().enumerate() {
            f.write_str(if place == 0 { "" } else { " " })?;
            match self.protocol.member(*id) {
                Some(member) => f.write_str(member.name())?,
                None => id.fmt(f)?,
            }
        }
        Ok(())
    }
}
