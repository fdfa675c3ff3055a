//! Always, of events: folded they equal the view.

use std::collections::BTreeMap;

use tidings::why::Cause;
use tidings::{Event, Instant, Member, NodeId, Protocol, State};

use crate::checks::opinion::Opinion;
use crate::checks::truth::hash;
use crate::violation::Violation;
use crate::watch::Moment;

/// What the applications of all hosts know from events alone.
#[derive(Debug, Default)]
pub(super) struct Folds {
    hosts: Vec<BTreeMap<NodeId, Opinion>>,
    /// The latest that each host's clock has said to its process, which takes no time for going back.
    clocks: Vec<Instant>,
    healed: bool,
}

impl Folds {
    pub(super) fn started(&mut self, host: u32) {
        let place = host as usize;
        if self.hosts.len() <= place {
            self.hosts.resize_with(place + 1, BTreeMap::new);
            self.clocks.resize(place + 1, Instant::ORIGIN);
        }
        self.hosts[place].clear();
        self.clocks[place] = Instant::ORIGIN;
    }

    /// What a host's clock says, as its process counts: the protocol, too, takes a clock that goes back for one that
    /// stands still until it is where it was.
    pub(super) fn read(&mut self, moment: Moment, host: u32) -> Instant {
        let Some(latest) = self.clocks.get_mut(host as usize) else { return moment.local() };
        *latest = moment.local().max(*latest);
        *latest
    }

    pub(super) fn opinion(&self, host: u32, id: NodeId) -> Option<&Opinion> {
        self.hosts.get(host as usize)?.get(&id)
    }

    /// n as the protocol counts it: all that are neither certainly Dead nor Left.
    pub(super) fn present(&self, host: u32) -> usize {
        let all = self.hosts.get(host as usize).into_iter().flat_map(|fold| fold.values());
        all.filter(|known| known.state.is_live() || (known.state == State::Dead && known.is_provisional)).count()
    }

    /// Whether a member came back from the dead at the same generation, lately asked.
    pub(super) fn healed(&mut self) -> bool {
        std::mem::take(&mut self.healed)
    }

    /// Takes an event in.
    pub(super) fn told(&mut self, moment: Moment, host: u32, event: &Event) -> Option<Violation> {
        let member = event.member()?;
        let local = self.read(moment, host);
        let fold = self.hosts.get_mut(host as usize)?;
        let before = fold.get(&member.id()).copied();
        let (opinion, wrong) = Opinion::after(before, (moment.now, local), event, member);
        let was_dead = before.is_some_and(|before| before.was_dead_as(member.generation()));
        self.healed |= was_dead && matches!(event, Event::Up(_));
        fold.insert(member.id(), opinion);
        wrong.map(|(check, text)| Violation {
            check,
            at: moment.now,
            text: format!("n{host} told of {}: {text}", member.name()),
            hosts: vec![host],
        })
    }

    /// Compares what the events said of a member with what the table says: the same, but that a suspicion of a member
    /// that flaps, or by such alone, may not have been told yet.
    pub(super) fn compare(&mut self, moment: Moment, host: u32, protocol: &Protocol, id: NodeId) -> Option<Violation> {
        let held = protocol.member(id);
        let fold = self.hosts.get_mut(host as usize);
        let is_held = fold.as_deref().is_some_and(|fold| may_be_held(moment.now, fold, protocol, id));
        let folded = fold.and_then(|fold| fold.get_mut(&id)).filter(|opinion| opinion.state != State::Left);
        let folded = folded.map(|folded| {
            folded.held_since = folded.held_since.or(Some(moment.now)).filter(|_| is_held);
            &*folded
        });

        let is_same = match (folded, held) {
            (Some(folded), Some(held)) => {
                let is_told = !held.state().is_live() || folded.said == hash(held);
                let is_marked = folded.is_flapping == held.is_flapping();
                let flapping = || protocol.members().filter(|member| member.is_flapping()).count();
                let is_counted = !held.is_flapping() || flapping() == protocol.metrics().members_flapping;
                (folded.state == held.state() || is_held)
                    && folded.generation == held.generation()
                    && is_told
                    && is_marked
                    && is_counted
            }
            (None, None) => true,
            // A node's own departure is its own last word.
            (folded, held) => id == protocol.me().id() && (folded.is_none() || held.is_none()),
        };

        (!is_same).then(|| Violation {
            check: "fold",
            at: moment.now,
            text: format!("n{host}'s events say {folded:?}, its view says {held:?}"),
            hosts: vec![host],
        })
    }
}

/// Whether a suspicion may be held back: it is so already, or the suspect flaps, or all its accusers do. One that has
/// calmed at this very moment may have flapped when the suspicion began: one datagram tells of both, in either order.
fn may_be_held(now: Instant, fold: &BTreeMap<NodeId, Opinion>, protocol: &Protocol, id: NodeId) -> bool {
    let is_suspect = protocol.member(id).is_some_and(|member| member.state() == State::Suspect);
    let Some(folded) = fold.get(&id).filter(|folded| is_suspect && folded.state == State::Alive) else { return false };
    let calms = |id: NodeId| fold.get(&id).is_some_and(|accuser| accuser.calmed == Some(now));
    let flaps = |id: NodeId| protocol.member(id).is_some_and(Member::is_flapping);
    let Some(why) = protocol.why(id) else { return false };
    let mut accusers = why.steps.iter().filter_map(|step| match step.what {
        Cause::Accused(accuser) => Some(accuser),
        _ => None,
    });
    folded.held_since.is_some() || flaps(id) || accusers.all(|accuser| flaps(accuser) || calms(accuser))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Clock;

    fn at(secs: u64) -> Instant {
        Instant::ORIGIN + Duration::from_secs(100 + secs)
    }

    #[test]
    fn a_clock_that_is_set_back_stands_still_for_its_process_and_begins_anew_for_the_next() {
        let (mut folds, mut clock) = (Folds::default(), Clock::new(at(0), at(50)));
        folds.started(1);
        let mut reads = |folds: &mut Folds, secs: u64, back: u64| {
            clock.step_back(at(secs), Duration::from_secs(back));
            folds.read(Moment { now: at(secs), clock }, 1)
        };
        let read = [(0, 0), (5, 3), (6, 0), (9, 0)].map(|(secs, back)| reads(&mut folds, secs, back));
        assert_eq!(read, [at(50), at(52), at(53), at(56)]);
        let read = [(10, 2), (11, 0), (13, 0)].map(|(secs, back)| reads(&mut folds, secs, back));
        assert_eq!(read, [at(56), at(56), at(58)]);
        folds.started(1);
        assert_eq!(reads(&mut folds, 13, 4), at(54));
    }
}
