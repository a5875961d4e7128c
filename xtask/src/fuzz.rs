//! `cargo xtask fuzz`: runs the fuzz targets, starting from the vectors.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Error, Result, ensure};

use crate::process;
use crate::tools::CARGO_FUZZ;
use crate::vector::{self, Vector};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The target to fuzz; all of them if it is not given
    #[arg(value_parser = TARGETS.map(|target| target.name))]
    target: Option<String>,
    /// How long each target runs
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// Builds with the address sanitizer, for long runs: needs a nightly compiler
    #[arg(long)]
    address_sanitizer: bool,
}

impl Arguments {
    /// All targets, for the default time.
    pub(crate) fn smoke() -> Self {
        Self { target: None, seconds: 20, address_sanitizer: false }
    }
}

/// Builds and runs the targets one after the other; returns a summary.
///
/// # Errors
/// If a target does not build or has found something.
pub(crate) fn run(arguments: &Arguments) -> Result<String> {
    let fuzzer = Fuzzer { address_sanitizer: arguments.address_sanitizer };
    let wanted = |target: &&Target| arguments.target.as_deref().is_none_or(|name| name == target.name);
    let targets: Vec<&Target> = TARGETS.iter().filter(wanted).collect();

    let vectors = vector::all(Path::new(VECTORS)).map_err(Error::msg)?;
    for target in &targets {
        write_seeds(target, &vectors)?;
    }
    process::run(fuzzer.command("build")?.args(arguments.target.as_deref()))?;

    let mut executions = 0;
    let mut findings = Vec::new();
    for target in &targets {
        let report = fuzzer.fuzz(target, arguments.seconds)?;
        println!("fuzz {:<12} {:>11} executions, {} findings", target.name, report.executions, report.findings.len());
        executions += report.executions;
        findings.extend(report.findings);
    }
    let summary = format!("{} targets, {executions} executions, {} findings", targets.len(), findings.len());
    ensure!(findings.is_empty(), "{summary}; what was found: {}", findings.join(", "));
    Ok(summary)
}

/// One parser under test: `fuzz/fuzz_targets/<name>.rs`.
struct Target {
    name: &'static str,
    /// What a vector gives this target to start from.
    seed: fn(&Vector) -> Option<Vec<u8>>,
}

const TARGETS: [Target; 6] = [
    Target { name: "frame", seed: |vector| is_frame(vector).then(|| vector.bytes.clone()) },
    Target { name: "request", seed: |vector| if is_reply(vector) { None } else { operation_and_body(vector) } },
    Target { name: "response", seed: |vector| if is_reply(vector) { operation_and_body(vector) } else { None } },
    Target { name: "ciphertext", seed: |vector| (!is_frame(vector)).then(|| vector.bytes.clone()) },
    Target { name: "record", seed: |_| None },
    Target { name: "audit", seed: |_| None },
];

fn is_frame(vector: &Vector) -> bool {
    vector.area() != "ciphertext"
}

fn is_reply(vector: &Vector) -> bool {
    vector.line("direction") == Some("reply")
}

/// The opcode and the body of a whole frame (SPEC.md section 2).
fn operation_and_body(vector: &Vector) -> Option<Vec<u8>> {
    let (header, body) = vector.bytes.split_at_checked(HEADER_SIZE).filter(|_| is_frame(vector))?;
    Some([header.get(OPCODE_OFFSET..=OPCODE_OFFSET)?, body].concat())
}

/// Where a target's inputs stand: those that it finds and keeps from run to run.
fn corpus(target: &Target) -> PathBuf {
    Path::new("target/fuzz-corpus").join(target.name)
}

/// Where the inputs stand that a target starts from.
fn seeds(target: &Target) -> PathBuf {
    Path::new("target/fuzz-seeds").join(target.name)
}

/// Writes the vectors as files of bytes, and makes the folder of what a run will find.
fn write_seeds(target: &Target, vectors: &[Vector]) -> Result<()> {
    let folder = seeds(target);
    for folder in [&folder, &corpus(target)] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    for vector in vectors {
        if let Some(seed) = (target.seed)(vector).filter(|seed| seed.len() <= SEED_SIZE_MAX) {
            let case = vector.path.file_stem().unwrap_or_default().display();
            let path = folder.join(format!("{}_{case}", vector.area()));
            fs::write(&path, seed).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(())
}

/// How targets are built.
struct Fuzzer {
    address_sanitizer: bool,
}

struct Report {
    executions: u64,
    /// Paths of the inputs that made the target fail.
    findings: Vec<String>,
}

impl Fuzzer {
    /// `cargo fuzz <subcommand>`, with everything that is the same for building and running.
    ///
    /// By default there is no sanitizer, and so the compiler of the workspace will do: what is fuzzed is safe Rust, and
    /// the C beneath it is not instrumented by Rust's sanitizers.
    fn command(&self, subcommand: &str) -> Result<Command> {
        let mut command = CARGO_FUZZ.command()?;
        let sanitizer = if self.address_sanitizer {
            command.env("RUSTUP_TOOLCHAIN", "nightly").env_remove("CARGO").env_remove("RUSTC");
            "address"
        } else {
            "none"
        };
        command.args([subcommand, "--sanitizer", sanitizer, "--target-dir", "target/fuzz"]);
        Ok(command)
    }

    fn fuzz(&self, target: &Target, seconds: u64) -> Result<Report> {
        let committed = Path::new("fuzz/corpus").join(target.name);
        let mut command = self.command("run")?;
        command.arg(target.name).args([corpus(target), seeds(target)]).args(committed.is_dir().then_some(committed));
        command.args(["--", "-print_final_stats=1", "-timeout=10"]);
        command.arg(format!("-max_len={SEED_SIZE_MAX}")).arg(format!("-max_total_time={seconds}"));
        process::show(&command);

        let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {}", target.name))?;
        let log = String::from_utf8_lossy(&output.stderr);
        let report = report(&log);
        if !output.status.success() {
            eprintln!("{log}");
        }
        ensure!(output.status.success() || !report.findings.is_empty(), "{} ended with {}", target.name, output.status);
        ensure!(report.executions > 0, "{} executed nothing", target.name);
        Ok(report)
    }
}

/// What libFuzzer's output says.
fn report(log: &str) -> Report {
    let after = |prefix| log.lines().filter_map(move |line| Some(line.split_once(prefix)?.1.trim()));
    Report {
        executions: after("stat::number_of_executed_units:").filter_map(|count| count.parse::<u64>().ok()).sum(),
        findings: after("Test unit written to ").map(str::to_owned).collect(),
    }
}

const VECTORS: &str = "protocol/tests/vectors";

const HEADER_SIZE: usize = 40;
const OPCODE_OFFSET: usize = 5;

/// Longest input in bytes: room for two of the largest plaintexts (32,768), and small enough for many runs a second.
const SEED_SIZE_MAX: usize = 80 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_report_of_a_clean_run() {
        let report = report("INFO: seed\nstat::number_of_executed_units: 4711\nstat::peak_rss_mb:   74\n");
        assert_eq!((report.executions, report.findings.len()), (4711, 0));
    }

    #[test]
    fn reads_the_report_of_a_finding() {
        let log = "==1== ERROR: libFuzzer: deadly signal\nartifact_prefix='a/'; Test unit written to fuzz/artifacts/frame/crash-1\n\
                   stat::number_of_executed_units: 3\n";
        assert_eq!(report(log).findings, ["fuzz/artifacts/frame/crash-1"]);
    }

    #[test]
    fn seeds_of_the_message_targets_are_opcode_and_body() {
        let seed = |area: &str, bytes: &[u8]| {
            let text = format!("expect: ok\n\n{}", vector::hex(bytes));
            operation_and_body(&Vector::parse(&Path::new(area).join("case.txt"), &text).unwrap())
        };
        let frame: Vec<u8> = (0..43).collect();
        assert_eq!(seed("ping", &frame), Some(vec![5, 40, 41, 42]));
        assert_eq!(seed("ping", &[0; 39]), None);
        assert_eq!(seed("ciphertext", &frame), None);
    }
}
