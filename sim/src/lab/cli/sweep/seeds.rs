//! A range of seeds, as the command line writes it: `A..B`.

use std::fmt;
use std::str::FromStr;

/// From the first up to, but without, the end; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seeds {
    first: u64,
    end: u64,
}

impl Seeds {
    /// None if that is no seed at all.
    pub(crate) fn new(first: u64, end: u64) -> Option<Self> {
        (first < end).then_some(Seeds { first, end })
    }

    pub(crate) fn first(self) -> u64 {
        self.first
    }

    pub(crate) fn end(self) -> u64 {
        self.end
    }

    pub(crate) fn count(self) -> u64 {
        self.end - self.first
    }
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.replace('_', "").parse::<u64>().ok();
        let (first, end) = text.split_once("..").ok_or("write seeds as A..B, e.g. 0..1000")?;
        let (Some(first), Some(end)) = (number(first), number(end)) else {
            return Err("seeds are whole numbers: write them as A..B, e.g. 0..1000".to_owned());
        };
        Seeds::new(first, end).ok_or_else(|| format!("there is no seed in {first}..{end}: the end is not one of them"))
    }
}

impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.first, self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_and_what_is_no_range_is_refused() {
        assert_eq!("3..1_000".parse::<Seeds>().unwrap().to_string(), "3..1000");
        assert_eq!("0..1".parse::<Seeds>().unwrap().count(), 1);
        for bad in ["", "5", "5..5", "9..3", "a..b", "..5", "5..", "-1..5", "0..=5", "0..99999999999999999999999"] {
            assert!(bad.parse::<Seeds>().is_err(), "{bad}");
        }
    }
}
