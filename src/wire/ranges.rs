//! The range of every value, from both sides: the last that passes and the first that is refused.

use super::strict::{
    ADDRESS, ADDRESS_AT, EXTRA, GENERATION, INCARNATION, METADATA, NAME, Piece, bytes, datagram, join, length_and,
    news, number, record_with, start, verdict_on, with,
};
use super::*;
use Piece::Number;

#[test]
fn records_are_kept_to_their_ranges() {
    use Rejected::{Malformed, Oversized, Truncated};
    let v6 = |ip: [u8; 16], port: u8| [&[6][..], &ip, &[port, 0]].concat();
    let mapped = v6([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1], 1);
    let huge = length_and(u64::MAX, 0, 0);
    let long_field = [&[1][..], &number(444, None), &[0; 444]].concat();

    let fits: [(usize, &[u8]); 12] = [
        (GENERATION, &number((1 << 63) - 1, None)),
        (INCARNATION, &number((1 << 31) - 1, None)),
        (ADDRESS_AT, &[4, 0, 0, 0, 0, 1, 0]),
        (ADDRESS_AT, &v6([0; 16], 1)),
        (NAME, &length_and(64, b'x', 64)),
        (NAME, "\u{4}\u{20}é~".as_bytes()),
        (METADATA, &length_and(512, 0, 512)),
        (EXTRA, &long_field),
        (EXTRA, &[0, 0, 1, 0, 255, 0]),
        (EXTRA, &[0, 1, 0]),
        (EXTRA, &[255, 0]),
        (EXTRA, &[]),
    ];
    for (place, piece) in fits {
        assert_eq!(verdict_on(&news(&[(1, record_with(place, piece))])), Ok(1), "{place}: {piece:02x?}");
    }

    let refused: [(usize, &[u8], Rejected); 26] = [
        (GENERATION, &number(1 << 63, None), Malformed),
        (INCARNATION, &number(1 << 31, None), Malformed),
        (INCARNATION, &number(1 << 32, None), Malformed),
        (ADDRESS_AT, &[4, 192, 0, 2, 1, 0, 0], Malformed),
        (ADDRESS_AT, &v6([1; 16], 0), Malformed),
        (ADDRESS_AT, &[5, 192, 0, 2, 1, 1, 0], Malformed),
        (ADDRESS_AT, &mapped, Malformed),
        (NAME, &[0], Malformed),
        (NAME, b"\x01\n", Malformed),
        (NAME, b"\x01\x7f", Malformed),
        (NAME, "\u{2}\u{85}".as_bytes(), Malformed),
        (NAME, b"\x01\xff", Malformed),
        (NAME, b"\x03\xed\xa0\x80", Malformed),
        (NAME, &length_and(65, b'x', 65), Oversized),
        (NAME, &[255], Truncated),
        (METADATA, &length_and(513, 0, 513), Oversized),
        (METADATA, &length_and(512, 0, 511), Truncated),
        (METADATA, &huge, Oversized),
        (EXTRA, &[1, 0, 1, 0], Malformed),
        (EXTRA, &[2, 0, 1, 0], Malformed),
        (EXTRA, &[255, 0, 0, 0], Malformed),
        (EXTRA, &[1, 2, 0], Truncated),
        (EXTRA, &[1], Truncated),
        (EXTRA, &[&[1][..], &huge].concat(), Truncated),
        (EXTRA, &[&long_field[..], &[2, 0]].concat(), Oversized),
        (EXTRA, &[1, 251, 1, 0, 0], Malformed),
    ];
    for (place, piece, expected) in refused {
        let verdict = verdict_on(&news(&[(1, record_with(place, piece))]));
        assert_eq!(verdict, Err(expected), "{place}: {piece:02x?}");
    }
}

#[test]
fn accusations_are_kept_to_their_ranges() {
    use Rejected::{Malformed, Truncated};
    let accused = |n: u8| [[n; 16], [0; 16]].concat()[..16].to_vec();
    type Case<'a> = (u64, u8, u8, &'a [u8], Result<usize, Rejected>);
    let table: [Case<'_>; 11] = [
        (0, 0, 0, &[], Ok(1)),
        (0xffff_ffff, 1, 1, &accused(1), Ok(1)),
        (0, 0, 4, &[accused(1), accused(2), accused(3), accused(4)].concat(), Ok(1)),
        (0x1_0000_0000, 0, 0, &[], Err(Malformed)),
        (u64::MAX, 0, 0, &[], Err(Malformed)),
        (0, 2, 0, &[], Ok(1)),
        (0, 0x81, 0, &[], Ok(1)),
        (0, 0, 5, &[accused(1), accused(2), accused(3), accused(4), accused(5)].concat(), Err(Malformed)),
        (0, 0, 2, &[accused(1), accused(1)].concat(), Err(Malformed)),
        (0, 0, 2, &accused(1), Err(Truncated)),
        (0, 0, 0, &accused(1), Ok(1)),
    ];

    for kind in [2, 3] {
        for (age, flags, count, accusers, expected) in table {
            let body = join(&with(start(), &[Number(age), bytes(&[flags, count]), bytes(accusers)]), None);
            assert_eq!(verdict_on(&news(&[(kind, body)])), expected, "{age} {flags} {count} {accusers:02x?}");
        }
    }

    for kind in [2, 3, 4] {
        for (generation, incarnation) in [(1 << 63, 7), (7, 1 << 31)] {
            let mut pieces = vec![bytes(&[1; 16]), Number(generation), Number(incarnation)];
            if kind != 4 {
                pieces.push(bytes(&[0, 0, 0]));
            }
            assert_eq!(verdict_on(&news(&[(kind, join(&pieces, None))])), Err(Malformed));
        }
    }
}

#[test]
fn the_rest_is_kept_to_its_ranges() {
    use Rejected::{Malformed, Truncated};
    let range = |bits: u8, prefix: u64| [vec![bits], number(prefix, None)].concat();
    let table: [(u8, Vec<u8>, Result<usize, Rejected>); 15] = [
        (5, ADDRESS.to_vec(), Ok(1)),
        (5, vec![4, 0, 0, 0, 0, 1, 0], Err(Malformed)),
        (5, [&[6][..], &[0; 16], &[1, 0]].concat(), Err(Malformed)),
        (5, vec![4, 192, 0, 2, 1, 0, 0], Err(Malformed)),
        (16, [range(0, 1), vec![0; 4]].concat(), Err(Malformed)),
        (16, [range(4, 16), vec![0; 4]].concat(), Err(Malformed)),
        (16, [range(60, 1 << 60), vec![0; 4]].concat(), Err(Malformed)),
        (16, [range(61, 0), vec![0; 4]].concat(), Err(Malformed)),
        (16, [range(64, 0), vec![0; 4]].concat(), Err(Malformed)),
        (16, [range(255, 0), vec![0; 4]].concat(), Err(Malformed)),
        (18, [range(4, 1), vec![2, 0, 0, 0, 0, 0, 0, 0]].concat(), Err(Truncated)),
        (19, [range(4, 1), vec![1, 0, 0, 0]].concat(), Err(Truncated)),
        (18, range(61, 0), Err(Malformed)),
        (21, vec![2, 0, 0, 0, 0, 0, 0, 0, 0, 0], Err(Malformed)),
        (17, [range(60, 0), vec![0; 64]].concat(), Ok(1)),
    ];

    for (kind, body, expected) in table {
        assert_eq!(verdict_on(&news(&[(kind, body.clone())])), expected, "{kind}: {body:02x?}");
    }
}

#[test]
fn messages_are_kept_to_their_ranges() {
    let sender_state = [bytes(&[0; 10])];
    let table: [(u8, Vec<Piece>, Rejected); 5] = [
        (6, with(vec![Number(1 << 31)], &sender_state), Rejected::Malformed),
        (6, with(vec![Number(1 << 32)], &sender_state), Rejected::Malformed),
        (5, with(vec![bytes(&[1; 16]), Number(1 << 31), Number(0)], &sender_state), Rejected::Malformed),
        (8, with(vec![bytes(&[1; 8]), Number(1 << 16), Number(0)], &sender_state), Rejected::Malformed),
        (1, with(vec![Number(0)], &sender_state), Rejected::Truncated),
    ];
    for (kind, pieces, expected) in table {
        assert_eq!(verdict_on(&datagram(kind, &join(&pieces, None), &[])), Err(expected), "message {kind}");
    }
}
