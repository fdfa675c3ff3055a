//! A cluster of real nodes in one process, and a guided tour of what they see of each other: `demo --help`.

mod actions;
mod answers;
mod cluster;
mod commands;
mod feed;
mod groups;
mod interpreter;
mod json;
mod leaderships;
mod names;
mod observations;
mod options;
mod outcome;
mod prompt;
mod report;
mod silences;
mod text;
mod tour;
mod watch;
mod words;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use interpreter::Interpreter;
use options::{Options, USAGE};
use report::Report;

/// What shells report of a process that Ctrl-C ended, and of one whose reader went away.
const INTERRUPTED: u8 = 130;
const NOBODY_READS: u8 = 141;

fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            // A reader that is gone needs no help.
            let _ = writeln!(io::stdout(), "{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("demo: {error}");
            return ExitCode::from(2);
        }
    };

    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("demo: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };

    let code = runtime.block_on(run(&options));
    // A read of standard input may be under way; it must not hold the process.
    runtime.shutdown_background();
    code
}

/// Runs until the end or until Ctrl-C. Colours never outlast a write, so there is nothing to reset.
async fn run(options: &Options) -> ExitCode {
    let report: Box<dyn Report> =
        if options.json { Box::new(json::Json) } else { Box::new(text::Text::new(options.interactive)) };
    let mut interpreter = Interpreter::new(options, report);
    let ended = tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => None,
        ended = play(&mut interpreter, options) => Some(ended),
    };

    match ended {
        Some(Ok(Ok(true))) => ExitCode::SUCCESS,
        Some(Ok(Ok(false))) => ExitCode::FAILURE,
        Some(Ok(Err(reason))) => {
            eprintln!("demo: {reason}");
            ExitCode::FAILURE
        }
        Some(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(NOBODY_READS),
        Some(Err(error)) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
        None => {
            eprintln!("\ninterrupted; the nodes say goodbye");
            interpreter.close().await;
            ExitCode::from(INTERRUPTED)
        }
    }
}

/// Whether everything was as expected; or why the nodes could not start.
async fn play(interpreter: &mut Interpreter, options: &Options) -> io::Result<Result<bool, String>> {
    if let Err(reason) = interpreter.open().await? {
        return Ok(Err(reason));
    }
    if options.interactive {
        prompt::serve(interpreter).await?;
        interpreter.summary()?;
        return Ok(Ok(true));
    }
    let watched = !options.json && io::stdout().is_terminal();
    tour::play(interpreter, options.nodes, watched).await.map(Ok)
}
