//! Always, of rows: they never go back, only owners raise them, each is of a member that was started, and no node holds
//! itself dead.

use std::collections::BTreeMap;

use tidings::member::Incarnation;
use tidings::{Generation, NodeId, Protocol, State};

use crate::checks::truth::Truth;
use crate::violation::Violation;
use crate::watch::Moment;

#[derive(Debug)]
pub(super) struct Rows {
    observers: Vec<Observer>,
    /// With a liar about, there is no telling what owners said and which members exist.
    lies: bool,
}

#[derive(Debug, Default)]
struct Observer {
    /// The table's revision that was looked at; none before the first look.
    revision: Option<u64>,
    /// The highest ever held of each member, kept when the row is gone: a tombstone holds it.
    highest: BTreeMap<NodeId, (Generation, Incarnation)>,
}

impl Rows {
    pub(super) fn new(lies: bool) -> Self {
        Rows { observers: Vec::new(), lies }
    }

    pub(super) fn started(&mut self, host: u32) {
        let place = host as usize;
        if self.observers.len() <= place {
            self.observers.resize_with(place + 1, Observer::default);
        }
        self.observers[place] = Observer::default();
    }

    /// The members whose rows changed since the last look; none when no row did.
    pub(super) fn changed(&mut self, host: u32, protocol: &Protocol) -> Option<Vec<NodeId>> {
        let observer = self.observers.get_mut(host as usize)?;
        let revision = protocol.revision();
        if observer.revision == Some(revision) {
            return None;
        }
        let since = observer.revision.replace(revision);
        let changed = since.and_then(|since| protocol.changed_since(since)).map(|ids| ids.collect::<Vec<_>>());
        let everyone =
            || protocol.members().map(|member| member.id()).chain(observer.highest.keys().copied()).collect();
        let mut changed: Vec<NodeId> = changed.unwrap_or_else(everyone);
        changed.sort_unstable();
        changed.dedup();
        Some(changed)
    }

    /// A process changed what it says of itself without a new incarnation: a member that heard the old will not take
    /// the new.
    pub(super) fn said_otherwise(&self, moment: Moment, host: u32, protocol: &Protocol) -> Option<Violation> {
        let me = protocol.me();
        let text = format!("n{host} says two things of itself at {}.{}", me.generation(), me.incarnation());
        (!self.lies).then(|| Violation { check: "same-record", at: moment.now, text, hosts: vec![host] })
    }

    /// Looks at one row that changed.
    pub(super) fn look(
        &mut self,
        moment: Moment,
        host: u32,
        protocol: &Protocol,
        id: NodeId,
        truth: &Truth,
    ) -> Option<Violation> {
        let member = protocol.member(id)?;
        let (generation, incarnation) = (member.generation(), member.incarnation());
        let about = truth.processes().find(|(_, process)| process.id == id).map(|(host, _)| host);
        let broken = |check: &'static str, text: String| {
            let hosts = [Some(host), about].into_iter().flatten().collect();
            Some(Violation { check, at: moment.now, text, hosts })
        };
        let name = member.name();

        let observer = &mut self.observers[host as usize];
        let before = observer.highest.insert(id, (generation, incarnation));
        if let Some(before) = before.filter(|before| *before > (generation, incarnation)) {
            observer.highest.insert(id, before);
            let (old, older) = before;
            return broken(
                "row-monotone",
                format!("n{host} held {name} at {old}.{older} and now at {generation}.{incarnation}"),
            );
        }

        if id == protocol.me().id() {
            let may_go = protocol.leave_progress().is_some() || protocol.is_stopped();
            if member.state() != State::Alive && !may_go {
                return broken("self-alive", format!("n{host} holds itself {:?}", member.state()));
            }
            return None;
        }

        // What owners said is known only where no host lies.
        if self.lies {
            return None;
        }
        if !truth.is_known(id) {
            return broken("no-phantom", format!("n{host} holds {name}, which was never started"));
        }

        match truth.highest(id, generation) {
            None => broken("owner-raises", format!("n{host} holds {name} at a generation {generation} it never had")),
            Some(highest) if highest < incarnation => broken(
                "owner-raises",
                format!("n{host} holds {name} at {generation}.{incarnation}, its owner came to {highest} only"),
            ),
            Some(_) if !truth.is_as_said(member) => broken(
                "same-record",
                format!("n{host} holds {name} at {generation}.{incarnation} otherwise than its owner said"),
            ),
            Some(_) => None,
        }
    }
}
