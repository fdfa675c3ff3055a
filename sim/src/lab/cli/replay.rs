//! Runs again what a file holds: a scenario with its seed.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::cli::Verdict;
use crate::cli::known::{self, Source};
use crate::cli::recording;
use crate::cli::run::{One, Shown};
use crate::cli::trouble::Trouble;

/// What a recording of a real node begins with.
const RECORDING: &[u8] = b"tidings";

/// Runs a scenario file with the seed that is written in it, or goes through a real node's recording.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  tidings-sim replay target/sim/sim-failure-42.toml
  tidings-sim replay target/sim/sim-failure-42.toml --verbose
  tidings-sim replay /var/lib/db/node.recording        what a node recorded (Builder::record), told and explained")]
pub(crate) struct Args {
    /// A scenario file, such as a sweep writes when a seed fails, or a recording
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Another seed than the file's
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    #[command(flatten)]
    shown: Shown,
}

pub(crate) fn replay(args: &Args, out: &mut impl Write) -> Result<Verdict, Trouble> {
    match kind(&args.file)? {
        Kind::Recording => recording::replay(&args.file, &args.shown, out),
        Kind::Scenario => scenario(args, out),
    }
}

enum Kind {
    Scenario,
    Recording,
}

/// What a file is, by how it begins.
fn kind(path: &Path) -> Result<Kind, Trouble> {
    let wrong = |error| Trouble::file("read", path, error);
    let mut begins = Vec::new();
    let file = std::fs::File::open(path).map_err(wrong)?;
    file.take(RECORDING.len() as u64 + 1).read_to_end(&mut begins).map_err(wrong)?;
    // Text may begin with the same word; a recording's next byte is its version and no letter.
    let is_recording = begins.starts_with(RECORDING) && begins.get(RECORDING.len()).is_some_and(|byte| *byte < b'\t');
    Ok(if is_recording { Kind::Recording } else { Kind::Scenario })
}

fn scenario(args: &Args, out: &mut impl Write) -> Result<Verdict, Trouble> {
    let source = Source::read(&args.file)?;
    let Some(seed) = args.seed.or(source.seed) else {
        let name = &source.name;
        return Err(Trouble::say(format!("{name} names no seed: write `seed = 7` at its top, or give --seed 7")));
    };
    let mut words = vec!["replay".to_owned(), source.name.clone()];
    if let Some(seed) = args.seed {
        words.extend(["--seed".to_owned(), seed.to_string()]);
    }
    words.extend(args.shown.words());
    let one = One { scenario: source.scenario(seed), is_drawn: false, seed, replay: known::command(&words) };
    one.run(&args.shown, out)
}
