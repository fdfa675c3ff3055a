//! Which nodes run, which do not, and what can be asked of them.

use std::net::SocketAddr;

use tidings::runtime::Node;

use crate::cluster::{Cluster, Host, Phase, Present};
use crate::commands::Number;
use crate::names::{list, name};

impl Cluster {
    /// The nodes that run, the frozen among them.
    pub fn present(&self) -> Vec<Present> {
        let running = self.hosts.iter().filter_map(|(node, host)| Some((*node, host.node.as_ref()?)));
        let present = running.filter_map(|(node, handle)| {
            let generation = handle.view().me()?.generation();
            Some(Present { node, id: handle.id(), generation })
        });
        present.collect()
    }

    /// Every node there ever was, and how it is.
    pub fn phases(&self) -> impl Iterator<Item = (Number, Phase, SocketAddr)> {
        self.hosts.iter().map(|(number, host)| (*number, host.phase, host.address))
    }

    /// The handles of the nodes that can answer.
    pub fn handles(&self) -> impl Iterator<Item = (Number, &Node)> {
        let awake = self.hosts.iter().filter(|(_, host)| host.phase == Phase::Running);
        awake.filter_map(|(number, host)| Some((*number, host.node.as_ref()?)))
    }

    pub fn starts(&self, number: Number) -> u32 {
        self.hosts.get(&number).map_or(0, |host| host.starts)
    }

    pub fn is_cut(&self, one: Number, other: Number) -> bool {
        self.side.contains(&one) != self.side.contains(&other)
    }

    pub fn knows(&self, number: Number) -> Result<(), String> {
        self.host(number).map(|_| ())
    }

    pub(super) fn host(&self, number: Number) -> Result<&Host, String> {
        let all = || list(&self.hosts.keys().copied().collect());
        self.hosts.get(&number).ok_or_else(|| format!("there is no {}; there are {}", name(number), all()))
    }

    pub(super) fn running(&mut self, number: Number, phases: &[Phase]) -> Result<&mut Host, String> {
        let phase = self.host(number)?.phase;
        let host = self.hosts.get_mut(&number).filter(|host| phases.contains(&host.phase));
        host.ok_or_else(|| match phase {
            Phase::Running => format!("{} runs", name(number)),
            Phase::Frozen => format!("{} is frozen; wait until it runs again", name(number)),
            Phase::Leaving => format!("{} is leaving", name(number)),
            Phase::Left | Phase::Killed => format!("{} does not run; try restart {number}", name(number)),
        })
    }
}
