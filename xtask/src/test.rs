//! `cargo xtask test`: every test of the workspace.

use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};

use crate::{api, instructions, process, programs};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Installs missing programs that tests call (by apt-get, as root or by sudo)
    #[arg(long)]
    install: bool,
}

impl Arguments {
    pub(crate) fn installing() -> Self {
        Self { install: true }
    }
}

/// Runs unit, integration and documentation tests, all of them even if one fails; shows what cargo prints. Then compares the control port with its description, and the instructions of the
/// hot path with what they were.
///
/// # Errors
/// If a program is missing that must not be, if something does not build, if a test fails, if there was no test, or if the hot path costs more than it may.
pub(crate) fn run(arguments: &Arguments) -> Result<Tally> {
    programs::ensure_present(arguments.install)?;
    // Tests start programs of other packages, which `cargo test` alone would not build.
    process::run(&mut process::cargo(["build", "--workspace", "--bins", "--tests"]))?;

    let mut command = process::cargo(["test", "--workspace", "--no-fail-fast"]);
    process::show(&command);
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start cargo test")?;
    let output = child.stdout.take().context("cargo test has no output")?;
    let tally = pass_on_and_count(BufReader::new(output), std::io::stdout())?;
    let status = child.wait().context("cannot wait for cargo test")?;

    println!("\n{tally}");
    ensure!(status.success(), "{} ended with {status}", process::line(&command));
    ensure!(tally.passed > 0, "no test ran");
    println!("{}", api::run(arguments.install)?);
    println!("{}", instructions::run(&instructions::Arguments::checking())?);
    Ok(tally)
}

/// Sums of the closing lines of all test programs.
#[derive(Clone, Copy, Default, Debug, PartialEq)]
pub(crate) struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.ignored)
    }
}

impl Tally {
    /// Adds a closing line: `test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; ...`; ignores other lines.
    fn add(&mut self, line: &str) {
        let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". ")) else {
            return;
        };
        for count in counts.split("; ") {
            let (number, name) = count.split_once(' ').unwrap_or_default();
            let number = number.parse().unwrap_or(0);
            match name {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

/// Passes lines on to `screen` as they come. Tests may print anything, so they are bytes.
fn pass_on_and_count(mut output: impl BufRead, mut screen: impl Write) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line).context("cannot read the output of cargo test")? > 0 {
        screen.write_all(&line).and_then(|()| screen.flush()).context("cannot write to standard output")?;
        tally.add(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &str, passed: u64, failed: u64, ignored: u64) {
        let mut screen = Vec::new();
        assert_eq!(pass_on_and_count(lines.as_bytes(), &mut screen).unwrap(), Tally { passed, failed, ignored });
        assert_eq!(screen, lines.as_bytes());
    }

    #[test]
    fn sums_closing_lines() {
        check(
            "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n",
            5,
            0,
            1,
        );
        check(
            "test result: ok. 5 passed; 0 failed; 0 ignored\ntest result: FAILED. 2 passed; 3 failed; 0 ignored\n",
            7,
            3,
            0,
        );
    }

    #[test]
    fn ignores_other_lines() {
        check("", 0, 0, 0);
        check(
            "running 5 tests\ntest a ... ok\n5 passed; 1 failed\ntest result: \ntest result: ok. many passed\n",
            0,
            0,
            0,
        );
    }
}
