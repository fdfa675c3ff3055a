//! What a leader does about the voters: makes the configuration its own, has both lists agree, and lets the second
//! stand.
//!
//! A step is taken only once more than half of each list of the configuration before it have saved that one, in a store
//! that outlives their process, as this leader's own: from then on no leader is elected under any earlier one. The
//! newcomers save the joint configuration, and follow, before it takes effect, so that the leader does not lose its
//! leadership to the change.

use std::sync::Arc;
use std::time::Duration;

use crate::election::message::Progress;
use crate::leader::Term;
use crate::member::NodeId;
use crate::sabotage;
use crate::time::Instant;
use crate::voters::{Version, Voters};

/// How many leases the voters that a change needs may take to save and follow, unless it is forced.
pub(super) const OFFER_LEASES: u32 = 4;

/// What a leader does next about the voters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing but telling the nodes that have yet to save.
    Wait,
    /// Saves this configuration, which is in effect then.
    Save(Voters),
    /// Tells the newcomers of this one, which is not in effect yet.
    Offer(Voters),
    /// Hands over to a voter that stays, if one of them stands; saves this configuration if that has not helped for
    /// long.
    HandOver(Voters),
    /// Gives leadership up: the voters are agreed, and this leader is none of them.
    Leave,
    /// The list that was wanted is agreed.
    Done,
    /// Ends a change that cannot be made.
    GiveUp(Progress),
}

/// A change that a node asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Wanted {
    pub(super) list: Vec<Arc<str>>,
    is_forced: bool,
    since: Instant,
    /// Until when it must have been asked for again.
    pub(super) until: Instant,
}

/// A change that came to nothing: of which list, why, and until when that is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Failure {
    digest: u64,
    why: Progress,
    until: Instant,
}

/// What a node was last known to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Holder {
    id: NodeId,
    /// The configuration that its messages name.
    names: Version,
    /// The one that it says it has saved.
    saved: Option<Version>,
    is_durable: bool,
}

/// The voters, as a leader sees to them in its term.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Transition {
    pub(super) wanted: Option<Wanted>,
    /// The joint configuration that the newcomers were told of.
    offer: Option<Voters>,
    /// Since when, and until when they may take to follow.
    offered_at: Instant,
    offer_until: Instant,
    /// Ascending by id.
    holders: Vec<Holder>,
    /// Nodes beside the voters that are told what is in effect, because they were told or held something else, and
    /// until when.
    others: Vec<(NodeId, Instant)>,
    /// Whether a node names a configuration of an earlier term that is later than the one in effect.
    is_contested: bool,
    /// Why the last change came to nothing: told for a while to the nodes that ask.
    failed: Option<Failure>,
}

impl Transition {
    /// A node's message names a configuration.
    pub(super) fn note_named(&mut self, id: NodeId, version: Version, in_effect: Version, term: Term) {
        let holder = self.holder(id);
        // A voter that forgets starts again at the first.
        holder.names = version;
        holder.saved = holder.saved.filter(|saved| *saved <= version);
        // What was made in this leader's own term is its own.
        self.is_contested |= version > in_effect && version.term < term;
    }

    /// A node says that it has saved the configuration that its message names.
    pub(super) fn note_saved(&mut self, id: NodeId, version: Version, is_durable: bool) {
        let holder = self.holder(id);
        // The question which voters there are is the same message, without a word of its sender's store.
        holder.is_durable = is_durable || holder.is_durable && holder.saved == Some(version);
        (holder.names, holder.saved) = (version, Some(version));
    }

    fn holder(&mut self, id: NodeId) -> &mut Holder {
        let place = self.holders.binary_search_by_key(&id, |holder| holder.id).unwrap_or_else(|place| {
            let new = Holder { id, names: Version::default(), saved: None, is_durable: false };
            self.holders.insert(place, new);
            place
        });
        &mut self.holders[place]
    }

    fn find(&self, id: NodeId) -> Option<&Holder> {
        let place = self.holders.binary_search_by_key(&id, |holder| holder.id).ok()?;
        self.holders.get(place)
    }

    /// Whether a node has saved a configuration or a later one; `for_good`: in a store that outlives its process.
    fn has_saved(&self, id: NodeId, version: Version, for_good: bool) -> bool {
        self.find(id).is_some_and(|holder| holder.saved >= Some(version) && (holder.is_durable || !for_good))
    }

    /// Whether more than half of each list have saved a configuration for good.
    pub(super) fn is_agreed(&self, voters: &Voters) -> bool {
        let has_saved = |place: usize| match voters.all().get(place) {
            Some((id, _)) => self.has_saved(*id, voters.version(), true),
            None => false,
        };
        voters.agree(has_saved)
    }

    /// Whether there is anything to do but to tell the nodes that are behind.
    fn is_under_way(&self, voters: &Voters) -> bool {
        self.wanted.is_some() || self.offer.is_some() || self.is_contested || voters.is_joint()
    }

    /// Whether a change is under way, or wanted.
    pub(super) fn is_busy(&self, voters: &Voters) -> bool {
        self.wanted.is_some() || self.offer.is_some() || voters.is_joint()
    }

    /// What is to be done next, in this term, with these voters in effect and saved here.
    ///
    /// `promised` is when each node was sent the question that it last promised in answer to.
    pub(super) fn step(
        &self,
        (now, lease, term): (Instant, Duration, Term),
        voters: &Voters,
        me: NodeId,
        promised: impl Fn(NodeId) -> Option<Instant>,
    ) -> Step {
        let version = voters.version();
        if !self.is_under_way(voters) && voters.place_of(me).is_some() {
            return Step::Wait;
        }

        // docs/elections.md, "Why it is safe", 4: the present one is saved with this leader's term before any other.
        if version.term != term {
            return Step::Save(voters.at(Version { term, ..version }));
        }

        if !self.is_agreed(voters) && !sabotage::is_off("agreed_before_the_next") {
            let Some(wanted) = self.wanted.as_ref().filter(|_| !voters.is_joint()) else { return Step::Wait };
            let is_late = !wanted.is_forced && now.since(wanted.since) > lease * OFFER_LEASES;
            return self.lacking(voters, |_| version, is_late);
        }

        // "Why it is safe", 5: from one list to that and another, or from two lists to one of them.
        let used = self.offer.as_ref().map_or(version, Voters::version);
        let next = Version { term, number: used.number.saturating_add(1) };
        if voters.is_joint() {
            if sabotage::is_off("joint_ends") {
                return Step::Wait;
            }
            let stays = voters.place_of(me).is_some_and(|place| voters.stays(place));
            let following = voters.following(next);
            return if stays { Step::Save(following) } else { Step::HandOver(following) };
        }

        if voters.place_of(me).is_none() {
            return Step::Leave;
        }

        match (&self.wanted, &self.offer) {
            (None, None) => Step::Wait,
            // It comes to nothing: the nodes that were told of it are outbid.
            (None, Some(_)) => Step::Save(voters.at(next)),
            (Some(wanted), None) if voters.is_just(&wanted.list) => Step::Done,
            (Some(wanted), None) => Step::Offer(voters.joint(next, &wanted.list)),
            (Some(wanted), Some(offer)) => {
                // A present voter will save it as it saved this one; a newcomer must have saved it.
                let awaited = |id: NodeId| if voters.place_of(id).is_some() { version } else { offer.version() };
                // A node that followed before the offer, or a lease ago, may be gone by now.
                let is_fresh = |asked: Instant| asked >= self.offered_at && asked + lease > now;
                let is_ready = |place: usize| {
                    let Some((id, _)) = offer.all().get(place) else { return false };
                    let follows = *id == me || promised(*id).is_some_and(is_fresh);
                    follows && self.has_saved(*id, awaited(*id), true)
                };
                if offer.agree(is_ready) {
                    return Step::Save(offer.clone());
                }
                self.lacking(offer, awaited, !wanted.is_forced && self.offer_until <= now)
            }
        }
    }

    /// Waits for a quorum, unless it is late for it, or so many forget what they save that there will be none.
    fn lacking(&self, voters: &Voters, awaited: impl Fn(NodeId) -> Version, is_late: bool) -> Step {
        let may_keep = |place: usize| match voters.all().get(place) {
            Some((id, _)) => !self.has_saved(*id, awaited(*id), false) || self.has_saved(*id, awaited(*id), true),
            None => false,
        };
        if !voters.agree(may_keep) {
            return Step::GiveUp(Progress::NotDurable);
        }
        if is_late { Step::GiveUp(Progress::TooFewLive) } else { Step::Wait }
    }

    /// A node asks for a list. If a change is wanted already, its patience counts on from the first request; only
    /// `until` is put off.
    pub(super) fn want(&mut self, now: Instant, list: Vec<Arc<str>>, is_forced: bool, until: Instant) {
        let since = self.wanted.as_ref().map_or(now, |wanted| wanted.since);
        self.wanted = Some(Wanted { list, is_forced, since, until });
    }

    /// The change that is wanted comes to nothing; `why` is told until then.
    pub(super) fn give_up(&mut self, why: Progress, until: Instant) {
        let digest = |wanted: Wanted| Voters::first(&wanted.list).digest();
        self.failed = self.wanted.take().map(digest).map(|digest| Failure { digest, why, until });
    }

    /// Why a change to this list came to nothing a moment ago.
    pub(super) fn failed(&self, now: Instant, list: &Voters) -> Option<Progress> {
        let failed = self.failed.filter(|failed| failed.until > now && failed.digest == list.digest())?;
        Some(failed.why)
    }

    /// Notes the configuration that the newcomers are told of, and until when they may take to follow.
    pub(super) fn offer(&mut self, offer: Voters, now: Instant, until: Instant) {
        (self.offer, self.offered_at, self.offer_until) = (Some(offer), now, until);
    }

    /// Another configuration is in effect: the nodes that have no part in it are told of it until then.
    pub(super) fn took_effect(&mut self, before: &Voters, after: &Voters, until: Instant) {
        let offered = self.offer.take();
        let told = before.all().iter().chain(offered.iter().flat_map(|offer| offer.all()));
        for (id, _) in told.filter(|(id, _)| after.place_of(*id).is_none()) {
            self.others.retain(|(other, _)| other != id);
            self.others.push((*id, until));
        }
        self.is_contested = false;
    }

    /// The nodes that are to become voters: the leader writes to them too.
    pub(super) fn newcomers(&self, voters: &Voters) -> Vec<NodeId> {
        let all = self.offer.iter().flat_map(|offer| offer.all());
        all.map(|(id, _)| *id).filter(|id| voters.place_of(*id).is_none()).collect()
    }

    /// Which nodes to tell of which configuration.
    pub(super) fn tells(&mut self, now: Instant, voters: &Voters, me: NodeId) -> Vec<(NodeId, Voters)> {
        let version = voters.version();
        self.others.retain(|(_, until)| *until > now);
        let is_asked = self.is_under_way(voters) || voters.place_of(me).is_none();
        let lacks = |id: NodeId, version: Version| match self.find(id) {
            Some(holder) if is_asked => holder.saved < Some(version),
            Some(holder) => holder.names < version,
            None => is_asked,
        };

        let present = voters.all().iter().map(|(id, _)| *id).filter(|id| *id != me && lacks(*id, version));
        let others = self
            .others
            .iter()
            .map(|(id, _)| *id)
            .filter(|id| self.find(*id).is_none_or(|holder| holder.names < version));

        let mut tells: Vec<(NodeId, Voters)> = present.chain(others).map(|id| (id, voters.clone())).collect();
        if let Some(offer) = &self.offer {
            let new = self.newcomers(voters).into_iter().filter(|id| lacks(*id, offer.version()));
            tells.extend(new.map(|id| (id, offer.clone())));
        }
        tells
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERM: Term = Term(7);
    const LEASE: Duration = Duration::from_millis(500);

    fn names(list: &str) -> Vec<Arc<str>> {
        list.chars().map(|name| name.to_string().into()).collect()
    }

    fn id(name: char) -> NodeId {
        NodeId::from_name(&name.to_string())
    }

    fn at(ms: u64) -> Instant {
        Instant::ORIGIN + Duration::from_millis(ms)
    }

    fn version(number: u32) -> Version {
        Version { term: TERM, number }
    }

    fn one(list: &str, number: u32) -> Voters {
        Voters::of(version(number), &names(list), None)
    }

    fn two(list: &str, next: &str, number: u32) -> Voters {
        Voters::of(version(number), &names(list), Some(&names(next)))
    }

    fn wants(list: &str) -> Transition {
        let mut transition = Transition::default();
        transition.want(at(0), names(list), false, at(10_000));
        transition
    }

    /// What a leader `a` does at a moment, where these followed lately.
    fn step(transition: &Transition, ms: u64, voters: &Voters, follow: &str) -> Step {
        let promised = |who: NodeId| follow.chars().any(|name| id(name) == who).then(|| at(ms));
        transition.step((at(ms), LEASE, TERM), voters, id('a'), promised)
    }

    fn saved(transition: &mut Transition, who: &str, number: u32, is_durable: bool) {
        who.chars().for_each(|name| transition.note_saved(id(name), version(number), is_durable));
    }

    #[test]
    fn a_change_takes_its_steps_one_by_one() {
        let mut change = wants("cde");
        let of_before = Voters::first(["a", "b", "c"]).numbered(1);
        assert_eq!(step(&change, 0, &of_before, "bcde"), Step::Save(one("abc", 1)), "its own term comes first");
        let stamped = one("abc", 1);
        saved(&mut change, "a", 1, true);
        assert_eq!(step(&change, 1, &stamped, "bcde"), Step::Wait, "one of three holds it");
        saved(&mut change, "b", 1, true);
        let joint = two("abc", "cde", 2);
        assert_eq!(step(&change, 2, &stamped, "bcde"), Step::Offer(joint.clone()));
        change.offer(joint.clone(), at(2), at(2_002));
        assert_eq!(change.newcomers(&stamped).len(), 2);
        assert_eq!(step(&change, 3, &stamped, "bcde"), Step::Wait, "of those who come none holds it");
        saved(&mut change, "d", 2, true);
        assert_eq!(step(&change, 4, &stamped, "b"), Step::Wait, "neither c nor d follows");
        assert_eq!(step(&change, 4, &stamped, "bcd"), Step::Wait, "what c does with what it is told is not known");
        saved(&mut change, "c", 1, true);
        assert_eq!(step(&change, 4, &stamped, "bcd"), Step::Save(joint.clone()));
        change.took_effect(&stamped, &joint, at(505));
        saved(&mut change, "a", 2, true);
        assert_eq!(step(&change, 5, &joint, "bcde"), Step::Wait, "d and a: one of each list");
        saved(&mut change, "c", 2, true);
        let after = one("cde", 3);
        assert_eq!(step(&change, 6, &joint, "bcde"), Step::HandOver(after.clone()), "a is none of them");
        change.took_effect(&joint, &after, at(507));
        assert_eq!(step(&change, 7, &after, "cde"), Step::Wait);
        saved(&mut change, "cd", 3, true);
        assert_eq!(step(&change, 8, &after, "cde"), Step::Leave);
        let told: Vec<NodeId> = change.tells(at(8), &after, id('a')).into_iter().map(|(to, _)| to).collect();
        assert!(told.contains(&id('b')) && told.contains(&id('e')) && !told.contains(&id('c')), "{told:?}");
    }

    #[test]
    fn a_change_that_cannot_be_made_is_given_up() {
        let stamped = one("abc", 1);
        // No node but the leader saves anything, or none for good, or no newcomer follows.
        let change = wants("abd");
        assert_eq!(step(&change, 2_000, &stamped, "bc"), Step::Wait);
        assert_eq!(step(&change, 2_001, &stamped, "bc"), Step::GiveUp(Progress::TooFewLive));
        let mut change = wants("abd");
        saved(&mut change, "c", 1, false);
        assert_eq!(step(&change, 1, &stamped, "bc"), Step::Wait, "the other two may");
        saved(&mut change, "b", 1, false);
        assert_eq!(step(&change, 1, &stamped, "bc"), Step::GiveUp(Progress::NotDurable));
        let mut change = wants("ade");
        saved(&mut change, "ab", 1, true);
        change.offer(two("abc", "ade", 2), at(1), at(2_001));
        assert_eq!(step(&change, 2_000, &stamped, "bc"), Step::Wait);
        assert_eq!(step(&change, 2_001, &stamped, "bc"), Step::GiveUp(Progress::TooFewLive));
        // What was offered is outbid then.
        change.give_up(Progress::TooFewLive, at(3_000));
        assert_eq!(step(&change, 2_002, &stamped, "bc"), Step::Save(one("abc", 3)));
        let list = Voters::first(["a", "d", "e"]);
        assert_eq!(change.failed(at(2_999), &list), Some(Progress::TooFewLive));
        assert_eq!((change.failed(at(3_000), &list), change.failed(at(2_002), &Voters::first(["a"]))), (None, None));
    }

    #[test]
    fn what_a_leader_before_began_is_ended_or_outbid() {
        let earlier = |number| Version { term: Term(6), number };
        let mut found = Transition::default();
        let joint = Voters::of(earlier(2), &names("abc"), Some(&names("ab")));
        assert_eq!(step(&found, 0, &joint, "bc"), Step::Save(two("abc", "ab", 2)), "its own first");
        saved(&mut found, "ab", 2, true);
        assert_eq!(step(&found, 0, &two("abc", "ab", 2), "bc"), Step::Save(one("ab", 3)));
        // A node holds a later one than this leader, of an earlier term.
        let mut found = Transition::default();
        let known = Voters::first(["a", "b", "c"]).numbered(1);
        found.note_named(id('b'), earlier(2), known.version(), TERM);
        assert_eq!(step(&found, 0, &known, "bc"), Step::Save(one("abc", 1)));
        found.took_effect(&known, &one("abc", 1), at(500));
        found.note_named(id('b'), earlier(2), version(1), TERM);
        assert_eq!(step(&found, 0, &one("abc", 1), "bc"), Step::Wait, "it is outbid");
        assert_eq!(found.tells(at(0), &one("abc", 1), id('a')).len(), 1, "and told");
    }
}
