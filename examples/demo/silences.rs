//! What was really done to each node, and when: the referee that tells a false death from a true one.
//!
//! The nodes never see this. A member silent for less than P must never be called dead; one that was killed, frozen or
//! cut off for P or longer may be.

use std::collections::BTreeSet;
use std::time::Duration;

use super::commands::Number;

/// Past silences that are remembered.
const PAST_MAX: usize = 256;

/// All silences so far; moments are counted from the start of the demo.
#[derive(Debug)]
pub struct Silences {
    silences: Vec<Silence>,
    /// P: a silence as long may be called a death.
    tolerance: Duration,
    /// How much sooner than a silence begins a ping may have been sent that it swallowed.
    leeway: Duration,
}

#[derive(Debug)]
struct Silence {
    of: Silent,
    from: Duration,
    to: Option<Duration>,
}

/// Which nodes are silent, and towards which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Silent {
    /// It was killed or left: towards all.
    Gone(Number),
    /// It does not run: towards all.
    Frozen(Number),
    /// These and all others: towards each other.
    Cut(BTreeSet<Number>),
}

impl Silent {
    fn hides(&self, observer: Number, member: Number) -> bool {
        match self {
            Silent::Gone(node) | Silent::Frozen(node) => *node == member,
            Silent::Cut(side) => side.contains(&observer) != side.contains(&member),
        }
    }
}

impl Silences {
    pub fn new(tolerance: Duration, leeway: Duration) -> Self {
        Silences { silences: Vec::new(), tolerance, leeway }
    }

    pub fn begins(&mut self, of: Silent, at: Duration) {
        if self.silences.len() >= PAST_MAX {
            self.silences.retain(|silence| silence.to.is_none());
        }
        self.silences.push(Silence { of, from: at, to: None });
    }

    pub fn ends(&mut self, of: &Silent, at: Duration) {
        for silence in self.silences.iter_mut().filter(|silence| silence.to.is_none() && silence.of == *of) {
            silence.to = Some(at);
        }
    }

    /// Whether `observer` may call `member` dead at this moment: there is a silence of P, whatever made it, and it is
    /// not long over.
    pub fn excuses(&self, observer: Number, member: Number, at: Duration) -> bool {
        let hiding = self.silences.iter().filter(|silence| silence.of.hides(observer, member) && silence.from <= at);
        let mut spans: Vec<_> = hiding.map(|silence| (silence.from, silence.to.unwrap_or(at).min(at))).collect();
        spans.sort_unstable();
        let mut whole: Option<(Duration, Duration)> = None;
        spans.into_iter().any(|(from, to)| {
            let (from, to) = match whole {
                Some((began, end)) if from <= end => (began, end.max(to)),
                _ => (from, to),
            };
            whole = Some((from, to));
            to - from + self.leeway >= self.tolerance && at - to <= self.tolerance
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn only_a_long_silence_excuses_a_verdict() {
        let mut silences = Silences::new(ms(1_000), ms(200));
        assert!(!silences.excuses(1, 3, ms(5_000)), "nothing happened to it");
        silences.begins(Silent::Gone(3), ms(5_000));
        assert!(!silences.excuses(1, 3, ms(5_700)), "a verdict before P is false, even of the dead");
        assert!(silences.excuses(1, 3, ms(5_900)) && !silences.excuses(1, 4, ms(5_900)));
        silences.ends(&Silent::Gone(3), ms(7_000));
        assert!(silences.excuses(1, 3, ms(7_500)) && !silences.excuses(1, 3, ms(9_000)), "it has been back for long");
        silences.begins(Silent::Frozen(4), ms(10_000));
        silences.ends(&Silent::Frozen(4), ms(10_700));
        assert!(!silences.excuses(1, 4, ms(11_500)), "a stall below P");
    }

    #[test]
    fn a_cut_hides_each_side_from_the_other() {
        let mut silences = Silences::new(ms(1_000), ms(200));
        silences.begins(Silent::Cut([1, 2].into()), ms(0));
        assert!(silences.excuses(1, 3, ms(2_000)) && silences.excuses(3, 1, ms(2_000)));
        assert!(!silences.excuses(1, 2, ms(2_000)) && !silences.excuses(3, 4, ms(2_000)));
        silences.ends(&Silent::Cut([1, 2].into()), ms(2_500));
        silences.begins(Silent::Cut([1].into()), ms(2_500));
        assert!(silences.excuses(1, 3, ms(2_600)), "one cut took the place of another");
        assert!(!silences.excuses(1, 2, ms(3_000)), "cut off only since");
    }
}
