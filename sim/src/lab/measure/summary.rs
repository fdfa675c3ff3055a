//! Measures as a table and as JSON.

use serde_json::{Value, json};

use crate::lab::measure::Measures;
use crate::lab::measure::interval;
use crate::lab::measure::sample::{MEDIAN, P99, P999, Permille, Sample};
use crate::lab::measure::text::{grouped, number, range};

/// The percentiles that are told.
const TOLD: [(&str, Permille); 3] = [("median", MEDIAN), ("p99", P99), ("p999", P999)];
const NANO: f64 = 1e-9;
const HOUR: f64 = 3_600.0;

impl Measures {
    /// The samples by name, each with the unit that its values are in and what one of it is in that unit.
    fn samples(&self) -> [(&'static str, &'static str, f64, &Sample); 7] {
        [
            ("first_suspect", "s", NANO, &self.first_suspect),
            ("first_dead", "s", NANO, &self.first_dead),
            ("last_dead", "s", NANO, &self.last_dead),
            ("first_to_last_dead", "s", NANO, &self.spread),
            ("join_all_know", "s", NANO, &self.joined),
            ("datagrams_per_node", "1/s", 0.001, &self.datagrams_rate),
            ("bytes_per_node", "1/s", 1.0, &self.bytes_rate),
        ]
    }

    /// Deaths of processes that ran: whether provisional, whether the observer ailed, whether the victim did, and how
    /// many.
    fn false_kinds(&self) -> impl Iterator<Item = (bool, bool, bool, u64)> + '_ {
        (0..8).map(|kind| {
            let (provisional, observer, victim) = (kind & 4 != 0, kind & 2 != 0, kind & 1 != 0);
            let is_one = |death: &&crate::lab::measure::observer::FalseDeath| {
                (death.verdict.is_provisional, death.observer_ailed, death.victim_ailed)
                    == (provisional, observer, victim)
            };
            (provisional, observer, victim, self.false_deaths.iter().filter(is_one).count() as u64)
        })
    }

    fn certain(&self) -> u64 {
        self.false_deaths.iter().filter(|death| !death.verdict.is_provisional).count() as u64
    }

    fn node_hours(&self) -> f64 {
        self.node_time.as_secs_f64() / HOUR
    }

    /// Everything as a table for people; a range in brackets holds the true figure in 95 of 100 cases.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = format!(
            "{} runs, {:.0} s virtual, {} node-hours, {} datagrams, {} bytes\n\n",
            grouped(self.runs),
            self.lasted.as_secs_f64(),
            number(self.node_hours()),
            grouped(self.datagrams),
            grouped(self.bytes)
        );

        let head = ["", "n", "min", "median", "p99", "p99.9", "max"];
        let mut rows = vec![head.map(str::to_owned)];
        for (name, unit, scale, sample) in self.samples() {
            let value = |value: Option<u64>| value.map_or("-".to_owned(), |value| number(value as f64 * scale));
            let at = |at| {
                let value = value(sample.percentile(at));
                if sample.is_empty() { value } else { format!("{value} {}", range(sample.interval(at), scale)) }
            };
            let name = format!("{} ({unit})", name.replace('_', " "));
            let (min, max) = (value(sample.min()), value(sample.max()));
            rows.push([name, grouped(sample.len() as u64), min, at(MEDIAN), at(P99), at(P999), max]);
        }
        text.push_str(&aligned(&rows));
        text.push('\n');

        for (name, count) in [
            ("crashes", self.crashes),
            ("of them not known to all", self.unfound),
            ("joins", self.joins),
            ("suspicions told", self.suspects),
            ("refutations told", self.refuted),
            ("refutations made", self.refutations),
            ("false deaths, certain", self.certain()),
            ("false deaths, provisional", self.false_deaths.len() as u64 - self.certain()),
            ("incidents of false death", self.incidents),
        ] {
            let per_hour = interval::count(count);
            let rate = count as f64 / self.node_hours().max(1e-9);
            let range = range(per_hour, 1.0 / self.node_hours().max(1e-9));
            text.push_str(&format!("{name:<26} {:>10}   per node-hour {} {range}\n", grouped(count), number(rate)));
        }

        for (provisional, observer, victim, count) in self.false_kinds().filter(|kind| kind.3 > 0) {
            let word = |ails: bool| if ails { "an ailing" } else { "a healthy" };
            let kind = if provisional { "provisional" } else { "certain" };
            text.push_str(&format!(
                "  {kind}, {} member at {} observer: {}\n",
                word(victim),
                word(observer),
                grouped(count)
            ));
        }

        text
    }

    /// Everything as an object; spans are in seconds, and what is not known is null.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut object = serde_json::Map::new();

        for (name, unit, scale, sample) in self.samples() {
            let value = |value: Option<u64>| value.map(|value| value as f64 * scale);
            let mut one =
                json!({ "unit": unit, "n": sample.len(), "min": value(sample.min()), "max": value(sample.max()) });
            for (word, at) in TOLD {
                let interval = sample.interval(at);
                let ends = [interval.low, interval.high].map(|end| end.map(|end| end * scale));
                one[word] = json!(value(sample.percentile(at)));
                one[format!("{word}_95")] = json!(ends);
            }
            object.insert(name.to_owned(), one);
        }

        for (name, count) in [
            ("crashes", self.crashes),
            ("crashes_not_known_to_all", self.unfound),
            ("joins", self.joins),
            ("suspects", self.suspects),
            ("refuted", self.refuted),
            ("refutations", self.refutations),
            ("false_deaths_certain", self.certain()),
            ("false_deaths_provisional", self.false_deaths.len() as u64 - self.certain()),
            ("false_death_incidents", self.incidents),
        ] {
            object.insert(name.to_owned(), count.into());
        }

        let at_whom = self.false_kinds().map(|(provisional, observer, victim, count)| {
            json!({ "provisional": provisional, "observer_ails": observer, "member_ails": victim, "count": count })
        });
        object.insert("false_deaths".to_owned(), at_whom.collect());
        object.insert("node_hours".to_owned(), self.node_hours().into());

        let per_hour = interval::count(self.certain());
        let ends = [per_hour.low, per_hour.high].map(|end| end.map(|end| end / self.node_hours().max(1e-9)));
        object.insert("false_deaths_certain_per_node_hour_95".to_owned(), json!(ends));

        Value::Object(object)
    }
}

/// Rows with their columns one below the other: the first to the left, the others to the right.
fn aligned(rows: &[[String; 7]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..7).map(width).collect();
    let mut text = String::new();
    for row in rows {
        text.push_str(&format!("{:<1$}", row[0], widths[0]));
        row.iter().zip(&widths).skip(1).for_each(|(cell, width)| text.push_str(&format!("  {cell:>width$}")));
        text.push('\n');
    }
    text
}
