//! What an application knows of one member from events alone: each follows from the one before, and the departed stay
//! departed.

use std::time::Duration;

use tidings::event::DeadReason;
use tidings::member::Incarnation;
use tidings::{Event, Generation, Instant, Member, State};

use crate::checks::truth::hash;

/// Of a member that flaps a pair of Suspect and Refuted is told so long after the one before at the soonest.
const PAIRS_APART: Duration = Duration::from_secs(10);

/// The check that an event fails, and how.
type Wrong = (&'static str, String);

/// What one application knows of one member.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opinion {
    pub(super) state: State,
    pub(super) generation: Generation,
    incarnation: Incarnation,
    /// The hash of its address and metadata.
    pub(super) said: u64,
    /// Whether its Dead is provisional.
    pub(super) is_provisional: bool,
    /// When it suspected, and the moment its verdict was announced for, by the host's own clock.
    suspected: Option<(Instant, Instant)>,
    was_dead: bool,
    pub(super) is_flapping: bool,
    /// When it was last told that it flaps no more, or is gone, dead or another process.
    pub(super) calmed: Option<Instant>,
    /// Since when its table has had a suspicion that was not told.
    pub(super) held_since: Option<Instant>,
    /// When it was last told of a suspicion, by the host's own clock.
    told_at: Option<Instant>,
    /// How soon after the suspicion before, if too soon for a member that flaps.
    hurried: Option<Duration>,
}

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

    /// What an event makes of the opinion before it, at this true time and this time by the host's clock; and what is
    /// wrong with its coming then.
    pub(super) fn after(
        before: Option<Opinion>,
        (now, local): (Instant, Instant),
        event: &Event,
        member: &Member,
    ) -> (Self, Option<Wrong>) {
        let place = (member.generation(), member.incarnation());
        let mut opinion = Opinion::of(member, member.state());
        opinion.told_at = before.and_then(|before| before.told_at);
        let is_calmed = before.is_some_and(|before| before.is_flapping && !opinion.is_flapping);
        opinion.calmed = if is_calmed { Some(now) } else { before.and_then(|before| before.calmed) };

        let wrong = match event {
            Event::Up(_) => {
                opinion.state = State::Alive;
                let is_up = before.is_some_and(|before| before.state.is_live());
                is_up.then(|| ("fold", "Up of who was up".to_owned())).or_else(|| raised(before, place))
            }
            Event::Suspect { dead_after, .. } => {
                opinion.suspect(now, local, before, *dead_after);
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
            Event::Dead { provisional, reason, .. } => {
                opinion.state = State::Dead;
                opinion.is_provisional = *provisional;
                opinion.was_dead = !*provisional;
                opinion.suspected = before.and_then(|before| before.suspected);
                let is_verdict = *reason != DeadReason::Restarted;
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

        (opinion, wrong)
    }

    /// Whether the process of this generation was certainly Dead.
    pub(super) fn was_dead_as(&self, generation: Generation) -> bool {
        self.was_dead && self.generation == generation
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

/// A member that is certainly Dead or Left comes back only at a higher (generation, incarnation).
fn raised(before: Option<Opinion>, place: (Generation, Incarnation)) -> Option<Wrong> {
    let before = before?;
    let is_gone = before.state == State::Left || (before.state == State::Dead && !before.is_provisional);
    let (generation, incarnation) = (before.generation, before.incarnation);
    (is_gone && (generation, incarnation) >= place).then(|| {
        let text = format!("{:?} at {generation}.{incarnation}, back at {}.{}", before.state, place.0, place.1);
        ("no-resurrection", text)
    })
}

/// A death must not follow a departure, nor come before its time.
fn buried(local: Instant, before: Option<Opinion>, generation: Generation, is_verdict: bool) -> Option<Wrong> {
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
