//! The membership list as the application sees it: an immutable snapshot, cheap to share and to publish.
//!
//! A view is nothing but the sum of the events: [`View::apply`] is the only way it changes, so that an application
//! which folds the events it reads holds, at each moment, a view the node once published. Of a member that flaps the
//! node's own view takes in the turns too that are not told. Pages keep publishing cheap.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::ser::{SerializeSeq, SerializeStruct};
use serde::{Serialize, Serializer};

use crate::event::Event;
use crate::leader::Leader;
use crate::member::{Member, NodeId, State};
use crate::runtime::judgement::Judgement;
use crate::runtime::leaders::Leaders;
use crate::runtime::pages::{Pages, Row};

/// The members this node knows, itself included: Alive, Suspect and Dead ones, sorted by id. Those that left are not
/// listed.
#[derive(Clone, Debug)]
pub struct View {
    me: NodeId,
    version: u64,
    rows: Pages,
    leaders: Leaders,
    isolated: Option<(usize, usize)>,
    superseded_by: Option<SocketAddr>,
}

impl View {
    /// A view without members, as the node `me` would have it before its first event; for folding events by hand.
    #[must_use]
    pub fn empty(me: NodeId) -> Self {
        View {
            me,
            version: 0,
            rows: Pages::default(),
            leaders: Leaders::default(),
            isolated: None,
            superseded_by: None,
        }
    }

    /// Counts the visible changes so far. Two views of one node with one version are the same.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// This node's own row; none after it left.
    #[must_use]
    pub fn me(&self) -> Option<&Member> {
        self.get(self.me)
    }

    /// The member of this id.
    #[must_use]
    pub fn get(&self, id: NodeId) -> Option<&Member> {
        self.rows.get(id).map(|row| &row.member)
    }

    /// The member of this name. Quick when its id is the name's; otherwise all rows are looked at.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&Member> {
        let hashed = self.get(NodeId::from_name(name)).filter(|member| member.name() == name);
        hashed.or_else(|| self.iter().find(|member| member.name() == name))
    }

    /// Why a member is Suspect or Dead; none for one that is Alive or not listed.
    #[must_use]
    pub fn judgement(&self, id: NodeId) -> Option<&Judgement> {
        self.rows.get(id)?.judgement.as_deref()
    }

    /// All members, sorted by id.
    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.rows.iter().map(|row| &row.member)
    }

    /// The members that are Alive: this node does not suspect them.
    pub fn alive(&self) -> impl Iterator<Item = &Member> {
        self.iter().filter(|member| member.state() == State::Alive)
    }

    /// The members that count as present: Alive and Suspect.
    pub fn live(&self) -> impl Iterator<Item = &Member> {
        self.iter().filter(|member| member.state().is_live())
    }

    /// The members that flap, this node among them if it does, so that not every suspicion of them is told.
    pub fn flapping(&self) -> impl Iterator<Item = &Member> {
        self.iter().filter(|member| member.is_flapping())
    }

    /// The leader of an election, as far as this node knows. Enough to send the leader a request; to write in its name
    /// takes a [`Lease`](crate::runtime::Lease).
    #[must_use]
    pub fn leader(&self, election: &str) -> Option<&Leader> {
        self.leaders.get(election)
    }

    /// The known leaders of all elections, in the order of the elections' names.
    pub fn leaders(&self) -> impl Iterator<Item = &Leader> {
        self.leaders.iter()
    }

    /// The member with the smallest id of those that are Alive: a hint that costs nothing, for work that may be done
    /// twice or not at all.
    ///
    /// It is eventual and **not exclusive**: the two sides of a partition have one each, and so has every node whose
    /// view is a moment behind. Never let it write what must be written by one alone: that takes an election, and the
    /// [`Lease`](crate::runtime::Lease) that [`Node::lead`](crate::runtime::Node::lead) gives.
    #[must_use]
    pub fn coordinator(&self) -> Option<&Member> {
        self.alive().next()
    }

    /// How many members are listed, the dead among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether no member is listed; true only of a view made by hand, and of a node that left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether too few members answer this node, so that its verdicts are provisional.
    #[must_use]
    pub fn is_isolated(&self) -> bool {
        self.isolated.is_some()
    }

    /// Whether this node knows the address that others reach it at. After a wildcard bind it learns it from a member;
    /// until then it is seen by none.
    #[must_use]
    pub fn address_known(&self) -> bool {
        self.me().is_some_and(|me| !me.address().ip().is_unspecified())
    }

    /// Where the later start of this name lives, if one has taken this node's place.
    #[must_use]
    pub fn superseded_by(&self) -> Option<SocketAddr> {
        self.superseded_by
    }

    /// Whether two views say the same, whatever their versions.
    #[must_use]
    pub fn says_the_same(&self, other: &View) -> bool {
        self.isolated == other.isolated
            && self.superseded_by == other.superseded_by
            && self.leaders.says_the_same(&other.leaders)
            && self.len() == other.len()
            && self.rows.iter().eq(other.rows.iter())
    }

    /// Takes in one event; whether anything visible changed, in which case the version moved.
    pub fn apply(&mut self, event: &Event) -> bool {
        let changed = match event {
            Event::Up(member) | Event::Refuted(member) | Event::Updated(member) => self.put(member.clone(), None),
            Event::Suspect { member, .. } => self.put(in_state(member, State::Suspect), Judgement::of(event)),
            Event::Dead { member, .. } => self.put(in_state(member, State::Dead), Judgement::of(event)),
            Event::Left(member) => self.rows.remove(member.id()),
            Event::Isolated { reachable, known } => {
                self.isolated.replace((*reachable, *known)) != Some((*reachable, *known))
            }
            Event::Reconnected => self.isolated.take().is_some(),
            Event::Superseded { by } => self.superseded_by.replace(*by) != Some(*by),
            Event::Leader { leader, trigger } => self.leaders.led(leader, *trigger),
            Event::LeaderUpdated { leader } => self.leaders.updated(leader),
            Event::LeaderLost { leader, reason } => self.leaders.lost(leader, *reason),
            Event::SelfStalled { .. }
            | Event::VotersDiffer { .. }
            | Event::VotersChanged { .. }
            | Event::Full { .. } => false,
        };
        self.version += u64::from(changed);
        changed
    }

    /// Puts a row as it was, no matter how it came to be so.
    pub(crate) fn put_back(&mut self, row: Row) {
        self.rows.put(row);
    }

    /// Takes a row out, as if it had never been there.
    pub(crate) fn drop_row(&mut self, id: NodeId) {
        self.rows.remove(id);
    }

    pub(crate) fn rows(&self) -> &Pages {
        &self.rows
    }

    pub(crate) fn id(&self) -> NodeId {
        self.me
    }

    pub(crate) fn known_leaders(&self) -> &Leaders {
        &self.leaders
    }

    pub(crate) fn isolation(&self) -> Option<(usize, usize)> {
        self.isolated
    }

    fn put(&mut self, member: Member, judgement: Option<Judgement>) -> bool {
        let known = self.rows.get(member.id());
        let kept = || known.and_then(|row| row.judgement.clone()).filter(|kept| kept.state() == member.state());
        let judgement = match judgement {
            Some(judgement) => Some(Arc::new(judgement)),
            None => kept().or_else(|| Judgement::unexplained(member.state()).map(Arc::new)),
        };
        let row = Row { member, judgement };
        let changed = known != Some(&row);
        if changed {
            self.rows.put(row);
        }
        changed
    }
}

/// The same member in another state.
pub(crate) fn in_state(member: &Member, state: State) -> Member {
    Member { state, ..member.clone() }
}

/// `version`, `me` (an id), `isolated`, `address_known`, `leaders`, and `members`, sorted by id.
impl Serialize for View {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Members<'a>(&'a View);
        impl Serialize for Members<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut list = serializer.serialize_seq(Some(self.0.len()))?;
                for member in self.0.iter() {
                    list.serialize_element(member)?;
                }
                list.end()
            }
        }
        let mut out = serializer.serialize_struct("View", 6)?;
        out.serialize_field("version", &self.version)?;
        out.serialize_field("me", &self.me)?;
        out.serialize_field("isolated", &self.is_isolated())?;
        out.serialize_field("address_known", &self.address_known())?;
        out.serialize_field("leaders", &self.leaders().collect::<Vec<_>>())?;
        out.serialize_field("members", &Members(self))?;
        out.end()
    }
}
