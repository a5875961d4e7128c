//! The file of what the hot path costs, and how it is compared with what was counted.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, Result};

use super::profile::Profile;

/// What the file says of each workload.
#[derive(Debug, PartialEq)]
pub(crate) struct Counts(BTreeMap<String, Count>);

#[derive(Clone, Copy, Debug, PartialEq)]
struct Count {
    /// Instructions of Rust code for each item.
    instructions: f64,
    /// Allocations for each frame, by whomever.
    allocations: f64,
}

/// What was counted of one workload.
pub(crate) struct Measured {
    name: String,
    count: Count,
    /// Instructions of the cryptographic library for each item.
    library: f64,
    /// Instructions of the system's libraries for each item.
    system: f64,
}

/// A workload beside what the file says of it.
pub(crate) struct Verdict<'m> {
    measured: &'m Measured,
    expected: Option<Count>,
}

impl Measured {
    /// Of a profile of so many frames and items.
    pub(crate) fn new(name: String, profile: &Profile, frames: u32, items: u32) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a profile has fewer than 2^52 instructions")]
        let each = |sum: u64, of: u32| sum as f64 / f64::from(of);
        let count = Count { instructions: each(profile.own, items), allocations: each(profile.allocations, frames) };
        Self { name, count, library: each(profile.library, items), system: each(profile.system, items) }
    }
}

impl Counts {
    /// What was counted, as the file has it.
    pub(crate) fn of(measured: &[Measured]) -> Self {
        Self(measured.iter().map(|measured| (measured.name.clone(), measured.count)).collect())
    }

    /// Reads the file.
    ///
    /// # Errors
    /// If it is not what [`Counts`] is shown as.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let table: toml::Table = text.parse()?;
        let count = |(name, value): (&String, &toml::Value)| {
            let number = |what| value.get(what).and_then(toml::Value::as_float);
            let count = Count { instructions: number("instructions")?, allocations: number("allocations")? };
            Some((name.clone(), count))
        };
        let counts = table.iter().map(count).collect::<Option<_>>();
        counts.map(Self).context("each workload has `instructions` and `allocations`, as numbers with a fraction")
    }

    /// Puts both beside each other.
    pub(crate) fn compare<'m>(&self, measured: &'m [Measured]) -> Vec<Verdict<'m>> {
        measured.iter().map(|measured| Verdict { measured, expected: self.0.get(&measured.name).copied() }).collect()
    }

    /// Names of the file that were not counted.
    pub(crate) fn unknown(&self, measured: &[Measured]) -> Vec<String> {
        self.0.keys().filter(|name| measured.iter().all(|measured| measured.name != **name)).cloned().collect()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{HEAD}")?;
        for (name, Count { instructions, allocations }) in &self.0 {
            writeln!(formatter, "\"{name}\" = {{ instructions = {instructions:.1}, allocations = {allocations:.2} }}")?;
        }
        Ok(())
    }
}

impl Verdict<'_> {
    /// What is wrong, if anything is.
    pub(crate) fn fault(&self) -> Option<String> {
        let Measured { name, count, .. } = self.measured;
        let Some(expected) = self.expected else { return Some(format!("{name} is not in the file")) };
        let (now, then) = (count.instructions, expected.instructions);
        if now > then * (1.0 + TOLERANCE) {
            return Some(format!("{name} costs {now:.1} instructions an item instead of {then:.1}"));
        }
        let (now, then) = (count.allocations, expected.allocations);
        (now > then * (1.0 + TOLERANCE) + BY_CHANCE)
            .then(|| format!("{name} allocates {now:.2} times a frame instead of {then:.2}"))
    }

    /// Whether the file promises less than there is.
    pub(crate) fn is_cheaper(&self) -> bool {
        self.expected.is_some_and(|expected| {
            self.measured.count.instructions < expected.instructions * (1.0 - TOLERANCE)
                || self.measured.count.allocations < expected.allocations * (1.0 - TOLERANCE) - BY_CHANCE
        })
    }
}

/// A row for each workload.
pub(crate) fn table(verdicts: &[Verdict<'_>]) -> String {
    let mut table = format!(
        "{:<36} {:>12} {:>9} {:>8} {:>9} {:>8} {:>12}\n",
        "workload", "instructions", "the file", "change", "library", "system", "allocations"
    );
    for Verdict { measured, expected } in verdicts {
        let Measured { name, count, library, system } = measured;
        let (then, change) = expected.map_or_else(Default::default, |expected| {
            let change = 100.0 * (count.instructions / expected.instructions - 1.0);
            (format!("{:.1}", expected.instructions), format!("{change:+.1} %"))
        });
        let (instructions, allocations) = (count.instructions, count.allocations);
        table += &format!(
            "{name:<36} {instructions:>12.1} {then:>9} {change:>8} {library:>9.0} {system:>8.0} {allocations:>12.2}\n"
        );
    }
    table
        + "instructions of Rust code an item, of the cryptographic library, of the system's libraries; allocations a frame"
}

/// What a change may add before it has to be said. Another choice of the compiler what to inline is worth a percent.
const TOLERANCE: f64 = 0.05;
/// Allocations for each frame that there may be by chance: while everything is set up, other threads decide what is waited for.
const BY_CHANCE: f64 = 0.05;

const HEAD: &str = "\
# What the hot path costs, counted by `cargo xtask instructions` and written by `cargo xtask instructions --write`:
# instructions of Rust code for each item, and allocations for each frame, the cryptographic library's included.";

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(name: &str, own: u64, allocations: u64) -> Measured {
        Measured::new(name.to_owned(), &Profile { own, allocations, ..Profile::default() }, 10, 100)
    }

    fn compared(own: u64, allocations: u64) -> (bool, bool) {
        let counts = Counts::of(&[measured("encrypt", 20_000, 20)]);
        let measured = [measured("encrypt", own, allocations)];
        let verdict = &counts.compare(&measured)[0];
        (verdict.fault().is_some(), verdict.is_cheaper())
    }

    #[test]
    fn what_is_written_is_read_again() {
        let counts = Counts::of(&[measured("encrypt/1KiB/16items", 20_000, 20), measured("sign", 0, 0)]);
        assert_eq!(Counts::parse(&counts.to_string()).unwrap(), counts);
    }

    #[test]
    fn more_than_a_twentieth_more_is_a_fault_and_more_than_a_twentieth_less_is_told() {
        assert_eq!(compared(20_000, 20), (false, false));
        assert_eq!(compared(20_990, 20), (false, false));
        assert_eq!(compared(21_010, 20), (true, false));
        assert_eq!(compared(19_010, 20), (false, false));
        assert_eq!(compared(18_990, 20), (false, true));
    }

    #[test]
    fn allocations_that_are_no_chance_are_a_fault_and_fewer_are_told() {
        assert_eq!(compared(20_000, 22), (true, false));
        assert_eq!(
            compared(20_000, 21),
            (false, false),
            "a tenth of one for each frame, and a twentieth more than before"
        );
        assert_eq!(compared(20_000, 18), (false, true));
    }

    #[test]
    fn workloads_must_be_in_the_file_and_the_file_names_no_others() {
        let counts = Counts::of(&[measured("gone", 1, 1)]);
        let now = [measured("new", 1, 1)];
        assert!(counts.compare(&now)[0].fault().unwrap().contains("not in the file"));
        assert_eq!(counts.unknown(&now), ["gone"]);
    }

    #[test]
    fn files_of_another_shape_are_refused() {
        for text in ["x", "a = 1", "a = { instructions = 1.0 }", "a = { instructions = 1, allocations = 1.0 }"] {
            assert!(Counts::parse(text).is_err(), "accepted {text}");
        }
    }
}
