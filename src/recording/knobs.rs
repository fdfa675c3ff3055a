//! A configuration as names and numbers, so that a recording outlives a release that adds a knob.
//!
//! By name and not by place: a knob that the reader does not know is an error, because the recorded node behaved by it;
//! one that the recording does not name did not exist then, and has the default that keeps things as they were.

use std::time::Duration;

use crate::config::{Config, ElectionConfig, Stands};
use crate::recording::fields::{Fields, nanos, put_bytes, put_u32, put_u64};

/// Where a knob's number goes.
enum Knob<'a> {
    Nanos(&'a mut Duration),
    Count(&'a mut usize),
    Number(&'a mut u32),
}

impl Knob<'_> {
    fn get(&self) -> u64 {
        match self {
            Knob::Nanos(duration) => nanos(**duration),
            Knob::Count(count) => **count as u64,
            Knob::Number(number) => u64::from(**number),
        }
    }

    fn set(self, to: u64) -> Option<()> {
        match self {
            Knob::Nanos(duration) => *duration = Duration::from_nanos(to),
            Knob::Count(count) => *count = usize::try_from(to).ok()?,
            Knob::Number(number) => *number = u32::try_from(to).ok()?,
        }
        Some(())
    }
}

/// Every knob but the cluster's name and the elections. The pattern names all fields, so that a new one cannot be
/// forgotten.
fn knobs(config: &mut Config) -> [(&'static str, Knob<'_>); 19] {
    let Config {
        cluster: _,
        probe_interval,
        probe_timeout,
        stall_tolerance,
        indirect_checks,
        confirmations,
        retransmit_mult,
        forward_fanout,
        forward_rate,
        forward_burst,
        metadata_bytes_per_second,
        sync_quiet,
        sync_patience,
        ghosts_max,
        ghost_retention,
        news_max,
        leave_timeout,
        members_max,
        datagram_bytes_max,
        events_max,
        elections: _,
    } = config;

    [
        ("probe_interval", Knob::Nanos(probe_interval)),
        ("probe_timeout", Knob::Nanos(probe_timeout)),
        ("stall_tolerance", Knob::Nanos(stall_tolerance)),
        ("indirect_checks", Knob::Count(indirect_checks)),
        ("confirmations", Knob::Count(confirmations)),
        ("retransmit_mult", Knob::Number(retransmit_mult)),
        ("forward_fanout", Knob::Count(forward_fanout)),
        ("forward_rate", Knob::Number(forward_rate)),
        ("forward_burst", Knob::Number(forward_burst)),
        ("metadata_bytes_per_second", Knob::Number(metadata_bytes_per_second)),
        ("sync_quiet", Knob::Nanos(sync_quiet)),
        ("sync_patience", Knob::Nanos(sync_patience)),
        ("ghosts_max", Knob::Count(ghosts_max)),
        ("ghost_retention", Knob::Nanos(ghost_retention)),
        ("news_max", Knob::Count(news_max)),
        ("leave_timeout", Knob::Nanos(leave_timeout)),
        ("members_max", Knob::Count(members_max)),
        ("datagram_bytes_max", Knob::Count(datagram_bytes_max)),
        ("events_max", Knob::Count(events_max)),
    ]
}

pub(super) fn put_config(to: &mut Vec<u8>, config: &Config) {
    put_bytes(to, config.cluster.as_bytes());
    let mut config = config.clone();
    let knobs = knobs(&mut config);
    put_u32(to, knobs.len() as u32);
    for (name, knob) in knobs {
        put_bytes(to, name.as_bytes());
        put_u64(to, knob.get());
    }
    let Config { elections, .. } = config;
    put_u32(to, elections.len() as u32);
    elections.iter().for_each(|election| put_election(to, election));
}

fn put_election(to: &mut Vec<u8>, election: &ElectionConfig) {
    let ElectionConfig { name, voters, lease, heartbeat, clock_drift_max_ppm, stands, priority } = election;
    put_bytes(to, name.as_bytes());
    put_u32(to, voters.len() as u32);
    voters.iter().for_each(|voter| put_bytes(to, voter.as_bytes()));
    put_u64(to, nanos(*lease));
    put_u64(to, nanos(*heartbeat));
    put_u32(to, *clock_drift_max_ppm);
    to.extend([stands_code(*stands), *priority]);
}

fn take_election(from: &mut Fields<'_>) -> Option<ElectionConfig> {
    let name = from.text()?.to_owned();
    let voters = from.list(|from| from.text().map(str::to_owned))?;
    let (lease, heartbeat) = (Duration::from_nanos(from.u64()?), Duration::from_nanos(from.u64()?));
    let (clock_drift_max_ppm, code, priority) = (from.u32()?, from.u8()?, from.u8()?);
    let stands = STANDS.into_iter().find(|stands| stands_code(*stands) == code)?;
    Some(ElectionConfig { name, voters, lease, heartbeat, clock_drift_max_ppm, stands, priority })
}

const STANDS: [Stands; 3] = [Stands::WithWork, Stands::Always, Stands::Never];

const fn stands_code(stands: Stands) -> u8 {
    match stands {
        Stands::WithWork => 0,
        Stands::Always => 1,
        Stands::Never => 2,
    }
}

pub(super) fn take_config(from: &mut Fields<'_>) -> Option<Config> {
    let mut config = Config::lan(from.text()?);
    let named = from.list(|from| Some((from.text()?.to_owned(), from.u64()?)))?;
    for (name, value) in named {
        let (_, knob) = knobs(&mut config).into_iter().find(|(known, _)| **known == *name)?;
        knob.set(value)?;
    }
    config.elections = from.list(take_election)?;
    Some(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_knob_comes_back() {
        let mut odd = Config::wan("orders");
        odd.elections = vec![ElectionConfig::lan("e", ["a", "b"]).with_lease(Duration::from_millis(77))];
        for (place, (_, knob)) in knobs(&mut odd).into_iter().enumerate() {
            knob.set(1_000 + place as u64).unwrap();
        }
        let mut bytes = Vec::new();
        put_config(&mut bytes, &odd);
        assert_eq!(take_config(&mut Fields(&bytes)), Some(odd));
    }

    #[test]
    fn a_missing_knob_has_its_default_and_an_unknown_one_is_refused() {
        let mut bytes = Vec::new();
        put_bytes(&mut bytes, b"c");
        put_u32(&mut bytes, 1);
        put_bytes(&mut bytes, b"members_max");
        put_u64(&mut bytes, 77);
        put_u32(&mut bytes, 0);
        let expected = Config { members_max: 77, ..Config::lan("c") };
        assert_eq!(take_config(&mut Fields(&bytes)), Some(expected));
        let unknown = bytes.windows(11).position(|window| window == b"members_max").unwrap();
        bytes[unknown] = b'M';
        assert_eq!(take_config(&mut Fields(&bytes)), None);
    }
}
