//! Tables for people, one JSON object for programs, and the quantiles both hold.

#![allow(dead_code)]

use std::time::Duration;

use serde_json::{Map, Value, json};

/// Options that no value follows.
const FLAGS: [&str; 2] = ["--json", "--quick"];

/// What a measuring command was asked for: `[which] [--key value]... [--json] [--quick]`.
pub struct Arguments {
    words: Vec<String>,
}

impl Arguments {
    /// None when this was not started by `cargo bench`, as when all targets are run as tests: measuring takes too long
    /// there.
    pub fn read() -> Option<Self> {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let is_bench = words.iter().any(|word| word == "--bench");
        let words = words.into_iter().filter(|word| word != "--bench").collect();
        is_bench.then_some(Arguments { words })
    }

    pub fn wants_json(&self) -> bool {
        self.has("--json")
    }

    /// Whether figures are not wanted, but to see that all of it works.
    pub fn wants_quick(&self) -> bool {
        self.has("--quick")
    }

    fn has(&self, flag: &str) -> bool {
        self.words.iter().any(|word| word == flag)
    }

    /// Whether a part is wanted: it was named, or nothing was.
    pub fn wants(&self, part: &str) -> bool {
        let mut named = self.words.iter().enumerate().filter(|(place, word)| !self.is_option(*place, word)).peekable();
        named.peek().is_none() || named.any(|(_, word)| word == part)
    }

    /// The number behind `--key`.
    pub fn number(&self, key: &str, default: u64) -> u64 {
        self.text(key).and_then(|value| value.parse().ok()).unwrap_or(default)
    }

    /// The word behind `--key`.
    pub fn text(&self, key: &str) -> Option<&str> {
        let place = self.words.iter().position(|word| word.strip_prefix("--") == Some(key))?;
        self.words.get(place + 1).map(String::as_str)
    }

    fn is_option(&self, place: usize, word: &str) -> bool {
        let before = place.checked_sub(1).and_then(|before| self.words.get(before));
        let is_value = before.is_some_and(|before| before.starts_with("--") && !FLAGS.contains(&&**before));
        word.starts_with("--") || is_value
    }
}

/// A table with a row for each case measured.
pub struct Table {
    title: String,
    columns: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

/// A value and how many decimals of it are worth printing.
#[derive(Clone)]
pub enum Cell {
    Count(u64),
    Number(f64, usize),
    Text(String),
}

impl From<u64> for Cell {
    fn from(count: u64) -> Self {
        Cell::Count(count)
    }
}

impl From<usize> for Cell {
    fn from(count: usize) -> Self {
        Cell::Count(count as u64)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Cell::Text(text.to_owned())
    }
}

/// A number with two decimals.
pub fn number(value: f64) -> Cell {
    Cell::Number(value, 2)
}

/// A span in seconds, to the millisecond.
pub fn seconds(span: Duration) -> Cell {
    Cell::Number(span.as_secs_f64(), 3)
}

/// A span in milliseconds, to the microsecond.
pub fn millis(span: Duration) -> Cell {
    Cell::Number(span.as_secs_f64() * 1_000.0, 3)
}

/// "met" or "MISSED".
pub fn verdict(is_met: bool) -> Cell {
    Cell::from(if is_met { "met" } else { "MISSED" })
}

impl Cell {
    fn text(&self) -> String {
        match self {
            Cell::Count(count) => count.to_string(),
            Cell::Number(value, decimals) => format!("{value:.decimals$}"),
            Cell::Text(text) => text.clone(),
        }
    }

    fn json(&self) -> Value {
        match self {
            Cell::Count(count) => json!(count),
            Cell::Number(value, _) => json!(value),
            Cell::Text(text) => json!(text),
        }
    }
}

impl Table {
    pub fn new(title: &str, columns: &[&'static str]) -> Self {
        Table { title: title.to_owned(), columns: columns.to_vec(), rows: Vec::new() }
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    fn print(&self) {
        let texts: Vec<Vec<String>> = self.rows.iter().map(|row| row.iter().map(Cell::text).collect()).collect();
        let width = |column: usize| {
            let cells = texts.iter().filter_map(|row| row.get(column)).map(|text| text.chars().count());
            cells.chain([self.columns[column].chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let line = |cells: &[String]| -> String {
            cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:>width$}  ")).collect()
        };
        println!("{}", self.title);
        println!("{}", line(&self.columns.iter().map(|column| (*column).to_owned()).collect::<Vec<_>>()).trim_end());
        for row in &texts {
            println!("{}", line(row).trim_end());
        }
        println!();
    }

    fn json(&self) -> Value {
        let row = |cells: &Vec<Cell>| {
            let fields = self.columns.iter().zip(cells).map(|(column, cell)| (column.replace(' ', "_"), cell.json()));
            Value::Object(fields.collect::<Map<_, _>>())
        };
        json!({ "title": self.title, "rows": self.rows.iter().map(row).collect::<Vec<_>>() })
    }
}

/// Prints the tables, or one JSON object that holds them.
pub fn print(arguments: &Arguments, tables: &[Table]) {
    if arguments.wants_json() {
        println!("{}", json!({ "tables": tables.iter().map(Table::json).collect::<Vec<_>>() }));
    } else {
        tables.iter().for_each(Table::print);
    }
}

/// The value below which this share of the sorted values lies (nearest rank); zero when there is none.
pub fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or_default()
}

/// Minimum, median, p99 and maximum, sorting the values.
pub fn spread(values: &mut [Duration]) -> [Duration; 4] {
    values.sort_unstable();
    [0.0, 0.5, 0.99, 1.0].map(|share| quantile(values, share))
}
