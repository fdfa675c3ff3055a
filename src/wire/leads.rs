//! What a member's record says of elections that it leads: hearsay for those who do not vote.
//!
//! It is one of the fields at a record's end, so that a member of an older release passes it on without knowing it.

use super::Council;
use super::further::{Field, field, with_field};
use crate::config::ELECTIONS_MAX;
use crate::leader::{Term, Trigger};

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

/// A record's further fields, saying that its owner leads these elections and no others.
pub(crate) fn with_leads(further: &[u8], leads: &[Lead]) -> Vec<u8> {
    let mut body = Vec::new();
    for lead in leads.iter().take(LEADS_MAX) {
        body.extend_from_slice(&lead.council.election.to_le_bytes());
        body.extend_from_slice(&lead.council.charter.to_le_bytes());
        body.extend_from_slice(&lead.term.0.to_le_bytes());
        body.push(lead.trigger.code());
    }
    with_field(further, Field::Leads, &body)
}

/// The elections that a record's further fields name; what is not understood is passed over.
pub(crate) fn leads_of(further: &[u8]) -> impl Iterator<Item = Lead> + '_ {
    let body = field(further, Field::Leads).unwrap_or_default();
    body.chunks_exact(LEAD_BYTES).take(LEADS_MAX).filter_map(lead)
}

fn lead(bytes: &[u8]) -> Option<Lead> {
    let number = |place: usize| {
        let bytes: [u8; 8] = bytes.get(place * 8..place * 8 + 8)?.try_into().ok()?;
        Some(u64::from_le_bytes(bytes))
    };
    // It is only told: a lead with the trigger of a later release is one all the same.
    let trigger = Trigger::from_code(u64::from(*bytes.last()?)).unwrap_or(Trigger::NoLeader);
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
            let strange = [0, 2, 9, 9, 7, 1, 1];
            let further = with_leads(&strange, &leads);
            assert_eq!(leads_of(&further).collect::<Vec<_>>(), leads);
            assert_eq!(with_leads(&further, &[]), strange);
        }
        let many: Vec<Lead> = (0..20).map(lead).collect();
        assert_eq!(leads_of(&with_leads(&[], &many)).count(), LEADS_MAX);
        for torn in [&[][..], &[1], &[1, 25], &[1, 3, 0, 0, 0], &[1, 251]] {
            assert_eq!(leads_of(torn).count(), 0);
        }
        let mut odd = with_leads(&[], &[lead(1)]);
        *odd.last_mut().unwrap() = 99;
        let read: Vec<Lead> = leads_of(&odd).collect();
        assert_eq!(read, [Lead { trigger: Trigger::NoLeader, ..lead(1) }], "a trigger of a later release");
    }
}
