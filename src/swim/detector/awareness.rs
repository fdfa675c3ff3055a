//! Lifeguard's local health multiplier, as a gauge of how far this node trusts itself (`protocol.md 4.6`).
//!
//! Lifeguard (IV-A) stretches timeouts by it. Here it is reported and stretches nothing: a longer timeout means fewer
//! tries in a round, and so more failures (modelled at 30 % loss: 80,000 suspicions with it, 8,800 without). A
//! deviation, named as one.

/// The multiplier's ceiling. Source: Lifeguard, table I (S = 8).
pub(crate) const AWARENESS_MAX: u8 = 8;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Awareness(u8);

impl Awareness {
    /// A probe was answered: the level falls by one.
    pub(crate) fn probe_answered(&mut self) {
        self.0 = self.0.saturating_sub(1);
    }

    /// A probe failed: the level rises by one, and by one more if a relay reported nothing at all.
    pub(crate) fn probe_failed(&mut self, nacks_missed: u8) {
        self.raise(1 + nacks_missed.min(1));
    }

    /// This node had to refute a suspicion of itself: the level rises by one.
    pub(crate) fn refuted(&mut self) {
        self.raise(1);
    }

    pub(crate) fn level(self) -> u8 {
        self.0
    }

    fn raise(&mut self, by: u8) {
        self.0 = (self.0 + by).min(AWARENESS_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_falls_and_saturates() {
        let mut awareness = Awareness::default();
        awareness.probe_answered();
        assert_eq!(awareness.level(), 0);
        awareness.probe_failed(0);
        awareness.probe_failed(3);
        assert_eq!(awareness.level(), 3);
        awareness.refuted();
        awareness.probe_answered();
        assert_eq!(awareness.level(), 3);
        for _ in 0..20 {
            awareness.probe_failed(1);
        }
        assert_eq!(awareness.level(), AWARENESS_MAX);
    }
}
