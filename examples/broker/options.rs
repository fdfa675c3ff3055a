//! The command line: that of the whole show, and that of one of its processes.

use std::path::PathBuf;
use std::time::Duration;

pub const USAGE: &str = "\
usage: broker [--seconds N] [--seed S] [--json]

  --seconds N  for how long the client writes and things go wrong, 3 to 600; 20 unless told
  --seed S     what goes wrong, in which order, and to whom, except that every other time it is whoever leads
  --json       a last line with the figures as one JSON object";

#[derive(Debug)]
pub enum Options {
    Show(Show),
    Broker(Broker),
}

#[derive(Debug)]
pub struct Show {
    pub time: Duration,
    pub seed: u64,
    pub json: bool,
    /// Whether the logs have their fences; without them the proof fails, which is what they are for.
    pub fenced: bool,
}

/// One process: `node NAME FOLDER fenced|open [CONTACT..]`.
#[derive(Debug)]
pub struct Broker {
    pub name: String,
    /// The folder with the logs, which all processes share.
    pub folder: PathBuf,
    pub fenced: bool,
    pub contacts: Vec<String>,
}

impl Options {
    /// Reads the arguments; nothing when help was asked for.
    ///
    /// # Errors
    /// A sentence that says what to write.
    pub fn read(args: &[String]) -> Result<Option<Self>, String> {
        if let [first, name, folder, fence, contacts @ ..] = args {
            if first == "node" {
                let (name, folder, contacts) = (name.clone(), PathBuf::from(folder), contacts.to_vec());
                return Ok(Some(Options::Broker(Broker { name, folder, fenced: fence == "fenced", contacts })));
            }
        }

        let mut show = Show { time: Duration::from_secs(20), seed: any_seed(), json: false, fenced: true };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut number = || {
                let number = args.next().and_then(|text| text.parse::<u64>().ok());
                number.ok_or_else(|| format!("{arg} needs a number; --help lists the options"))
            };
            match arg.as_str() {
                "--seconds" => show.time = Duration::from_secs(number()?),
                "--seed" => show.seed = number()?,
                "--json" => show.json = true,
                "--no-fence" => show.fenced = false,
                "--help" | "-h" => return Ok(None),
                _ => return Err(format!("there is no option {arg}; --help lists them")),
            }
        }

        if !(3..=600).contains(&show.time.as_secs()) {
            return Err("--seconds: write a number from 3 to 600".to_owned());
        }
        Ok(Some(Options::Show(show)))
    }
}

/// Another one each time; it is printed, so that it can be given again.
fn any_seed() -> u64 {
    use std::time::{SystemTime, UNIX_EPOCH};
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64 % 1_000_000)
}
