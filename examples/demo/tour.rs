//! The guided tour: a script of the interactive commands, and what to watch at each step.
//!
//! `wait` fails the tour when the other nodes have not seen within its time what the command before it should make them
//! see. The times are several times what P = 1 s promises, and do not grow with P.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use crate::commands::{Number, parse, runs};
use crate::interpreter::{Flow, Interpreter};
use crate::leaderships::voters;
use crate::names::{list, name};

/// How long a person may read before the next thing happens; nothing waits for it without a terminal.
const READING: Duration = Duration::from_millis(1_500);

/// How long a step waits for a leader, which may just be changing.
const LEADERLESS: Duration = Duration::from_secs(2);
/// How many steps there are.
const STEPS: usize = 7;

struct Step {
    title: String,
    caption: Vec<String>,
    script: Vec<String>,
}

/// The nodes that each step is about. Chosen when the step begins, for before that the leader is not known.
#[derive(Default)]
struct Cast {
    killed: Number,
    frozen: Number,
    side: BTreeSet<Number>,
    leaver: Number,
}

impl Cast {
    /// Chooses for a step. A small cluster has fewer to choose from; no node is met twice if that can be helped.
    fn choose(&mut self, step: usize, nodes: usize, leader: Option<Number>) {
        let leader = leader.unwrap_or(3);
        match step {
            2 => self.killed = leader,
            // A leader that does not run loses its lease, which is not what this step is about.
            4 => {
                let others = (1..=nodes).filter(|node| ![leader, self.killed].contains(node));
                self.frozen = others.max().unwrap_or(self.killed);
            }
            5 => {
                // With the leader, first those that do not vote: the other side must keep a majority of voters.
                let others = (voters(nodes) + 1..=nodes).chain(1..=voters(nodes)).filter(|node| *node != leader);
                self.side = std::iter::once(leader).chain(others).take(nodes * 2 / 5).collect();
            }
            7 => self.leaver = (1..=nodes).filter(|node| *node != leader).max().unwrap_or(leader),
            _ => {}
        }
    }
}

/// Plays the tour; whether everything was as expected.
pub async fn play(interpreter: &mut Interpreter, nodes: usize, watched: bool) -> io::Result<bool> {
    let mut cast = Cast::default();
    for number in 1..=STEPS {
        if number > 1 {
            interpreter.wait_for_leader(LEADERLESS).await?;
        }

        cast.choose(number, nodes, interpreter.cluster.leaderships.current().map(|leadership| leadership.node));
        let step = step(number, nodes, &cast);
        interpreter.report.step(&step.title, &step.caption)?;

        if watched {
            interpreter.run_for(READING).await?;
        }

        for line in &step.script {
            match parse(line) {
                Ok(Some(command)) => match interpreter.obey(command).await? {
                    Flow::On => {}
                    Flow::Refused(reason) => interpreter.fail(reason),
                    Flow::Quit => return Ok(false),
                },
                Ok(None) => {}
                Err(reason) => interpreter.fail(reason),
            }
        }
        if watched {
            interpreter.run_for(READING).await?;
        }
    }
    interpreter.summary()
}

fn step(number: usize, nodes: usize, cast: &Cast) -> Step {
    let Cast { killed, frozen, side, leaver } = cast;
    let other = (1..=nodes).filter(|node| !side.contains(node)).collect();
    let wait = || "wait 8s".to_owned();
    let (title, caption, script): (String, [&str; 2], Vec<String>) = match number {
        1 => (
            "all up, and one leads".to_owned(),
            [
                "Each node was told the address of one other, and finds the rest. Those that vote",
                "elect a leader: it holds a lease, and its term numbers everything it does.",
            ],
            vec![wait(), "leader".to_owned()],
        ),
        2 => (
            format!("the leader, {}, is killed", name(*killed)),
            [
                "Its process ends without a word. The next leads when the lease is over; nobody calls",
                "the killed one dead on another's word, nor before it has been silent for P.",
            ],
            vec![format!("kill {killed}"), wait(), format!("why {killed}")],
        ),
        3 => (
            format!("{} restarts", name(*killed)),
            [
                "A new process on the old address. Watch its generation: it is higher, so nobody",
                "takes it for the one that died.",
            ],
            vec![format!("restart {killed}"), wait()],
        ),
        4 => (
            format!("{} stalls for less than P", name(*frozen)),
            [
                "It does not run for 700 ms, as in a long garbage collection. Watch it be suspected,",
                "and refute as soon as it runs again; nobody calls it dead.",
            ],
            vec![format!("freeze {frozen} 700ms"), wait()],
        ),
        5 => (
            format!("the network splits: {} | {}", list(side), list(&other)),
            [
                "The leader, on the small side, loses its lease before the majority elects the next.",
                "Each side calls the other dead: with three accusers at P, with too few at 3 P.",
            ],
            vec![format!("partition {}", runs(side)), wait()],
        ),
        6 => (
            "the network heals".to_owned(),
            ["The dead are still dialled now and then. Watch both sides come to one view again,", "and to one leader."],
            vec!["heal".to_owned(), wait(), "leader".to_owned()],
        ),
        _ => (
            format!("{} leaves", name(*leaver)),
            ["It says so, and the others believe it at once: left, not dead.", ""],
            vec![format!("leave {leaver}"), wait(), "members".to_owned()],
        ),
    };

    let caption = caption.iter().filter(|line| !line.is_empty()).map(|line| (*line).to_owned()).collect();
    Step { title: format!("{number}. {title}"), caption, script }
}
