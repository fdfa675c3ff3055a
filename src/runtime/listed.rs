//! Lists in log lines and errors, kept short.

use std::fmt;

/// What is named in one line or error.
pub(crate) const NAMED_MAX: usize = 8;

/// The first few of a list, and how many more there are.
pub(crate) fn listed<T: fmt::Display>(items: &[T]) -> String {
    let mut text: Vec<String> = items.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    if items.len() > NAMED_MAX {
        text.push(format!("{} more", items.len() - NAMED_MAX));
    }
    text.join(", ")
}
