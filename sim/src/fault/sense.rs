//! Whether a planned fault makes sense: ranges, and what cannot come and go.

use std::time::Duration;

use crate::delay::Delay;
use crate::fault::{Fault, Hosts, Planned};

/// Hosts that a fault may start in all.
const STARTED_MAX: u64 = 65_536;
/// Repetitions of one fault.
const TIMES_MAX: u32 = 100_000;
/// A flap is no faster.
const FLAP_MIN: Duration = Duration::from_millis(1);
/// No host changes its metadata more often.
const WRITE_MIN: Duration = Duration::from_millis(1);
/// Clocks are wrong by less.
const PPM_MAX: u64 = 900_000;
/// Nothing takes longer.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);

impl Planned {
    /// How many hosts it starts in all.
    pub(crate) fn starts(&self) -> u64 {
        let times = u64::from(self.again.map_or(1, |again| again.times));
        match self.what {
            Fault::Join { count, .. } => u64::from(count) * times,
            Fault::Twin { .. } => times,
            _ => 0,
        }
    }

    /// Checks what the types do not.
    pub(crate) fn check(&self) -> Result<(), String> {
        let again = self.again.map_or(Duration::ZERO, |again| again.every);
        if [self.at, self.lasts.unwrap_or_default(), self.stagger.unwrap_or_default(), again]
            .iter()
            .any(|span| *span > YEAR)
        {
            return Err("nothing lasts longer than a year".to_owned());
        }
        if self.again.is_some_and(|again| again.times > TIMES_MAX || (again.times > 1 && again.every.is_zero())) {
            return Err(format!("`again` needs time between, and {TIMES_MAX} times at most"));
        }

        if self.starts() > STARTED_MAX {
            return Err(format!("it would start {} hosts; {STARTED_MAX} at most", self.starts()));
        }

        if let Some(flap) = self.flap {
            if flap.on < FLAP_MIN || flap.off < FLAP_MIN {
                return Err("a flap needs time on and time off, 1ms at least".to_owned());
            }
            if self.lasts.is_none() {
                return Err("what flaps needs an end; give it `for`".to_owned());
            }
            if self.what.is_of_a_moment() {
                return Err("it happens at a moment and cannot flap; repeat it with `again`".to_owned());
            }
        }

        if self.stagger.is_some() && self.what.clone().hosts_mut().is_none() {
            return Err("it hits no hosts one after the other: `stagger` means nothing".to_owned());
        }

        self.what.check()
    }
}

impl Fault {
    /// Whether it happens and is not undone: nothing that can come and go.
    pub(crate) fn is_of_a_moment(&self) -> bool {
        matches!(
            self,
            Fault::Step { .. }
                | Fault::Join { .. }
                | Fault::Twin { .. }
                | Fault::Metadata { .. }
                | Fault::Move { .. }
                | Fault::Forget { .. }
                | Fault::Resign { .. }
                | Fault::Prefer { .. }
                | Fault::ChangeVoters { .. }
                | Fault::SetClock { .. }
        )
    }

    fn check(&self) -> Result<(), String> {
        let permilles: &[u32] = match self {
            Fault::Loss { permille, .. } | Fault::Duplicate { permille, .. } => &[*permille],
            Fault::Corrupt { permille, .. } | Fault::Reorder { permille, .. } => &[*permille],
            Fault::BurstLoss { good_permille, bad_permille, worsens_permille, mends_permille, .. } => {
                &[*good_permille, *bad_permille, *worsens_permille, *mends_permille]
            }
            _ => &[],
        };
        if permilles.iter().any(|permille| *permille > 1_000) {
            return Err("more than 1,000 of a thousand".to_owned());
        }

        let mut aimed = self.clone();
        if let Some(Hosts::Share { percent: 101.. }) = aimed.hosts_mut() {
            return Err("more than 100 of a hundred hosts".to_owned());
        }

        match self {
            Fault::Metadata { bytes, .. } | Fault::Writers { bytes, .. } if *bytes > 512 => {
                Err(format!("{bytes} bytes of metadata; 512 at most"))
            }
            Fault::Drift { ppm, .. } if ppm.unsigned_abs() > PPM_MAX => {
                Err(format!("ppm = {ppm}: use -{PPM_MAX} to {PPM_MAX}"))
            }
            Fault::Lie { every, .. } if every.is_zero() => Err("a liar needs time between: give it `every`".to_owned()),
            Fault::Writers { every, .. } if *every < WRITE_MIN => {
                Err("writers need time between: `every` is 1ms at least".to_owned())
            }
            Fault::Latency { delay: Delay::Uniform { from, to }, .. } if from > to => {
                Err("a uniform delay goes from the lesser to the greater".to_owned())
            }
            Fault::Partition { groups, bridges } => sides_make_sense(groups, bridges),
            _ => Ok(()),
        }
    }
}

fn sides_make_sense(groups: &[Vec<u32>], bridges: &[u32]) -> Result<(), String> {
    if groups.is_empty() {
        return Err("a partition needs groups".to_owned());
    }
    let mut named: Vec<u32> = groups.iter().flatten().chain(bridges).copied().collect();
    named.sort_unstable();
    match named.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("host {} stands on two sides", pair[0])),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Flap, Links, Repeat};

    #[test]
    fn what_would_run_for_ever_or_do_nothing_is_refused() {
        let second = Duration::from_secs(1);
        let at = |what: Fault| Planned::at(second, what);
        let lie =
            Fault::Lie { hosts: Hosts::All, about: Hosts::All, what: crate::fault::Lie::Dead, every: Duration::ZERO };
        let join = at(Fault::Join { count: u32::MAX, clock: Default::default() });
        let flap = Some(Flap { on: second, off: second });
        let join_one = Fault::Join { count: 1, clock: Default::default() };
        let writers = Fault::Writers { hosts: Hosts::All, bytes: 9, every: Duration::ZERO };

        let refused = [
            (join.clone(), "would start"),
            (
                Planned { again: Some(Repeat { every: Duration::ZERO, times: 2 }), ..at(Fault::crash(&[0])) },
                "time between",
            ),
            (Planned { flap, lasts: Some(second * 9), ..at(join_one) }, "cannot flap"),
            (Planned { flap, ..at(Fault::crash(&[0])) }, "needs an end"),
            (Planned { stagger: Some(second), ..at(Fault::loss(1)) }, "means nothing"),
            (at(Fault::loss(1_001)), "of a thousand"),
            (at(Fault::Metadata { hosts: Hosts::All, bytes: 513 }), "512 at most"),
            (at(Fault::Drift { hosts: Hosts::All, ppm: i64::MIN }), "ppm"),
            (at(lie), "every"),
            (at(writers), "every"),
            (at(Fault::Partition { groups: vec![vec![0, 1], vec![1]], bridges: vec![] }), "two sides"),
        ];

        for (planned, words) in refused {
            let said = planned.check().unwrap_err();
            assert!(said.contains(words), "{said:?} does not say {words:?}");
        }

        assert_eq!(at(Fault::Cut { links: Links::default() }).check(), Ok(()));
        assert_eq!(join.starts(), u64::from(u32::MAX));
    }
}
