//! The voters that the show asks for: all five after a third of the time, and any three of them after two.

use std::time::Duration;

use crate::{NAMES, VOTERS};

/// Which lists are to follow one another, and how far that has come.
#[derive(Debug)]
pub struct Plan {
    /// Each with the moment from which it is asked for.
    lists: Vec<(Duration, String)>,
    done: usize,
}

impl Plan {
    /// `below` draws a number below another.
    pub fn new(time: Duration, mut below: impl FnMut(usize) -> usize) -> Self {
        let mut last = NAMES.to_vec();
        while last.len() > VOTERS {
            last.remove(below(last.len()));
        }
        let lists = vec![
            (Duration::ZERO, NAMES[..VOTERS].join(" ")),
            (time / 3, NAMES.join(" ")),
            (time * 2 / 3, last.join(" ")),
        ];
        Plan { lists, done: 1 }
    }

    /// The list to ask for now.
    pub fn wanted(&self, elapsed: Duration) -> Option<&str> {
        self.lists.get(self.done).filter(|(from, _)| *from <= elapsed).map(|(_, list)| list.as_str())
    }

    /// A broker asked for a list, and it is the voters' now.
    pub fn note(&mut self, list: &str) {
        self.done += usize::from(self.lists.get(self.done).is_some_and(|(_, wanted)| wanted == list));
    }

    pub fn is_done(&self) -> bool {
        self.done == self.lists.len()
    }

    /// The lists that were in force.
    pub fn past(&self) -> Vec<&str> {
        self.lists[..self.done].iter().map(|(_, list)| list.as_str()).collect()
    }
}
