//! Parts of the network are cut: how soon the far side is Dead, which others are wrongly Dead, how soon all agree
//! again.

use std::collections::BTreeMap;
use std::time::Duration;

use tidings::Instant;

use crate::fault::{Fault, Flap, Links, Planned};
use crate::lab::measure::sample::{MEDIAN, Sample};
use crate::lab::measure::tables::{Lab, SECOND, SETTLE, SETTLE_MORE, are_equal, begin, cluster};
use crate::lab::measure::text::{Table, grouped, number, percentile, seconds, share};
use crate::lab::measure::{Measured, parallel, refutations};
use crate::random::Random;
use crate::scenario::ScenarioError;

const LASTS: Duration = Duration::from_secs(60);
/// How long views may take to be equal again.
const MOST: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What is cut; host 0 is the odd one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// The first so many from all others.
    Sides(u32),
    /// All that host 0 receives.
    Deaf,
    /// All that it sends.
    Mute,
    /// Host 0 from host 1, both ways.
    Link,
    /// What host 0 sends to host 1.
    OneWay,
    /// The link that comes and goes every 5 s.
    FlappingLink,
    /// Host 0 from all others for 2 s in every 4.
    OnAndOff,
    /// Four fifths of what host 0 sends, at random and from the beginning.
    Egress,
}

struct Case {
    name: &'static str,
    hosts: u32,
    cut: Cut,
    model: &'static str,
    /// The model's median time to heal, in tenths of a second.
    heals: u32,
}

const fn case(name: &'static str, hosts: u32, cut: Cut, heals: u32, model: &'static str) -> Case {
    Case { name, hosts, cut, model, heals }
}

const CASES: [Case; 16] = [
    case("2 / 3", 5, Cut::Sides(2), 22, "9.0/13.5; 0; 2.2/4.9"),
    case("1 / 4", 5, Cut::Sides(1), 16, "9.0/12.5; 0; 1.6/4.4"),
    case("1 / 63", 64, Cut::Sides(1), 13, "9/52 (marked); 0; 1.3/1.8; 2 refutations"),
    case("32 / 32", 64, Cut::Sides(32), 51, "4.1/11.3; 0; 5.1/5.7; 64 refutations"),
    case("21 / 43", 64, Cut::Sides(21), 52, "4.2/11.3; 0; 5.2/6.6"),
    case("deaf, of 64", 64, Cut::Deaf, 14, "9.0/52; 0; 1.4/2.1"),
    case("mute, of 64", 64, Cut::Mute, 1, "-; 0, 0 Suspects at heal; 0.1/0.5"),
    case("link A-B, of 5", 5, Cut::Link, 0, "0"),
    case("link A-B, of 64", 64, Cut::Link, 0, "0"),
    case("one way A to B, of 5", 5, Cut::OneWay, 0, "0"),
    case("one way A to B, of 64", 64, Cut::OneWay, 0, "0"),
    case("link A-B, 5 s on and off, of 5", 5, Cut::FlappingLink, 0, "0"),
    case("link A-B, 5 s on and off, of 64", 64, Cut::FlappingLink, 0, "0"),
    case("node off 2 s, on 2 s, of 5", 5, Cut::OnAndOff, 0, "0"),
    case("node off 2 s, on 2 s, of 64", 64, Cut::OnAndOff, 0, "0"),
    case("80 % of one's egress from the start, of 64", 64, Cut::Egress, 0, "0, 344 Suspects"),
];

impl Cut {
    /// Whether nothing passes between the two in at least one way, so that their Dead of each other is no mistake.
    fn parts(self, one: u32, other: u32) -> bool {
        match self {
            Cut::Sides(first) => (one < first) != (other < first),
            Cut::Deaf | Cut::Mute => one == 0 || other == 0,
            _ => false,
        }
    }

    fn fault(self) -> Fault {
        match self {
            Cut::Sides(first) => {
                Fault::Partition { groups: vec![(0..first).collect(), Vec::new()], bridges: Vec::new() }
            }
            Cut::OnAndOff => Fault::Partition { groups: vec![vec![0], Vec::new()], bridges: Vec::new() },
            Cut::Deaf => Fault::Cut { links: Links::into(&[0]) },
            Cut::Mute => Fault::Cut { links: Links::out_of(&[0]) },
            Cut::Link | Cut::FlappingLink => Fault::Cut { links: Links::between(&[0], &[1]) },
            Cut::OneWay => Fault::Cut { links: Links::from_to(&[0], &[1]) },
            Cut::Egress => Fault::Loss { links: Links::out_of(&[0]), permille: 800 },
        }
    }

    fn flap(self) -> Option<Flap> {
        let every = match self {
            Cut::FlappingLink => SECOND * 5,
            Cut::OnAndOff => SECOND * 2,
            _ => return None,
        };
        Some(Flap { on: every, off: every })
    }
}

#[derive(Clone, Debug, Default)]
struct Ran {
    /// When each of the parted had the other Dead first.
    far: Vec<Duration>,
    parted: u64,
    wrong: u64,
    wrong_certain: u64,
    healed: Option<Duration>,
    refutations: u64,
    suspects: u64,
    /// Suspects after the cut was over.
    late_suspects: u64,
}

pub(super) fn table(lab: &Lab) -> Result<Table, ScenarioError> {
    let mut table = Table {
        title: "4. Partitions",
        about: "A cut of 60 s; seconds from its beginning until one side has a member of the other Dead (certain or \
                provisional, pairs of observer and member), and from its end until all live views are equal. A wrong \
                Dead is one of a member whose datagrams reach the observer's side and who hears it, at any time \
                until then. Model: far side Dead median/max; wrong Dead per run; heal median/max."
            .to_owned(),
        head: &[
            "case",
            "runs",
            "pairs seen Dead",
            "far side Dead median",
            "max",
            "wrong Dead per run (certain)",
            "heal median",
            "max",
            "refutations per run",
            "Suspects per run (after the end)",
            "model",
        ],
        rows: Vec::new(),
        worse: Vec::new(),
    };

    for case in &CASES {
        let runs = if case.hosts < 10 { lab.effort.pick(5, 100) } else { lab.effort.pick(2, 20) };
        let ran = parallel::each(lab.jobs, runs, |seed| run(case, seed));
        let ran = ran.into_iter().collect::<Result<Vec<_>, _>>()?;
        row(&mut table, case, &ran);
    }
    Ok(table)
}

fn run(case: &Case, seed: u64) -> Result<Ran, ScenarioError> {
    let begins = SETTLE + Random::new(seed, "partition table").span(Duration::ZERO, SETTLE_MORE);
    let (at, lasts) = if case.cut == Cut::Egress { (Duration::ZERO, begins + LASTS) } else { (begins, LASTS) };
    let planned = Planned { flap: case.cut.flap(), ..Planned::at(at, case.cut.fault()).lasting(lasts) };
    let mut world = begin(&cluster("partition", case.hosts, SECOND * 3).with(planned), seed)?;

    let over = Instant::ORIGIN + begins + LASTS;
    world.run_until(over);
    let before = world.watch().suspects();
    let healed = heal(&mut world, over);

    let mut ran = Ran { healed, refutations: refutations(&world), ..Ran::default() };
    ran.suspects = world.watch().suspects();
    ran.late_suspects = ran.suspects - before;

    // Between the sides a Dead is right while the cut lasts; within a side it never is.
    let mut far = BTreeMap::new();
    for death in world.watch().false_deaths() {
        let verdict = death.verdict;
        if case.cut.parts(verdict.observer, death.victim) {
            if verdict.at <= over {
                far.entry((verdict.observer, death.victim)).or_insert(verdict.at.since(Instant::ORIGIN + begins));
            }
        } else {
            ran.wrong += 1;
            ran.wrong_certain += u64::from(!verdict.is_provisional);
        }
    }

    let pairs = (0..case.hosts).flat_map(|one| (0..case.hosts).map(move |other| (one, other)));
    ran.parted = pairs.filter(|(one, other)| one != other && case.cut.parts(*one, *other)).count() as u64;
    ran.far = far.into_values().collect();
    Ok(ran)
}

/// Runs until all live views are equal.
fn heal(world: &mut Measured, over: Instant) -> Option<Duration> {
    while world.now() <= over + MOST {
        if are_equal(world) {
            return Some(world.now().since(over));
        }
        world.run(LOOK_EVERY);
    }
    None
}

fn row(table: &mut Table, case: &Case, ran: &[Ran]) {
    let runs = ran.len() as f64;
    let sum = |what: fn(&Ran) -> u64| ran.iter().map(what).sum::<u64>();
    let per_run = |what: fn(&Ran) -> u64| number(sum(what) as f64 / runs);
    let far = Sample::of_spans((0..).zip(ran).flat_map(|(run, one)| one.far.iter().map(move |span| (*span, run))));
    let healed = Sample::of_spans((0..).zip(ran).filter_map(|(run, one)| Some((one.healed?, run))));
    let (wrong, never) = (sum(|one| one.wrong), ran.len() - healed.len());

    if wrong > 0 || never > 0 {
        let certain = sum(|one| one.wrong_certain);
        table.worse.push(format!("4: {}: {wrong} wrong Dead ({certain} certain), {never} not healed", case.name));
    }

    let low = healed.interval(MEDIAN).low.unwrap_or(0.0);
    if low > (f64::from(case.heals) + 0.5) * 1e8 {
        let found = percentile(&healed, MEDIAN);
        table.worse.push(format!(
            "4: {}: healed after {found} in the median, model {}.{}",
            case.name,
            case.heals / 10,
            case.heals % 10
        ));
    }

    let (seen, parted) = (far.len() as u64, sum(|one| one.parted));
    if seen < parted {
        table.worse.push(format!(
            "4: {}: {} of pairs seen Dead within 60 s, model all",
            case.name,
            share(seen, parted)
        ));
    }

    table.rows.push(vec![
        case.name.to_owned(),
        grouped(ran.len() as u64),
        share(seen, parted),
        percentile(&far, MEDIAN),
        seconds(far.max()),
        format!("{} ({})", per_run(|one| one.wrong), per_run(|one| one.wrong_certain)),
        percentile(&healed, MEDIAN),
        if never > 0 { format!("{never} never") } else { seconds(healed.max()) },
        per_run(|one| one.refutations),
        format!("{} ({})", per_run(|one| one.suspects), per_run(|one| one.late_suspects)),
        case.model.to_owned(),
    ]);
}
