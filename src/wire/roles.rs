//! What a member's record says of its part in elections: which it leads, and in which it is a candidate.
//!
//! It is one of the fields at a record's end, so that a member of an older release passes it on without knowing it.
//! Members that do not vote hear of leaders by it, and candidates of each other's priorities; nothing is decided by it.

use bincode::{BorrowDecode, Encode};

use super::bytes::{put, take_borrowed};
use super::fields::{Metadata, Wire};
use super::further::{Field, field, with_field};
use super::varint::Varint;
use crate::config::ELECTIONS_MAX;
use crate::leader::{LossReason, Term, Trigger, WORD_BYTES_MAX};

/// Elections that a record can name: as many as a node can take part in.
const ROLES_MAX: usize = ELECTIONS_MAX;
/// The longest role without its word: election, rules, number, term, trigger, candidacy and the word's length.
pub(crate) const ROLE_BYTES_MAX: usize = 8 + 8 + 5 + 9 + 1 + 3 + 3;

/// A member's part in an election, as it says itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Role<'a> {
    /// The hash of the election's name.
    pub(crate) election: u64,
    /// The hash of its rules and voters, [`Context::digest`](super::Context::digest), and the number of their
    /// configuration.
    pub(crate) rules: u64,
    pub(crate) number: u32,
    /// The term it leads in and how it came to; if it does not lead, how that ended last.
    pub(crate) leads: Result<(Term, Trigger), LossReason>,
    /// Its priority, if it is a candidate.
    pub(crate) candidacy: Option<u8>,
    /// What its application says to the nodes that look for the leader.
    pub(crate) word: &'a [u8],
}

#[derive(Encode, BorrowDecode)]
struct RoleBody<'a> {
    election: Wire<u64>,
    rules: Wire<u64>,
    number: Varint,
    /// 0 if it does not lead.
    term: Varint,
    /// Of what it leads in; otherwise how its last lead ended.
    trigger: u8,
    /// The priority and 1; 0 if it is no candidate.
    candidacy: Varint,
    word: Metadata<'a>,
}

/// A record's further fields, saying that its owner has these parts in elections and no others.
pub(crate) fn with_roles<'a>(further: &[u8], roles: impl Iterator<Item = Role<'a>>) -> Vec<u8> {
    let mut body = Vec::new();
    for role in roles.take(ROLES_MAX) {
        let (term, trigger) = match role.leads {
            Ok((term, trigger)) => (term, trigger.code()),
            Err(ended) => (Term(0), ended.code()),
        };
        let fields = RoleBody {
            election: Wire(role.election),
            rules: Wire(role.rules),
            number: Varint(u64::from(role.number)),
            term: Varint(term.0),
            trigger,
            candidacy: Varint(role.candidacy.map_or(0, |priority| u64::from(priority) + 1)),
            word: Metadata(role.word),
        };

        let mut bytes = [0; ROLE_BYTES_MAX + WORD_BYTES_MAX];
        let length = put(&mut bytes, &fields);
        debug_assert!(length.is_some(), "no word is longer than WORD_BYTES_MAX");
        body.extend(bytes.iter().take(length.unwrap_or_default()));
    }
    with_field(further, Field::Roles, &body)
}

/// The parts in elections that a record's further fields tell of; what is not understood ends them.
pub(crate) fn roles_of(further: &[u8]) -> impl Iterator<Item = Role<'_>> {
    let mut rest = field(further, Field::Roles).unwrap_or_default();
    let read = move || if rest.is_empty() { None } else { role(&mut rest) };
    std::iter::from_fn(read).take(ROLES_MAX)
}

fn role<'a>(rest: &mut &'a [u8]) -> Option<Role<'a>> {
    let RoleBody { election, rules, number, term, trigger, candidacy, word } = take_borrowed(rest).ok()?;
    let candidacy = match candidacy.0 {
        0 => None,
        above => Some(u8::try_from(above - 1).ok()?),
    };
    let leads = match term.0 {
        0 => Err(LossReason::from_code(trigger)),
        // It is only told: a lead with the trigger of a later release is one all the same.
        term => Ok((Term(term), Trigger::from_code(u64::from(trigger)).unwrap_or(Trigger::NoLeader))),
    };
    let number = u32::try_from(number.0).ok()?;
    let role = Role { election: election.0, rules: rules.0, number, leads, candidacy, word: word.0 };
    (word.0.len() <= WORD_BYTES_MAX).then_some(role)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_come_back_and_strange_fields_are_passed_over() {
        let role = |n: u64| Role {
            election: n,
            rules: !n,
            number: n as u32,
            leads: match n % 4 {
                0 => Err(LossReason::Resigned),
                1 => Err(LossReason::LeaseRanOut),
                _ => Ok((Term(n + 1), Trigger::ALL[n as usize % Trigger::ALL.len()])),
            },
            candidacy: [None, Some(0), Some(7), Some(255)][n as usize % 4],
            word: [&b""[..], b"10.0.0.1:80"][n as usize % 2],
        };
        for count in 0..=ROLES_MAX {
            let roles: Vec<Role<'_>> = (0..count as u64).map(role).collect();
            let strange = [0, 2, 9, 9, 7, 1, 1];
            let further = with_roles(&strange, roles.iter().copied());
            assert_eq!(roles_of(&further).collect::<Vec<_>>(), roles);
            assert_eq!(with_roles(&further, std::iter::empty()), strange);
        }
        let many: Vec<Role<'_>> = (0..20).map(role).collect();
        assert_eq!(roles_of(&with_roles(&[], many.into_iter())).count(), ROLES_MAX);
        for torn in [&[][..], &[1], &[1, 25], &[1, 3, 0, 0, 0], &[1, 251]] {
            assert_eq!(roles_of(torn).count(), 0);
        }
    }

    #[test]
    fn the_bytes_of_a_role_are_these() {
        let word = [8; WORD_BYTES_MAX];
        let longest = Role {
            election: 1,
            rules: 2,
            number: u32::MAX,
            leads: Ok((Term(1 << 40), Trigger::Outrun)),
            candidacy: Some(255),
            word: &word,
        };
        let field = with_roles(&[], std::iter::once(longest));
        assert_eq!(field.len(), 1 + 3 + ROLE_BYTES_MAX + WORD_BYTES_MAX);
        assert_eq!(roles_of(&field).next(), Some(longest));
        let idle = Role { number: 3, leads: Err(LossReason::LeaseRanOut), candidacy: Some(0), word: b"", ..longest };
        let mut odd = with_roles(&[], std::iter::once(idle));
        assert_eq!(odd, [1, 21, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 1, 0]);
        // A trigger of a later release.
        (odd[19], odd[20]) = (5, 99);
        assert_eq!(roles_of(&odd).next().map(|role| role.leads), Some(Ok((Term(5), Trigger::NoLeader))));
    }
}
