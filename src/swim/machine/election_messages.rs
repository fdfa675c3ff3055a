//! Messages of elections: membership carries them between voters and reads none of them.

use crate::election::{Context, Message as ElectionMessage};
use crate::member::{NodeId, State};
use crate::swim::detector::pings::PingPurpose;
use crate::swim::dissemination::outbox::{First, Piggyback};
use crate::swim::machine::Machine;
use crate::swim::machine::origin::Origin;
use crate::time::Instant;
use crate::wire::{Digest, Message, Rejected, Role, roles_of, with_roles};

/// An election message that came in, and the member that sent it.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) from: NodeId,
    pub(crate) context: Context,
    pub(crate) message: ElectionMessage,
}

impl Machine {
    /// An election message for this start of this node, from a start of a member that is known here.
    pub(super) fn receive_election_message(
        &self,
        origin: Origin,
        to: Digest,
        context: Context,
        election_message: ElectionMessage,
    ) -> Result<Received, Rejected> {
        if to != self.my_digest() {
            return Err(Rejected::Misdirected);
        }
        let slot = origin.slot.ok_or(Rejected::NoVoter)?;
        Ok(Received { from: self.members.member(slot).id(), context, message: election_message })
    }

    /// Sends an election message to a member whose address is proved, whatever the detector says of it.
    /// False if it was not sent.
    pub(crate) fn send_election_message(
        &mut self,
        to: NodeId,
        context: Context,
        election_message: ElectionMessage,
    ) -> bool {
        let Some(slot) = self.members.find(to).filter(|_| !self.stopped) else { return false };
        let row = self.members.row(slot);
        if row.member.state() == State::Left {
            return false;
        }
        if !row.is_proved() {
            return false;
        }

        let (address, to) = (row.member.address(), row.digest());
        self.send(address, Message::Election { to, context, election_message }, First::Nothing, Piggyback::Nothing);
        true
    }

    /// Pings a member whose address is not proved, so that it can be written to.
    pub(crate) fn get_acquainted(&mut self, now: Instant, id: NodeId) {
        let Some(slot) = self.members.find(id).filter(|_| !self.stopped) else { return };
        let row = self.members.row(slot);
        if row.is_present() && !row.is_proved() {
            self.enter(now);
            self.ping(slot, PingPurpose::Look, First::Nothing);
        }
    }

    /// Says in this node's own record which parts it has in elections.
    pub(crate) fn set_roles<'a>(&mut self, now: Instant, roles: impl Iterator<Item = Role<'a>>) {
        let extra = with_roles(self.me().record().extra(), roles);
        if self.stopped || self.leaving.is_some() || extra == self.me().record().extra() {
            return;
        }
        self.set_further_fields(now, &extra);
    }

    /// The part that a member says it has in an election, by the hash of its name.
    pub(crate) fn role(&self, id: NodeId, election: u64) -> Option<Role<'_>> {
        let record = self.members.member(self.members.find(id)?).record();
        roles_of(record.extra()).find(|role| role.election == election)
    }
}
