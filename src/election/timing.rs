//! How far apart candidates stand: as long as an attempt takes on this network and these disks.
//!
//! A turn that is shorter than an attempt keeps no candidates apart: the second stands before it hears of the first.
//! The leader knows how long a quorum takes to answer and says so with its heartbeats, so that all voters take the same
//! turn when it is gone.

use std::time::Duration;

use crate::election::rules::Rules;

/// What a leader measures, and what a voter was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Timing {
    /// The longest of the times in which a quorum answered lately; a long one fades by an eighth with each shorter one.
    answer: Duration,
    /// The same of saves.
    save: Duration,
    /// The turn that the last leader told.
    told: Duration,
}

impl Timing {
    /// A quorum has answered.
    pub(super) fn answered(&mut self, took: Duration) {
        self.answer = took.max(self.answer - self.answer / 8);
    }

    /// A ballot was saved, or could not be.
    pub(super) fn saved(&mut self, took: Duration) {
        self.save = took.max(self.save - self.save / 8);
    }

    /// The leader says how long a turn should be.
    pub(super) fn hear(&mut self, turn: Duration) {
        self.told = turn;
    }

    /// How long a turn should be, by what this node measured: an attempt asks twice, and two ballots are saved.
    pub(super) fn measured(&self, rules: &Rules) -> Duration {
        rules.turn((self.answer + self.save) * 2)
    }

    /// How long a turn is: as the last leader told, within the bounds of [`Rules::turn`].
    pub(super) fn turn(&self, rules: &Rules) -> Duration {
        rules.turn(self.told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ElectionConfig;

    #[test]
    fn a_turn_is_as_long_as_an_attempt_within_its_bounds() {
        let ms = Duration::from_millis;
        let rules = Rules::new(&ElectionConfig::wan("default", ["a", "b", "c"]));
        let least = rules.lease() / 16;
        // (a quorum's answer, a save, the turn that follows)
        let rows = [
            (ms(1), ms(1), least),
            (ms(90), ms(0), least),
            (ms(300), ms(5), ms(610)),
            (ms(10), ms(200), ms(420)),
            (ms(2_000), ms(0), rules.lease() / 2),
        ];
        for (answer, save, turn) in rows {
            let (mut leader, mut follower) = (Timing::default(), Timing::default());
            leader.answered(answer);
            leader.saved(save);
            assert_eq!(leader.turn(&rules), least, "its own measure is for those who follow it");
            follower.hear(leader.measured(&rules));
            assert_eq!(follower.turn(&rules), turn, "{answer:?} {save:?}");
        }
    }

    #[test]
    fn a_slow_answer_fades() {
        let rules = Rules::new(&ElectionConfig::wan("default", ["a"]));
        let mut timing = Timing::default();
        timing.answered(Duration::from_millis(400));
        let mut before = timing.measured(&rules);
        for _ in 0..20 {
            timing.answered(Duration::from_millis(1));
            let now = timing.measured(&rules);
            assert!(now <= before);
            before = now;
        }
        assert_eq!(before, rules.turn(Duration::ZERO));
    }
}
