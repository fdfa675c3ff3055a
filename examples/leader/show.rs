//! The three processes of the example, and what is done to them: one leads and is killed, the next hands over.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::{Outcome, VOTERS};

/// For any single wait; on a busy machine much more than it needs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Plays it, with the voters' folders in a temporary one.
pub fn show() -> Outcome<()> {
    let folder = std::env::temp_dir().join(format!("tidings-leader-{}", std::process::id()));
    let done = play(&folder);
    std::fs::remove_dir_all(&folder)?;
    done
}

fn play(folder: &Path) -> Outcome<()> {
    let (send, receive) = channel();
    let mut lines = Lines { receive, kept: Vec::new() };
    let mut processes = Vec::new();
    let mut contact = None;
    for name in VOTERS {
        processes.push(Process::start(name, &folder.join(name), contact.as_deref(), &send)?);
        let (_, _, said) = lines.next(name, "runs at ")?;
        contact.get_or_insert(said);
    }
    let (_, first, term, trigger) = lines.elected(2)?;
    println!("{first} leads in term {term}: {trigger}");

    let at = unix_micros();
    let place = processes.iter().position(|process| process.name == first).ok_or("a stranger leads")?;
    drop(processes.remove(place));
    println!("{first} is killed");
    let (began, second, term, trigger) = lines.elected(1)?;
    println!("{second} leads in term {term}: {trigger}; {} without a leader", ms(at, began));

    let leader = processes.iter_mut().find(|process| process.name == second).ok_or("a stranger leads")?;
    writeln!(leader.input, "resign")?;
    println!("{second} resigns");
    let (ended, ..) = lines.next(&second, "leads no more in term ")?;
    let (began, third, term, trigger) = lines.elected(1)?;
    println!("{third} leads in term {term}: {trigger}; {} without a leader", ms(ended, began));

    for process in &mut processes {
        writeln!(process.input, "leave")?;
        process.child.wait()?;
    }
    println!("all have left");
    Ok(())
}

/// What the processes say, in whatever order it comes.
struct Lines {
    receive: Receiver<String>,
    kept: Vec<String>,
}

impl Lines {
    /// When one of them (or any, if `who` is empty) said something that begins so, its name, and the rest of what it
    /// said.
    fn next(&mut self, who: &str, begin: &str) -> Outcome<(u128, String, String)> {
        let mut at = 0;
        loop {
            if self.kept.len() == at {
                let line = self.receive.recv_timeout(PATIENCE);
                self.kept.push(line.map_err(|_| format!("nobody said \"{begin}..\", but {:#?}", self.kept))?);
            }
            let mut words = self.kept[at].splitn(3, ' ');
            if let (Some(moment), Some(name), Some(said)) = (words.next(), words.next(), words.next()) {
                if let Some(rest) = said.strip_prefix(begin).filter(|_| who.is_empty() || who == name) {
                    let found = (moment.parse()?, name.to_owned(), rest.to_owned());
                    self.kept.remove(at);
                    return Ok(found);
                }
            }
            at += 1;
        }
    }

    /// When the next leader began, its name, its term, and what started its election; once so many others follow it.
    fn elected(&mut self, followers: usize) -> Outcome<(u128, String, String, String)> {
        let (began, name, term) = self.next("", "leads in term ")?;
        let (_, _, trigger) = self.next(&name, &format!("elected in term {term}: "))?;
        for _ in 0..followers {
            self.next("", &format!("follows {name} in term {term}"))?;
        }
        Ok((began, name, term, trigger))
    }
}

fn unix_micros() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros()
}

fn ms(from: u128, to: u128) -> String {
    let micros = to.saturating_sub(from);
    format!("{}.{:02} ms", micros / 1_000, micros % 1_000 / 10)
}

/// One voter's process; killed, by its id, when it is dropped.
struct Process {
    name: &'static str,
    child: Child,
    input: ChildStdin,
}

impl Process {
    fn start(name: &'static str, folder: &Path, contact: Option<&str>, lines: &Sender<String>) -> Outcome<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(name).arg(folder).arg("127.0.0.1:0").args(contact);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("no pipe".into());
        };
        let lines = lines.clone();
        thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| lines.send(line))
        });
        Ok(Process { name, child, input })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}
