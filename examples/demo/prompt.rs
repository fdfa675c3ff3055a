//! The prompt: reads commands from standard input until it ends.

use std::io;

use tokio::io::{AsyncBufReadExt, BufReader};

use crate::commands::parse;
use crate::stage::{Flow, Stage};

/// Reads and obeys; whatever happens in between is told as it comes.
pub async fn serve(stage: &mut Stage) -> io::Result<()> {
    let mut input = BufReader::new(tokio::io::stdin()).split(b'\n');
    stage.report.prompt()?;
    loop {
        tokio::select! {
            turned = stage.turn() => turned?,
            line = input.next_segment() => {
                let Some(line) = line? else { return Ok(()) };
                stage.report.entered();
                match parse(&String::from_utf8_lossy(&line)) {
                    Ok(Some(command)) => {
                        if stage.obey(command).await? == Flow::Quit {
                            return Ok(());
                        }
                    }
                    Ok(None) => {}
                    Err(reason) => stage.refuse(&reason)?,
                }
                stage.report.prompt()?;
            }
        }
    }
}
