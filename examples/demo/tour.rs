//! The guided tour: a script of the interactive commands, and what to watch at each step.
//!
//! `wait` fails the tour when the other nodes have not seen within its time what the command before it should make them
//! see. The times are several times what P = 1 s promises, and do not grow with P.

use std::io;
use std::time::Duration;

use crate::commands::{parse, runs};
use crate::names::{list, name};
use crate::stage::{Flow, Stage};

/// How long a person may read before the next thing happens; nothing waits for it when nobody watches.
const READING: Duration = Duration::from_millis(1_500);

struct Step {
    title: String,
    caption: Vec<String>,
    script: Vec<String>,
}

/// Plays the tour; whether everything was as expected.
pub async fn play(stage: &mut Stage, nodes: usize, watched: bool) -> io::Result<bool> {
    for step in tour(nodes) {
        stage.report.step(&step.title, &step.caption)?;
        if watched {
            stage.run_for(READING).await?;
        }
        for line in &step.script {
            match parse(line) {
                Ok(Some(command)) => match stage.obey(command).await? {
                    Flow::On => {}
                    Flow::Refused(reason) => stage.fail(reason),
                    Flow::Quit => return Ok(false),
                },
                Ok(None) => {}
                Err(reason) => stage.fail(reason),
            }
        }
        if watched {
            stage.run_for(READING).await?;
        }
    }
    stage.summary()
}

fn tour(nodes: usize) -> Vec<Step> {
    // A small cluster has fewer to choose from; nobody is met twice if that can be helped.
    let (killed, frozen, leaver) = (3, if nodes > 3 { 4 } else { 2 }, nodes.min(5));
    let side = nodes * 2 / 5;
    let (one, other) = (list(&(1..=side).collect()), list(&(side + 1..=nodes).collect()));
    let step = |title: &str, caption: &[&str], script: &[String]| Step {
        title: title.to_owned(),
        caption: caption.iter().map(|line| (*line).to_owned()).collect(),
        script: script.to_vec(),
    };
    let wait = || "wait 8s".to_owned();
    vec![
        step("1. all up", &["Each node was told the address of one other, and finds the rest."], &[wait()]),
        step(
            &format!("2. {} is killed", name(killed)),
            &[
                "Its process ends without a word. Watch who notices first, and who agrees; nobody",
                "calls it dead on another's word, nor before it has been silent for P.",
            ],
            &[format!("kill {killed}"), wait(), format!("why {killed}")],
        ),
        step(
            &format!("3. {} restarts", name(killed)),
            &[
                "A new process on the old address. Watch its generation: it is higher, so nobody",
                "takes it for the one that died.",
            ],
            &[format!("restart {killed}"), wait()],
        ),
        step(
            &format!("4. {} stalls for less than P", name(frozen)),
            &[
                "It does not run for 700 ms, as in a long garbage collection. Watch it be suspected,",
                "and refute as soon as it runs again; nobody calls it dead.",
            ],
            &[format!("freeze {frozen} 700ms"), wait()],
        ),
        step(
            &format!("5. the network splits: {one} | {other}"),
            &[
                "Nothing passes between the two sides. Watch each side call the other dead; a verdict",
                "at P takes three accusers (fewer once fewer are left); a side without waits for 3 P.",
            ],
            &[format!("partition {}", runs(&(1..=side).collect())), wait()],
        ),
        step(
            "6. the network heals",
            &["The dead are still dialled now and then. Watch both sides come to one view again."],
            &["heal".to_owned(), wait()],
        ),
        step(
            &format!("7. {} leaves", name(leaver)),
            &["It says so, and the others believe it at once: left, not dead."],
            &[format!("leave {leaver}"), wait(), "members".to_owned()],
        ),
    ]
}
