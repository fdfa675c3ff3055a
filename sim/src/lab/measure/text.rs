//! Figures as people read them, and tables of them in Markdown.

use crate::lab::measure::interval::Interval;
use crate::lab::measure::sample::{MEDIAN, P99, Permille, Sample};

/// One nanosecond in seconds.
const NANO: f64 = 1e-9;

/// A span in seconds.
pub(crate) fn seconds(nanos: Option<u64>) -> String {
    nanos.map_or("-".to_owned(), |nanos| number(nanos as f64 * NANO))
}

/// Three digits that matter, and no more than three after the point.
pub(crate) fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    match value.abs() {
        low if low < 0.001 => format!("{value:.1e}"),
        low if low < 0.01 => format!("{value:.4}"),
        low if low < 1.0 => format!("{value:.3}"),
        low if low < 100.0 => format!("{value:.2}"),
        low if low < 1_000.0 => format!("{value:.1}"),
        _ => grouped(value as u64),
    }
}

/// A whole number with its thousands apart.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A range, with each end in a unit that is `scale` of what it was measured in; `-` where it is not known.
pub(crate) fn range(interval: Interval, scale: f64) -> String {
    let end = |end: Option<f64>| end.map_or("-".to_owned(), |end| number(end * scale));
    format!("[{}, {}]", end(interval.low), end(interval.high))
}

/// A percentile of spans in seconds, with its range.
pub(crate) fn percentile(sample: &Sample, at: Permille) -> String {
    if sample.is_empty() {
        return "-".to_owned();
    }
    format!("{} {}", seconds(sample.percentile(at)), range(sample.interval(at), NANO))
}

/// Median and 99th percentile of spans in seconds, without their ranges.
pub(crate) fn pair(sample: &Sample) -> String {
    format!("{} / {}", seconds(sample.percentile(MEDIAN)), seconds(sample.percentile(P99)))
}

/// A share in per cent with its range.
pub(crate) fn share(hits: u64, tries: u64) -> String {
    if tries == 0 {
        return "-".to_owned();
    }
    let found = hits as f64 / tries as f64;
    format!("{} % {}", number(found * 100.0), range(crate::lab::measure::interval::share(hits, tries), 100.0))
}

/// One table of the page.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) title: &'static str,
    /// What was done, in sentences.
    pub(crate) about: String,
    pub(crate) head: &'static [&'static str],
    pub(crate) rows: Vec<Vec<String>>,
    /// Where the figures are worse than the model's, with certainty.
    pub(crate) worse: Vec<String>,
}

impl Table {
    /// As a section of a Markdown page.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("## {}\n\n{}\n\n", self.title, self.about);
        let mut line = |cells: &mut dyn Iterator<Item = &str>| {
            let cells: Vec<&str> = cells.collect();
            text.push_str(&format!("| {} |\n", cells.join(" | ")));
        };
        line(&mut self.head.iter().copied());
        line(&mut self.head.iter().map(|_| "---"));
        for row in &self.rows {
            line(&mut row.iter().map(String::as_str));
        }
        text
    }
}
