//! A fault in a line of text: its name, then what a scenario file would say of it.

use std::fmt;

use serde_json::Value;

use crate::fault::Fault;

/// Its name and its fields, hosts by name.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        // As the file has it: an object of one name and its fields.
        let written = serde_json::to_value(self).unwrap_or_default();
        let fields = written.as_object().and_then(|fault| fault.values().next()).and_then(Value::as_object);
        for (name, value) in fields.into_iter().flatten().filter(|(_, value)| !is_empty(value)) {
            write!(f, ", {name} ")?;
            write_value(f, name, value)?;
        }
        Ok(())
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(serde_json::Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

fn write_value(f: &mut fmt::Formatter<'_>, name: &str, value: &Value) -> fmt::Result {
    match value {
        Value::String(text) => f.write_str(text),
        // Nothing but hosts stands in lists, and nothing else has a plain number under `of`.
        Value::Array(list) => write_list(f, list, |f, one| write_value(f, "of", one)),
        Value::Number(number) if name == "of" => write!(f, "n{number}"),
        Value::Object(fields) => {
            let fields: Vec<_> = fields.iter().collect();
            write_list(f, &fields, |f, (name, value)| {
                write!(f, "{name} ")?;
                write_value(f, name, value)
            })
        }
        other => write!(f, "{other}"),
    }
}

fn write_list<T>(
    f: &mut fmt::Formatter<'_>,
    list: &[T],
    write: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    f.write_str("(")?;
    for (place, one) in list.iter().enumerate() {
        if place > 0 {
            f.write_str(" ")?;
        }
        write(f, one)?;
    }
    f.write_str(")")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::fault::{Hosts, Links, WallClock};

    #[test]
    fn reads_as_the_file_does() {
        let crash =
            Fault::Crash { hosts: Hosts::These(vec![3, 5]), clock: WallClock::Stuck, address: Default::default() };
        assert_eq!(crash.to_string(), "crash, address same, clock stuck, hosts (n3 n5)");
        let cut = Fault::Cut { links: Links::between(&[0], &[1]) };
        assert_eq!(cut.to_string(), "cut, links (from (n0) to (n1) ways both)");
        let split = Fault::Partition { groups: vec![vec![0], vec![1, 2]], bridges: vec![] };
        assert_eq!(split.to_string(), "partition, groups ((n0) (n1 n2))");
        let slow = Fault::Slow { hosts: Hosts::All, service: Duration::from_millis(3) };
        assert_eq!(slow.to_string(), "slow, hosts all, service 3ms");
        assert_eq!(Fault::Twin { of: 2 }.to_string(), "twin, of n2");
        let loss = Fault::Loss { links: Links::default(), permille: 9 };
        assert_eq!(loss.to_string(), "loss, permille 9");
    }
}
