//! Nodes by their names, one or many, in as few characters as will do.

use std::collections::BTreeSet;

use super::commands::{Number, runs};

/// Longer lists are counted instead.
const LIST_MAX: usize = 12;

pub fn name(number: Number) -> String {
    format!("n{number}")
}

/// The number in a node's name.
pub fn number(name: &str) -> Option<Number> {
    name.strip_prefix('n')?.parse().ok()
}

/// `n1 n2 n5`, `n1-n20`, or `23 nodes`.
pub fn list(numbers: &BTreeSet<Number>) -> String {
    if numbers.is_empty() {
        return "nobody".to_owned();
    }
    let text = runs(numbers).split(',').map(|run| format!("n{}", run.replace('-', "-n"))).collect::<Vec<_>>().join(" ");
    if text.len() > LIST_MAX { format!("{} nodes", numbers.len()) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_short() {
        assert_eq!(list(&[1, 2, 4, 5].into()), "n1 n2 n4 n5");
        assert_eq!(list(&(1..=50).collect()), "n1-n50");
        assert_eq!(list(&[1, 3, 4, 5].into()), "n1 n3-n5");
        assert_eq!(list(&[].into()), "nobody");
        assert_eq!(list(&(1..=50).step_by(2).collect()), "25 nodes");
        assert_eq!((number("n12"), number("x"), number("n")), (Some(12), None, None));
    }
}
