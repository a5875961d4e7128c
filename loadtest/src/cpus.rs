//! Which processors a thread or a daemon may run on.

use std::str::FromStr;

use anyhow::{Context, bail};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Numbers of processors, ascending, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cpus(Vec<usize>);

impl Cpus {
    /// Those that the calling thread may run on.
    ///
    /// # Errors
    /// If the system does not tell.
    pub(crate) fn current() -> anyhow::Result<Self> {
        let set = sched_getaffinity(None).context("the system does not tell on which processors this may run")?;
        Ok(Self((0..CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect()))
    }

    /// Lets the calling thread, and those that it starts, run on these only.
    ///
    /// # Errors
    /// If there is none of them.
    pub(crate) fn pin(&self) -> anyhow::Result<()> {
        let mut set = CpuSet::new();
        self.0.iter().for_each(|&cpu| set.set(cpu));
        sched_setaffinity(None, &set)
            .with_context(|| format!("cannot run on CPU {self}: see `nproc` and `taskset -p $$`"))
    }

    /// Does something here, and returns to where the calling thread was.
    ///
    /// # Errors
    /// If there is none of them.
    pub(crate) fn visit<T>(&self, work: impl FnOnce() -> T) -> anyhow::Result<T> {
        let before = Self::current()?;
        self.pin()?;
        let done = work();
        before.pin()?;
        Ok(done)
    }

    /// One processor each.
    pub(crate) fn each(&self) -> impl Iterator<Item = Self> {
        self.0.iter().map(|&cpu| Self(vec![cpu]))
    }
}

/// Numbers and ranges: `0`, `0,2`, `0-3,8`.
impl FromStr for Cpus {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let mut cpus = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let number = |text: &str| text.parse().ok().filter(|&cpu: &usize| cpu < CpuSet::MAX_CPU);
            let (Some(first), Some(last)) = (number(first), number(last)) else {
                bail!("{part:?} is no processor: write numbers below {} and ranges, as in 0,2-3", CpuSet::MAX_CPU);
            };
            if first > last {
                bail!("{part:?} is no range: the smaller number comes first");
            }
            cpus.extend(first..=last);
        }
        cpus.sort_unstable();
        cpus.dedup();
        Ok(Self(cpus))
    }
}

impl std::fmt::Display for Cpus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let numbers: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&numbers.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_ranges_are_understood() {
        for (text, cpus) in [("0", &[0][..]), ("2,0", &[0, 2]), ("1-3,8", &[1, 2, 3, 8]), ("1,1-2", &[1, 2])] {
            assert_eq!(text.parse::<Cpus>().unwrap().0, cpus);
        }
    }

    #[test]
    fn what_is_no_processor_is_refused() {
        for text in ["", ",", "a", "-1", "1-", "3-1", "1 ", "99999999", "0-99999999"] {
            assert!(text.parse::<Cpus>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_visitor_returns() {
        let before = Cpus::current().unwrap();
        let one = before.each().last().unwrap();
        assert_eq!(one.visit(|| Cpus::current().unwrap()).unwrap(), one);
        assert_eq!(Cpus::current().unwrap(), before);
    }

    #[test]
    fn a_pinned_thread_runs_there_only() {
        let before = Cpus::current().unwrap();
        let one = before.each().last().unwrap();
        one.pin().unwrap();
        assert_eq!(Cpus::current().unwrap(), one);
        before.pin().unwrap();
        assert_eq!(Cpus::current().unwrap(), before);
    }
}
