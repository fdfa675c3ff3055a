//! The demo as lines for people: aligned, coloured on a terminal, and no more of them than one can read.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use tidings::event::{Event, SuspectReason};
use tidings::member::State;

use crate::groups::{Groups, Item, Line};
use crate::names::{list, number};
use crate::observations::{Figures, Seen};
use crate::outcome::{FIGURES, Outcome, secs};
use crate::report::{Opening, Report};
use crate::words::{BOLD, CYAN, DIM, GREEN, RED, colour, kind, note, said};

/// Columns of a heading's rule.
const WIDTH: usize = 88;

pub struct Text {
    coloured: bool,
    /// Whether a person types at a prompt, and sees what was typed.
    typed: bool,
    /// Whether a prompt stands on the last line.
    prompted: bool,
    /// When the last command began; later events are dated from it.
    since: Duration,
    groups: Groups,
}

impl Text {
    /// Colours only for a terminal, and not where `NO_COLOR` asks for none.
    pub fn new(interactive: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        let typed = interactive && terminal && io::stdin().is_terminal();
        let groups = Groups::default();
        Text { coloured: terminal && !plain && !dumb, typed, prompted: false, since: Duration::ZERO, groups }
    }

    /// Colour is begun and ended within the one write, so that whatever interrupts the demo leaves the terminal as it
    /// was.
    fn print(&mut self, lines: &[String]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let mut all = String::new();
        if std::mem::take(&mut self.prompted) {
            all.push_str("\r\x1b[K");
        }
        for line in lines {
            all.push_str(line.trim_end());
            all.push('\n');
        }
        out.write_all(all.as_bytes())?;
        out.flush()
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.coloured { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// A heading and the rule after it.
    fn heading(&self, title: &str) -> String {
        let rule = "─".repeat(WIDTH.saturating_sub(title.chars().count() + 4));
        format!("{} {} {}", self.paint(DIM, "──"), self.paint(BOLD, title), self.paint(DIM, &rule))
    }

    fn tell(&mut self, now: Option<Duration>) -> io::Result<()> {
        let lines: Vec<_> = self.groups.take(now).iter().map(|line| self.line(line)).collect();
        if lines.is_empty() {
            return Ok(());
        }
        let prompted = self.prompted;
        self.print(&lines)?;
        if prompted { self.prompt() } else { Ok(()) }
    }

    fn line(&self, line: &Line) -> String {
        let after = |at: Duration| at.saturating_sub(self.since).as_secs_f64();
        let (first, last) = (after(line.first), after(line.last));
        let delta = if last - first < 0.01 { format!("+{first:.2} s") } else { format!("+{first:.2}-{last:.2} s") };
        let mut note = said(line);
        if let Some((told, all)) = line.partly {
            let space = if note.is_empty() { "" } else { " " };
            note = format!("{note}{space}({told} of {all})");
        }
        let members = if line.members.is_empty() { String::new() } else { list(&line.members) };
        format!(
            "{}  {:<12} {} {members:<12} {} {note}",
            self.paint(DIM, &format!("{:>7.2}s", line.first.as_secs_f64())),
            list(&line.observers),
            self.paint(colour(line.kind), &format!("{:<8}", line.kind)),
            self.paint(DIM, &format!("{delta:<12}")),
        )
    }
}

impl Report for Text {
    fn open(&mut self, opening: &Opening) -> io::Result<()> {
        let Opening { nodes, interactive, config, seed } = opening;
        let plural = if *nodes == 1 { "node" } else { "nodes" };
        let title = format!("tidings: {nodes} real {plural} on 127.0.0.1, in this process");
        let mut lines = vec![
            self.heading(&title),
            format!(
                "   profile local: everyone is pinged every {}, stall tolerance P = {}; seed {seed}",
                secs(config.probe_interval),
                secs(config.stall_tolerance)
            ),
        ];
        if *interactive {
            lines.push("   help lists the commands, quit ends".to_owned());
        }
        self.print(&lines)
    }

    fn step(&mut self, title: &str, caption: &[String]) -> io::Result<()> {
        self.tell(None)?;
        let mut lines = vec![String::new(), self.heading(title)];
        lines.extend(caption.iter().map(|line| format!("   {line}")));
        self.print(&lines)
    }

    fn command(&mut self, at: Duration, command: &str) -> io::Result<()> {
        self.tell(None)?;
        self.since = at;
        if self.typed {
            return Ok(()); // it stands there as it was typed
        }
        self.print(&[self.paint(CYAN, &format!("   > {command}"))])
    }

    fn seen(&mut self, now: Duration, seen: &Seen) -> io::Result<()> {
        if seen.member == Some(seen.observer) {
            return Ok(());
        }
        let again = seen.event.member().map(|member| (member.generation(), State::Suspect)) == seen.was;
        if again && matches!(seen.event, Event::Suspect { .. }) {
            self.groups.accuse(seen.observer, seen.member, &seen.by);
            return Ok(());
        }
        let (shade, note) = note(seen);
        let noticed = matches!(seen.event, Event::Suspect { reason: SuspectReason::ProbeFailed, .. });
        let Seen { at, observer, .. } = *seen;
        let leader = seen.event.leader().and_then(|leader| number(&leader.name));
        let member = seen.member.or(leader);
        let item = Item { at, observer, member, by: seen.by.clone(), noticed, note };
        self.groups.add(now, (kind(&seen.event), shade), item);
        Ok(())
    }

    fn outcome(&mut self, _at: Duration, outcome: &Outcome) -> io::Result<()> {
        let prompted = self.prompted;
        self.tell(None)?;
        let mark = if outcome.met { self.paint(GREEN, "✓") } else { self.paint(RED, "✗") };
        self.print(&[format!("   {mark} {}", outcome.text)])?;
        if prompted { self.prompt() } else { Ok(()) }
    }

    fn answer(&mut self, _at: Duration, _command: &str, lines: &[String]) -> io::Result<()> {
        self.tell(None)?;
        self.print(&lines.iter().map(|line| format!("   {line}")).collect::<Vec<_>>())
    }

    fn refused(&mut self, _at: Duration, reason: &str) -> io::Result<()> {
        self.tell(None)?;
        self.print(&[format!("   {} {reason}", self.paint(RED, "!"))])
    }

    fn summary(&mut self, at: Duration, opening: &Opening, figures: &Figures) -> io::Result<()> {
        self.tell(None)?;
        let mut lines = vec![String::new(), self.heading("measured at the other nodes' subscribers")];
        let mut told = "";
        for (key, command, label) in FIGURES {
            let Some(time) = figures.times.get(key) else { continue };
            let command = if std::mem::replace(&mut told, command) == command { "" } else { command };
            let ms = if time.as_millis() == 0 { "<1".to_owned() } else { time.as_millis().to_string() };
            lines.push(format!("   {command:<11} {label:<36} {ms:>6} ms"));
        }

        let count = format!("{:>6}", figures.false_dead);
        let count = self.paint(if figures.false_dead == 0 { GREEN } else { RED }, &count);
        lines.push(format!("   {:<11} {:<36} {count}", "all along", "false deaths"));
        let count = format!("{:>6}", figures.two_leaders);
        let count = self.paint(if figures.two_leaders == 0 { GREEN } else { RED }, &count);
        lines.push(format!("   {:<11} {:<36} {count}", "", "leases that began beside another"));

        lines.push(String::new());
        lines.extend(figures.failed.iter().map(|failed| format!("   {} {failed}", self.paint(RED, "✗"))));
        let (met, all) = (figures.met, figures.met + figures.failed.len() as u64);
        let verdict = format!("{met} of {all} expectations met in {}", secs(at));
        lines.push(format!("   {}", self.paint(if figures.passed() { GREEN } else { RED }, &verdict)));

        if !opening.interactive {
            let more = "next: --interactive (the same commands by hand), --nodes 50, --json, --help";
            lines.push(format!("   {}", self.paint(DIM, more)));
        }

        self.print(&lines)
    }

    fn prompt(&mut self) -> io::Result<()> {
        if self.typed {
            self.prompted = true;
            let mut out = io::stdout().lock();
            out.write_all(b"> ")?;
            out.flush()?;
        }
        Ok(())
    }

    fn entered(&mut self) {
        self.prompted = false;
    }

    fn due(&self) -> Option<Duration> {
        self.groups.due()
    }

    fn tick(&mut self, now: Duration) -> io::Result<()> {
        self.tell(Some(now))
    }
}
