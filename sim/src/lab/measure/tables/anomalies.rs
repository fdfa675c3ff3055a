//! Lifeguard's interval experiment: some members are sick again and again, and the question is which members call which
//! dead.
//!
//! Source: Lifeguard, section V.D. The sick are drawn anew for each run and fall sick and recover in lock-step. A false
//! death is one of a member that never was sick, at any observer; the ones at healthy observers are what Lifeguard set
//! out to end.

use std::time::Duration;

use crate::fault::{Fault, Hosts, Inbox, Planned};
use crate::lab::measure::parallel;
use crate::lab::measure::tables::{Lab, SETTLE, begin, cluster};
use crate::lab::measure::text::{Table, grouped};
use crate::random::Random;
use crate::scenario::ScenarioError;

const HOSTS: u32 = 64;
const LASTS_MS: u64 = 120_000;
/// What a member that was sick to the end says when it is back is still counted.
const AFTER: Duration = Duration::from_secs(10);

const SICK: [u32; 4] = [1, 8, 16, 32];
const ON_MS: [u64; 4] = [500, 2_000, 8_000, 33_000];
const OFF_MS: [u64; 3] = [16, 256, 4_096];

/// What being sick means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flavour {
    /// Timers run, and whatever is sent or arrives waits.
    Blocked,
    /// The process does not run; its socket keeps what arrives.
    Stopped,
    /// The process does not run; what arrives is lost.
    Deafened,
}

const FLAVOURS: [(Flavour, &str, &str); 3] = [
    (Flavour::Blocked, "A: blocked, timers run", "33,153 (33,148); 0; 0"),
    (Flavour::Stopped, "B: stopped, inbound kept", "0; 0; 0"),
    (Flavour::Deafened, "C: stopped, inbound lost", "0; 0; 0"),
];

#[derive(Clone, Copy, Debug)]
struct Cell {
    flavour: Flavour,
    sick: u32,
    on_ms: u64,
    off_ms: u64,
    repetition: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Ran {
    /// Deaths of members that never were sick.
    false_deaths: u64,
    /// Of them provisional.
    provisional: u64,
    /// Of them at observers that never were sick.
    at_healthy: u64,
    /// Certain deaths of sick members, stopped or blocked for less than P, at healthy observers.
    short_stalls: u64,
}

pub(super) fn table(lab: &Lab) -> Result<Table, ScenarioError> {
    let mut table = Table {
        title: "3. Lifeguard's interval anomalies",
        about: "n = 64; C of 1, 8, 16, 32 members are sick for D = 0.5, 2, 8, 33 s, well for I = 16, 256, 4,096 ms, \
                and so on for 120 s and to the end of that D, then 10 s more; 48 cells, twice each. FP: Dead of \
                members that never were sick, one for each observer; FP-: those at observers that never were sick. \
                The last column is no false positive in Lifeguard's terms: Dead of a sick member whose D is below P, \
                at a healthy observer and certain (model 98 in flavour A, in about 2 runs). Model: FP (of them \
                provisional); FP-; runs with FP-. Worst cells are named by flavour, C, D, I."
            .to_owned(),
        head: &[
            "flavour",
            "runs",
            "FP",
            "of them provisional",
            "FP-",
            "runs with FP-",
            "model",
            "sick for D < P, Dead",
        ],
        rows: Vec::new(),
        worse: Vec::new(),
    };

    let mut worst: Vec<(u64, u64, String)> = Vec::new();
    let mut sick_dead: Vec<(u64, String)> = Vec::new();
    for (flavour, name, model) in FLAVOURS {
        let cells = cells(lab, flavour);
        let ran = parallel::each(lab.jobs, cells.len() as u64, |place| run(cells[place as usize]));
        let ran = ran.into_iter().collect::<Result<Vec<_>, _>>()?;
        let sum = |what: fn(&Ran) -> u64| ran.iter().map(what).sum::<u64>();

        let at_healthy = sum(|one| one.at_healthy);
        if at_healthy > 0 {
            table.worse.push(format!("3: {at_healthy} FP- in flavour {name}; model 0"));
        }

        let (all, provisional) = (sum(|one| one.false_deaths), sum(|one| one.provisional));
        let runs = ran.iter().filter(|one| one.at_healthy > 0).count();
        let cell = [all, provisional, at_healthy, runs as u64].map(grouped);
        let [all, provisional, at_healthy, runs] = cell;
        let stalls = grouped(sum(|one| one.short_stalls));
        let row =
            [name.to_owned(), cells.len().to_string(), all, provisional, at_healthy, runs, model.to_owned(), stalls];
        table.rows.push(row.to_vec());

        for (cell, one) in cells.iter().zip(&ran) {
            let name = format!("{:?} C {} D {} ms I {} ms", cell.flavour, cell.sick, cell.on_ms, cell.off_ms);
            if one.short_stalls > 0 {
                sick_dead.push((one.short_stalls, name.clone()));
            }
            if one.false_deaths > 0 {
                worst.push((one.at_healthy, one.false_deaths - one.provisional, name));
            }
        }
    }

    worst.sort_by(|one, other| other.cmp(one));
    let worst: Vec<String> = worst
        .into_iter()
        .filter(|(at_healthy, certain, _)| at_healthy + certain > 0)
        .take(6)
        .map(|(at_healthy, certain, name)| format!("{name}: FP- {at_healthy}, certain FP {certain}"))
        .collect();
    let worst = if worst.is_empty() { "none has a certain FP".to_owned() } else { worst.join("; ") };
    table.about.push_str(&format!(" The worst: {worst}."));

    sick_dead.sort_by(|one, other| other.cmp(one));
    let sick_dead: Vec<String> = sick_dead.into_iter().take(6).map(|(dead, name)| format!("{name}: {dead}")).collect();
    if !sick_dead.is_empty() {
        table.about.push_str(&format!(" Sick for D < P, Dead: {}.", sick_dead.join("; ")));
    }

    Ok(table)
}

fn cells(lab: &Lab, flavour: Flavour) -> Vec<Cell> {
    let mut cells = Vec::new();
    let (repetitions, every) = lab.effort.pick((1, 7), (2, 1));
    for sick in SICK {
        for on_ms in ON_MS {
            for off_ms in OFF_MS {
                cells.extend((0..repetitions).map(|repetition| Cell { flavour, sick, on_ms, off_ms, repetition }));
            }
        }
    }
    // A stride that shares no factor with the grid's sides, so that a quick run sees something of all.
    cells.into_iter().skip(every / 2).step_by(every).collect()
}

fn run(cell: Cell) -> Result<Ran, ScenarioError> {
    let seed = cell.repetition << 48 ^ u64::from(cell.sick) << 40 ^ cell.on_ms << 16 ^ cell.off_ms;
    let sick = Random::new(seed, "anomaly table").choose(cell.sick as usize, HOSTS);
    let hosts = Hosts::These(sick.clone());

    let fault = match cell.flavour {
        Flavour::Blocked => Fault::Block { hosts },
        Flavour::Stopped => Fault::Pause { hosts, inbox: Inbox::Kept },
        Flavour::Deafened => Fault::Pause { hosts, inbox: Inbox::Dropped },
    };

    let (on, off) = (Duration::from_millis(cell.on_ms), Duration::from_millis(cell.off_ms));
    // To the end of the time that is under way when 120 s are over.
    let cycles = LASTS_MS.div_ceil(cell.on_ms + cell.off_ms);
    let lasts = (on + off) * cycles as u32 - off;
    let planned = Planned::at(SETTLE, fault).lasting(lasts).flapping(on, off);

    let scenario = cluster("anomaly", HOSTS, Duration::from_secs(3)).with(planned);
    let mut world = begin(&scenario, seed)?;
    world.run(SETTLE + lasts + AFTER);

    let mut ran = Ran::default();
    for death in world.watch().false_deaths() {
        let is_sick = |host: u32| sick.contains(&host);
        if is_sick(death.victim) {
            let is_short = on < Duration::from_secs(3);
            ran.short_stalls +=
                u64::from(is_short && !death.verdict.is_provisional && !is_sick(death.verdict.observer));
            continue;
        }
        ran.false_deaths += 1;
        ran.provisional += u64::from(death.verdict.is_provisional);
        ran.at_healthy += u64::from(!is_sick(death.verdict.observer));
    }

    Ok(ran)
}
