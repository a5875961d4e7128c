//! On what a figure was measured: without it, it says nothing.

use std::fs;

use serde::Serialize;

/// The machine, as far as figures depend on it.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    processor: String,
    /// All that the system has; load and daemon may be pinned to some.
    cores: usize,
    kernel: String,
}

impl Machine {
    /// This one. What the system does not tell is unknown.
    pub(crate) fn this() -> Self {
        let unknown = || "unknown".to_owned();
        let read = |path| fs::read_to_string(path).ok();
        let cpuinfo = read("/proc/cpuinfo").unwrap_or_default();
        let processor = model(&cpuinfo).unwrap_or_else(unknown);
        let kernel = read("/proc/sys/kernel/osrelease").map_or_else(unknown, |text| text.trim().to_owned());
        Self { processor, cores: cores(&cpuinfo), kernel }
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {} cores, Linux {}", self.processor, self.cores, self.kernel)
    }
}

/// The model of the first processor in proc(5)'s `cpuinfo`.
fn model(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    let (_, model) = line.split_once(':')?;
    Some(model.trim().to_owned())
}

/// How many processors proc(5)'s `cpuinfo` names.
fn cores(cpuinfo: &str) -> usize {
    cpuinfo.lines().filter(|line| line.starts_with("processor")).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_that_of_the_first_processor() {
        let text = "processor\t: 0\nmodel name\t: First (R) 1\n\nprocessor\t: 1\nmodel name\t: Second\n";
        assert_eq!(model(text), Some("First (R) 1".to_owned()));
        assert_eq!(cores(text), 2);
        assert_eq!(model("processor : 0\n"), None);
    }
}
