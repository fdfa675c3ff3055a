//! What a member's record says of elections that it leads: hearsay for those who do not vote.
//!
//! It is one of the fields at a record's end, so that a member of an older release passes it on without knowing it.

use super::bytes::take;
use super::varint::Varint;
use super::{Council, Rejected};
use crate::config::ELECTIONS_MAX;
use crate::leader::{Term, Trigger};

/// The kind of the field.
const LEADS: u8 = 1;
/// Election, charter, term and trigger.
const LEAD_BYTES: usize = 8 + 8 + 8 + 1;
/// Elections that a record can name: as many as a node can take part in.
pub(crate) const LEADS_MAX: usize = ELECTIONS_MAX;

/// An election that a member says it leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Lead {
    pub(crate) council: Council,
    pub(crate) term: Term,
    pub(crate) trigger: Trigger,
}

/// The field that names these elections; nothing if there are none.
pub(crate) fn put_leads(leads: &[Lead]) -> Vec<u8> {
    let leads = leads.get(..LEADS_MAX).unwrap_or(leads);
    if leads.is_empty() {
        return Vec::new();
    }
    // 200 bytes at most, which take one byte to count.
    let mut field = vec![LEADS, (leads.len() * LEAD_BYTES) as u8];
    for lead in leads {
        field.extend_from_slice(&lead.council.election.to_le_bytes());
        field.extend_from_slice(&lead.council.charter.to_le_bytes());
        field.extend_from_slice(&lead.term.0.to_le_bytes());
        field.push(lead.trigger.code());
    }
    field
}

/// The elections that a record's last fields name; what is not understood is passed over.
pub(crate) fn leads_of(extra: &[u8]) -> impl Iterator<Item = Lead> + '_ {
    let body = leads_field(extra).unwrap_or_default();
    body.chunks_exact(LEAD_BYTES).take(LEADS_MAX).filter_map(lead)
}

fn leads_field(mut rest: &[u8]) -> Option<&[u8]> {
    while !rest.is_empty() {
        let (kind, Varint(length)) = take::<(u8, Varint)>(&mut rest).ok()?;
        let (body, behind) = rest.split_at_checked(usize::try_from(length).ok()?).ok_or(Rejected::Truncated).ok()?;
        if kind == LEADS {
            return Some(body);
        }
        rest = behind;
    }
    None
}

fn lead(bytes: &[u8]) -> Option<Lead> {
    let number = |place: usize| {
        let bytes: [u8; 8] = bytes.get(place * 8..place * 8 + 8)?.try_into().ok()?;
        Some(u64::from_le_bytes(bytes))
    };
    let trigger = Trigger::from_code(u64::from(*bytes.last()?))?;
    Some(Lead { council: Council { election: number(0)?, charter: number(1)? }, term: Term(number(2)?), trigger })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leads_come_back_and_strange_fields_are_passed_over() {
        let lead = |n: u64| Lead {
            council: Council { election: n, charter: !n },
            term: Term(n + 1),
            trigger: Trigger::ALL[n as usize % Trigger::ALL.len()],
        };
        for count in 0..=LEADS_MAX {
            let leads: Vec<Lead> = (0..count as u64).map(lead).collect();
            let mut extra = vec![0, 2, 9, 9];
            extra.extend(put_leads(&leads));
            extra.extend([7, 1, 1]);
            assert_eq!(leads_of(&extra).collect::<Vec<_>>(), leads);
        }
        let many: Vec<Lead> = (0..20).map(lead).collect();
        assert_eq!(leads_of(&put_leads(&many)).count(), LEADS_MAX);
        for torn in [&[][..], &[1], &[1, 25], &[1, 3, 0, 0, 0], &[1, 251]] {
            assert_eq!(leads_of(torn).count(), 0);
        }
        let mut odd = put_leads(&[lead(1)]);
        *odd.last_mut().unwrap() = 99;
        assert_eq!(leads_of(&odd).count(), 0, "a trigger of a later release");
    }
}
