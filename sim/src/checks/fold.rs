//! Always, of events: folded they equal the view, each follows from the one before, and the departed stay departed.

use std::collections::BTreeMap;
use std::time::Duration;

use tidings::member::Incarnation;
use tidings::why::Cause;
use tidings::{Event, Generation, Instant, Member, NodeId, Protocol, State};

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

/// What one application knows of one member.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opinion {
    state: State,
    generation: Generation,
    incarnation: Incarnation,
    /// The hash of its address and metadata.
    said: u64,
    /// Whether its Dead is provisional.
    is_provisional: bool,
    /// When it suspected, and the moment its verdict was announced for, by the host's own clock.
    suspected: Option<(Instant, Instant)>,
    was_dead: bool,
    is_flapping: bool,
    /// When it was last told that it flaps no more, or is gone, dead or another process.
    calmed: Option<Instant>,
    /// Since when its table has had a suspicion that was not told.
    held_since: Option<Instant>,
    /// When it was last told of a suspicion, by the host's own clock.
    told_at: Option<Instant>,
    /// How soon after the suspicion before, if too soon for a member that flaps.
    hurried: Option<Duration>,
}

/// Of a member that flaps a pair of Suspect and Refuted is told so long after the one before at the soonest.
const PAIRS_APART: Duration = Duration::from_secs(10);

impl Opinion {
    fn of(member: &Member, state: State) -> Self {
        Opinion {
            state,
            generation: member.generation(),
            incarnation: member.incarnation(),
            said: hash(member),
            is_provisional: false,
            suspected: None,
            was_dead: false,
            is_flapping: member.is_flapping(),
            calmed: None,
            held_since: None,
            told_at: None,
            hurried: None,
        }
    }

    /// A suspicion is told, that has perhaps run for a while.
    fn suspect(&mut self, now: Instant, local: Instant, before: Option<Opinion>, dead_after: Instant) {
        self.state = State::Suspect;
        let since = before.and_then(|before| before.held_since).unwrap_or(now);
        self.suspected = Some((since, dead_after));
        let apart = self.told_at.replace(local).map(|last| local.since(last));
        self.hurried = apart.filter(|apart| self.is_flapping && *apart < PAIRS_APART);
    }

    /// When the suspicion that runs began to be told (by true time), and when its verdict is due (by the host's clock).
    pub(super) fn suspected(&self) -> Option<(Instant, Instant)> {
        self.suspected
    }
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

    /// Whether somebody came back from the dead at the same generation, lately asked.
    pub(super) fn healed(&mut self) -> bool {
        std::mem::take(&mut self.healed)
    }

    /// Takes an event in.
    pub(super) fn told(&mut self, moment: Moment, host: u32, event: &Event) -> Option<Violation> {
        let member = event.member()?;
        let local = self.read(moment, host);
        let fold = self.hosts.get_mut(host as usize)?;
        let before = fold.get(&member.id()).copied();
        let place = (member.generation(), member.incarnation());
        let mut opinion = Opinion::of(member, member.state());
        opinion.told_at = before.and_then(|before| before.told_at);
        let is_calmed = before.is_some_and(|before| before.is_flapping && !opinion.is_flapping);
        opinion.calmed = if is_calmed { Some(moment.now) } else { before.and_then(|before| before.calmed) };
        let wrong = match event {
            Event::Up(_) => {
                opinion.state = State::Alive;
                self.healed |= before.is_some_and(|before| before.was_dead && before.generation == place.0);
                let is_up = before.is_some_and(|before| before.state.is_live());
                is_up.then(|| ("fold", "Up of who was up".to_owned())).or_else(|| raised(before, place))
            }
            Event::Suspect { dead_after, .. } => {
                opinion.suspect(moment.now, local, before, *dead_after);
                let follows = before.is_some_and(|before| before.state == State::Alive);
                (!follows)
                    .then(|| ("fold", "Suspect of who was not Alive".to_owned()))
                    .or_else(|| raised(before, place))
            }
            Event::Refuted(_) => {
                opinion.state = State::Alive;
                let follows = before.is_some_and(|before| before.state == State::Suspect);
                let hurried = before.and_then(|before| before.hurried);
                let soon = |apart| format!("a pair {} after the one before, though it flaps", super::span(apart));
                let wrong = (!follows).then(|| "Refuted without a Suspect before".to_owned());
                wrong.or_else(|| hurried.map(soon)).map(|text| ("fold", text))
            }
            Event::Dead { isolated, reason, .. } => {
                opinion.state = State::Dead;
                opinion.is_provisional = *isolated;
                opinion.was_dead = !*isolated;
                opinion.suspected = before.and_then(|before| before.suspected);
                let is_verdict = *reason != tidings::event::DeadReason::Restarted;
                buried(local, before, place.0, is_verdict)
            }
            Event::Left(_) => {
                opinion.state = State::Left;
                None
            }
            _ => {
                opinion.state = before.map_or(opinion.state, |before| before.state);
                opinion.suspected = before.and_then(|before| before.suspected);
                opinion.is_provisional = before.is_some_and(|before| before.is_provisional);
                opinion.held_since = before.and_then(|before| before.held_since);
                opinion.hurried = before.and_then(|before| before.hurried);
                let is_told = before.is_some_and(|before| before.state == member.state());
                (!is_told).then(|| ("fold", format!("Updated as {:?}, who was {before:?}", member.state())))
            }
        };
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

/// Whether a suspicion may be held back: it is so already, or the suspect flaps, or all who accuse it do. One that has
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

/// Who is certainly Dead or Left comes back only at a higher place.
fn raised(before: Option<Opinion>, place: (Generation, Incarnation)) -> Option<(&'static str, String)> {
    let before = before?;
    let is_gone = before.state == State::Left || (before.state == State::Dead && !before.is_provisional);
    let (generation, incarnation) = (before.generation, before.incarnation);
    (is_gone && (generation, incarnation) >= place).then(|| {
        let text = format!("{:?} at {generation}.{incarnation}, back at {}.{}", before.state, place.0, place.1);
        ("no-resurrection", text)
    })
}

/// A death must not follow a departure, nor come before its time.
fn buried(
    local: Instant,
    before: Option<Opinion>,
    generation: Generation,
    is_verdict: bool,
) -> Option<(&'static str, String)> {
    let Some(before) = before else { return Some(("fold", "Dead who was never up".to_owned())) };
    if before.state == State::Left && before.generation == generation {
        return Some(("left-stays", "Dead after Left".to_owned()));
    }
    if !is_verdict {
        return None;
    }
    let Some((_, dead_after)) = before.suspected else {
        return Some(("fold", format!("Dead who was {:?}, not Suspect", before.state)));
    };
    let early = dead_after.since(local);
    (early > Duration::ZERO).then(|| ("dead-after", format!("dead {} before the moment named", super::span(early))))
}

#[cfg(test)]
mod tests {
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
