//! The further fields at a record's end: a kind, a length and a body each, in ascending order of their kinds.
//!
//! This release writes four: its node's part in elections, what it reads, its fingerprint, and from where its datagrams
//! come if that is not where it receives. Fields of other kinds are kept byte for byte, and so is what a later release
//! appends to the body of a kind that is known.

use std::net::SocketAddr;
use std::time::Duration;

use bincode::{Decode, Encode};

use super::bytes::{put, take};
use super::fields::{Wire, is_usable};
use super::varint::Varint;
use super::{Rejected, WIRE_VERSION};
use crate::config::Config;
use crate::member::{Fingerprint, Reads, Version};

/// A further field that this release knows; the number is its kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Field {
    Roles = 1,
    Reads = 2,
    Fingerprint = 3,
    WayOut = 4,
}

/// The fields that every node says of itself from its start: what it reads, and its fingerprint. 16 bytes by default.
pub(crate) fn own_fields(config: &Config) -> Vec<u8> {
    let fingerprint = Fingerprint {
        probe_interval: config.probe_interval,
        stall_tolerance: config.stall_tolerance,
        version: Version::OURS,
    };
    let reads = with_field(&[], Field::Reads, &body(&ReadsBody::from(Reads::OURS)));
    with_field(&reads, Field::Fingerprint, &body(&FingerprintBody::from(fingerprint)))
}

/// The body of a field; none if it is not there.
pub(super) fn field(further: &[u8], which: Field) -> Option<&[u8]> {
    Fields(further).filter_map(Result::ok).find(|(kind, ..)| *kind == which as u8).map(|(_, body, _)| body)
}

/// The same fields with this body for one of them; an empty body takes the field away.
pub(super) fn with_field(further: &[u8], which: Field, body: &[u8]) -> Vec<u8> {
    let kind = which as u8;
    let others = || Fields(further).filter_map(Result::ok);
    let below = others().filter(|(other, ..)| *other < kind);
    let mut changed: Vec<u8> = below.flat_map(|(.., whole)| whole).copied().collect();
    if !body.is_empty() {
        let mut head = [0; 1 + 9];
        let length = put(&mut head, &(kind, Varint(body.len() as u64))).unwrap_or_default();
        changed.extend(head.iter().take(length));
        changed.extend_from_slice(body);
    }
    changed.extend(others().filter(|(other, ..)| *other > kind).flat_map(|(.., whole)| whole));
    changed
}

/// Whether these are further fields with ascending kinds: a repeated field has no one meaning.
pub(crate) fn check_further(further: &[u8]) -> Result<(), Rejected> {
    let mut least = 0;
    for field in Fields(further) {
        let (kind, ..) = field?;
        if u16::from(kind) < least {
            return Err(Rejected::Malformed);
        }
        least = u16::from(kind) + 1;
    }
    Ok(())
}

/// What a record says that its owner reads; none if it does not say it as we would.
pub(super) fn reads_of(further: &[u8]) -> Option<Reads> {
    let mut body = field(further, Field::Reads)?;
    let ReadsBody { lowest, highest, features: Varint(features) } = take(&mut body).ok()?;
    (lowest <= highest).then_some(Reads { lowest, highest, features })
}

/// A record's fingerprint; none if it does not say it as we would.
pub(super) fn fingerprint_of(further: &[u8]) -> Option<Fingerprint> {
    let mut body = field(further, Field::Fingerprint)?;
    let FingerprintBody { probe_interval, stall_tolerance, version } = take(&mut body).ok()?;
    let [major, minor, patch] = version.map(|Varint(number)| u32::try_from(number).ok());
    Some(Fingerprint {
        probe_interval: probe_interval.0,
        stall_tolerance: stall_tolerance.0,
        version: Version { major: major?, minor: minor?, patch: patch? },
    })
}

/// From where a record says that its owner's datagrams come; none if that is where it receives, or if the field says
/// nothing that can be.
pub(crate) fn way_out_of(further: &[u8]) -> Option<SocketAddr> {
    let mut body = field(further, Field::WayOut)?;
    let Wire(address) = take::<Wire<SocketAddr>>(&mut body).ok()?;
    is_usable(address).then_some(address)
}

/// A record's further fields, saying that its owner's datagrams come from this address, or from where it receives.
pub(crate) fn with_way_out(further: &[u8], way_out: Option<SocketAddr>) -> Vec<u8> {
    let body = way_out.map(|address| body(&Wire(address))).unwrap_or_default();
    with_field(further, Field::WayOut, &body)
}

#[derive(Encode, Decode)]
struct ReadsBody {
    lowest: u8,
    highest: u8,
    features: Varint,
}

impl From<Reads> for ReadsBody {
    fn from(reads: Reads) -> Self {
        ReadsBody { lowest: reads.lowest, highest: reads.highest, features: Varint(reads.features) }
    }
}

#[derive(Encode, Decode)]
struct FingerprintBody {
    probe_interval: Wire<Duration>,
    stall_tolerance: Wire<Duration>,
    version: [Varint; 3],
}

impl From<Fingerprint> for FingerprintBody {
    fn from(fingerprint: Fingerprint) -> Self {
        let Fingerprint { probe_interval, stall_tolerance, version } = fingerprint;
        FingerprintBody {
            probe_interval: Wire(probe_interval),
            stall_tolerance: Wire(stall_tolerance),
            version: [version.major, version.minor, version.patch].map(|number| Varint(u64::from(number))),
        }
    }
}

/// The longest body that is written here: five numbers of 5 bytes at most.
const BODY_BYTES_MAX: usize = 25;

fn body(fields: &impl Encode) -> Vec<u8> {
    let mut body = vec![0; BODY_BYTES_MAX];
    let length = put(&mut body, fields);
    debug_assert!(length.is_some(), "no body is longer than BODY_BYTES_MAX");
    body.truncate(length.unwrap_or_default());
    body
}

/// Kind, body and all bytes of each field; ends behind the first that is torn.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u8, &'a [u8], &'a [u8]), Rejected>;

    fn next(&mut self) -> Option<Self::Item> {
        let whole = std::mem::take(&mut self.0);
        if whole.is_empty() {
            return None;
        }
        let mut rest = whole;
        Some(take::<(u8, Varint)>(&mut rest).and_then(|(kind, Varint(length))| {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let (body, behind) = rest.split_at_checked(length).ok_or(Rejected::Truncated)?;
            self.0 = behind;
            let (whole, _) = whole.split_at_checked(whole.len() - behind.len()).ok_or(Rejected::Truncated)?;
            Ok((kind, body, whole))
        }))
    }
}

const _: () = assert!(WIRE_VERSION == Reads::OURS.highest);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_fields_are_these_bytes() {
        let Version { major, minor, patch } = Version::OURS;
        let version = [major as u8, minor as u8, patch as u8];
        let expected = [&[2, 3, 1, 1, 0, 3, 9, 251, 0xe8, 3, 251, 0xb8, 0x0b][..], &version].concat();
        assert_eq!(own_fields(&Config::lan("c")), expected);
    }

    #[test]
    fn a_way_out_is_told_and_taken_back() {
        let own = own_fields(&Config::lan("c"));
        for (text, body) in [("192.0.2.1:7340", &[4, 192, 0, 2, 1, 0xac, 0x1c][..]), ("[::1]:1", &[6][..])] {
            let address: SocketAddr = text.parse().unwrap();
            let told = with_way_out(&own, Some(address));
            assert!(field(&told, Field::WayOut).unwrap().starts_with(body), "{told:?}");
            assert_eq!((way_out_of(&told), check_further(&told)), (Some(address), Ok(())));
            assert_eq!((with_way_out(&told, None), way_out_of(&own)), (own.clone(), None));
        }
        for torn in [&[4, 0][..], &[4, 3, 4, 1, 1], &[4, 7, 4, 0, 0, 0, 0, 1, 1], &[4, 7, 4, 1, 1, 1, 1, 0, 0]] {
            assert_eq!(way_out_of(torn), None, "{torn:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_whatever_a_later_release_appends() {
        let config = Config { stall_tolerance: Duration::from_secs(3_600), ..Config::wan("c") };
        let own = own_fields(&config);
        let fingerprint = Fingerprint {
            probe_interval: config.probe_interval,
            stall_tolerance: config.stall_tolerance,
            version: Version::OURS,
        };
        assert_eq!((reads_of(&own), fingerprint_of(&own)), (Some(Reads::OURS), Some(fingerprint)));
        for which in [Field::Reads, Field::Fingerprint] {
            let longer = [field(&own, which).unwrap(), &[9, 9]].concat();
            let later = with_field(&own, which, &longer);
            assert_eq!((reads_of(&later), fingerprint_of(&later)), (Some(Reads::OURS), Some(fingerprint)));
            assert_eq!(check_further(&later), Ok(()));
        }
        for (kind, body) in [(2, &[][..]), (2, &[1, 1]), (2, &[2, 1, 0]), (2, &[1, 2, 255]), (3, &[1, 1, 1, 1])] {
            let torn = [&[kind, body.len() as u8], body].concat();
            assert_eq!((reads_of(&torn), fingerprint_of(&torn)), (None, None), "{torn:?}");
        }
        assert_eq!(fingerprint_of(&[3, 9, 1, 1, 1, 1, 252, 0, 0, 1, 0]).map(|seen| seen.version.patch), Some(1 << 16));
    }

    #[test]
    fn a_field_is_changed_among_others_that_are_kept() {
        let all = [0, 1, 7, 1, 0, 2, 2, 5, 5, 200, 0];
        assert_eq!(with_field(&all, Field::Roles, &[8, 8]), [0, 1, 7, 1, 2, 8, 8, 2, 2, 5, 5, 200, 0]);
        assert_eq!(with_field(&all, Field::Reads, &[]), [0, 1, 7, 1, 0, 200, 0]);
        assert_eq!(with_field(&all, Field::Fingerprint, &[6]), [0, 1, 7, 1, 0, 2, 2, 5, 5, 3, 1, 6, 200, 0]);
        assert_eq!(with_field(&[], Field::Roles, &[]), [0; 0]);
        let long = with_field(&all, Field::Roles, &[4; 251]);
        assert_eq!((long[3], &long[4..7], long.len()), (1, &[251, 251, 0][..], 9 + 4 + 251));
        assert_eq!((check_further(&long), field(&long, Field::Roles)), (Ok(()), Some(&[4; 251][..])));
    }
}
