//! What there is: scenarios and checks, each with its sentence.

use std::io::Write;

use tidings_sim::checks::CHECKS;

use crate::cli::trouble::Trouble;
use crate::cli::{Verdict, known};

pub(crate) fn scenarios(out: &mut impl Write) -> Result<Verdict, Trouble> {
    table(out, known::all())
}

pub(crate) fn checks(out: &mut impl Write) -> Result<Verdict, Trouble> {
    table(out, CHECKS.iter().copied())
}

fn table<'a>(out: &mut impl Write, rows: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Verdict, Trouble> {
    let rows: Vec<_> = rows.collect();
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, about) in rows {
        writeln!(out, "{name:width$}  {about}")?;
    }
    Ok(Verdict::Held)
}
