//! The prompt: reads commands from standard input until it ends.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};

use crate::commands::parse;
use crate::interpreter::{Flow, Interpreter};

/// How long the first nodes may take to find each other before the first command is read.
const FORMING: Duration = Duration::from_secs(10);

/// Reads and obeys; whatever happens in between is told as it comes.
pub async fn serve(interpreter: &mut Interpreter) -> io::Result<()> {
    let mut input = BufReader::new(tokio::io::stdin()).split(b'\n');
    interpreter.wait(FORMING).await?;
    interpreter.report.prompt()?;
    loop {
        tokio::select! {
            turned = interpreter.turn() => turned?,
            line = input.next_segment() => {
                let Some(line) = line? else { return Ok(()) };
                interpreter.report.entered();
                match parse(&String::from_utf8_lossy(&line)) {
                    Ok(Some(command)) => {
                        if interpreter.obey(command).await? == Flow::Quit {
                            return Ok(());
                        }
                    }
                    Ok(None) => {}
                    Err(reason) => interpreter.refuse(&reason)?,
                }
                interpreter.report.prompt()?;
            }
        }
    }
}
