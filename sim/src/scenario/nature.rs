//! What kind of scenario it is, for checks that do not hold in every kind.

use crate::fault::{Fault, Planned};
use crate::scenario::Scenario;

impl Scenario {
    /// Whether some host lies: what is said of others can then be an invention.
    #[must_use]
    pub fn has_liar(&self) -> bool {
        self.faults.iter().any(|planned| matches!(planned.what, Fault::Lie { .. }))
    }

    /// Whether a host lies at some time.
    #[must_use]
    pub fn is_liar(&self, host: u32) -> bool {
        let lies = |planned: &Planned| matches!(&planned.what, Fault::Lie { hosts, .. } if hosts.contain(host));
        self.faults.iter().any(lies)
    }

    /// Why it is not known what must hold when the faults are over; none when it is known.
    #[must_use]
    pub fn never_settles(&self) -> Option<&'static str> {
        if self.brief {
            return Some("it ends with its time");
        }
        match self.faults_end() {
            None => Some("a fault never ends"),
            Some(over) if over >= self.lasts => Some("a fault lasts as long as the run"),
            Some(_) if self.is_crowded() => Some("more members may come than a table holds"),
            Some(_) => None,
        }
    }

    /// Whether more members can start than a table holds: views can then never be equal.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        let is_small = |config: &tidings::Config| (config.members_max as u64) < u64::from(self.host_limit());
        self.configs().is_ok_and(|configs| configs.all().any(is_small))
    }

    /// Whether datagrams are lost that a cut or a stopped host does not account for: by chance, by damage, or because
    /// a narrow link's queue is full.
    #[must_use]
    pub fn has_random_loss(&self) -> bool {
        let loses = |fault: &Fault| {
            matches!(
                fault,
                Fault::Loss { .. } | Fault::BurstLoss { .. } | Fault::Corrupt { .. } | Fault::Bandwidth { .. }
            )
        };
        self.faults.iter().any(|planned| loses(&planned.what))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::fault::{Hosts, Lie, Links};

    #[test]
    fn a_scenario_knows_what_kind_it_is() {
        let quiet = Scenario::new("t", 3, Duration::from_secs(9));
        assert!(!quiet.has_liar() && !quiet.is_crowded() && !quiet.has_random_loss());
        let every = Duration::from_secs(1);
        let lie = Fault::Lie { hosts: Hosts::These(vec![1]), about: Hosts::All, what: Lie::Suspect, every };
        let lying = quiet.clone().with(Planned::at(Duration::ZERO, lie));
        assert_eq!((lying.has_liar(), [0, 1, 2].map(|host| lying.is_liar(host))), (true, [false, true, false]));
        let mut crowded = quiet.clone();
        crowded.config.insert("members_max".to_owned(), 3.into());
        assert!(!crowded.is_crowded());
        assert!(
            crowded.with(Planned::at(Duration::ZERO, Fault::Join { count: 1, clock: Default::default() })).is_crowded()
        );
        let corrupt = Fault::Corrupt { links: Links::default(), permille: 1 };
        assert!(quiet.with(Planned::at(Duration::ZERO, corrupt)).has_random_loss());
    }
}
